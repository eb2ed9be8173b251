"""The metric families that all sinks share, each with the sink as its first label. No label has a value of a row in it."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from forwarder.metrics.buckets import CALL_SECONDS, REQUEST_SECONDS
from forwarder.metrics.in_memory import Holders
from forwarder.metrics.latency import LatencyHistogram
from forwarder.metrics.tables import TableCounts
from forwarder.metrics.totals import SinkTotals


class SinkFamilies:
    """The families, for ``SinkMetrics`` to take its own from."""

    def __init__(
        self, registry: CollectorRegistry, *, holders: Holders, latency: LatencyHistogram, tables: TableCounts
    ) -> None:
        self.holders = holders
        self.latency = latency
        self.tables = tables
        # By sink.
        self.totals: dict[str, SinkTotals] = {}
        self._registry = registry
        self.requests = self._histogram(
            "forwarder_sink_request_seconds", "Time from a request to its answer.", buckets=REQUEST_SECONDS
        )
        self.records = self._counter("forwarder_sink_records", "Records stored.")
        self.bytes = self._counter("forwarder_sink_bytes", "Bytes of data stored.")
        self.failed_requests = self._counter(
            "forwarder_sink_failed_requests",
            "Requests without an answer, or refused as a whole. Their records are sent again.",
        )
        self.rejected = self._counter("forwarder_sink_rejected_records", "Records not stored, by code.", "code")
        self.throttled = self._counter("forwarder_sink_throttled_requests", "Requests that a shard throttled.", "shard")
        self.set_aside = self._counter("forwarder_sink_dead_letters", "Changes set aside, by code.", "code")
        self.lost = self._counter(
            "forwarder_sink_lost_changes",
            "Changes that were taken out of the outbox before they could be sent or set aside.",
        )
        self.out_of_order = self._counter(
            "forwarder_sink_order_regressions",
            "Answers with a sequence number below one that its shard had acknowledged before.",
        )
        self.barred = self._gauge(
            "forwarder_sink_barred_streams",
            "1 for each stream that cannot be written to, of a sink that has one for each table.",
            "stream",
        )
        self.checkpoints = self._histogram(
            "forwarder_sink_checkpoint_seconds", "Time to save the position of a sink.", buckets=CALL_SECONDS
        )
        self.restarts = self._counter(
            "forwarder_sink_restarts",
            "How often delivery began anew, by reason: database (its connections were cut), leadership (lost, or not proved in time), refused "
            "(somebody has to mend something), start (neither database nor sink had let it begin).",
            "reason",
        )
        self.credentials_end = self._gauge(
            "forwarder_sink_credentials_expire_timestamp_seconds",
            "When the credentials in use end, in seconds since 1970. Not told of credentials without an end.",
        )
        self.credentials_renewals = self._counter(
            "forwarder_sink_credentials_renewals", "Attempts to renew the credentials, by outcome.", "outcome"
        )
        # Loads by sink alone: there may be thousands of tables.
        self.load_rows = self._counter("forwarder_load_rows", "Rows that loads have read and delivered.")
        self.load_bytes = self._counter(
            "forwarder_load_bytes", "Bytes of the row images that loads have read and delivered."
        )
        self.loads = self._gauge(
            "forwarder_loads", "Tables whose load has not ended or has failed, by its state.", "state"
        )
        self.load_remaining_rows = self._gauge(
            "forwarder_load_remaining_rows",
            "Rows that loads under way have still to read, by the planner's estimate.",
        )

    def _counter(self, name: str, says: str, *labels: str) -> Counter:
        return Counter(name, says, ["sink", *labels], registry=self._registry)

    def _gauge(self, name: str, says: str, *labels: str) -> Gauge:
        return Gauge(name, says, ["sink", *labels], registry=self._registry)

    def _histogram(self, name: str, says: str, *, buckets: tuple[float, ...]) -> Histogram:
        return Histogram(name, says, ["sink"], buckets=buckets, registry=self._registry)
