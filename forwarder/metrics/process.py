"""All metrics of one process."""

from __future__ import annotations

import platform
from collections.abc import Iterable, Mapping

import anyio
from prometheus_client import CollectorRegistry, Histogram, Info, Metric, ProcessCollector, generate_latest

from forwarder import __version__
from forwarder.metrics.buckets import LAG_SECONDS
from forwarder.metrics.doorbell import DoorbellMetrics
from forwarder.metrics.in_memory import Holders
from forwarder.metrics.latency import LatencyHistogram
from forwarder.metrics.outbox import OutboxMetrics
from forwarder.metrics.sessions import SessionMetrics
from forwarder.metrics.sink import SinkMetrics
from forwarder.metrics.sink_families import SinkFamilies
from forwarder.metrics.standing import Standing, Standings
from forwarder.metrics.tables import TableCounts

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

# So many tables are told apart, if nobody sets it.
TABLES_LIMIT = 100
# From one look at the event loop to the next.
_LOOK_SECONDS = 1.0


class Metrics:
    """The metrics of one process."""

    def __init__(self, *, tables_limit: int = TABLES_LIMIT) -> None:
        """``tables_limit``: with more pairs of sink and table than that, changes are not told by table."""
        self._registry = CollectorRegistry()
        Info(
            "forwarder_build", "What runs, with its version and that of Python; always 1.", registry=self._registry
        ).info({"version": __version__, "python": platform.python_version()})
        self._standings = Standings(self._registry)
        self._families = SinkFamilies(
            self._registry,
            holders=Holders(self._registry),
            latency=LatencyHistogram(self._registry),
            tables=TableCounts(self._registry, limit=tables_limit),
        )
        self.outbox = OutboxMetrics(self._registry)
        self.doorbell = DoorbellMetrics(self._registry)
        self.sessions = SessionMetrics(self._registry)
        self._lag = Histogram(
            "forwarder_event_loop_lag_seconds",
            "How late the process comes to what is due, looked at once a second: high where it lacks CPU.",
            buckets=LAG_SECONDS,
            registry=self._registry,
        )
        # Processor, memory, descriptors and start of the process, under the names that all programs have for them.
        ProcessCollector(registry=self._registry)

    def sink(self, name: str) -> SinkMetrics:
        """The metrics of a sink."""
        return SinkMetrics(self._families, name)

    def watch(self, standings: Mapping[str, Standing]) -> None:
        """From now on, report at each scrape how this process stands to these sinks."""
        self._standings.watch(standings)

    async def watch_event_loop(self) -> None:
        """Look once a second how late the event loop is, until cancelled."""
        while True:
            due = anyio.current_time() + _LOOK_SECONDS
            await anyio.sleep(_LOOK_SECONDS)
            self._lag.observe(max(0.0, anyio.current_time() - due))

    def families(self) -> Iterable[Metric]:
        """All metrics as they are now."""
        return self._registry.collect()

    def exposition(self) -> bytes:
        """All metrics in Prometheus' text format; its content type is ``CONTENT_TYPE``."""
        return generate_latest(self._registry)
