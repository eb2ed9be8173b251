"""A consumer of several shards that keeps to the rule of docs/formats.md, and to nothing else. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from random import Random
from typing import Literal, NamedTuple

import msgspec


class Load(msgspec.Struct):
    """What a record says of the load that it belongs to."""

    number: int
    # Of its beginning or end.
    state: Literal["began", "finished"] | None = None
    rows: int | None = None


class Record(msgspec.Struct, kw_only=True):
    """A record of the native format, its key and its images as they are written."""

    id: str
    seq: int
    op: Literal["insert", "update", "delete", "truncate", "gap", "event", "read", "load"]
    table: str
    partition: str | None = None
    key: msgspec.Raw
    before: msgspec.Raw
    after: msgspec.Raw
    fault: str | None = None
    load: Load | None = None


class Change(NamedTuple):
    """The row with this key, or where there is none one that is like this old image, becomes the new image, or goes without one."""

    table: str
    key: str | None
    before: str | None
    after: str | None


class Emptied(NamedTuple):
    """Of a table without a key, or of a partition of one, all rows go."""

    table: str
    partition: str | None


class _Row(NamedTuple):
    seq: int
    partition: str | None


class Consumer:
    """Keeps with each row the seq of its last change, and with each table and partition that of its last TRUNCATE.

    A table without a key has no rows to keep a seq with, but all of it is in one shard: there repeats are known by their ids.
    """

    def __init__(self) -> None:
        self.repeats = 0
        self.gaps: list[Record] = []
        self._rows: defaultdict[str, dict[str, _Row]] = defaultdict(dict)
        self._truncated: defaultdict[tuple[str, str | None], int] = defaultdict(int)
        self._ids: set[str] = set()

    def read(self, data: bytes) -> Iterator[Change | Emptied]:
        """What is to be done for the next record of some shard."""
        record = _RECORD.decode(data)
        is_known = record.id in self._ids
        self._ids.add(record.id)
        self.repeats += is_known
        if record.op == "event":
            # It tells of no row.
            return
        if record.op == "gap":
            self.gaps.append(record)
        elif record.op == "load":
            # Rows without a key cannot be told from those that are held, so these go before they are told anew.
            if not is_known and record.load and record.load.state == "began":
                yield Emptied(record.table, None)
        elif record.op == "truncate":
            yield from self._truncate(record)
        elif not self._was_truncated(record):
            yield from self._change(record, is_known=is_known)

    def _change(self, record: Record, *, is_known: bool) -> Iterator[Change]:
        key, before, after = _text(record.key), _text(record.before), _text(record.after)
        if key is None:
            if not is_known:
                yield Change(record.table, None, before, after)
            return
        rows = self._rows[record.table]
        if key in rows and record.seq <= rows[key].seq:
            return
        if after is None:
            rows.pop(key, None)
        else:
            rows[key] = _Row(record.seq, record.partition)
        # A key that moved is all that is told of the old row where old rows are left out. And what comes again after its row was deleted
        # may meet an older state of it, until all of it has come again.
        is_old_row = before != key and not is_known
        yield Change(record.table, key, before if is_old_row else None, after)

    def _was_truncated(self, record: Record) -> bool:
        """Since this change, which another shard had later."""
        return any(record.seq < self._truncated[record.table, place] for place in (None, record.partition))

    def _truncate(self, record: Record) -> Iterator[Change | Emptied]:
        place = record.table, record.partition
        if record.seq <= self._truncated[place]:
            return
        self._truncated[place] = record.seq
        yield Emptied(*place)
        rows = self._rows[record.table]
        for key, row in list(rows.items()):
            if row.seq < record.seq and record.partition in (None, row.partition):
                del rows[key]
                yield Change(record.table, key, None, None)


class _Numbered(msgspec.Struct):
    seq: int


_RECORD = msgspec.json.Decoder(Record)
_SEQ = msgspec.json.Decoder(_Numbered)


def _text(raw: msgspec.Raw) -> str | None:
    text = bytes(raw).decode()
    return None if text == "null" else text


def seq_of(data: bytes) -> int:
    """The number of the change that a record tells of."""
    return _SEQ.decode(data).seq


def at_different_speeds(shards: Sequence[Sequence[bytes]], *, seed: int) -> Iterator[bytes]:
    """The records of all shards as readers have them: each shard's in their order, now some of this one and then some of that.

    Now and then a reader is replaced, and the next one begins some records before, as those do that have noted how far they were.
    """
    choice = Random(seed)
    places = [0 for _ in shards]
    while unread := [number for number, shard in enumerate(shards) if places[number] < len(shard)]:
        number = choice.choice(unread)
        first = max(0, places[number] - choice.choice((0, 0, 0, 5, 50)))
        places[number] += choice.choice((1, 10, 100))
        yield from shards[number][first : places[number]]
