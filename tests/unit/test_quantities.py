"""``forwarder.quantities``."""

import pytest

from forwarder.quantities import duration, size


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.04, "0.0 s"), (9.94, "9.9 s"), (38.2, "38 s"), (750, "12 min"), (12_600, "3.5 h")]
)
def test_a_duration_has_the_unit_that_fits(seconds: float, text: str) -> None:
    assert duration(seconds) == text


@pytest.mark.parametrize(
    ("number", "text"),
    [(0, "0 bytes"), (999, "999 bytes"), (1500, "1.5 kB"), (412_300_000, "412.3 MB"), (7e9, "7.0 GB")],
)
def test_a_size_has_the_unit_that_fits(number: int, text: str) -> None:
    assert size(number) == text
