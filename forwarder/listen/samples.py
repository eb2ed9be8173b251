"""What a sink's counters were in the last minute, and what follows from that; and one point a second of the last quarter of an hour. Pure; time is
an argument.

    sample  sample  sample  …  sample        one a second
      └──────────── rates ────────┘          of what has grown from the oldest of the last minute to the newest
                           └──┘  point       of what has grown in the last second
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from operator import sub

from forwarder.metrics.digest import quantile
from forwarder.store.listeners import Second, ShardFigures

RATE_SECONDS = 60
POINTS = 900
# Of more shards than that, those with the most records are told.
MOST_SHARDS = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """What has grown up to one moment, and what there was then."""

    at: float
    # Records that came into memory, and those that are gone: delivered or set aside.
    captured: int = 0
    delivered: int = 0
    bytes: int = 0
    # By bucket of metrics/digest.py.
    requests: tuple[int, ...] = ()
    latencies: tuple[int, ...] = ()
    stored: Mapping[str, int]
    throttled: Mapping[str, int]
    # The age of the oldest change that is not delivered; None: nobody knows.
    oldest_seconds: float | None = None
    # How many changes are not delivered; None: nobody knows.
    backlog: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Rates:
    """Of the last minute. Percentiles are None where nothing was measured."""

    captured_per_second: float = 0.0
    delivered_per_second: float = 0.0
    bytes_per_second: float = 0.0
    requests_per_second: float = 0.0
    request_p50_ms: float | None = None
    request_p99_ms: float | None = None
    latency_p50_ms: float | None = None
    latency_p99_ms: float | None = None
    shards: Sequence[ShardFigures] = ()
    # None: not known.
    backlog_fall_per_second: float | None = None


class Samples:
    """The samples and points of one sink, from when this process has begun to lead it."""

    def __init__(self) -> None:
        self._samples: deque[Sample] = deque(maxlen=RATE_SECONDS + 1)
        self._points: deque[Second] = deque(maxlen=POINTS)

    @property
    def points(self) -> Sequence[Second]:
        """A point a second, the oldest first."""
        return tuple(self._points)

    @property
    def now(self) -> Second:
        """The newest point."""
        return self._points[-1] if self._points else Second()

    def add(self, sample: Sample) -> None:
        """Take the next sample in."""
        if self._samples:
            self._points.append(_point(self._samples[-1], sample))
        self._samples.append(sample)

    def rates(self) -> Rates:
        """What the samples of the last minute say."""
        if len(self._samples) < 2:
            return Rates()
        first, last = self._samples[0], self._samples[-1]
        seconds = last.at - first.at
        requests, latencies = _grown(first.requests, last.requests), _grown(first.latencies, last.latencies)
        return Rates(
            captured_per_second=(last.captured - first.captured) / seconds,
            delivered_per_second=(last.delivered - first.delivered) / seconds,
            bytes_per_second=(last.bytes - first.bytes) / seconds,
            requests_per_second=sum(requests) / seconds,
            request_p50_ms=_milliseconds(requests, 0.5),
            request_p99_ms=_milliseconds(requests, 0.99),
            latency_p50_ms=_milliseconds(latencies, 0.5),
            latency_p99_ms=_milliseconds(latencies, 0.99),
            shards=_shards(first, last),
            backlog_fall_per_second=_fall(self._samples),
        )


def _point(before: Sample, after: Sample) -> Second:
    seconds = after.at - before.at
    requests = _grown(before.requests, after.requests)
    return Second(
        captured=round(max(0, after.captured - before.captured) / seconds, 1),
        delivered=round(max(0, after.delivered - before.delivered) / seconds, 1),
        oldest_seconds=None if after.oldest_seconds is None else round(after.oldest_seconds, 3),
        p50_ms=_milliseconds(requests, 0.5),
        p99_ms=_milliseconds(requests, 0.99),
    )


def _grown(before: Sequence[int], after: Sequence[int]) -> Sequence[int]:
    return [*map(sub, after, before)]


def _milliseconds(counts: Sequence[int], part: float) -> float | None:
    seconds = quantile(counts, part)
    return None if seconds is None else round(seconds * 1000, 2)


def _shards(first: Sample, last: Sample) -> Sequence[ShardFigures]:
    stored = Counter(last.stored) - Counter(first.stored)
    throttled = Counter(last.throttled) - Counter(first.throttled)
    total = stored.total()
    names = sorted({*stored, *throttled}, key=lambda name: (-stored[name], name))[:MOST_SHARDS]
    return [
        ShardFigures(name=name, share=round(stored[name] / total, 4) if total else 0.0, throttles=throttled[name])
        for name in sorted(names)
    ]


def _fall(samples: Iterable[Sample]) -> float | None:
    """By how many changes a second the backlog has become smaller."""
    known = [(sample.at, sample.backlog) for sample in samples if sample.backlog is not None]
    if len(known) < 2:
        return None
    (began, first), (ended, last) = known[0], known[-1]
    return round((first - last) / (ended - began), 1)
