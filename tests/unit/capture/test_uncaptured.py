"""How often the triggers are looked at."""

from __future__ import annotations

import pytest

from forwarder.capture.uncaptured import seconds_to_next_look


@pytest.mark.parametrize(
    ("took_seconds", "pause_seconds"), [(0.0, 30.0), (0.2, 30.0), (0.5, 50.0), (3.0, 60.0), (9.9, 60.0)]
)
def test_the_next_look_is_at_most_a_minute_away_however_long_the_last_one_took(
    took_seconds: float, pause_seconds: float
) -> None:
    assert seconds_to_next_look(took_seconds) == pause_seconds
