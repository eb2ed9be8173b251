"""Saves the position soon after something was delivered, and proves the leadership while nothing is.

1. Something was delivered: it is saved when the interval since the last save is over, or at once after ``MANY_CHANGES``.
2. Nothing for ``HEARTBEAT_SECONDS``: the session is asked for a proof of the leadership.
3. What was counted with the positions is added up every ``INTERVAL_SECONDS`` (``forwarder.store.statistics``).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from operator import attrgetter
from time import perf_counter
from typing import TypeVar

import anyio

from forwarder.delivery.relay import Relay
from forwarder.delivery.tenure import Tenure
from forwarder.delivery.uptime import uptime_seconds
from forwarder.outbox.delivered_ahead import Ahead
from forwarder.records.record import SetAside
from forwarder.records.tally import Tally
from forwarder.store.portions import portions
from forwarder.store.positions import Positions
from forwarder.store.statistics import INTERVAL_SECONDS, Statistics

HEARTBEAT_SECONDS = 3.0
# Changes that are delivered and not saved are sent again after a crash. So after this many a save does not wait for the interval.
MANY_CHANGES = 2000

T = TypeVar("T")


class Checkpoints:
    """Keeps the stored position close behind the relay's.

    Positions are saved on the session that holds the leader's lock, so whoever has lost the lock cannot save any more: every save is a
    proof of the leadership, and renews the lease.
    """

    def __init__(
        self,
        positions: Positions,
        turn: anyio.Lock,
        *,
        relay: Relay,
        tenure: Tenure,
        raise_floor: Callable[[int], None],
        statistics: Statistics,
        tell_saved: Callable[[float], None],
        tell_passed: Callable[[Tally], None],
        interval_seconds: float,
    ) -> None:
        """``positions`` are those of the leader's session, and ``turn`` is its lock.

        ``raise_floor`` is called with the floor that each save reads (docs/design/cursor.md), ``tell_saved`` with the seconds that each has
        taken, and ``tell_passed`` with what each has counted.
        """
        self._positions = positions
        self._relay = relay
        self._quarantine = tenure.quarantine
        self._lease = tenure.lease
        self._raise_floor = raise_floor
        self._statistics = statistics
        self._tell_saved = tell_saved
        self._tell_passed = tell_passed
        self._interval_seconds = interval_seconds
        # The relay's progress when its position was saved last.
        self._saved = relay.progress
        # The same for what is delivered beyond the position, which is noted at intervals only, since it takes more work; when the next note
        # is due, and the last one.
        self._noted = relay.progress
        self._note_due = 0.0
        self._note = tenure.ahead
        self._turn = turn

    async def run(self) -> None:
        """Save and prove, until cancelled.

        Raises:
            Unavailable: the session is lost, and with it the leadership.
        """
        due = sums_due = anyio.current_time()
        while True:
            # At once, too: a leader that soon stops, as `listen --once` does, adds up what the one before has left.
            if anyio.current_time() >= sums_due:
                is_all = await self._add_up()
                # The next portion comes behind the next save.
                sums_due = anyio.current_time() + (INTERVAL_SECONDS if is_all else 0.0)
            with anyio.move_on_after(HEARTBEAT_SECONDS):
                await self._relay.moved_to(self._saved + 1)
                with anyio.move_on_after(due - anyio.current_time()):
                    await self._relay.moved_to(self._saved + MANY_CHANGES)
            if self._relay.progress != self._saved or self._is_note_due:
                await self.save()
                due = anyio.current_time() + self._interval_seconds
            else:
                await self.prove()

    async def save(self) -> None:
        """Save the relay's position, and what was set aside, unless nothing has happened since the last save.

        Raises:
            Unavailable: the database does not answer; the position saved before still holds.
        """
        async with self._turn:
            progress, notes = self._relay.progress, self._is_note_due
            if progress == self._saved and not notes:
                return
            # All of these tell of one moment: nothing is awaited between them.
            position, passed, aside = self._relay.position, self._relay.take_passed(), self._quarantine.take()
            ahead = self._news_ahead() if notes else None
            began = perf_counter()
            last = await self._keep_all_but_last(aside)
            floor_seq = await self._renewing(self._positions.save(position, aside=last, ahead=ahead, tally=passed))
            self._tell_saved(perf_counter() - began)
            self._tell_passed(passed)
            self._raise_floor(floor_seq)
            self._saved = progress
            if notes:
                self._noted, self._note_due = progress, anyio.current_time() + self._interval_seconds

    @property
    def _is_note_due(self) -> bool:
        """Whether to note what is delivered beyond the position."""
        return self._relay.progress != self._noted and anyio.current_time() >= self._note_due

    async def _keep_all_but_last(self, aside: Sequence[SetAside]) -> Sequence[SetAside]:
        """Store what was set aside in portions, except the last one, which belongs into the transaction that saves the position.

        It may take longer than the lease, since images are copied; the answer to each portion renews it. A crash in between leaves dead
        letters of changes that the next leader meets again. It sets them aside again, or delivers them all the same.
        """
        if not aside:
            return ()
        *earlier, last = portions(aside, size=attrgetter("size"))
        for portion in earlier:
            await self._renewing(self._positions.keep(portion))
        return last

    def _news_ahead(self) -> Ahead | None:
        """What is delivered beyond the position; None if the last note, perhaps of the leader before, says something that this does not.

        Such a note remains stored, and true: what was delivered stays delivered.
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

    async def _add_up(self) -> bool:
        async with self._turn:
            return await self._statistics.add_up()

    async def _renewing(self, proof: Awaitable[T]) -> T:
        """The answer to a proof of the leadership. It renews the lease, which counts from before the proof was asked for."""
        asked_at = uptime_seconds()
        answer = await proof
        self._lease.renew(asked_at=asked_at)
        return answer
