from __future__ import annotations

import json
from typing import Any

import anyio
import jsonschema
import pytest

from forwarder.health import Phase, ServiceState
from forwarder.metrics import EmbeddedMetrics, Metrics
from forwarder.metrics.embedded import FIGURES
from forwarder.outbox.backlog_warnings import Backlog

# https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html, "EMF schema"
SCHEMA = {
    "type": "object",
    "required": ["_aws"],
    "properties": {
        "_aws": {
            "type": "object",
            "required": ["Timestamp", "CloudWatchMetrics"],
            "properties": {
                "Timestamp": {"type": "integer"},
                "CloudWatchMetrics": {
                    "type": "array",
                    "items": {
                        "type": "object",
                        "required": ["Namespace", "Dimensions", "Metrics"],
                        "properties": {
                            "Namespace": {"type": "string", "minLength": 1, "maxLength": 1024, "pattern": r"^(.*)$"},
                            "Dimensions": {
                                "type": "array",
                                "minItems": 1,
                                "items": {
                                    "type": "array",
                                    "minItems": 0,
                                    "maxItems": 30,
                                    "items": {
                                        "type": "string",
                                        "minLength": 1,
                                        "maxLength": 250,
                                        "pattern": r"^(.*)$",
                                    },
                                },
                            },
                            "Metrics": {
                                "type": "array",
                                "maxItems": 100,
                                "items": {
                                    "type": "object",
                                    "required": ["Name"],
                                    "properties": {
                                        "Name": {"type": "string", "minLength": 1, "maxLength": 1024},
                                        "Unit": {"enum": ["Seconds", "Count", "Bytes", "None"]},
                                        "StorageResolution": {"enum": [1, 60]},
                                    },
                                },
                            },
                        },
                    },
                },
            },
        }
    },
}


class Log:
    """A listener of these sinks, and the lines that it has written."""

    def __init__(self, *sinks: str) -> None:
        self.metrics = Metrics()
        self.states = {sink: ServiceState(phase=Phase.LEADING) for sink in sinks}
        self.metrics.watch(self.states)
        self.sinks = {sink: self.metrics.sink(sink) for sink in sinks}
        self.lines: list[str] = []
        self.embedded = EmbeddedMetrics(
            self.metrics, sinks, namespace="pipelines", service="billing", write=self.lines.append
        )

    def measure(self, **waiting_seconds: float | None) -> None:
        """The outbox was measured."""
        self.metrics.outbox.measured(4096, is_paused=False)
        self.metrics.outbox.waiting(
            [
                Backlog(sink=sink, waiting_seconds=seconds, changes=3, dead_letters=1)
                for sink, seconds in waiting_seconds.items()
            ]
        )

    def tell(self) -> list[dict[str, Any]]:
        """The lines that are written now."""
        self.lines.clear()
        self.embedded.tell()
        return [json.loads(line) for line in self.lines]


def figures(line: dict[str, Any]) -> dict[str, float]:
    return {name: line[name] for name in FIGURES if name in line}


def test_a_line_is_valid_by_the_specification() -> None:
    log = Log("changes", "audit")
    log.measure(changes=1.5, audit=None)

    lines = log.tell()

    assert [line["sink"] for line in lines] == ["changes", "audit"]
    for line in lines:
        jsonschema.validate(line, SCHEMA)
        (directive,) = line["_aws"]["CloudWatchMetrics"]
        # Each dimension and each metric is a member of the line, a text and a number.
        assert directive["Namespace"] == "pipelines"
        assert directive["Dimensions"] == [["service", "sink"]]
        assert line["service"] == "billing"
        assert {metric["Name"]: metric["Unit"] for metric in directive["Metrics"]} == {
            name: figure.unit for name, figure in FIGURES.items()
        }
        assert all(isinstance(line[metric["Name"]], float | int) for metric in directive["Metrics"])


def test_a_line_tells_what_has_grown_since_the_line_before() -> None:
    log = Log("changes")
    log.measure(changes=1.5)
    log.sinks["changes"].request(seconds=0.1, records=10, size=1000)
    log.sinks["changes"].throttled("shardId-0")
    log.sinks["changes"].throttled("shardId-1")
    log.sinks["changes"].failed(10)

    [first] = log.tell()
    log.sinks["changes"].request(seconds=0.1, records=4, size=1000)
    [second] = log.tell()

    assert figures(first) == {
        "OldestUndeliveredSeconds": 1.5,
        "UndeliveredChanges": 3,
        "DeliveredRecords": 10,
        "DeadLetters": 1,
        "Delivering": 1,
        "FailedRequests": 3,
        "OutboxBytes": 4096,
    }
    assert figures(second) == {**figures(first), "DeliveredRecords": 4, "FailedRequests": 0}


def test_what_is_not_known_is_left_out() -> None:
    log = Log("changes")
    log.measure(changes=1.5)
    log.metrics.outbox.forget()

    [line] = log.tell()

    jsonschema.validate(line, SCHEMA)
    assert set(figures(line)) == {"DeliveredRecords", "Delivering", "FailedRequests"}
    assert {metric["Name"] for metric in line["_aws"]["CloudWatchMetrics"][0]["Metrics"]} == set(figures(line))


@pytest.mark.parametrize(
    ("phase", "trouble", "delivering"),
    [(Phase.LEADING, None, 1), (Phase.LEADING, "no permission", 0), (Phase.STANDBY, None, 0)],
)
def test_only_who_leads_and_is_well_is_delivering(phase: Phase, trouble: str | None, delivering: int) -> None:
    log = Log("changes")
    log.states["changes"].phase, log.states["changes"].trouble = phase, trouble

    [line] = log.tell()

    assert line["Delivering"] == delivering


async def test_the_last_line_is_written_at_the_end() -> None:
    log = Log("changes")
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(lambda: log.embedded.run(interval_seconds=60))
        await anyio.sleep(150)
        assert len(log.lines) == 2
        log.sinks["changes"].request(seconds=0.1, records=7, size=1)
        tasks.cancel_scope.cancel()

    assert json.loads(log.lines[2])["DeliveredRecords"] == 7
