"""Saves the position after what was delivered, a few times a second or every 2,000 changes, and proves the leadership when idle."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from operator import attrgetter
from typing import TypeVar

import anyio

from forwarder.delivery.relay import Relay
from forwarder.delivery.tenure import Tenure
from forwarder.delivery.uptime import uptime_seconds
from forwarder.outbox.delivered_ahead import Ahead
from forwarder.store.portions import portions
from forwarder.store.positions import Positions

HEARTBEAT_SECONDS = 3.0
# After so many changes a save does not wait for the interval to be over: they would be repeated after a crash.
MANY_CHANGES = 2000

T = TypeVar("T")


class Checkpoints:
    """Keeps the stored position close behind the relay's.

    Positions are saved by the session that holds the leader's lock: whoever has lost it cannot save any more. So every save is
    a proof, and renews the lease. ``turn`` is the lock by which the parts of the leader share that session.
    """

    def __init__(
        self,
        positions: Positions,
        turn: anyio.Lock,
        *,
        relay: Relay,
        tenure: Tenure,
        raise_floor: Callable[[int], None],
        interval_seconds: float,
    ) -> None:
        """``raise_floor`` is told each floor that a save brings; see docs/design/cursor.md."""
        self._positions = positions
        self._relay = relay
        self._quarantine = tenure.quarantine
        self._lease = tenure.lease
        self._raise_floor = raise_floor
        self._interval_seconds = interval_seconds
        self._saved = relay.progress
        # What is delivered beyond the position is noted at intervals only: it takes some more work.
        self._noted = relay.progress
        self._note_due = 0.0
        self._note = tenure.ahead
        self._turn = turn

    async def run(self) -> None:
        """Save soon after something was delivered, until cancelled.

        Raises:
            Unavailable: the session is lost, and with it the leadership.
        """
        due = anyio.current_time()
        while True:
            with anyio.move_on_after(HEARTBEAT_SECONDS) as heartbeat:
                await self._relay.moved_to(self._saved + 1)
                with anyio.move_on_after(due - anyio.current_time()):
                    await self._relay.moved_to(self._saved + MANY_CHANGES)
            if heartbeat.cancelled_caught and self._noted == self._relay.progress:
                await self.prove()
            else:
                await self.save()
                due = anyio.current_time() + self._interval_seconds

    async def save(self) -> None:
        """Save the relay's position, if it is worth it.

        Raises:
            Unavailable: the database does not answer; the position saved before still holds.
        """
        async with self._turn:
            progress = self._relay.progress
            notes = progress != self._noted and anyio.current_time() >= self._note_due
            if progress != self._saved or notes:
                position, aside = self._relay.position, self._quarantine.take()
                ahead = self._further() if notes else None
                # Images are copied, so what was set aside may take long to store, and each answer proves that we still lead. A crash in
                # between leaves letters of changes that will be met again; they are set aside again then, or delivered twice.
                *earlier, last = portions(aside, size=attrgetter("size")) if aside else [()]
                for portion in earlier:
                    await self._renewing(self._positions.keep(portion))
                self._raise_floor(await self._renewing(self._positions.save(position, aside=last, ahead=ahead)))
                self._saved = progress
                if notes:
                    self._noted, self._note_due = progress, anyio.current_time() + self._interval_seconds

    def _further(self) -> Ahead | None:
        """What is delivered beyond the position; None if what is stored, perhaps by the leader before, tells of changes that this does not tell of.

        It stays true, as what was delivered stays delivered.
        """
        ahead = self._relay.ahead
        if ahead is None or (self._note and not ahead.end.covers(self._note.end)):
            return None
        self._note = ahead
        return ahead

    async def prove(self) -> None:
        """Make sure that the position is still ours to move.

        Raises:
            Unavailable: it is not, or the database does not answer.
        """
        async with self._turn:
            await self._renewing(self._positions.prove())

    async def _renewing(self, proof: Awaitable[T]) -> T:
        """What the proof answers; the lease counts from before it is asked for."""
        asked_at = uptime_seconds()
        answer = await proof
        self._lease.renew(asked_at=asked_at)
        return answer
