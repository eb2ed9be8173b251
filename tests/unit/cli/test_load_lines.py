"""``forwarder.cli.load_lines``."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from forwarder.cli.load_lines import outcome, progress, title
from forwarder.outbox.position import Snapshot
from forwarder.store.loads import Load, LoadState

NOW = datetime(2026, 1, 1, tzinfo=UTC)
RUNNING = Load(
    number=7,
    sink="default",
    table_id=1,
    schema="public",
    name="orders",
    part="{}",
    state=LoadState.RUNNING,
    begun=Snapshot(3, 5),
    place=None,
    rows=1000,
    bytes=2_500_000,
    estimated_rows=4000,
    error=None,
    requested_at=NOW,
    started_at=NOW,
    updated_at=NOW,
    finished_at=None,
)


def load(**members: Any) -> Load:
    return replace(RUNNING, **members)


def test_a_load_that_has_not_begun_only_says_so() -> None:
    assert progress(load(begun=None, state=LoadState.WAITING)) == "waiting"
    assert progress(load(begun=None, state=LoadState.PAUSED)) == "paused"


def test_a_running_load_says_how_far_how_fast_and_how_long_still() -> None:
    assert progress(load(), 500.0) == "running, 1,000 of about 4,000 rows (2.5 MB), 500 rows/s, 6.0 s left"


@pytest.mark.parametrize("estimated_rows", [None, 900, 1000])
def test_how_long_is_not_told_where_the_estimate_says_nothing(estimated_rows: int | None) -> None:
    assert "left" not in progress(load(estimated_rows=estimated_rows), 500.0)


def test_a_paused_load_has_no_speed() -> None:
    assert progress(load(state=LoadState.PAUSED), 500.0) == "paused, 1,000 of about 4,000 rows (2.5 MB)"


def test_an_ended_load_says_what_has_become_of_it() -> None:
    finished = load(state=LoadState.FINISHED, finished_at=NOW + timedelta(seconds=40))
    assert outcome(finished) == "1,000 rows (2.5 MB) in 40 s"
    assert outcome(replace(finished, state=LoadState.CANCELLED)) == "cancelled after 1,000 rows"
    failed = replace(finished, state=LoadState.FAILED, error="gone\x1b[2J; create it")
    assert outcome(failed) == "failed after 1,000 rows: gone\\u001b[2J; create it"


def test_a_name_cannot_move_the_cursor() -> None:
    assert title(load(name="\x1b[2Jorders")) == "default: public.\\u001b[2Jorders"
