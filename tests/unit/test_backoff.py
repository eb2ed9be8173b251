from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from forwarder.backoff import Backoff, delay_seconds


def longest() -> float:
    return 1.0


def shortest() -> float:
    return 0.0


def test_pauses_double_up_to_the_longest() -> None:
    backoff = Backoff(first_seconds=1, max_seconds=5, chance=longest)

    assert [backoff.next() for _ in range(5)] == [1, 2, 4, 5, 5]


def test_a_success_starts_over() -> None:
    backoff = Backoff(first_seconds=1, max_seconds=5, chance=longest)
    backoff.next()
    backoff.next()

    backoff.reset()

    assert backoff.next() == 1


def test_a_pause_is_drawn_from_the_upper_half_of_its_span() -> None:
    assert delay_seconds(2, first_seconds=1, max_seconds=5, chance=shortest) == 1
    assert delay_seconds(2, first_seconds=1, max_seconds=5, chance=longest) == 2


@given(attempt=st.integers(1, 10**9), first_seconds=st.floats(0.001, 10), max_seconds=st.floats(0.001, 1000))
def test_no_number_of_attempts_overflows(attempt: int, first_seconds: float, max_seconds: float) -> None:
    pause = delay_seconds(attempt, first_seconds=first_seconds, max_seconds=max_seconds)

    assert 0 < pause <= max_seconds
