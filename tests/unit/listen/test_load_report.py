"""``forwarder.listen.load_report``."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from forwarder.health import LoadProgress, Phase, ServiceState
from forwarder.listen.load_report import MOST_WARNINGS, LoadReport
from forwarder.metrics import Metrics
from forwarder.store.loads import Load, LoadState

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def load(number: int = 1, **members: Any) -> Load:
    return replace(
        Load(
            number=number,
            sink="default",
            table_id=number,
            schema="public",
            name=f"table_{number}",
            part="{}",
            state=LoadState.RUNNING,
            begun=None,
            place=None,
            rows=0,
            bytes=0,
            estimated_rows=None,
            error=None,
            requested_at=NOW,
            started_at=None,
            updated_at=NOW,
            finished_at=None,
        ),
        **members,
    )


class Reported:
    """A report, and what it has said."""

    def __init__(self) -> None:
        self._metrics = Metrics()
        self.state = ServiceState(phase=Phase.LEADING)
        self.report = LoadReport(self.state, self._metrics.sink("default"))

    def see(self, *loads: Load, remaining_rows: int = 0) -> None:
        """These are all loads."""
        states = Counter(load.state.value for load in loads)
        self.report.see(loads, states=states, remaining_rows=remaining_rows)

    def value(self, name: str, **labels: str) -> float:
        [found] = [
            sample.value
            for family in text_string_to_metric_families(self._metrics.exposition().decode())
            for sample in family.samples
            if sample.name == name and labels.items() <= sample.labels.items()
        ]
        return found


@pytest.fixture
def reported() -> Reported:
    return Reported()


def test_rows_are_counted_that_were_read_since_the_load_was_seen_first(reported: Reported) -> None:
    reported.see(load(rows=100, bytes=1000))
    reported.report.moved(load(rows=100), rows=150, bytes=1500)
    reported.see(load(rows=150, bytes=1500))
    reported.report.moved(load(rows=150), rows=175, bytes=1750)
    # It has begun anew.
    reported.report.moved(load(), rows=5, bytes=50)
    reported.report.moved(load(rows=5), rows=6, bytes=60)
    # A small table, which is done before anybody looks.
    reported.report.moved(load(2), rows=7, bytes=70)

    assert reported.value("forwarder_load_rows_total") == 83
    assert reported.value("forwarder_load_bytes_total") == 830


def test_tables_are_counted_by_the_state_of_their_load(reported: Reported) -> None:
    reported.see(load(1), load(2, state=LoadState.WAITING), load(3, state=LoadState.PAUSED))
    reported.see(load(1), load(2), load(4, state=LoadState.FAILED, error="gone"))

    counts = {
        state: reported.value("forwarder_loads", state=state) for state in ("waiting", "running", "paused", "failed")
    }
    assert counts == {"waiting": 0, "running": 2, "paused": 0, "failed": 1}


def test_what_is_left_is_told(reported: Reported) -> None:
    reported.see(load(), remaining_rows=90)

    assert reported.value("forwarder_load_remaining_rows") == 90


def test_loads_under_way_are_shown_and_failed_ones_warned_of_while_the_sink_is_ready(reported: Reported) -> None:
    failed = load(2, state=LoadState.FAILED, error="no right to read it; GRANT it")
    reported.see(load(1, rows=5, bytes=50, estimated_rows=9), failed, load(3, state=LoadState.PAUSED))

    assert reported.state.loads == [
        LoadProgress(table="public.table_1", state="running", rows=5, bytes=50, estimated_rows=9)
    ]
    (warning,) = reported.state.load_warnings
    assert warning.startswith(
        "the load of public.table_2 for sink default has failed: no right to read it; GRANT it; then run `forwarder load public.table_2`"
    )
    assert reported.state.ready

    reported.see()
    assert (list(reported.state.loads), list(reported.state.load_warnings)) == ([], [])


def test_so_many_failed_loads_are_named_and_the_others_counted(reported: Reported) -> None:
    reported.see(*(load(number, state=LoadState.FAILED, error="gone") for number in range(MOST_WARNINGS + 3)))

    assert len(reported.state.load_warnings) == MOST_WARNINGS + 1
    assert reported.state.load_warnings[-1].startswith("3 more loads have failed")
