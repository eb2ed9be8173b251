import pytest
from hypothesis import given
from hypothesis import strategies as st

from forwarder.local.kinesis.token_bucket import TokenBucket


def test_a_full_bucket_passes_one_burst_and_then_nothing() -> None:
    bucket = TokenBucket(rate=10, burst=10, now=0.0)
    bucket.spend(10)
    assert not bucket.holds(1, now=0.0)


def test_a_bucket_refills_at_its_rate_up_to_its_burst() -> None:
    bucket = TokenBucket(rate=10, burst=10, now=0.0)
    bucket.spend(10)
    assert bucket.holds(5, now=0.5)
    assert not bucket.holds(6, now=0.5)
    assert bucket.wait_seconds(10, now=100.0) == 0.0


def test_an_amount_above_the_burst_passes_a_full_bucket_and_is_paid_off_afterwards() -> None:
    bucket = TokenBucket(rate=1, burst=1, now=0.0)
    assert bucket.holds(10, now=0.0)
    bucket.spend(10)
    assert bucket.wait_seconds(1, now=0.0) == pytest.approx(10.0)


def test_a_clock_that_steps_back_takes_nothing_away() -> None:
    bucket = TokenBucket(rate=1, burst=5, now=100.0)
    assert bucket.holds(5, now=50.0)


@given(
    amounts=st.lists(st.floats(0.1, 30), max_size=50),
    steps=st.lists(st.floats(0, 3), min_size=50, max_size=50),
)
def test_no_more_passes_than_the_rate_one_burst_and_the_last_amount(amounts: list[float], steps: list[float]) -> None:
    bucket = TokenBucket(rate=10, burst=10, now=0.0)
    now, passed = 0.0, 0.0
    for amount, step in zip(amounts, steps, strict=False):
        now += step
        if bucket.holds(amount, now=now):
            assert passed <= 10 + 10 * now + 1e-6
            bucket.spend(amount)
            passed += amount


@given(amount=st.floats(0.1, 30), spent=st.floats(0, 100))
def test_after_the_wait_the_amount_passes(amount: float, spent: float) -> None:
    bucket = TokenBucket(rate=10, burst=10, now=0.0)
    bucket.spend(spent)
    wait = bucket.wait_seconds(amount, now=0.0)
    assert bucket.holds(amount, now=wait + 1e-6)
