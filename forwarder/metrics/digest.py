"""Durations counted in fine buckets, so that percentiles can be told of any stretch of time: from the counts at its beginning and its end. Pure.

A bucket is 2^(1/4) times as wide as the one below it, so a percentile is told to a tenth of itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import log2

# The first bucket ends here, in seconds; the last one has no end.
_FIRST_SECONDS = 0.0001
_A_DOUBLING = 4
# Up to half an hour.
BUCKETS = 98


class Digest:
    """How many durations there were in each bucket so far."""

    __slots__ = ("_counts",)

    def __init__(self) -> None:
        self._counts = [0] * BUCKETS

    def add(self, seconds: float, count: int = 1) -> None:
        """So many things took so long."""
        self._counts[_bucket(seconds)] += count

    @property
    def counts(self) -> tuple[int, ...]:
        """What was counted so far, by bucket."""
        return tuple(self._counts)


def quantile(counts: Sequence[int], part: float) -> float | None:
    """So many seconds are not exceeded by this part of what was counted; None: nothing was. ``part`` 0.5: the median."""
    total = sum(counts)
    if not total:
        return None
    left = part * total
    for bucket, count in enumerate(counts):
        if count and left <= count:
            return _edge(bucket - 1) + (_edge(bucket) - _edge(bucket - 1)) * left / count
        left -= count
    return _edge(len(counts) - 1)


def _bucket(seconds: float) -> int:
    if seconds <= _FIRST_SECONDS:
        return 0
    return min(BUCKETS - 1, 1 + int(log2(seconds / _FIRST_SECONDS) * _A_DOUBLING))


def _edge(bucket: int) -> float:
    """The upper end of a bucket, in seconds."""
    return 0.0 if bucket < 0 else float(_FIRST_SECONDS * 2 ** (bucket / _A_DOUBLING))
