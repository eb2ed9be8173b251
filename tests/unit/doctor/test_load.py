"""``forwarder.doctor.load``."""

from __future__ import annotations

from forwarder.doctor.load import MOST_CHANGES, load_of


def test_the_load_is_that_of_a_minute_or_of_the_last_changes() -> None:
    assert load_of(changes=600, bytes=6000, oldest_seconds=0.1).changes_per_second == 10.0
    assert load_of(changes=MOST_CHANGES, bytes=0, oldest_seconds=10.0).changes_per_second == MOST_CHANGES / 10
