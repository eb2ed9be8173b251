"""What is in memory for each sink, asked for at each scrape."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Protocol

from prometheus_client import CollectorRegistry
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

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
    # How many records it had and has no more: they were delivered or set aside.
    @property
    def done(self) -> int: ...

    def oldest_seconds(self) -> float: ...
    def hottest(self, count: int) -> Sequence[int]: ...


class Holders(Collector):
    """Who has records in memory, by sink."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._holders: dict[str, InMemory] = {}
        registry.register(self)

    def watch(self, sink: str, holder: InMemory) -> None:
        """From now on, report what this holder has for the sink."""
        self._holders[sink] = holder

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
        for sink, holder in self._holders.items():
            in_flight.add_metric([sink], holder.in_flight)
            records.add_metric([sink], holder.records)
            waiting.add_metric([sink], holder.waiting_for_barriers)
            size.add_metric([sink], holder.bytes)
            oldest.add_metric([sink], holder.oldest_seconds())
            for rank, length in enumerate(holder.hottest(_HOT_LANES), start=1):
                hot.add_metric([sink, str(rank)], length)
        return in_flight, records, waiting, size, oldest, hot
