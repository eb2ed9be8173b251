"""The metrics for Prometheus: what each sink has done, what it has in memory, and the outbox.

Counters are raised once a request, not once a record, as that would cost more than the record. No label has a value of a row in it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

_REQUEST_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_HOT_LANES = 10


class InMemory(Protocol):
    """What is in memory for one sink now; ``forwarder.delivery.relay.Relay`` has it."""

    @property
    def in_flight(self) -> int: ...
    @property
    def records(self) -> int: ...
    @property
    def bytes(self) -> int: ...
    @property
    def waiting_for_barriers(self) -> int: ...

    def oldest_seconds(self) -> float: ...
    def hottest(self, count: int) -> Sequence[int]: ...


class SinkMetrics:
    """The counters of one sink."""

    def __init__(self, families: _Families, sink: str, *, stream: str = "") -> None:
        self._families = families
        self._sink = sink
        self._shard_prefix = stream and f"{stream}/"
        self._requests = families.requests.labels(sink)
        self._records = families.records.labels(sink)
        self._bytes = families.bytes.labels(sink)
        self._lost = families.lost.labels(sink)
        self._load_rows = families.load_rows.labels(sink)
        self._load_bytes = families.load_bytes.labels(sink)

    def request(self, *, seconds: float, records: int, size: int) -> None:
        """A request was answered after ``seconds``; ``records`` were stored, with ``size`` bytes of data."""
        self._requests.observe(seconds)
        self._records.inc(records)
        self._bytes.inc(size)

    def rejected(self, code: str, count: int) -> None:
        """``count`` records were not stored, for the reason ``code``. They are sent again, unless they are set aside."""
        self._families.rejected.labels(self._sink, code).inc(count)

    def set_aside(self, code: str) -> None:
        """A change went to the dead letters."""
        self._families.set_aside.labels(self._sink, code).inc()

    def lost(self, count: int) -> None:
        """``count`` changes were taken out of the outbox by somebody before they could be sent or set aside."""
        self._lost.inc(count)

    def throttled(self, shard: str) -> None:
        """A shard has throttled a request."""
        self._families.throttled.labels(self._sink, f"{self._shard_prefix}{shard}").inc()

    def of_stream(self, stream: str) -> SinkMetrics:
        """The same counters, where the sink has several streams: a shard is named with its stream."""
        return SinkMetrics(self._families, self._sink, stream=stream)

    def barred(self, stream: str, *, is_barred: bool) -> None:
        """Whether one of the sink's streams cannot be written to."""
        if is_barred:
            self._families.barred.labels(self._sink, stream).set(1)
        else:
            self._families.barred.remove(self._sink, stream)

    def out_of_order(self) -> None:
        """A shard has given a record a sequence number below one that it had acknowledged before."""
        self._families.out_of_order.labels(self._sink).inc()

    def loaded(self, *, rows: int, size: int) -> None:
        """So many rows were read by loads and delivered, with so many bytes of images."""
        self._load_rows.inc(rows)
        self._load_bytes.inc(size)

    def loads(self, tables: Mapping[str, int], *, remaining_rows: int) -> None:
        """How many tables have a load in each of these states now, and how many rows are left by the planner's estimate."""
        for state, count in tables.items():
            self._families.loads.labels(self._sink, state).set(count)
        self._families.load_remaining_rows.labels(self._sink).set(remaining_rows)

    def watch(self, holder: InMemory) -> None:
        """From now on, report at each scrape what ``holder`` has in memory."""
        self._families.holders[self._sink] = holder


class OutboxMetrics:
    """The metrics of the outbox, which all sinks share."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._bytes = Gauge("forwarder_outbox_bytes", "The outbox on disk, with indexes.", registry=registry)
        self._reclaimed = Counter("forwarder_outbox_reclaimed_leaves", "Leaves emptied.", registry=registry)
        self._uncaptured = Gauge(
            "forwarder_uncaptured_tables",
            "Tables and partitions that should be captured, and whose trigger is missing or disabled.",
            registry=registry,
        )
        self._waiting = Gauge(
            "forwarder_outbox_waiting_seconds",
            "Age of a sink's oldest undelivered change.",
            ["sink"],
            registry=registry,
        )

    def measured(self, size: int) -> None:
        """The outbox has ``size`` bytes on disk now."""
        self._bytes.set(size)

    def uncaptured(self, count: int) -> None:
        """The changes of ``count`` tables and partitions are not captured now, although they should be."""
        self._uncaptured.set(count)

    def waiting(self, seconds: Mapping[str, float]) -> None:
        """How old the oldest undelivered change of each sink is now, by the sink's name; 0 if there is none. Sinks not named are dropped."""
        self._waiting.clear()
        for sink, age in seconds.items():
            self._waiting.labels(sink).set(age)

    def reclaimed(self) -> None:
        """A leaf was emptied."""
        self._reclaimed.inc()


class Metrics:
    """The metrics of one process."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._families = _Families(self._registry)
        self.outbox = OutboxMetrics(self._registry)

    def sink(self, name: str) -> SinkMetrics:
        """The counters of a sink."""
        return SinkMetrics(self._families, name)

    def exposition(self) -> bytes:
        """All metrics in Prometheus' text format; its content type is ``CONTENT_TYPE``."""
        return generate_latest(self._registry)


class _Families(Collector):
    """The metric families that all sinks share. At a scrape it asks the holders for what is in memory."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.holders: dict[str, InMemory] = {}
        self.requests = Histogram(
            "forwarder_sink_request_seconds",
            "Time from a request to its answer.",
            ["sink"],
            buckets=_REQUEST_SECONDS,
            registry=registry,
        )
        self.records = Counter("forwarder_sink_records", "Records stored.", ["sink"], registry=registry)
        self.bytes = Counter("forwarder_sink_bytes", "Bytes of data stored.", ["sink"], registry=registry)
        self.rejected = Counter(
            "forwarder_sink_rejected_records", "Records not stored, by code.", ["sink", "code"], registry=registry
        )
        self.set_aside = Counter(
            "forwarder_sink_dead_letters", "Changes set aside, by code.", ["sink", "code"], registry=registry
        )
        self.lost = Counter(
            "forwarder_sink_lost_changes",
            "Changes that were taken out of the outbox before they could be sent or set aside.",
            ["sink"],
            registry=registry,
        )
        self.throttled = Counter(
            "forwarder_sink_throttled_requests",
            "Requests that a shard throttled.",
            ["sink", "shard"],
            registry=registry,
        )
        self.out_of_order = Counter(
            "forwarder_sink_order_regressions",
            "Answers with a sequence number below one that its shard had acknowledged before.",
            ["sink"],
            registry=registry,
        )
        self.barred = Gauge(
            "forwarder_sink_barred_streams",
            "1 for each stream that cannot be written to, of a sink that has one for each table.",
            ["sink", "stream"],
            registry=registry,
        )
        # By sink alone: there may be thousands of tables.
        self.load_rows = Counter(
            "forwarder_load_rows", "Rows that loads have read and delivered.", ["sink"], registry=registry
        )
        self.load_bytes = Counter(
            "forwarder_load_bytes", "Bytes of the images of these rows.", ["sink"], registry=registry
        )
        self.loads = Gauge(
            "forwarder_loads",
            "Tables whose load has not ended or has failed, by its state.",
            ["sink", "state"],
            registry=registry,
        )
        self.load_remaining_rows = Gauge(
            "forwarder_load_remaining_rows",
            "Rows that loads under way have still to read, by the planner's estimate.",
            ["sink"],
            registry=registry,
        )
        registry.register(self)

    def collect(self) -> Iterable[GaugeMetricFamily]:
        """What each sink has in memory now."""
        in_flight = GaugeMetricFamily("forwarder_sink_requests_in_flight", "Requests under way.", labels=["sink"])
        records = GaugeMetricFamily("forwarder_sink_memory_records", "Records in memory.", labels=["sink"])
        waiting = GaugeMetricFamily(
            "forwarder_sink_barrier_records",
            "Records in memory that wait for a TRUNCATE of their table, or are one and wait for its rows.",
            labels=["sink"],
        )
        size = GaugeMetricFamily("forwarder_sink_memory_bytes", "Bytes of records in memory.", labels=["sink"])
        oldest = GaugeMetricFamily(
            "forwarder_sink_oldest_page_seconds", "How long the oldest undelivered page waits.", labels=["sink"]
        )
        hot = GaugeMetricFamily(
            "forwarder_sink_hot_lane_records", "Records in the longest lanes, by rank.", labels=["sink", "rank"]
        )
        for sink, holder in self.holders.items():
            in_flight.add_metric([sink], holder.in_flight)
            records.add_metric([sink], holder.records)
            waiting.add_metric([sink], holder.waiting_for_barriers)
            size.add_metric([sink], holder.bytes)
            oldest.add_metric([sink], holder.oldest_seconds())
            for rank, length in enumerate(holder.hottest(_HOT_LANES), start=1):
                hot.add_metric([sink, str(rank)], length)
        return in_flight, records, waiting, size, oldest, hot
