from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

import pytest
from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families

from forwarder.metrics import Metrics
from forwarder.outbox.backlog_warnings import Backlog

# https://prometheus.io/docs/practices/naming/; what is counted needs no unit.
UNITS = ("seconds", "bytes")


@dataclass
class Standing:
    leads: bool = True
    ready: bool = True


class Holder:
    """Two records in memory, in two lanes."""

    in_flight, records, bytes, waiting_for_barriers, done = 1, 2, 3, 0, 5

    def oldest_seconds(self) -> float:
        return 4.0

    def hottest(self, count: int) -> list[int]:
        return [1, 1][:count]


def families(metrics: Metrics) -> Mapping[str, Metric]:
    """What Prometheus reads, by name."""
    return {family.name: family for family in text_string_to_metric_families(metrics.exposition().decode())}


def values(metrics: Metrics, **labels: str) -> Mapping[str, float]:
    """Each sample that has these labels among its own, by name."""
    return {
        sample.name: sample.value
        for family in families(metrics).values()
        for sample in family.samples
        if labels.items() <= sample.labels.items()
    }


@pytest.fixture
def metrics() -> Metrics:
    """Everything has happened once."""
    metrics = Metrics(tables_limit=10)
    sink = metrics.sink("changes")
    sink.watch(Holder())
    metrics.watch({"changes": Standing()})
    sink.request(seconds=0.2, records=3, size=100)
    sink.failed(2)
    sink.acknowledged(0.03, 40)
    sink.changed({("public.orders", "insert"): 5, ("public.orders", "delete"): 1})
    sink.saved(0.004)
    sink.began_anew("database")
    sink.credentials_end(1_800_000_000.0)
    sink.credentials_renewed(is_done=True)
    metrics.outbox.measured(1 << 20, is_paused=False)
    metrics.outbox.waiting([Backlog(sink="changes", waiting_seconds=12.0, changes=9, dead_letters=2)])
    metrics.outbox.read("head", seconds=0.002, changes=7)
    metrics.doorbell.asked(is_armed=True)
    with metrics.sessions.opening("leader"):
        pass
    return metrics


def test_every_metric_is_explained_and_named_by_the_conventions(metrics: Metrics) -> None:
    for name, family in families(metrics).items():
        assert re.fullmatch(r"(forwarder|process)_[a-z]+(_[a-z]+)*", name), name
        if name.startswith("forwarder_") and not name.endswith("_created"):
            assert family.documentation.endswith("."), name
            assert len(family.documentation.split()) >= 2, name
            assert family.type != "unknown", name
        if family.type == "histogram":
            assert name.endswith(UNITS), name


def test_a_change_that_was_measured_stands_for_those_of_its_page(metrics: Metrics) -> None:
    found = values(metrics, sink="changes")

    assert found["forwarder_sink_latency_seconds_count"] == 40
    assert found["forwarder_sink_latency_seconds_sum"] == pytest.approx(40 * 0.03)
    assert values(metrics, sink="changes", le="0.025")["forwarder_sink_latency_seconds_bucket"] == 0
    assert values(metrics, sink="changes", le="0.05")["forwarder_sink_latency_seconds_bucket"] == 40
    assert values(metrics, sink="changes", le="+Inf")["forwarder_sink_latency_seconds_bucket"] == 40


def test_a_request_without_an_answer_is_counted_and_its_records_too(metrics: Metrics) -> None:
    assert values(metrics, sink="changes")["forwarder_sink_failed_requests_total"] == 1
    assert values(metrics, sink="changes", code="Unavailable")["forwarder_sink_rejected_records_total"] == 2


def test_who_leads_and_who_is_well_is_asked_for_at_each_scrape() -> None:
    metrics, standing = Metrics(), Standing(leads=False, ready=True)
    metrics.watch({"changes": standing})

    assert values(metrics)["forwarder_sink_leader"] == 0
    assert values(metrics)["forwarder_sink_ready"] == 1

    standing.leads, standing.ready = True, False

    assert values(metrics)["forwarder_sink_leader"] == 1
    assert values(metrics)["forwarder_sink_ready"] == 0


def test_what_cannot_be_measured_any_more_does_not_stand_still(metrics: Metrics) -> None:
    measured = values(metrics, sink="changes")
    assert measured["forwarder_outbox_waiting_seconds"] == 12
    assert measured["forwarder_outbox_backlog_changes"] == 9
    assert measured["forwarder_dead_letters"] == 2

    metrics.outbox.forget()

    left = values(metrics, sink="changes")
    assert not {"forwarder_outbox_waiting_seconds", "forwarder_outbox_backlog_changes", "forwarder_dead_letters"} & {
        *left
    }


def test_every_reason_of_a_restart_is_there_before_it_happens() -> None:
    metrics = Metrics()
    metrics.sink("changes")

    samples = families(metrics)["forwarder_sink_restarts"].samples
    told = {sample.labels["reason"]: sample.value for sample in samples if sample.name.endswith("_total")}

    assert told == {"database": 0, "leadership": 0, "refused": 0, "start": 0}


def test_sessions_are_counted_while_they_are_open() -> None:
    metrics = Metrics()
    with metrics.sessions.opening("reader"):
        pass
    with pytest.raises(OSError), metrics.sessions.opening("reader"):  # noqa: PT011 - any
        raise OSError
    assert values(metrics, purpose="reader")["forwarder_database_sessions"] == 1

    metrics.sessions.closed("reader")

    found = values(metrics, purpose="reader")
    assert found["forwarder_database_sessions"] == 0
    assert found["forwarder_database_sessions_opened_total"] == 1
    assert found["forwarder_database_session_failures_total"] == 1


def tables_told(metrics: Metrics) -> int:
    return len(families(metrics)["forwarder_table_changes"].samples)


def test_five_hundred_tables_are_not_told_one_by_one() -> None:
    metrics = Metrics()
    sink = metrics.sink("changes")
    for number in range(100):
        sink.changed({(f"public.t{number}", "insert"): 1, (f"public.t{number}", "update"): 1})
    assert tables_told(metrics) == 200
    assert values(metrics)["forwarder_tables_limited"] == 0
    before = len(metrics.exposition())

    for number in range(500):
        sink.changed({(f"public.t{number}", "insert"): 1})

    assert tables_told(metrics) == 0
    assert values(metrics)["forwarder_tables_limited"] == 1
    assert len(metrics.exposition()) < before


def test_a_table_counts_once_for_each_sink() -> None:
    metrics = Metrics(tables_limit=1)
    metrics.sink("one").changed({("public.orders", "insert"): 1})
    assert tables_told(metrics) == 1

    metrics.sink("other").changed({("public.orders", "insert"): 1})

    assert tables_told(metrics) == 0


def test_with_a_limit_of_nothing_no_table_is_told() -> None:
    metrics = Metrics(tables_limit=0)
    metrics.sink("changes").changed({("public.orders", "insert"): 1})

    assert tables_told(metrics) == 0
    assert values(metrics)["forwarder_tables_limited"] == 1
