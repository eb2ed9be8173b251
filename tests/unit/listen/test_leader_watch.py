from __future__ import annotations

from dataclasses import replace

import pytest

from forwarder.database.lock_holders import Holder
from forwarder.listen.leader_watch import FINE, PATIENCE_SECONDS, STILL_SECONDS, LastSave, LeaderWatch

LEADER = Holder(
    pid=7,
    prepared=None,
    role="app_owner",
    application="forwarder leader",
    address=None,
    is_exclusive=True,
    may_lead=True,
)
PSQL = replace(LEADER, pid=8, application="psql")
WRITER = replace(LEADER, role="app_writer", may_lead=False)
SAVE = LastSave(epoch=1, saved_at=100)
LATER = replace(SAVE, saved_at=101)


@pytest.fixture
def watch() -> LeaderWatch:
    return LeaderWatch("default")


def test_a_leader_without_a_backlog_may_be_silent_for_hours(watch: LeaderWatch) -> None:
    for now in (0.0, 10_000.0):
        assert watch.look([LEADER], SAVE, has_backlog=False, now=now) == FINE


@pytest.mark.parametrize(
    ("holder", "reason", "remedy"),
    [
        (WRITER, "pid 7, which has a role that may not deliver", "SELECT pg_terminate_backend(7)"),
        (replace(LEADER, is_exclusive=False), "which shares the lock", "SELECT pg_terminate_backend(7)"),
        (replace(LEADER, pid=None, prepared="it's"), "which is no session", "ROLLBACK PREPARED 'it''s'"),
        (
            replace(LEADER, pid=None, prepared="two\nlines"),
            "which is no session",
            "ROLLBACK PREPARED, with its gid in pg_prepared_xacts",
        ),
    ],
)
def test_who_cannot_lead_is_named_at_once_with_the_remedy(
    watch: LeaderWatch, holder: Holder, reason: str, remedy: str
) -> None:
    verdict = watch.look([holder], SAVE, has_backlog=False, now=0.0)

    assert verdict.usurpation
    assert "the leader's lock of sink 'default' is held by" in verdict.usurpation
    assert reason in verdict.usurpation
    assert verdict.usurpation.endswith(f"end it: {remedy}")


def test_several_who_share_it_are_counted(watch: LeaderWatch) -> None:
    shared = replace(WRITER, is_exclusive=False)

    verdict = watch.look([shared, replace(shared, pid=9)], None, has_backlog=False, now=0.0)

    assert "pid 7 and 1 more, which shares the lock" in (verdict.usurpation or "")


def test_who_has_another_name_is_given_time_to_show_that_it_leads(watch: LeaderWatch) -> None:
    assert watch.look([PSQL], SAVE, has_backlog=False, now=0.0) == FINE
    assert watch.look([PSQL], SAVE, has_backlog=False, now=PATIENCE_SECONDS - 0.1) == FINE

    verdict = watch.look([PSQL], SAVE, has_backlog=False, now=PATIENCE_SECONDS)

    assert "application 'psql', pid 8, which does not call itself a listener" in (verdict.usurpation or "")


def test_the_time_is_that_of_each_holder(watch: LeaderWatch) -> None:
    watch.look([LEADER], SAVE, has_backlog=False, now=0.0)
    assert watch.look([PSQL], SAVE, has_backlog=False, now=100.0) == FINE
    watch.look([], SAVE, has_backlog=False, now=101.0)
    assert watch.look([PSQL], SAVE, has_backlog=False, now=200.0) == FINE


def test_who_saves_leads_under_whatever_name(watch: LeaderWatch) -> None:
    """As behind a pooler that keeps the names of its clients to itself."""
    watch.look([PSQL], SAVE, has_backlog=False, now=0.0)
    watch.look([PSQL], LATER, has_backlog=False, now=1.0)

    assert watch.look([PSQL], LATER, has_backlog=False, now=1000.0) == FINE


def test_a_replay_is_no_sign_of_a_leader(watch: LeaderWatch) -> None:
    watch.look([PSQL], SAVE, has_backlog=False, now=0.0)
    watch.look([PSQL], LastSave(epoch=2, saved_at=101), has_backlog=False, now=1.0)

    assert watch.look([PSQL], LastSave(epoch=2, saved_at=101), has_backlog=False, now=PATIENCE_SECONDS).usurpation


def test_a_leader_that_saves_nothing_for_a_minute_while_changes_wait_is_warned_of(watch: LeaderWatch) -> None:
    watch.look([LEADER], SAVE, has_backlog=True, now=0.0)
    assert watch.look([LEADER], SAVE, has_backlog=True, now=STILL_SECONDS - 0.1) == FINE

    verdict = watch.look([LEADER], SAVE, has_backlog=True, now=STILL_SECONDS + 10)

    assert verdict.usurpation is None
    assert "the leader of sink 'default' has saved nothing for 70 seconds although changes wait" in (
        verdict.warning or ""
    )
    assert "pid 7" in (verdict.warning or "")


def test_a_look_that_fails_does_not_begin_the_minute_anew(watch: LeaderWatch) -> None:
    watch.look([LEADER], SAVE, has_backlog=True, now=0.0)
    watch.look([LEADER], None, has_backlog=True, now=50.0)
    watch.look([LEADER], SAVE, has_backlog=True, now=52.0)

    assert watch.look([LEADER], SAVE, has_backlog=True, now=STILL_SECONDS).warning


def test_a_save_that_was_seen_only_after_a_look_that_failed_begins_it_anew(watch: LeaderWatch) -> None:
    watch.look([LEADER], SAVE, has_backlog=True, now=0.0)
    watch.look([LEADER], None, has_backlog=True, now=50.0)
    watch.look([LEADER], LATER, has_backlog=True, now=52.0)

    assert watch.look([LEADER], LATER, has_backlog=True, now=STILL_SECONDS) == FINE


def test_no_save_of_the_holder_before_speaks_for_one_that_came_when_a_look_failed(watch: LeaderWatch) -> None:
    watch.look([LEADER], SAVE, has_backlog=False, now=0.0)
    watch.look([PSQL], None, has_backlog=False, now=1.0)
    watch.look([PSQL], LATER, has_backlog=False, now=2.0)

    assert watch.look([PSQL], LATER, has_backlog=False, now=1.0 + PATIENCE_SECONDS).usurpation


def test_a_change_that_came_after_a_long_silence_is_given_its_time(watch: LeaderWatch) -> None:
    watch.look([LEADER], SAVE, has_backlog=False, now=0.0)

    assert watch.look([LEADER], SAVE, has_backlog=True, now=1000.0) == FINE
    assert watch.look([LEADER], SAVE, has_backlog=True, now=1000.0 + STILL_SECONDS).warning


def test_who_renames_itself_again_and_again_is_still_the_same(watch: LeaderWatch) -> None:
    for second in range(5):
        name = replace(PSQL, application=f"psql {second}")
        assert watch.look([name], SAVE, has_backlog=False, now=float(second)) == FINE

    assert watch.look([PSQL], SAVE, has_backlog=False, now=PATIENCE_SECONDS).usurpation


@pytest.mark.parametrize(
    ("holder", "save"), [(LEADER, LATER), (LEADER, LastSave(epoch=2, saved_at=100)), (replace(LEADER, pid=9), SAVE)]
)
def test_a_save_an_epoch_and_another_leader_begin_the_minute_anew(
    watch: LeaderWatch, holder: Holder, save: LastSave
) -> None:
    watch.look([LEADER], SAVE, has_backlog=True, now=0.0)
    watch.look([holder], save, has_backlog=True, now=50.0)

    assert watch.look([holder], save, has_backlog=True, now=100.0) == FINE
    assert watch.look([holder], save, has_backlog=True, now=50.0 + STILL_SECONDS).warning
