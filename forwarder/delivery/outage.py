"""How long to wait while a sink stores nothing at all. Pure but for chance.

What waits because the whole sink is in trouble waits as long as that trouble suggests, not as long as the unluckiest record of a
request: else, where many requests fail but most do not, some lanes would wait for seconds.
"""

import random
from math import inf

from forwarder.backoff import Chance, delay_seconds


class Outage:
    """Failures in a row; those within one pause are one failure. Times are seconds of any steady clock."""

    __slots__ = ("_count_from", "_failures", "_first_seconds", "_max_seconds")

    def __init__(self, *, first_seconds: float, max_seconds: float) -> None:
        self._first_seconds = first_seconds
        self._max_seconds = max_seconds
        self._failures = 0
        # A request that began before then tells nothing new.
        self._count_from = -inf

    def failed(self, *, began: float, now: float, chance: Chance = random.random) -> float:
        """Nothing of a request that began then was stored; how long its records wait."""
        if began >= self._count_from:
            self._failures += 1
            self._count_from = now + self._seconds(lambda: 1.0)
        return self._seconds(chance)

    def ended(self) -> None:
        """The sink has stored something."""
        self._failures = 0
        self._count_from = -inf

    def _seconds(self, chance: Chance) -> float:
        return delay_seconds(
            self._failures, first_seconds=self._first_seconds, max_seconds=self._max_seconds, chance=chance
        )
