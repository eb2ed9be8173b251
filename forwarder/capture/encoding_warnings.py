"""Warns of a database whose encoding can hold text that records cannot."""

from forwarder.database.sessions import Connection, database_errors

# Encodings of which every character can become UTF-8. In the others some cannot, or mean nothing.
SAFE_ENCODINGS = {
    *("UTF8", "ISO_8859_5", "KOI8R", "KOI8U", "WIN866", "WIN1256"),
    *(f"LATIN{number}" for number in (1, 2, 4, 5, 6, 7, 8, 9, 10)),
}


async def encoding_warnings(connection: Connection) -> tuple[str, ...]:
    """At most one line, with the remedy.

    Raises:
        Unavailable: the database does not answer.
    """
    with database_errors("cannot read the encoding of the database"):
        encoding: str = await connection.fetchval("SELECT getdatabaseencoding()")
    if encoding in SAFE_ENCODINGS:
        return ()
    warning = (
        f"encoding {encoding} of the database can hold text that cannot become UTF-8: the image of a row with such text is"
        " delivered as null, with a fault; correct such text, or move to a database in UTF8"
    )
    return (warning,)
