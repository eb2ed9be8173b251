"""How many requests may be in flight: as many as make the stream faster, and no more. Pure.

Additive increase, multiplicative decrease. Answers are judged by the round: a round is as many answers as the limit allows requests.

1. A round in which as many requests were in flight as the limit allows raises it by one.
2. A slow round lowers the limit by a tenth, but not below ``START``, and does not raise it. A round is slow if its fastest answer took more
   than twice as long as the fastest known: then requests wait for each other, in the network, in the stream or in our own process. (While
   the limit is below ``START``, such a round counts like any other: large requests are slower than small ones, which is no fault.)
3. A round of which the stream rejected more than half of the records, or a request that fails as a whole, halves the limit, down to one.
   Fewer rejections are left to the pacing of shards: one hot shard must not slow the others.

After a limit was halved, the answers to requests that were sent before are still to come: as many as the old limit are not judged.

Example: a limit of 8. Eight answers, with 8 requests in flight: 9. A request is not answered at all: 4; the next nine answers count
for nothing.

A round is judged by its fastest answer because slow answers of Kinesis say nothing of the load. The fastest known grows slowly, so that a
stream that has moved further away is not called slow for ever. A limit that followed each single answer would react sooner, and to every
hiccup.
"""

from math import inf

START = 8

# A faster answer is never slow: differences below this are the noise of an event loop.
NOISE_SECONDS = 0.01
SLOW_FACTOR = 2.0
# In so many seconds the fastest time known grows by a factor of e, unless an answer is as fast.
DRIFT_SECONDS = 300.0


class _Round:
    """What the answers of a round have said so far."""

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

        ``in_flight`` counts this request and those beside it.
        """
        current = self._round
        current.fastest_seconds = min(current.fastest_seconds, round_trip_seconds)
        current.is_used = current.is_used or in_flight >= self.limit
        current.records += records
        current.rejected += rejected
        self._count_answer()

    def failed(self) -> None:
        """A request failed as a whole, or was not answered."""
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
        """Whether a round was slow whose fastest answer took so long; that becomes the fastest known, if it is."""
        known = self._fastest_known_seconds
        if seconds == inf:
            return False
        # A round takes about as long as one of its requests, so this is about how much time has passed.
        self._fastest_known_seconds = min(seconds, known * (1.0 + seconds / DRIFT_SECONDS))
        return seconds > max(known * SLOW_FACTOR, NOISE_SECONDS)

    def _adjust(self, *, is_slow: bool, is_used: bool) -> None:
        if is_slow and self.limit >= START:
            self.limit = max(START, self.limit * 9 // 10)
        elif is_used:
            self.limit = min(self._max_in_flight, self.limit + 1)

    def _halve(self) -> None:
        """Halve the limit. The answers to requests that are under way are not judged."""
        self._round = _Round(self.limit, is_judged=False)
        self.limit = max(1, self.limit // 2)
