"""What one sink takes from the feed: reads along, reads by itself what it has missed, and hands records to its relay."""

from __future__ import annotations

from collections.abc import Callable

from forwarder.cursor import Position
from forwarder.events import Table
from forwarder.feed import Feed
from forwarder.outbox import Outbox, Page
from forwarder.packing import Packer
from forwarder.relay import Relay
from forwarder.transactions import Transactions

Wants = Callable[[Table], bool]


class Intake:
    """Takes as long as there is room in memory. Slow or stuck, it holds up nobody but itself."""

    def __init__(
        self,
        feed: Feed,
        outbox: Outbox,
        *,
        position: Position,
        relay: Relay,
        packer: Packer,
        wants: Wants | None = None,
    ) -> None:
        """``wants`` tells which tables the sink is for; None: for all."""
        self._feed = feed
        self._outbox = outbox
        self._position = position
        self._relay = relay
        self._packer = packer
        self._wants = wants
        # Those that the next page goes on with.
        self._transactions = Transactions()

    async def run(self) -> None:
        """Take changes as they come, until cancelled.

        Raises:
            Unavailable: a connection is lost.
            Refused: a change is too large, and the policy is to stop.
        """
        while True:
            await self._take()

    async def catch_up(self) -> None:
        """Take what there was when the feed began."""
        while not self._feed.is_head(self._position):
            await self._take()

    async def _take(self) -> None:
        await self._relay.room()
        page = await self._next_page()
        wants = self._wants
        events = [event for event in page.events if wants(event.table)] if wants else page.events
        self._relay.offer(self._packer.pack(events), page.position, skipped=len(page.events) - len(events))
        self._position, self._transactions = page.position, page.transactions

    async def _next_page(self) -> Page:
        if page := await self._feed.after(self._position):
            return page
        async with self._feed.behind:
            return self._feed.kept(self._position) or await self._read()

    async def _read(self) -> Page:
        """Read on in the batch that is under way, or in one that leads up to the head."""
        position = self._position
        if position.batch is None:
            position = await self._outbox.entering(position, head=self._feed.head)
        self._relay.expect_page()
        page = await self._outbox.read(position, self._transactions)
        # Whoever stands where we stood may go on with the batch that we have entered.
        self._feed.share(self._position, page)
        return page
