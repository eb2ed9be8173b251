"""``forwarder.doctor.outbox``."""

from __future__ import annotations

from dataclasses import replace

import pytest

from forwarder.config.settings import OutboxSettings
from forwarder.doctor.finding import Verdict
from forwarder.doctor.outbox import Gap, judge_backlogs, judge_gaps, judge_history, judge_layout, judge_queue, judge_seq
from forwarder.outbox.backlog_warnings import Backlog
from forwarder.outbox.ring import LEAVES, Leaf, Ring
from tests.checking import as_found

OK, NOTE, WARNING, FAILURE = Verdict


def ring(*, last_seq: int, size: int = 0) -> Ring:
    leaves = [
        Leaf(number=number, name=f"{number}", is_empty=not size, bytes=size, newest_seq=None, newest_age_seconds=None)
        for number in range(LEAVES)
    ]
    return Ring(leaves=leaves, leaf_events=1024, last_seq=last_seq, open_seconds=None)


def test_changes_that_are_late_or_missed_are_failures_and_a_large_outbox_a_warning() -> None:
    def judged(seconds: float | None, *, size: int = 0, is_paused: bool = False) -> list[Verdict]:
        backlogs = [Backlog(sink="default", waiting_seconds=seconds)]
        found = judge_backlogs(backlogs, outbox_bytes=size, is_paused=is_paused, settings=OutboxSettings())
        return [one.verdict for one in found]

    assert judged(None) == [OK, OK]
    assert judged(299.0) == [OK, OK]
    assert judged(301.0) == [FAILURE, OK]
    assert judged(None, is_paused=True) == [FAILURE, OK]
    assert judged(301.0, size=20 << 30) == [FAILURE, WARNING]


@pytest.mark.parametrize(
    ("last_seq", "oldest_seconds", "size", "verdict"),
    [
        # The ring was never full, so nothing is gone.
        (8 * 1024 - 1, 10.0, 1, OK),
        (8 * 1024, 10.0, 1, WARNING),
        # After quiet days: what was there has gone because of its age.
        (8 * 1024, 10.0, 0, OK),
        (8 * 1024, 25 * 3600.0, 1, OK),
        (8 * 1024, None, 0, OK),
    ],
)
def test_history_that_had_to_make_room_before_the_retention_was_over_is_warned_of(
    last_seq: int, oldest_seconds: float | None, size: int, verdict: Verdict
) -> None:
    assert judge_history(ring(last_seq=last_seq, size=size), oldest_seconds, OutboxSettings()).verdict is verdict


def gap(what: str) -> Gap:
    return Gap(name="public.a", is_of_events=False, what=what, seconds=5.0)


def test_leaves_queue_seqs_and_gaps_are_judged_by_what_is_left() -> None:
    assert judge_layout(ring(last_seq=0), OutboxSettings(leaf_events=1024)).verdict is OK
    assert as_found(judge_layout(ring(last_seq=0), OutboxSettings(leaf_events=2048))) == (WARNING, "forwarder migrate")
    assert [judge_queue(usage).verdict for usage in (0.0, 0.2, 0.7)] == [OK, WARNING, FAILURE]
    assert [judge_seq(seq).verdict for seq in (1000, 6 << 60)] == [OK, WARNING]
    assert [one.verdict for one in judge_gaps([gap("capture began")])] == [OK]
    of_table, of_events = judge_gaps([gap("capture resumed"), replace(gap("capture paused"), is_of_events=True)])
    assert as_found(of_table) == (WARNING, "compare what consumers hold: forwarder verify public.a")
    assert of_events.text.startswith("events may be missing")
