"""The metrics that alarms need as lines of the log, from which CloudWatch makes metrics by itself: no agent, no call, no permission.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html

A line tells of one sink. A figure that is not known, as the database does not answer, is left out: an alarm can treat that as it likes.
"""

from __future__ import annotations

import json
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from typing import Literal, NamedTuple

import anyio
from prometheus_client import Metric

from forwarder.metrics.process import Metrics


class Figure(NamedTuple):
    """A metric of CloudWatch."""

    # As CloudWatch calls it.
    unit: Literal["Bytes", "Count", "Seconds"]
    says: str


FIGURES = {
    "OldestUndeliveredSeconds": Figure("Seconds", "age of the oldest change that is not delivered; 0: there is none"),
    "UndeliveredChanges": Figure(
        "Count", "changes that are not delivered, counted as in `forwarder_outbox_backlog_changes`"
    ),
    "DeliveredRecords": Figure("Count", "records stored since the line before"),
    "DeadLetters": Figure("Count", "changes that were set aside and are still there"),
    "Delivering": Figure(
        "Count", "1: this task leads the sink, and nothing is in its way; 0: one of the two is not so, as on a standby"
    ),
    "FailedRequests": Figure("Count", "requests that were throttled or have failed since the line before"),
    "OutboxBytes": Figure("Bytes", "the outbox on disk, with indexes; the same for all sinks"),
}
# What grows from the start of the process on; lines tell the difference.
_GROWING = ("DeliveredRecords", "FailedRequests")

# By the name of a sample and the sink, its value, summed over all other labels. What is not of a sink is of "".
_Sums = Mapping[tuple[str, str], float]


class EmbeddedMetrics:
    """Writes a line for each sink at intervals."""

    def __init__(
        self, metrics: Metrics, sinks: Iterable[str], *, namespace: str, service: str, write: Callable[[str], None]
    ) -> None:
        """``write`` is handed each line as it has to be in the log, with nothing before or behind it."""
        self._metrics = metrics
        self._namespace = namespace
        self._service = service
        self._write = write
        # By sink, what has grown up to the last line.
        self._told: dict[str, Mapping[str, float]] = {sink: {} for sink in sinks}

    async def run(self, *, interval_seconds: float) -> None:
        """Write until cancelled, and once more then."""
        try:
            while True:
                await anyio.sleep(interval_seconds)
                self.tell()
        finally:
            self.tell()

    def tell(self) -> None:
        """Write what there is to say now."""
        sums, now = _sums(self._metrics.families()), time.time()
        for sink, told in self._told.items():
            figures = _figures(sums, sink)
            grown = {name: figures[name] - told.get(name, 0.0) for name in _GROWING}
            self._told[sink] = figures
            dimensions = {"service": self._service, "sink": sink}
            self._write(embedded({**figures, **grown}, dimensions, namespace=self._namespace, at=now))


def embedded(figures: Mapping[str, float], dimensions: Mapping[str, str], *, namespace: str, at: float) -> str:
    """A line in the Embedded Metric Format. ``figures`` are some of ``FIGURES``; ``at``: seconds since 1970."""
    definition = {
        "Namespace": namespace,
        "Dimensions": [list(dimensions)],
        "Metrics": [{"Name": name, "Unit": FIGURES[name].unit} for name in figures],
    }
    return json.dumps(
        {"_aws": {"Timestamp": round(at * 1000), "CloudWatchMetrics": [definition]}, **dimensions, **figures}
    )


def _sums(families: Iterable[Metric]) -> _Sums:
    sums: defaultdict[tuple[str, str], float] = defaultdict(float)
    for family in families:
        for sample in family.samples:
            sums[sample.name, sample.labels.get("sink", "")] += sample.value
    return sums


def _figures(sums: _Sums, sink: str) -> Mapping[str, float]:
    """All figures that are known; those that grow, since the start of the process."""

    def total(*names: str) -> float:
        return sum(sums.get((name, sink), 0.0) for name in names)

    waiting = sums.get(("forwarder_outbox_waiting_seconds", sink))
    # The size on disk stays what it was when the outbox cannot be measured any more, and is 0 before it ever was.
    is_measured = waiting is not None and sums.get(("forwarder_outbox_measured_timestamp_seconds", ""), 0.0) > 0
    measured = {
        "OldestUndeliveredSeconds": waiting,
        "UndeliveredChanges": sums.get(("forwarder_outbox_backlog_changes", sink)),
        "DeliveredRecords": total("forwarder_sink_records_total"),
        "DeadLetters": sums.get(("forwarder_dead_letters", sink)),
        "Delivering": total("forwarder_sink_leader") * total("forwarder_sink_ready"),
        "FailedRequests": total("forwarder_sink_throttled_requests_total", "forwarder_sink_failed_requests_total"),
        "OutboxBytes": sums.get(("forwarder_outbox_bytes", "")) if is_measured else None,
    }
    return {name: value for name, value in measured.items() if value is not None}
