"""A histogram whose observations stand for many changes each: one change of a page is measured, and counts for all of the page."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable
from itertools import accumulate

from prometheus_client import CollectorRegistry
from prometheus_client.core import HistogramMetricFamily
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString

from forwarder.metrics.buckets import LATENCY_SECONDS


class LatencyHistogram(Collector):
    """How long changes take to be delivered, by sink."""

    def __init__(self, registry: CollectorRegistry) -> None:
        # By sink: how many changes are in each bucket, the last one without a bound; and the sum of their seconds.
        self._counts: dict[str, list[int]] = {}
        self._sums: dict[str, float] = {}
        registry.register(self)

    def add(self, sink: str) -> None:
        """Tell of this sink from now on, even if nothing is observed."""
        self._counts.setdefault(sink, [0] * (len(LATENCY_SECONDS) + 1))
        self._sums.setdefault(sink, 0.0)

    def observe(self, sink: str, seconds: float, *, changes: int) -> None:
        """So many changes took so long."""
        self._counts[sink][bisect_left(LATENCY_SECONDS, seconds)] += changes
        self._sums[sink] += seconds * changes

    def collect(self) -> Iterable[HistogramMetricFamily]:
        """The histogram of each sink."""
        family = HistogramMetricFamily(
            "forwarder_sink_latency_seconds",
            "Time from the commit of a change to the acknowledgement of its record, by the database's clock. Where the server keeps no times of "
            "commits (track_commit_timestamp), it begins with the statement. One change of each page is measured, and counts for all of the page; "
            "those that were set aside count too.",
            labels=["sink"],
        )
        bounds = [*map(floatToGoString, LATENCY_SECONDS), "+Inf"]
        for sink, counts in self._counts.items():
            family.add_metric([sink], list(zip(bounds, accumulate(counts), strict=True)), sum_value=self._sums[sink])
        return [family]
