"""How long records wait while a sink stores nothing at all. Pure but for chance.

A request of which nothing was stored counts as a failure of the whole sink. Each failure in a row doubles the wait, for every record; the
first record that is stored ends it. An example, with ``first_seconds=0.1``:

1. Sixteen requests fail at once: one failure, and their records wait 0.05 to 0.1 s. Those that began within that time count no more.
2. The next request fails too: 0.1 to 0.2 s. And so on, up to ``max_seconds``.
3. A request is stored in part: the outage is over.

A wait by the failures of each record would be wrong here: where many requests fail, and most do not, the unluckiest record of a request
would make whole lanes wait for seconds.
"""

import random
from math import inf

from forwarder.backoff import Chance, delay_seconds


class Outage:
    """The failures in a row of one sink. Times are seconds of any steady clock."""

    __slots__ = ("_count_from", "_failures", "_first_seconds", "_max_seconds")

    def __init__(self, *, first_seconds: float, max_seconds: float) -> None:
        self._first_seconds = first_seconds
        self._max_seconds = max_seconds
        self._failures = 0
        # Requests that began before then do not count: they were under way when the last failure was counted, or soon after.
        self._count_from = -inf

    def failed(self, *, began: float, now: float, chance: Chance = random.random) -> float:
        """Nothing was stored of a request that began at ``began``; how many seconds its records wait."""
        if began >= self._count_from:
            self._failures += 1
            longest_seconds = self._seconds(lambda: 1.0)
            self._count_from = now + longest_seconds
        return self._seconds(chance)

    def ended(self) -> None:
        """The sink has stored something."""
        self._failures = 0
        self._count_from = -inf

    def _seconds(self, chance: Chance) -> float:
        return delay_seconds(
            self._failures, first_seconds=self._first_seconds, max_seconds=self._max_seconds, chance=chance
        )
