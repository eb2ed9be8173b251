"""Reads the outbox on for those who wait at the head of the feed, and sleeps when there is nothing."""

from __future__ import annotations

import anyio

from forwarder.backoff import Backoff
from forwarder.outbox.doorbell import Doorbell
from forwarder.outbox.feed import Feed
from forwarder.outbox.pages import Outbox

# While a writer that will not ring is in flight, we look for its changes this often, and then less and less often.
FIRST_LOOK_SECONDS = 0.002
LAST_LOOK_SECONDS = 0.05

# A statement and a request cost much the same for one change as for a hundred, and on a small machine what we burn is what the
# writers miss. So the more changes come at a time, the longer the next are given to gather.
LINGER_SECONDS_A_CHANGE = 0.0002
MAX_LINGER_SECONDS = 0.02
# This many fill a request, and more are no cheaper.
MANY_CHANGES = 500


class Pump:
    """Moves the head of a feed. Nothing is read that nobody waits for, so a slow sink costs the database nothing."""

    def __init__(self, outbox: Outbox, feed: Feed) -> None:
        self._outbox = outbox
        self._feed = feed
        self._floor_seq = feed.head.floor_seq

    def raise_floor(self, floor_seq: int) -> None:
        """From now on, no transaction begins that has a change with a seq of at most this."""
        self._floor_seq = max(self._floor_seq, floor_seq)

    async def listen(self, doorbell: Doorbell, *, poll_interval_seconds: float) -> None:
        """Read changes as they come, woken by the doorbell; until cancelled.

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
        """Read changes at intervals; no writer ever rings. Until cancelled.

        Raises:
            Unavailable: a connection is lost.
        """
        while True:
            await self._feed.wanted()
            if not await self._read():
                await anyio.sleep(interval_seconds)

    async def _sleep(self, doorbell: Doorbell, *, seconds: float) -> None:
        """With the bell armed, look once more, since what ended before is visible now; then sleep."""
        if not await self._read():
            await doorbell.wait(seconds)
        await doorbell.disarm()

    async def _read(self) -> int:
        """Read what is new; how many changes that was."""
        head = self._feed.head
        page = await self._outbox.drain(head, floor_seq=self._floor_seq)
        if page is None:
            self._feed.jump(await self._outbox.here())
            return MANY_CHANGES
        self._feed.publish(page, after=head)
        return len(page.events)


def linger_seconds(found: int) -> float:
    """How long to wait for more, when so many changes were there at once. Next to nothing on a quiet system."""
    return min(found * LINGER_SECONDS_A_CHANGE, MAX_LINGER_SECONDS) if found < MANY_CHANGES else 0.0
