"""Whether this process leads each sink, and whether it is well, asked for at each scrape."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Protocol

from prometheus_client import CollectorRegistry
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector


class Standing(Protocol):
    """How a process stands to one sink; ``forwarder.health.ServiceState`` says it."""

    @property
    def leads(self) -> bool: ...
    @property
    def ready(self) -> bool: ...


class Standings(Collector):
    """How this process stands to each of its sinks."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._standings: Mapping[str, Standing] = {}
        registry.register(self)

    def watch(self, standings: Mapping[str, Standing]) -> None:
        """From now on, report of these sinks."""
        self._standings = standings

    def collect(self) -> Iterable[GaugeMetricFamily]:
        """How each stands now."""
        leader = GaugeMetricFamily(
            "forwarder_sink_leader",
            "1 if this process leads the sink, and so delivers to it; 0 if it stands by or begins. Summed over all processes it should be 1.",
            labels=["sink"],
        )
        ready = GaugeMetricFamily(
            "forwarder_sink_ready",
            "1 if the sink is delivered to by this process, or by another one that it stands by for; 0 if something is in the way, which "
            "/readyz names.",
            labels=["sink"],
        )
        for sink, standing in self._standings.items():
            leader.add_metric([sink], standing.leads)
            ready.add_metric([sink], standing.ready)
        return leader, ready
