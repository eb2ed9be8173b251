"""How many requests may be in flight: as many as make the stream faster, and no more. Pure.

Additive increase, multiplicative decrease, judged once a round (as many answers as the limit allows requests):

* A round that used the whole limit raises it by one.
* Unless it was slow: its fastest answer took more than twice as long as the fastest known. Then requests wait for each other,
  in the network, in the stream or in our own process, and more of them would wait longer. That lowers the limit by a tenth,
  but not below where it started: large requests are slower than small ones, and nothing is wrong with that.
* A failed request, or a round of which the stream rejected more than half, halves the limit, down to one. A smaller part is
  the pacing's affair: one hot shard must not slow the others.

After it was lowered, a round passes without judgement: its answers are to requests that were sent before.

The fastest answer of a round, because the slow ones of Kinesis say nothing. The fastest known drifts upward, slowly, so that a
stream that has moved further away is not taken for a slow one for ever. A gradient on every answer would follow the load
sooner, and every hiccup too.
"""

from math import inf

START = 8

# Below this no answer is slow: it is the noise of an event loop.
NOISE_SECONDS = 0.01
SLOW_FACTOR = 2.0
# The fastest answer known grows by a factor e in as long, if no answer confirms it.
DRIFT_SECONDS = 300.0


class _Round:
    """What a round of answers has said so far."""

    __slots__ = ("answers", "fastest_seconds", "is_judged", "is_used", "length", "records", "rejected")

    def __init__(self, length: int, *, is_judged: bool) -> None:
        self.length = length
        self.is_judged = is_judged
        self.answers = 0
        self.fastest_seconds = inf
        self.is_used = False
        self.records = 0
        self.rejected = 0


class Concurrency:
    """The limit, and the round by which it is judged."""

    __slots__ = ("_fastest_known_seconds", "_max_in_flight", "_round", "limit")

    def __init__(self, *, max_in_flight: int) -> None:
        self._max_in_flight = max_in_flight
        self._fastest_known_seconds = inf
        # How many requests may be in flight now, 1 to `max_in_flight`.
        self.limit = min(START, max_in_flight)
        self._round = _Round(self.limit, is_judged=True)

    def finished(self, round_trip_seconds: float, *, in_flight: int, rejected: int, records: int) -> None:
        """A request of ``records`` was answered, and ``rejected`` of them were not stored.

        ``in_flight`` counts it and those beside it: a limit that nobody reaches does not rise.
        """
        current = self._round
        current.fastest_seconds = min(current.fastest_seconds, round_trip_seconds)
        current.is_used = current.is_used or in_flight >= self.limit
        current.records += records
        current.rejected += rejected
        self._count_answer()

    def failed(self) -> None:
        """A request failed as a whole, or nobody answered."""
        if self._round.is_judged:
            self._halve()
        else:
            self._count_answer()

    def _count_answer(self) -> None:
        current = self._round
        current.answers += 1
        if current.answers < current.length:
            return
        is_slow = self._learn(current.fastest_seconds)
        if current.is_judged and current.rejected * 2 > current.records:
            self._halve()
            return
        if current.is_judged:
            self._adjust(is_slow=is_slow, is_used=current.is_used)
        self._round = _Round(self.limit, is_judged=True)

    def _learn(self, seconds: float) -> bool:
        """Whether the fastest answer of a round was slow; remembers it if it is the fastest known."""
        known = self._fastest_known_seconds
        if seconds == inf:
            return False
        # A round takes about as long as one round trip.
        self._fastest_known_seconds = min(seconds, known * (1.0 + seconds / DRIFT_SECONDS))
        return seconds > max(known * SLOW_FACTOR, NOISE_SECONDS)

    def _adjust(self, *, is_slow: bool, is_used: bool) -> None:
        if is_slow and self.limit >= START:
            self.limit = max(START, self.limit * 9 // 10)
        elif is_used:
            self.limit = min(self._max_in_flight, self.limit + 1)

    def _halve(self) -> None:
        """Lower the limit, and let those pass unjudged that are under way."""
        self._round = _Round(self.limit, is_judged=False)
        self.limit = max(1, self.limit // 2)
