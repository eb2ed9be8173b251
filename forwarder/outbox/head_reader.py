"""Reads the outbox for the sinks that wait at the head of the feed, and sleeps when nothing is new."""

from __future__ import annotations

import anyio

from forwarder.backoff import Backoff
from forwarder.outbox.doorbell import Doorbell
from forwarder.outbox.feed import Feed
from forwarder.outbox.pages import Outbox

# While the doorbell cannot be armed, since a writer that will not ring is in flight, its changes are looked for after these pauses: they
# begin with the first, and double up to the last.
FIRST_LOOK_SECONDS = 0.002
LAST_LOOK_SECONDS = 0.05

# A statement or a request costs about the same for one change as for a hundred, and takes its CPU from the writers where they share a
# machine. So after a read that found changes the next ones are given time to gather: 0.2 ms for each change that was found, 20 ms at most.
LINGER_SECONDS_A_CHANGE = 0.0002
MAX_LINGER_SECONDS = 0.02
# So many changes fill a request to Kinesis. After them nothing is gained by waiting.
MANY_CHANGES = 500


class HeadReader:
    """Moves the head of a feed. It reads only while a sink waits at the head, so a slow sink costs the database nothing."""

    def __init__(self, outbox: Outbox, feed: Feed) -> None:
        self._outbox = outbox
        self._feed = feed
        self._floor_seq = feed.head.floor_seq
        self._reading = anyio.Lock()

    def raise_floor(self, floor_seq: int) -> None:
        """Use this floor for the snapshots that are taken from now on, if it is higher than the one before."""
        self._floor_seq = max(self._floor_seq, floor_seq)

    async def listen(self, doorbell: Doorbell, *, poll_interval_seconds: float) -> None:
        """Read changes as they come, woken by the doorbell; until cancelled. docs/design/doorbell.md has the states.

        Raises:
            Unavailable: a connection is lost.
        """
        patience = Backoff(first_seconds=FIRST_LOOK_SECONDS, max_seconds=LAST_LOOK_SECONDS)
        while True:
            await self._feed.wanted()
            if found := await self._read():
                patience.reset()
                await anyio.sleep(linger_seconds(found))
            elif await doorbell.arm():
                patience.reset()
                await self._sleep(doorbell, seconds=poll_interval_seconds)
            else:
                await anyio.sleep(patience.next())

    async def poll(self, *, interval_seconds: float) -> None:
        """Read changes at intervals, until cancelled. The doorbell is never armed, so no writer notifies.

        Raises:
            Unavailable: a connection is lost.
        """
        while True:
            await self._feed.wanted()
            if not await self._read():
                await anyio.sleep(interval_seconds)

    async def _sleep(self, doorbell: Doorbell, *, seconds: float) -> None:
        """With the doorbell armed: read once more, since writers that did not ring have ended by now; sleep if that finds nothing."""
        if not await self._read():
            await doorbell.wait(seconds)
        await doorbell.disarm()

    async def look(self) -> None:
        """Read what is new without waiting for the doorbell: somebody needs the head to be beyond what is committed now.

        Raises:
            Unavailable: the connection is lost.
        """
        await self._read()

    async def _read(self) -> int:
        """Read what is new. Returns how many changes that was; ``MANY_CHANGES`` if they were more than a page."""
        async with self._reading:
            return await self._read_alone()

    async def _read_alone(self) -> int:
        head = self._feed.head
        page = await self._outbox.drain(head, floor_seq=self._floor_seq)
        if page is None:
            # Too many for one page: each sink reads them by itself, page by page.
            self._feed.jump(await self._outbox.here())
            return MANY_CHANGES
        self._feed.publish(page, after=head)
        return len(page.events)


def linger_seconds(found: int) -> float:
    """How long to let changes gather after a read that found so many: 1 change 0.2 ms, 100 or more 20 ms, 500 or more 0."""
    return min(found * LINGER_SECONDS_A_CHANGE, MAX_LINGER_SECONDS) if found < MANY_CHANGES else 0.0
