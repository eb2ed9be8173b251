"""Reads the outbox from a position on, page by page, as events."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from operator import itemgetter

import asyncpg
import msgspec

from forwarder.cursor import Position, Snapshot
from forwarder.database import Connection, errors_of
from forwarder.event_reader import EventReader
from forwarder.events import Event
from forwarder.queries import query
from forwarder.registry import Registry
from forwarder.transactions import Transactions

Rows = Sequence[asyncpg.Record]


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """Some events, and the position that holds once they and all before them are delivered."""

    events: Sequence[Event]
    position: Position
    # Whether there may be more to read right now.
    more: bool


class _Header(msgspec.Struct):
    """What drain.sql says before the rows."""

    snapshot: str
    complete: bool


_HEADER = msgspec.json.Decoder(_Header)
_TXID = itemgetter(1)


class Outbox:
    """The outbox as one sink sees it: what comes after a position, each page in a short transaction of its own."""

    def __init__(
        self, connection: Connection, *, position: Position, registry: Registry, page_rows: int, page_bytes: int
    ) -> None:
        self._connection = connection
        self._page_rows = page_rows
        self._page_bytes = page_bytes
        self._transactions = Transactions()
        self._reader = EventReader(registry, self._transactions)
        self._position = position
        # No transaction that begins from now on has a change with a seq of at most this; see docs/architecture.md, "The floor".
        self.floor_seq = position.floor_seq

    async def read(self) -> Page:
        """Read the next page.

        Raises:
            Unavailable: the database does not answer; nothing is skipped if a new Outbox reads on from what was delivered.
        """
        with errors_of("cannot read the outbox"):
            rows, position = await (self._next_page() if self._position.batch else self._drain())
            events = await self._reader.read(self._connection, rows)
        self._position = position
        return Page(events=events, position=position, more=position.batch is not None)

    async def _drain(self) -> tuple[Rows, Position]:
        """Read all there is, if it fits in one page; else enter a batch and read its first page."""
        position = self._position
        # Both hold for the snapshot to be taken, the later one is the better.
        floor_seq = max(self.floor_seq, position.floor_seq)
        header_row, *rows = await self._connection.fetch(query("drain"), *self._bounds())
        header = _HEADER.decode(header_row["after"])
        if not header.complete:
            await self._enter_batch()
            return await self._next_page()
        for txid, total in Counter(map(_TXID, rows)).items():
            if total > 1:
                self._transactions.learn(txid, total=total)
        last_seq = rows[-1]["seq"] if rows else 0
        return rows, position.drained(Snapshot.parse(header.snapshot), floor_seq=floor_seq, last_seq=last_seq)

    async def _enter_batch(self) -> None:
        """Fix where the batch ends, and the floor of what comes after it, which must be read before."""
        floor_seq = await self._connection.fetchval(query("floor"))
        present = await self._connection.fetchrow(query("present"))
        assert present is not None
        self._position = self._position.entering(
            Snapshot(*present["snapshot"]), floor_seq=floor_seq, ceiling_seq=present["last_seq"]
        )

    async def _next_page(self) -> tuple[Rows, Position]:
        """Read the next page of the batch under way; none left means the batch is done."""
        batch = self._position.batch
        assert batch is not None
        rows = await self._connection.fetch(
            query("page"), *self._bounds(), batch.snapshot, batch.ceiling_seq, batch.last_seq, batch.by_seq
        )
        if not rows:
            return rows, self._position.finished()
        await self._count(map(_TXID, rows), up_to=batch.last_seq)
        return rows, self._position.advanced(rows[-1]["seq"])

    def _bounds(self) -> tuple[int, Sequence[int], int, int, int]:
        """The parameters that drain.sql and page.sql have in common."""
        delivered = self._position.delivered
        return delivered.xmax, delivered.running, self._position.floor_seq, self._page_rows, self._page_bytes

    async def _count(self, txids: Iterable[int], *, up_to: int) -> None:
        """Count the transactions that this page meets first; some of their changes may lie beyond it."""
        for txid, total, earlier in await self._connection.fetch(
            query("count_transactions"), self._transactions.unknown(txids), up_to
        ):
            self._transactions.learn(txid, total=total, earlier=earlier)
