"""What an operation of ``Event.op`` is called in records."""

OPERATIONS = {
    b"I": "insert",
    b"U": "update",
    b"D": "delete",
    b"R": "read",
    b"L": "load",
    b"T": "truncate",
    b"G": "gap",
    b"E": "event",
    b"S": "schema",
}
