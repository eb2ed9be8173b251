"""What one sink takes from the feed: pages that were read for all sinks, or, if it has missed some, pages that it reads by itself."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from dataclasses import replace
from math import inf
from typing import Protocol

import anyio
from anyio.abc import ObjectReceiveStream, ObjectSendStream

from forwarder.delivery.arrivals import Arrivals
from forwarder.delivery.relay import Relay
from forwarder.errors import Oversized, plain_errors
from forwarder.events import Event
from forwarder.health import ServiceState
from forwarder.listen.record_maker import RecordMaker
from forwarder.listen.table_filter import TableFilter
from forwarder.listen.table_moves import TableMoves
from forwarder.logs import Throttled
from forwarder.outbox.delivered_ahead import Ahead
from forwarder.outbox.feed import Feed
from forwarder.outbox.pages import Outbox, Page
from forwarder.outbox.position import Position, Snapshot
from forwarder.outbox.transactions import Transactions
from forwarder.records.tally import PageCount

# A change that is too large for the sink, and stops it, is tried again after so long: somebody may have raised the sink's limit.
OVERSIZED_RETRY_SECONDS = 5.0

logger = logging.getLogger(__name__)


class Observer(Protocol):
    """Somebody who is shown all changes of the pages that are taken, before they are handed to the relay."""

    def see(self, events: Iterable[Event]) -> None:
        """The sink takes these."""


class Intake:
    """Reads pages and hands their records to the relay, one page ahead of it. A sink that is slow or stuck holds up no other."""

    def __init__(
        self,
        feed: Feed,
        outbox: Outbox,
        *,
        position: Position,
        relay: Relay,
        maker: RecordMaker,
        state: ServiceState,
        arrivals: Arrivals,
        wants: TableFilter | None = None,
        ahead: Ahead | None = None,
        moves: TableMoves | None = None,
    ) -> None:
        """``wants`` tells which tables the sink is for; None: for all. ``ahead``, what was delivered beyond the position, is skipped.

        ``moves``: None if the sink has but one stream.
        """
        self._feed = feed
        self._outbox = outbox
        # Up to `_position` pages are read, and up to `_taken` they are with the relay.
        self._position = self._taken = position
        self._relay = relay
        self._maker = maker
        self._state = state
        self._arrivals = arrivals
        self._complaints = Throttled(seconds=60.0)
        self._wants = wants
        self._moves = moves
        self._ahead = None if ahead and ahead.is_behind(position) else ahead
        # The transactions of which the next page may have more changes.
        self._transactions = Transactions()
        # Whether a page is being read for this sink alone.
        self._is_reading = False
        # Held while a page is handed to the relay, and by whoever puts something of their own between two pages.
        self.turn = anyio.Lock()
        self._observers: list[Observer] = []
        self._has_taken = anyio.Event()
        # When everything that was read was taken, the last time that somebody has asked; and when the last change was taken.
        self._at_head = anyio.current_time()
        self._last_change = -inf

    @property
    def taken(self) -> Position:
        """Up to here all changes are with the relay."""
        return self._taken

    def behind_seconds(self) -> float:
        """How long there have been changes that were read, or can be, and are not taken."""
        if self._feed.is_head(self._taken):
            self._at_head = anyio.current_time()
        return anyio.current_time() - self._at_head

    def quiet_seconds(self) -> float:
        """How long ago the last change was taken."""
        return anyio.current_time() - self._last_change

    def show(self, observer: Observer) -> None:
        """Show what is taken from now on."""
        self._observers.append(observer)

    def hide(self, observer: Observer) -> None:
        """Show it no more."""
        self._observers = [other for other in self._observers if other is not observer]

    async def reaches(self, snapshot: Snapshot) -> None:
        """Wait until every change that the snapshot sees is taken."""
        while snapshot.is_after(self._taken.delivered):
            await self._has_taken.wait()

    async def moved(self) -> None:
        """Wait until another page is taken."""
        await self._has_taken.wait()

    async def run(self) -> None:
        """Take changes as they come, until cancelled. Where one is too large, and the policy is to stop, try it again every few seconds.

        Raises:
            Unavailable: a connection is lost.
        """
        while True:
            try:
                with plain_errors():
                    await self._flow(until=lambda: False)
            except Oversized as error:
                self._state.standstill = str(error)
                if self._complaints.due("oversized"):
                    logger.warning("delivery stops before a change", extra={"reason": str(error)})
            await anyio.sleep(OVERSIZED_RETRY_SECONDS)
            self._position, self._transactions = self._taken, Transactions()

    async def catch_up(self) -> None:
        """Take the changes that were there when the feed began.

        Raises:
            Unavailable: a connection is lost.
            Oversized: a change is too large, and the policy is to stop. All before it is taken.
        """
        await self._flow(until=lambda: self._feed.is_head(self._position))

    async def _flow(self, *, until: Callable[[], bool]) -> None:
        """Read one page after the other, and take each when the relay has room. While it waits for that, no further page is read."""
        self._feed.join(self._position)
        into, out_of = anyio.create_memory_object_stream[Page](0)
        with out_of:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(self._read_all, into, until)
                await self._take_all(out_of)

    async def _read_all(self, into: ObjectSendStream[Page], until: Callable[[], bool]) -> None:
        async with into:
            while not until():
                page = await self._next_page()
                self._position, self._transactions = page.position, page.transactions
                await into.send(page)
                # Else this page would stay in memory until the next one is read, and by then be one of three.
                del page

    async def _take_all(self, out_of: ObjectReceiveStream[Page]) -> None:
        while True:
            await self._relay.room()
            try:
                page = await out_of.receive()
            except anyio.EndOfStream:
                return
            try:
                await self._take(page)
            except Oversized as error:
                await self._take(_before(error.seq, page, begins=self._taken))
                raise
            self._state.standstill = None
            del page

    async def _take(self, page: Page) -> None:
        """Hand the relay the records of a page.

        Raises:
            Oversized: a change is too large, and the policy is to stop. Nothing of the page is taken.
        """
        async with self.turn:
            for observer in self._observers:
                observer.see(page.events)
            await self._hand_over(page)
        if page.events:
            self._last_change = anyio.current_time()
        self._has_taken.set()
        self._has_taken = anyio.Event()
        self.behind_seconds()

    async def _hand_over(self, page: Page) -> None:
        wants = self._wants
        wanted = events = [event for event in page.events if wants(event.table)] if wants else page.events
        if ahead := self._ahead:
            events = [event for event in events if not ahead.has(event.txid, event.seq)]
        packed = await self._maker.records(events, any_stored=page.any_stored)
        if self._moves:
            self._moves.take({event.table for event in events}, page.position)
        self._arrivals.expect(events, packed)
        self._relay.offer(packed, page.position, count=PageCount(wanted), skipped=len(page.events) - len(events))
        self._taken = page.position
        if ahead and ahead.is_behind(page.position):
            self._ahead = None
        if self._is_reading:
            self._relay.expect_page()
        if page.any_stored:
            await self._relay.follow(packed.later)
        if self._moves:
            self._moves.handed_over(page.position)

    async def _next_page(self) -> Page:
        """The page after ``_position``: from the feed, where the sink keeps up; else it is read for this sink, and others may find it."""
        if page := await self._feed.after(self._position):
            return page
        async with self._feed.behind:
            # Somebody else may have read it while we waited for our turn.
            return self._feed.kept(self._position) or await self._read()

    async def _read(self) -> Page:
        """Read the next page of the batch that is under way or, if none is, of one that leads up to the head."""
        position = self._position
        if position.batch is None:
            position = await self._outbox.entering(position, head=self._feed.head)
        self._is_reading = True
        self._relay.expect_page()
        page = await self._outbox.read(position, self._transactions)
        self._is_reading = False
        # It begins where we stood before we entered the batch: a sink that stands there may take it, and so enters the same batch.
        self._feed.share(self._position, page)
        return page


def _before(seq: int, page: Page, *, begins: Position) -> Page:
    """The part of a page before its change ``seq``. ``begins`` is the position before the page."""
    events = [event for event in page.events if event.seq < seq]
    return replace(
        page, events=events, position=begins.within(page.position, before_seq=seq, ceiling_seq=page.events[-1].seq)
    )
