"""Makes what a load passes on of the result of a chunk's statement. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from itertools import repeat
from operator import itemgetter

import asyncpg

from forwarder.load.chunk import ReadRow
from forwarder.load.chunk_query import NOT_MADE, TOO_LARGE, ChunkQuery
from forwarder.load.makers import TURN, Age, age, maker
from forwarder.outbox.position import Snapshot

_image = itemgetter(0)
# For each row of millions, a third of the time that the class itself takes.
_row = partial(tuple.__new__, ReadRow)


class Making:
    """What the columns of a result mean: those that ``ChunkQuery`` says."""

    __slots__ = ("_extra", "_is_careful", "_relation")

    def __init__(self, of: ChunkQuery) -> None:
        self._relation = of.relation
        self._is_careful = of.is_careful
        self._extra = of.needs.extra

    def made(self, records: Sequence[asyncpg.Record]) -> Sequence[asyncpg.Record]:
        """The rows before the first whose image was not made, since the chunk had enough bytes."""
        images = list(map(_image, records))
        return records[: images.index(NOT_MADE)] if NOT_MADE in images else records

    def sizes(self, records: Sequence[asyncpg.Record]) -> Sequence[int]:
        """The bytes of each image, as UTF-8; 0: there is none."""
        images = list(map(_image, records))
        if None not in images and "".join(images).isascii():
            return list(map(len, images))
        return [len(image.encode()) if image else 0 for image in images]

    def rows(self, records: Sequence[asyncpg.Record]) -> Sequence[ReadRow | None]:
        """A row for each; None: it does not meet the conditions."""
        if not self._is_careful:
            images = list(map(_image, records))
            if None not in images:
                nothing = repeat(None)
                return list(
                    map(
                        _row,
                        zip(
                            repeat(self._relation), images, nothing, repeat(self._extra), nothing, nothing, strict=False
                        ),
                    )
                )
            return [self._simple(record[0], record[1]) for record in records]
        return [self._careful(*tuple(record)[:4]) for record in records]

    def key(self, record: asyncpg.Record) -> tuple[str, ...]:
        """The row's place in the order of reading."""
        return tuple(record)[4 if self._is_careful else 2 :]

    def _simple(self, image: str | None, key: str | None) -> ReadRow | None:
        if image is not None:
            return ReadRow(self._relation, image, None, self._extra, None, None)
        return None if key is None else ReadRow(self._relation, None, TOO_LARGE, None, key or None, None)

    def _careful(self, image: str | None, fault: str | None, extra: str | None, key: str | None) -> ReadRow | None:
        return None if image is None and fault is None else ReadRow(self._relation, image, fault, extra, key, None)


class KeylessMaking(Making):
    """The same of a table without a key: rows that were made since the beginning of the load are left out, since they are told as changes."""

    __slots__ = ("_begun", "_now", "_surely_old_below", "seeming")

    def __init__(self, of: ChunkQuery, *, begun: Snapshot, now: Snapshot) -> None:
        """``now``: the snapshot of the chunk."""
        super().__init__(of)
        self._begun = begun
        self._now = now
        self._surely_old_below = begun.xmin if now.xmax < TURN else 0
        # Rows of which this cannot be told by their xmin alone. They are not left out.
        self.seeming: list[tuple[Age, int, ReadRow]] = []

    def rows(self, records: Sequence[asyncpg.Record]) -> Sequence[ReadRow | None]:
        """A row for each; None: it does not meet the conditions, or is new."""
        return [row and self._old(row, record) for record, row in zip(records, super().rows(records), strict=True)]

    def _old(self, row: ReadRow, record: asyncpg.Record) -> ReadRow | None:
        xmin: int = record[-1]
        # Nearly all rows are told to be old like this.
        made = Age.OLD if xmin < self._surely_old_below else age(xmin, self._begun, self._now)
        if made is Age.NEW:
            return None
        relation, image, fault, extra, key, _ = row
        identified = _row((relation, image, fault, extra, key, f"{self.place(record)}/{xmin}"))
        if made is not Age.OLD:
            self.seeming.append((made, maker(xmin, self._now), identified))
        return identified

    def place(self, record: asyncpg.Record) -> str:
        """Where the row is in the file."""
        block, number = record[-2]
        return f"({block},{number})"
