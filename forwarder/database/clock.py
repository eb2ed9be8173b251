"""The clock of the database, told by ours: changes have times of the database, and the two clocks may differ.

The database is asked for its time now and then. It has answered somewhere between the question and the arrival of the answer, so the middle is
wrong by at most half of the time in between. Of the last answers that one counts that took the least.

      asked 100.000 ──────── answered 100.004        ours
                    12:00:05.250                     the database's, when ours was 100.002, give or take 0.002
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from typing import NamedTuple

import anyio

from forwarder.database.queries import query
from forwarder.database.sessions import Connection

# An answer is late when we are busy, so there should be one among them of when we were not. They are asked for every two or three seconds.
ANSWERS = 8

# 2000-01-01 UTC, where PostgreSQL's times begin, in seconds since 1970.
_BEGINNING = 946_684_800


class _Answer(NamedTuple):
    """How long it took, and how many seconds the database's time was above ours."""

    seconds: float
    offset: float


class DatabaseClock:
    """What is known of the clock of one database. Our times are those of the event loop; the database's, seconds since 2000-01-01 UTC."""

    def __init__(self, *, tell_ahead: Callable[[float], None]) -> None:
        """``tell_ahead`` is told how many seconds the database's clock is ahead of that of this machine."""
        self._answers: deque[_Answer] = deque(maxlen=ANSWERS)
        self._tell_ahead = tell_ahead

    async def ask(self, connection: Connection) -> None:
        """Ask the database once."""
        asked, here = anyio.current_time(), time.time()
        told = await connection.fetchval(query("clock")) / 1_000_000
        seconds = anyio.current_time() - asked
        self.learn(told, asked=asked, seconds=seconds)
        self._tell_ahead(told + _BEGINNING - (here + seconds / 2))

    def learn(self, told: float, *, asked: float, seconds: float) -> None:
        """The database has told this time, when it was asked at a time of ours, and the answer took so long."""
        self._answers.append(_Answer(seconds, told - (asked + seconds / 2)))

    def forget(self) -> None:
        """It may be another database from now on, which has a clock of its own."""
        self._answers.clear()

    def at(self, now: float) -> float | None:
        """The database's time when ours is ``now``; None: it was not asked yet."""
        return now + min(self._answers).offset if self._answers else None
