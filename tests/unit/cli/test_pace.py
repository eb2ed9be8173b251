from __future__ import annotations

import pytest

from forwarder.cli.pace import Pace


def test_speed_is_that_of_the_last_seconds() -> None:
    pace = Pace()
    assert pace.per_second == 0
    for second in range(100):
        pace.note(second * 10 if second < 50 else 490 + (second - 49) * 100, now=float(second))

    assert pace.per_second == pytest.approx(100)
