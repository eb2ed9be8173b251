"""An event loop that never waits, for tests of code that does no I/O.

Its clock is its own: it moves a little with each turn of the loop, and when nothing is left to do it jumps to the next timer. So a pause costs
nothing, a deadline bounds how much is done and not how long that takes, and what a seed decides happens in the same order each time.
"""

from __future__ import annotations

import asyncio
from selectors import DefaultSelector, SelectorKey

# About what a turn takes. Without it, tasks that are never all waiting would keep every timer from becoming due.
TURN_SECONDS = 0.00005


class TimelessLoop(asyncio.SelectorEventLoop):
    """It looks at no descriptor while there is a timer: a test that does I/O is in the wrong place."""

    def __init__(self) -> None:
        self._clock = _Clock()
        super().__init__(self._clock)

    def time(self) -> float:
        """Seconds since the loop began, by its own clock."""
        return self._clock.now


class _Clock(DefaultSelector):
    """The loop asks it once a turn what has happened, and how long it would wait for that."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[SelectorKey, int]]:
        if timeout is None:
            return super().select()
        self.now += timeout or TURN_SECONDS
        return []
