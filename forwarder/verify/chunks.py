"""Reads rows of a table, as images, by chunks in the order of its key or by their keys; each time at one snapshot, which it returns.

``queries_of`` is pure.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple

import asyncpg

from forwarder.database.queries import query
from forwarder.database.quoting import identifier
from forwarder.database.sessions import Connection, database_errors
from forwarder.errors import Misconfigured, Refused
from forwarder.outbox.position import Snapshot
from forwarder.verify.content import Told
from forwarder.verify.row_images import RowImages
from forwarder.verify.subject import Subject

FIRST_ROWS = 1000
MAX_ROWS = 5000
# A chunk is meant to have about so many bytes of images: rows of a megabyte come by fours.
_CHUNK_BYTES = 4 << 20

# The values of a key, each as the text that PostgreSQL writes for it.
KeyTexts = tuple[str, ...]
# From images of rows to what they tell.
Tell = Callable[[Sequence[str]], Sequence[Told]]


class Row(NamedTuple):
    """A row of the table."""

    key: KeyTexts
    told: Told


class Chunk(NamedTuple):
    """Rows, as they were at one snapshot. ``row_bytes``: how large an image of them is on average."""

    rows: Sequence[Row]
    row_bytes: int


class Found(NamedTuple):
    """What there was of some keys at a snapshot: of each the key as the records write it, and the row; None: there is none."""

    snapshot: Snapshot
    rows: Sequence[tuple[str, Told | None]]


class Queries(NamedTuple):
    """The statements for one table."""

    first: str
    next: str
    by_keys: str


def queries_of(subject: Subject, images: RowImages) -> Queries:
    """The statements that read this table."""
    names = [identifier(column.name) for column in subject.key]
    key = ", ".join(f"new.{name}" for name in names)
    texts = ", ".join(f"new.{name}::text" for name in names)
    values = [f"value{number}" for number, _ in enumerate(names, start=1)]
    last = ", ".join(f"${number}::text::{column.type}" for number, column in enumerate(subject.key, start=2))
    typed = [f"wanted.{value}::{column.type}" for value, column in zip(values, subject.key, strict=True)]
    parts = {"table": subject.quoted, "image": images.row, "condition": subject.condition}
    chunk = query("chunk")
    return Queries(
        first=chunk.format(**parts, key=key, key_texts=texts, after="true"),
        next=chunk.format(**parts, key=key, key_texts=texts, after=f"({key}) > ({last})"),
        by_keys=query("rows_of_keys").format(
            **parts,
            key_image=images.key({column.name: value for column, value in zip(subject.key, typed, strict=True)}),
            parameters=", ".join(f"${number}::text[]" for number, _ in enumerate(values, start=1)),
            values=", ".join(values),
            is_same=" AND ".join(f"new.{name} = {value}" for name, value in zip(names, typed, strict=True)),
        ),
    )


class TableChunks:
    """The rows of one table, by a session that is used for nothing else meanwhile."""

    def __init__(self, connection: Connection, subject: Subject, images: RowImages, tell: Tell) -> None:
        self.subject = subject
        self._connection = connection
        self._tell = tell
        self._queries = queries_of(subject, images)
        self._what = f"cannot read {subject.qualified_name}"

    async def prepare(self) -> None:
        """Set up the session."""
        schemas = dict.fromkeys(["pg_catalog", *(column.schema for column in self.subject.key)])
        with database_errors(self._what):
            await self._connection.fetchrow(query("reading"), ", ".join(schemas))

    async def all(self) -> AsyncIterator[Chunk]:
        """All rows, in the order of the key, each chunk at a snapshot of its own.

        Raises:
            Refused: the table may not be read, or was altered or dropped meanwhile.
            Unavailable: the database does not answer.
        """
        count, last = FIRST_ROWS, None
        while True:
            parameters = (count,) if last is None else (count, *last)
            text = self._queries.first if last is None else self._queries.next
            with self._errors():
                _, found = await self._fetch(text, *parameters)
            if not found:
                return
            last = tuple(found[-1]["key"])
            images = [row["image"] for row in found]
            row_bytes = max(1, sum(map(len, images)) // len(images))
            rows = [Row(tuple(row["key"]), told) for row, told in zip(found, self._tell(images), strict=True)]
            yield Chunk(rows, row_bytes)
            count = max(1, min(MAX_ROWS, 2 * count, _CHUNK_BYTES // row_bytes))

    async def of(self, keys: Sequence[KeyTexts]) -> Found:
        """The rows with these keys, in this order.

        Raises:
            Misconfigured: one of them is no key of this table.
            Refused, Unavailable: as ``all``.
        """
        with self._errors():
            try:
                snapshot, found = await self._fetch(self._queries.by_keys, *map(list, zip(*keys, strict=True)))
            except asyncpg.DataError as error:
                types = ", ".join(f"{column.name} {column.type}" for column in self.subject.key)
                raise Misconfigured(f"{error}; the key of {self.subject.qualified_name} is {types}") from None
        there = iter(self._tell([row["image"] for row in found if row["image"] is not None]))
        wanted = self._tell([row["key"] for row in found])
        rows = [
            (key.key, next(there) if row["image"] is not None else None) for key, row in zip(wanted, found, strict=True)
        ]
        return Found(snapshot, rows)

    async def _fetch(self, text: str, *parameters: object) -> tuple[Snapshot, Sequence[asyncpg.Record]]:
        async with self._connection.transaction(isolation="repeatable_read", readonly=True):
            snapshot = Snapshot(*await self._connection.fetchval("SELECT pg_current_snapshot()"))
            return snapshot, await self._connection.fetch(text, *parameters)

    @contextmanager
    def _errors(self) -> Iterator[None]:
        with database_errors(self._what):
            try:
                yield
            except asyncpg.InsufficientPrivilegeError as error:
                raise Refused(f"{self._what}: {error}; GRANT SELECT on it to the role that verifies") from error
            except (asyncpg.UndefinedColumnError, asyncpg.UndefinedTableError) as error:
                raise Refused(f"{self._what}: {error}; it was altered meanwhile, so run it again") from error
