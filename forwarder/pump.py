"""Moves changes from the outbox into the relay, and sleeps when there are none."""

from __future__ import annotations

import anyio

from forwarder.backoff import Backoff
from forwarder.doorbell import Doorbell
from forwarder.outbox import Outbox, Page
from forwarder.packing import Packer
from forwarder.relay import Relay

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
    """Reads as long as there is room, packs, and hands over."""

    def __init__(self, outbox: Outbox, relay: Relay, packer: Packer) -> None:
        self._outbox = outbox
        self._relay = relay
        self._packer = packer

    async def drain(self) -> int:
        """Move all there is, waiting for room in memory between pages; how many changes that was."""
        moved = 0
        while True:
            await self._relay.room()
            page = await self._move_page()
            moved += len(page.events)
            if not page.more:
                return moved

    async def listen(self, doorbell: Doorbell, *, poll_interval_seconds: float) -> None:
        """Move changes as they come, woken by the doorbell; until cancelled."""
        patience = Backoff(first_seconds=FIRST_LOOK_SECONDS, max_seconds=LAST_LOOK_SECONDS)
        while True:
            if moved := await self.drain():
                patience.reset()
                await anyio.sleep(linger_seconds(moved))
            elif await doorbell.arm():
                patience.reset()
                await self._sleep(doorbell, seconds=poll_interval_seconds)
            else:
                await anyio.sleep(patience.next())

    async def poll(self, *, interval_seconds: float) -> None:
        """Move changes at intervals; no writer ever rings. Until cancelled."""
        while True:
            if not await self.drain():
                await anyio.sleep(interval_seconds)

    async def _sleep(self, doorbell: Doorbell, *, seconds: float) -> None:
        """With the bell armed, look once more, since what ended before is visible now; then sleep."""
        page = await self._move_page()
        if not page.events:
            await doorbell.wait(seconds)
        await doorbell.disarm()

    async def _move_page(self) -> Page:
        page = await self._outbox.read()
        self._relay.offer(self._packer.pack(page.events), page.position)
        return page


def linger_seconds(moved: int) -> float:
    """How long to wait for more, when so many changes were there at once. Next to nothing on a quiet system."""
    return min(moved * LINGER_SECONDS_A_CHANGE, MAX_LINGER_SECONDS) if moved < MANY_CHANGES else 0.0
