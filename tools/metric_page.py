"""Writes docs/metrics.md: every metric, as the metrics themselves describe it. ``make docs``"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from operator import attrgetter
from pathlib import Path
from typing import Any

from prometheus_client import Metric

from forwarder.metrics import Metrics
from forwarder.metrics.embedded import FIGURES

PAGE = Path(__file__).parents[1] / "docs" / "metrics.md"

_HEAD = """# Metrics

Made by `make docs` from the metrics themselves; a test compares. `forwarder listen` has them at `/metrics` (`[http] bind`) in Prometheus' text
format, whether it leads or stands by. No name, label or value holds anything of a row.

* `deploy/prometheus/` has a scrape configuration and [alerts](operations.md#alerts), `deploy/grafana/forwarder.json` a dashboard: import it, and
  choose the data source.
* **Several listeners of one database**: each of them measures what is in the outbox (`forwarder_outbox_…`, `forwarder_dead_letters`), so take
  `max by (sink)`. What a sink has done is counted by who leads, so take `sum by (sink)` of the rates.
* **Nothing is counted for each record.** What would cost as much as a record is sampled: for the latency one change of each page, for the event
  loop one look a second.
* **What is not known is missing**, and does not stand still: while the outbox cannot be measured there is no age and no backlog.
* **Tables**: with changes of more pairs of sink and table than `tables_limit` in `[metrics]`, nothing is told by table, and
  `forwarder_tables_limited` is 1. A process counts here what it has delivered, at each save of a position; [table statistics](design/statistics.md)
  are kept in the database, are exact after a crash, and have no such limit.
* **OpenTelemetry**: there is no exporter. Its SDK would be a second registry, with a thread and a queue beside the event loop, to say the
  same; the `prometheus` receiver of a collector scrapes `/metrics`.

"""

_GROUPS: Sequence[tuple[str, tuple[str, ...]]] = (
    ("Sinks", ("forwarder_sink_",)),
    ("What waits", ("forwarder_outbox_", "forwarder_dead_letters")),
    ("Tables", ("forwarder_table", "forwarder_uncaptured_tables", "forwarder_capture_")),
    ("Loads", ("forwarder_load",)),
    ("Database", ("forwarder_database_", "forwarder_doorbell_", "forwarder_janitor_")),
    ("Process", ("forwarder_", "process_")),
)

_CLOUDWATCH = """## CloudWatch

Few who run on ECS run Prometheus. With `emf = true` in `[metrics]` (`FORWARDER_METRICS_EMF=true`) `forwarder listen` writes a line for each sink
once a minute (`emf_interval_seconds`) to stderr, beside its log and in any format of that, in CloudWatch's
[Embedded Metric Format](https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html).
Of logs that come by `awslogs` CloudWatch makes metrics of them, without an agent, a call or a permission; each costs what a custom metric costs.
The namespace is `namespace`, the dimensions are `service` (the setting of that name) and `sink`.

| metric | unit | what it is | alarm |
|---|---|---|---|
"""
_END = """
*Missing data is breaching* where the alarm says so: no task has written a line, or none could ask the database. The last line is written when
the listener stops, so no record is missing in the sum.
"""
# The alarm that is worth having.
_ALARMS = {
    "OldestUndeliveredSeconds": "Maximum > 300; missing data is breaching: delivery stands still",
    "UndeliveredChanges": "Maximum, above what is delivered in a few minutes",
    "DeliveredRecords": "Sum = 0, for longer than the application is ever quiet",
    "DeadLetters": "Maximum > 0",
    "Delivering": "Maximum over all tasks < 1 for 3 minutes; missing data is breaching: nobody delivers",
    "FailedRequests": "Sum, above a tenth of the requests for 15 minutes: the stream has too few shards",
    "OutboxBytes": "Maximum, above `warn_bytes` of `[outbox]`",
}


@dataclass(frozen=True, kw_only=True)
class Described:
    """A metric as a user meets it."""

    # With the ending that its kind gives it: forwarder_sink_records_total.
    name: str
    kind: str
    labels: tuple[str, ...]
    says: str

    @property
    def samples(self) -> Sequence[str]:
        """The names of its series."""
        endings = ("_bucket", "_sum", "_count") if self.kind == "histogram" else ("",)
        return [f"{self.name}{ending}" for ending in endings]


def described() -> Sequence[Described]:
    """Every metric, in order of their names."""
    metrics = Metrics()
    registry: Any = metrics._registry
    found = [
        _described(family, _labels(collector) or _labels(family))
        for collector in registry._collector_to_names
        for family in collector.collect()
    ]
    return sorted(found, key=attrgetter("name"))


def _labels(of: object) -> tuple[str, ...]:
    """The names of its labels. They are nowhere but in attributes that the library keeps to itself."""
    return tuple(getattr(of, "_labelnames", ()))


def _described(family: Metric, labels: tuple[str, ...]) -> Described:
    endings = {"counter": "_total", "info": "_info"}
    is_build = family.name == "forwarder_build"
    return Described(
        name=f"{family.name}{endings.get(family.type, '')}",
        kind="gauge" if family.type == "info" else family.type,
        labels=("version", "python") if is_build else labels,
        says=family.documentation,
    )


def page() -> str:
    """The text of the page."""
    return _HEAD + "\n".join(_lines()) + "\n" + _CLOUDWATCH + "\n".join(_figures()) + "\n" + _END


def _lines() -> Iterator[str]:
    left = list(described())
    for heading, beginnings in _GROUPS:
        yield f"## {heading}\n"
        yield "| metric | kind | labels | |"
        yield "|---|---|---|---|"
        for metric in [metric for metric in left if metric.name.startswith(beginnings)]:
            left.remove(metric)
            labels = ", ".join(f"`{label}`" for label in metric.labels)
            yield f"| `{metric.name}` | {metric.kind} | {labels} | {metric.says} |"
        yield ""


def _figures() -> Iterator[str]:
    for name, figure in FIGURES.items():
        yield f"| `{name}` | {figure.unit} | {figure.says} | {_ALARMS[name]} |"


if __name__ == "__main__":
    PAGE.write_text(page())
