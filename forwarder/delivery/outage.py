"""How long the records of a request wait of which the sink has stored nothing. Pure but for chance.

The pause grows with the failures of the sink, not with those of each record. By record, where many requests fail but most do not, the
unluckiest record of a request would make all others wait for seconds.

Requests run side by side, and one fault fails many of them. So a failure counts only if its request began after the pause of the failure
before was over. Example, with a first pause of 0.05 s: eight requests fail at once; the first of them is failure 1, and the others, which
began before, do not count. All wait 0.05 s at most. A request that begins then and fails is failure 2, and its records wait 0.1 s at most.
"""

import random
from math import inf

from forwarder.backoff import Chance, delay_seconds


class Outage:
    """The failures of one sink since it stored something. Times are seconds of any steady clock."""

    __slots__ = ("_count_from", "_failures", "_first_seconds", "_max_seconds")

    def __init__(self, *, first_seconds: float, max_seconds: float) -> None:
        self._first_seconds = first_seconds
        self._max_seconds = max_seconds
        self._failures = 0
        # A request that began earlier does not count when it fails.
        self._count_from = -inf

    def failed(self, *, began: float, now: float, chance: Chance = random.random) -> float:
        """How long the records wait of a request that began at ``began`` and of which nothing was stored."""
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
