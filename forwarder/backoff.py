"""How long to wait before trying again: doubling, jittered, and forgotten after a success. Pure but for chance."""

import random
from collections.abc import Callable

Chance = Callable[[], float]


def delay_seconds(attempt: int, *, first_seconds: float, max_seconds: float, chance: Chance = random.random) -> float:
    """The pause after failed attempt number ``attempt``, from 1: a span that doubles up to ``max_seconds``.

    The pause is drawn from the upper half of its span, so that many who failed together do not come back together.
    """
    span = min(first_seconds * 2.0 ** min(attempt - 1, 62), max_seconds)
    return span * (0.5 + chance() / 2)


class Backoff:
    """The pauses of one who keeps trying."""

    __slots__ = ("_attempt", "_chance", "_first_seconds", "_max_seconds")

    def __init__(self, *, first_seconds: float, max_seconds: float, chance: Chance = random.random) -> None:
        self._first_seconds = first_seconds
        self._max_seconds = max_seconds
        self._chance = chance
        self._attempt = 0

    def next(self) -> float:
        """Seconds to wait now; the next wait is longer."""
        self._attempt += 1
        return delay_seconds(
            self._attempt, first_seconds=self._first_seconds, max_seconds=self._max_seconds, chance=self._chance
        )

    def reset(self) -> None:
        """Start over: it worked."""
        self._attempt = 0
