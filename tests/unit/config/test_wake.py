"""Whether writers notify the listener, by the settings and by what the server allows."""

from __future__ import annotations

import pytest

from forwarder.config.wake import LOOK_SECONDS, Wake, waking


@pytest.mark.parametrize(
    ("wake", "max_prepared_transactions", "expected", "interval_seconds"),
    [
        ("auto", 0, "doorbell", 5.0),
        ("auto", 1, "poll", LOOK_SECONDS),
        ("doorbell", 0, "doorbell", 5.0),
        ("doorbell", 20, "doorbell", 5.0),
        ("poll", 0, "poll", 5.0),
        ("poll", 20, "poll", 5.0),
    ],
)
def test_writers_notify_where_nothing_can_be_prepared_or_the_user_says_so(
    wake: Wake, max_prepared_transactions: int, expected: str, interval_seconds: float
) -> None:
    found = waking(wake, poll_interval_seconds=5.0, max_prepared_transactions=max_prepared_transactions)
    assert (found.wake, found.interval_seconds) == (expected, interval_seconds)


def test_a_shorter_poll_interval_holds_where_nobody_notifies() -> None:
    assert waking("auto", poll_interval_seconds=0.01, max_prepared_transactions=5).interval_seconds == 0.01


def test_only_a_doorbell_that_can_fail_a_transaction_is_warned_of() -> None:
    warned = [
        (wake, most)
        for wake in ("auto", "doorbell", "poll")
        for most in (0, 20)
        if waking(wake, poll_interval_seconds=5.0, max_prepared_transactions=most).warning
    ]
    assert warned == [("doorbell", 20)]


def test_it_says_how_and_why() -> None:
    assert f"{waking('auto', poll_interval_seconds=5.0, max_prepared_transactions=0)}" == (
        "writers will notify the listener: max_prepared_transactions is 0, so no transaction can be prepared"
    )
    assert f"{waking('auto', poll_interval_seconds=5.0, max_prepared_transactions=7)}" == (
        "the listener will look every 0.1 s: max_prepared_transactions is 7, and a transaction that notifies cannot be prepared"
    )
