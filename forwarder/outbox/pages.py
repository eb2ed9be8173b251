"""Reads the outbox as events, from a position on.

1. ``drain`` reads all that is new by one statement, if that fits into a page.
2. If it does not, ``entering`` begins a batch that leads up to the head, and ``read`` returns one page of it after another. A page without
   events is the end of the batch.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from operator import itemgetter
from time import perf_counter

import asyncpg
import msgspec

from forwarder.database.queries import query
from forwarder.database.sessions import Connection, database_errors
from forwarder.errors import Unavailable
from forwarder.events import CapturedTable, Event
from forwarder.metrics import OutboxMetrics
from forwarder.outbox import transaction_counts
from forwarder.outbox.columns import unknown_columns
from forwarder.outbox.commit_times import CommitTimes
from forwarder.outbox.event_reader import EventReader, fetch_rows
from forwarder.outbox.floors import read_floor
from forwarder.outbox.keys import ReadKey
from forwarder.outbox.position import NOTHING, Position, Snapshot
from forwarder.outbox.registry import Registry
from forwarder.outbox.transactions import Count, Transactions


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """Some events, and the position that holds once they and all before them are delivered."""

    events: Sequence[Event]
    position: Position
    # Whether the images of some events may be in the database still: see `Event.stored`.
    any_stored: bool = False
    # Those that may have changes after this page too. Whoever reads the next page numbers on from here.
    transactions: Transactions = field(default_factory=Transactions)


class _Header(msgspec.Struct):
    """The first row of drain.sql."""

    snapshot: str
    complete: bool
    history_stamp: str | None
    # Of each table or partition that was written: the id of its table, its oid, and what is another text when it was renamed.
    stamps: tuple[tuple[int, int, str], ...] = ()


_HEADER = msgspec.json.Decoder(_Header)
_TXID = itemgetter(1)


class Outbox:
    """The outbox, on one connection that all readers in a process share. Each takes it for one statement, or a few, at a time.

    Every method raises ``Unavailable`` if the database does not answer, or if a dump was restored in its place since: what was read is then
    dropped, and a reader that begins again from its saved position misses nothing.
    """

    def __init__(
        self,
        connection: Connection,
        turn: AbstractAsyncContextManager[object],
        *,
        registry: Registry,
        history_stamp: str,
        page_rows: int,
        page_bytes: int,
        metrics: OutboxMetrics,
    ) -> None:
        """``turn`` is the lock of the connection. ``history_stamp`` is that of ``forwarder.store.history.History``."""
        self._connection = connection
        self._turn = turn
        self._registry = registry
        self._history_stamp = history_stamp
        self._page_rows = page_rows
        self._page_bytes = page_bytes
        self._metrics = metrics
        self._commit_times = CommitTimes()

    async def drain(self, position: Position, *, floor_seq: int) -> Page | None:
        """All that comes after a position; None if that is more than a page.

        ``floor_seq``: no transaction that begins from now on has a change with a seq of at most this; see
        docs/design/cursor.md.
        """
        began = perf_counter()
        page = await self._drain(position, floor_seq=floor_seq)
        seconds = perf_counter() - began
        self._metrics.read("head", seconds=seconds, changes=len(page.events) if page else 0)
        return page

    async def _drain(self, position: Position, *, floor_seq: int) -> Page | None:
        async with self._our_turn() as connection:
            header_row, *rows = await fetch_rows(connection.fetch, "drain", *self._bounds(position))
            header = _HEADER.decode(header_row["after"])
            self._check(header.history_stamp)
            if not header.complete:
                return None
            await self._registry.renew(connection, header.stamps)
            transactions = Transactions()
            for txid, total in Counter(map(_TXID, rows)).items():
                if total > 1:
                    transactions.learn(Count(txid, total))
            await self._doubt(connection, transactions, position)
            events, any_stored = await self._event_reader(transactions).read(connection, rows)
            if any_stored:
                await self._check_still(connection)
        # Both floors hold for the snapshot that was taken. The higher one spares the next statement more rows.
        after = position.drained(
            Snapshot.parse(header.snapshot),
            floor_seq=max(floor_seq, position.floor_seq),
            last_seq=rows[-1]["seq"] if rows else 0,
        )
        return Page(events=events, position=after, any_stored=any_stored)

    async def read(self, position: Position, transactions: Transactions) -> Page:
        """The next page of the batch that is under way at a position. A page without events ends the batch.

        ``transactions`` are those of the page before. Other readers may use the connection between the statements of this one.
        """
        began = perf_counter()
        page = await self._read(position, transactions)
        self._metrics.read("backlog", seconds=perf_counter() - began, changes=len(page.events))
        return page

    async def _read(self, position: Position, transactions: Transactions) -> Page:
        batch = position.batch
        if batch is None:
            raise ValueError("no batch is under way")
        of_batch = (batch.snapshot, batch.ceiling_seq, batch.last_seq, batch.floor_seq)
        rows = await self._fetch_page(*self._bounds(position), *of_batch)
        if not rows:
            return Page(events=(), position=position.finished())
        transactions = transactions.copy()
        unknown = transactions.unknown(map(_TXID, rows))
        for count in await transaction_counts.count(
            self._fetch, unknown, up_to_seq=batch.last_seq, numbered=batch.numbered
        ):
            transactions.learn(count)
        async with self._our_turn() as connection:
            await self._doubt(connection, transactions, position)
            events, any_stored = await self._event_reader(transactions).read(connection, rows)
            await self._check_still(connection)
        after = position.advanced(rows[-1]["seq"], places=transactions.places())
        return Page(events=events, position=after, any_stored=any_stored, transactions=transactions)

    async def _doubt(self, connection: Connection, transactions: Transactions, position: Position) -> None:
        """Where everything that is retained is read, say which transactions may have lost changes to retention.

        Asked for after the transactions were counted: what was dropped before or during the counting is known by then. A position with a
        snapshot needs none of this: what its snapshot does not see is not delivered, and so is never dropped.
        """
        if position.delivered == NOTHING:
            transactions.doubt(await connection.fetchval(query("dropped")))

    async def look_up_names(self) -> None:
        """Notice which tables were renamed. Changes that were read before keep the old name."""
        async with self._our_turn() as connection:
            await self._registry.refresh(connection)

    async def table(self, table_id: int) -> tuple[CapturedTable, ReadKey] | None:
        """A captured table as it is called now, and what reads the key out of an image of its rows; None if it is not captured any more."""
        if table_id not in self._registry.tables:
            await self.look_up_names()
        return self._registry.tables.get(table_id)

    async def partition(self, table: CapturedTable, relation: int) -> str | None:
        """The name of the partition with this oid; None if it is the table itself, or was dropped."""
        if relation == table.relation:
            return None
        async with self._our_turn() as connection:
            await self._registry.learn(connection, [(None, None, None, table.id, relation)])
        return self._registry.partition(table, relation)

    async def learn_columns(self, rows: Sequence[Event]) -> None:
        """Look up columns that the images of these rows of a table have and the registry does not know, if a format asks for columns."""
        if self._registry.with_columns and (unknown := unknown_columns(rows)):
            async with self._our_turn() as connection:
                await self._registry.learn_columns(connection, unknown)
            for event in rows:
                event.table, _ = self._registry.tables[event.table.id]

    async def here(self) -> Position:
        """A position that sees everything that is committed now."""
        async with self._our_turn() as connection:
            # First the floor, then the snapshot: a floor holds only for snapshots that are taken after it.
            floor_seq = await read_floor(connection)
            present = await self._present(connection)
        return Position(delivered=Snapshot(*present["snapshot"]), floor_seq=floor_seq)

    async def entering(self, position: Position, *, head: Position) -> Position:
        """The position at the start of a batch that leads from ``position`` to the head."""
        async with self._our_turn() as connection:
            present = await self._present(connection)
        return position.entering(head.delivered, floor_seq=head.floor_seq, ceiling_seq=present["last_seq"])

    def _bounds(self, position: Position) -> tuple[int, Sequence[int], int, int, int]:
        """The parameters that drain.sql and page.sql have in common."""
        delivered = position.delivered
        return delivered.xmax, delivered.running, position.floor_seq, self._page_rows, self._page_bytes

    def _event_reader(self, transactions: Transactions) -> EventReader:
        return EventReader(self._registry, transactions, self._commit_times)

    async def _fetch(self, name: str, *parameters: object) -> Sequence[asyncpg.Record]:
        async with self._our_turn() as connection:
            return await connection.fetch(query(name), *parameters)

    async def _fetch_page(self, *parameters: object) -> Sequence[asyncpg.Record]:
        async with self._our_turn() as connection:
            return await fetch_rows(connection.fetch, "page", *parameters)

    async def _present(self, connection: Connection) -> asyncpg.Record:
        present = await connection.fetchrow(query("present"))
        assert present is not None
        self._check(present["history_stamp"])
        return present

    async def _check_still(self, connection: Connection) -> None:
        """Make sure that all that was read until now is of our history."""
        self._check(await connection.fetchval(query("history_stamp")))

    def _check(self, history_stamp: str | None) -> None:
        if history_stamp != self._history_stamp:
            raise Unavailable("the database is in another history by now: a dump was restored, most likely")

    @asynccontextmanager
    async def _our_turn(self) -> AsyncIterator[Connection]:
        """The connection, for as long as nobody else has it."""
        async with self._turn:
            with database_errors("cannot read the outbox"):
                yield self._connection
