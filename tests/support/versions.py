"""Whether a stream ever tells an older state of a row behind a newer one. Pure."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec


class _Row(msgspec.Struct):
    v: int


class _Record(msgspec.Struct):
    id: str
    op: str
    table: str
    key: msgspec.Raw
    before: _Row | None
    after: _Row | None


_RECORD = msgspec.json.Decoder(_Record)
_OF_ROWS = frozenset(("insert", "update", "delete", "read"))


def steps_back(records: Iterable[bytes]) -> list[str]:
    """What is told behind a newer state of its row, of records in the order of their shard; repeats are left out.

    Each row has a column ``v``, which rises with every change of it; and a row that comes again under a key has a higher one than the last. Rows
    without a key are not looked at: nothing tells them apart.
    """
    known: set[str] = set()
    newest: dict[tuple[str, str], int] = {}
    found: list[str] = []
    for data in records:
        record = _RECORD.decode(data)
        if record.op not in _OF_ROWS or record.id in known or bytes(record.key) == b"null":
            continue
        known.add(record.id)
        name = record.table, bytes(record.key).decode()
        image = record.after or record.before
        assert image is not None, data
        # A delete tells the version that it ends: nothing of that version or of one before it may follow.
        version = 2 * image.v + (record.after is None)
        if version < newest.get(name, -1) or (version == newest.get(name) and record.op != "read"):
            found.append(f"{record.op} of version {image.v} behind {newest[name] / 2}: {data.decode()}")
        newest[name] = max(version, newest.get(name, -1))
    return found
