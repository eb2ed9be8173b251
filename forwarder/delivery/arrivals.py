"""Measures how long changes take from their commit to their acknowledgement. No I/O; time is an argument.

To look at each change would cost more than it is worth. So of each page one change is watched, the one in its middle, and stands for all of them:

    page of 900 changes ──► the 450th is watched ──► its seq is taken out of `undelivered` ──► "900 changes have taken 0.012 s"

While nothing is delivered, pages pile up, and so does what is watched. At ``MOST_WATCHED`` every second one is dropped, and the one before it stands
for its changes too.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import Protocol

from forwarder.events import Event
from forwarder.records.packing import Packed

MOST_WATCHED = 64

_SEQ = attrgetter("seq")


class Clock(Protocol):
    """The clock by which changes have their times; ``forwarder.database.clock.DatabaseClock``."""

    def at(self, now: float) -> float | None:
        """Seconds since 2000-01-01 UTC when our time is ``now``; None: that is not known."""


@dataclass(slots=True)
class _Watched:
    """A change that is watched."""

    seq: int
    # Of its stretch: without its seq, it is delivered.
    undelivered: set[int]
    # By the database's clock, in seconds since 2000-01-01 UTC.
    committed_at: float
    # How many it stands for.
    changes: int


class Arrivals:
    """What is watched of one sink."""

    def __init__(self, clock: Clock, tell: Callable[[float, int], None]) -> None:
        """``tell`` is called with seconds, and how many changes have taken so long."""
        self._clock = clock
        self._tell = tell
        self._watched: list[_Watched] = []

    def expect(self, events: Sequence[Event], packed: Packed) -> None:
        """The relay gets a page of these events, in order of seq, as these records."""
        records = packed.records or packed.later
        if not records:
            return
        record = records[len(records) // 2]
        event = events[bisect_left(events, record.seq, key=_SEQ)]
        at = event.at if event.committed_at is None else event.committed_at
        self._watched.append(_Watched(record.seq, record.undelivered, at / 1_000_000, len(records)))
        if len(self._watched) >= MOST_WATCHED:
            self._thin_out()

    def look(self, *, now: float) -> None:
        """Tell what was acknowledged since the last look. Until the time of the database is known, nothing is told."""
        arrived = [watched for watched in self._watched if watched.seq not in watched.undelivered]
        if not arrived:
            return
        self._watched = [watched for watched in self._watched if watched.seq in watched.undelivered]
        if (database_now := self._clock.at(now)) is not None:
            for watched in arrived:
                # No less than nothing, although the clocks are known to a millisecond or so only.
                self._tell(max(0.0, database_now - watched.committed_at), watched.changes)

    def _thin_out(self) -> None:
        kept, dropped = self._watched[::2], self._watched[1::2]
        for watched, other in zip(kept, dropped, strict=True):
            watched.changes += other.changes
        self._watched = kept
