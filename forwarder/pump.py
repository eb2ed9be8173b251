"""Moves changes from the outbox into the relay, and sleeps when there are none."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import anyio

from forwarder.backoff import Backoff
from forwarder.doorbell import Doorbell
from forwarder.errors import Refused
from forwarder.events import Event, Record
from forwarder.outbox import Outbox, Page
from forwarder.relay import Relay

Encoder = Callable[[Event], bytes]
KeyChooser = Callable[[Event], str]

# While a writer that will not ring is in flight, we look for its changes this often, and then less and less often.
FIRST_LOOK_SECONDS = 0.002
LAST_LOOK_SECONDS = 0.05

# A statement and a request cost much the same for one change as for a hundred, and on a small machine what we burn is what the
# writers miss. So the more changes come at a time, the longer the next are given to gather.
LINGER_SECONDS_A_CHANGE = 0.0002
MAX_LINGER_SECONDS = 0.02
# This many fill a request, and more are no cheaper.
MANY_CHANGES = 500

# 256 characters of up to four bytes.
MAX_KEY_BYTES = 1024


class Pump:
    """Reads as long as there is room, encodes, and hands over."""

    def __init__(
        self, outbox: Outbox, relay: Relay, *, encode: Encoder, choose_key: KeyChooser, max_record_bytes: int
    ) -> None:
        self._outbox = outbox
        self._relay = relay
        self._max_record_bytes = max_record_bytes
        self._encode = encode
        self._choose_key = choose_key

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
        undelivered = {event.seq for event in page.events}
        encode, choose_key = self._encode, self._choose_key
        records = [Record(event.seq, choose_key(event), encode(event), undelivered) for event in page.events]
        self._refuse_too_large(page.events, records)
        self._relay.offer(records, undelivered, page.position)
        return page

    def _refuse_too_large(self, events: Sequence[Event], records: Sequence[Record]) -> None:
        """Stop before a record that the sink would refuse for ever, and its whole request with it."""
        if max((len(record.data) for record in records), default=0) <= self._max_record_bytes - MAX_KEY_BYTES:
            return
        for event, record in zip(events, records, strict=True):
            size = len(record.data) + len(record.partition_key.encode())
            if size > self._max_record_bytes:
                raise Refused(
                    f"change {event.seq} of {event.table.schema}.{event.table.name} makes a record of {size} bytes, and "
                    f"the stream takes {self._max_record_bytes}; raise its limit (aws kinesis update-max-record-size)"
                )


def linger_seconds(moved: int) -> float:
    """How long to wait for more, when so many changes were there at once. Next to nothing on a quiet system."""
    return min(moved * LINGER_SECONDS_A_CHANGE, MAX_LINGER_SECONDS) if moved < MANY_CHANGES else 0.0
