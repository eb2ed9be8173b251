"""How long to wait before trying again: doubling, with jitter, and from the beginning after a success. Pure but for chance.

With ``first_seconds=1, max_seconds=30`` the pauses are 0.5 to 1 s, 1 to 2 s, 2 to 4 s and so on, up to 15 to 30 s.
"""

import random
from collections.abc import Callable

Chance = Callable[[], float]


def delay_seconds(attempt: int, *, first_seconds: float, max_seconds: float, chance: Chance = random.random) -> float:
    """The pause after attempt number ``attempt``, which is 1 for the first, has failed.

    It is drawn from the upper half of a span that doubles, so that many who failed at once do not come back at once.
    """
    span = min(first_seconds * 2.0 ** min(attempt - 1, 62), max_seconds)
    return span * (0.5 + chance() / 2)


class Backoff:
    """The pauses between the attempts at one thing."""

    __slots__ = ("_attempt", "_chance", "_first_seconds", "_max_seconds")

    def __init__(self, *, first_seconds: float, max_seconds: float, chance: Chance = random.random) -> None:
        self._first_seconds = first_seconds
        self._max_seconds = max_seconds
        self._chance = chance
        self._attempt = 0

    def next(self) -> float:
        """An attempt has failed: how many seconds to wait before the next one."""
        self._attempt += 1
        return delay_seconds(
            self._attempt, first_seconds=self._first_seconds, max_seconds=self._max_seconds, chance=self._chance
        )

    def reset(self) -> None:
        """An attempt has succeeded: the next pause is the first one again."""
        self._attempt = 0
