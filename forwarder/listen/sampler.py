"""Samples what this process does for each sink that it leads, once a second."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import anyio

from forwarder.health import ServiceState
from forwarder.listen.samples import RATE_SECONDS, Sample, Samples
from forwarder.metrics import DoorbellMetrics
from forwarder.metrics.in_memory import InMemory
from forwarder.metrics.totals import SinkTotals
from forwarder.outbox.survey import Survey
from forwarder.store.listeners import Figures, Second

PERIOD_SECONDS = 1.0
# What has waited for less than that in the outbox is in memory, or about to be, and memory knows its age to the millisecond.
_LATE_SECONDS = 3.0
_HOT_LANES = 10


@dataclass(slots=True)
class _Tenure:
    """What was sampled of a sink while one relay has its records."""

    holder: InMemory
    samples: Samples = field(default_factory=Samples)


class Sampler:
    """The samples of all sinks of a process."""

    def __init__(
        self, survey: Survey, doorbell: DoorbellMetrics, sinks: Mapping[str, tuple[ServiceState, SinkTotals]]
    ) -> None:
        """``sinks``: by name, what its parts say of each."""
        self._survey = survey
        self._doorbell = doorbell
        self._sinks = sinks
        # When, and how often it had rung up to then.
        self._rings: deque[tuple[float, int]] = deque(maxlen=RATE_SECONDS + 1)
        self._tenures: dict[str, _Tenure] = {}

    async def run(self) -> None:
        """Sample until cancelled."""
        while True:
            self.sample(now=anyio.current_time())
            await anyio.sleep(PERIOD_SECONDS)

    def sample(self, *, now: float) -> None:
        """Take a sample of each sink that is led, and forget those of the others."""
        self._rings.append((now, self._doorbell.rings))
        for name, (state, totals) in self._sinks.items():
            if not state.leads or totals.holder is None:
                self._tenures.pop(name, None)
                continue
            tenure = self._tenures.get(name)
            if tenure is None or tenure.holder is not totals.holder:
                tenure = self._tenures[name] = _Tenure(totals.holder)
            tenure.samples.add(self._taken(name, totals, totals.holder, now))

    def points(self) -> Mapping[str, Sequence[Second]]:
        """A point a second of each sink that is led, the oldest first; at most 15 minutes of them."""
        return {name: tenure.samples.points for name, tenure in self._tenures.items()}

    @property
    def rings_per_second(self) -> float | None:
        """Notifications of writers that have arrived; None: not known yet."""
        if len(self._rings) < 2:
            return None
        (began, first), (ended, last) = self._rings[0], self._rings[-1]
        return round((last - first) / (ended - began), 2)

    def figures(self, sink: str) -> Figures | None:
        """The last minute of a sink; None: this process does not lead it."""
        tenure = self._tenures.get(sink)
        if tenure is None:
            return None
        holder, rates = tenure.holder, tenure.samples.rates()
        return Figures(
            now=tenure.samples.now,
            captured_per_second=round(rates.captured_per_second, 1),
            delivered_per_second=round(rates.delivered_per_second, 1),
            bytes_per_second=round(rates.bytes_per_second, 1),
            requests_per_second=round(rates.requests_per_second, 2),
            in_flight=holder.in_flight,
            memory_records=holder.records,
            memory_bytes=holder.bytes,
            request_p50_ms=rates.request_p50_ms,
            request_p99_ms=rates.request_p99_ms,
            latency_p50_ms=rates.latency_p50_ms,
            latency_p99_ms=rates.latency_p99_ms,
            shards=rates.shards,
            hot_lanes=[length for length in holder.hottest(_HOT_LANES) if length > 1],
            backlog_fall_per_second=rates.backlog_fall_per_second,
        )

    def _taken(self, sink: str, totals: SinkTotals, holder: InMemory, now: float) -> Sample:
        backlog = self._survey.backlog(sink)
        return Sample(
            at=now,
            captured=holder.records + holder.done,
            delivered=holder.done,
            bytes=totals.bytes,
            requests=totals.requests.counts,
            latencies=totals.latencies.counts,
            stored=dict(totals.stored),
            throttled=dict(totals.throttled),
            oldest_seconds=self._oldest_seconds(sink, holder, now),
            backlog=backlog.changes if backlog else None,
        )

    def _oldest_seconds(self, sink: str, holder: InMemory, now: float) -> float:
        backlog = self._survey.backlog(sink)
        waiting = backlog.waiting_seconds if backlog else None
        if waiting is None or waiting < _LATE_SECONDS:
            return holder.oldest_seconds()
        return waiting + now - self._survey.measured_at
