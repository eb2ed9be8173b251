from collections.abc import Callable, Iterator
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from forwarder.local.kinesis.budget import ShardBudget
from forwarder.sinks.kinesis.pacing import CALM_SECONDS, HOLD_SECONDS, REFILL_SECONDS, Pacing

SHARD = "shardId-000000000000"
MEBIBYTE = 1 << 20
# Soon after the last of a thousand throttles.
LATER = 1000 * (HOLD_SECONDS + 0.001) + 5.0


def ticks(seconds: float, *, start: float = 0.0, step: float = 0.005) -> Iterator[float]:
    """Times at which a scheduler looks."""
    return (start + tick * step for tick in range(round(seconds / step)))


def admitted(pacing: Pacing, size: int, now: float) -> int:
    """How many records the shard takes until it refuses one, or until it is clear that it refuses none."""
    count = 0
    while count < 100_000 and pacing.admits(SHARD, size, now):
        count += 1
    return count


def drained(size: int = 100) -> Pacing:
    """Of a shard that has just throttled for the first time, and was tried once more after that."""
    pacing = Pacing()
    pacing.throttled(SHARD, -HOLD_SECONDS, sent=-HOLD_SECONDS)
    admitted(pacing, size, 0.0)
    return pacing


def throttled(times: int) -> Pacing:
    pacing = drained()
    for number in range(times):
        pacing.throttled(SHARD, number * (HOLD_SECONDS + 0.001), sent=number * (HOLD_SECONDS + 0.001))
    return pacing


def rate(pacing: Pacing, *, start: float, seconds: float = 4.0, size: int = 100) -> float:
    """Records a second from ``start`` on, without what has been saved up before it."""
    admitted(pacing, size, start)
    return sum(admitted(pacing, size, now) for now in ticks(seconds, start=start)) / seconds


def test_a_shard_that_never_throttled_is_not_paced() -> None:
    pacing = Pacing()
    assert all(pacing.admits(SHARD, 10 * MEBIBYTE, 0.0) for _ in range(10_000))
    pacing.succeeded(SHARD, 0.0)
    assert pacing.wait_seconds(SHARD, 0.0) == 0.0


def test_a_shard_that_has_not_throttled_for_long_is_free_again() -> None:
    pacing = drained()
    assert admitted(pacing, 100, CALM_SECONDS - HOLD_SECONDS - 0.01) < 1000
    assert all(pacing.admits(SHARD, 100, CALM_SECONDS) for _ in range(10_000))


def test_a_shard_is_given_a_thousand_records_a_second_and_never_more() -> None:
    assert rate(drained(), start=10.0) == pytest.approx(1000, rel=0.01)


def test_a_shard_is_given_a_mebibyte_a_second_and_never_more() -> None:
    size = 16 << 10
    assert rate(drained(size), start=10.0, size=size) * size == pytest.approx(MEBIBYTE, rel=0.02)


def test_a_shard_that_has_run_dry_waits_for_more_than_one_record() -> None:
    pacing = drained()
    assert pacing.wait_seconds(SHARD, 0.0) == pytest.approx(REFILL_SECONDS)
    assert admitted(pacing, 100, REFILL_SECONDS) == pytest.approx(1000 * REFILL_SECONDS, abs=1)


def test_one_shard_does_not_wait_for_another() -> None:
    pacing = drained()
    assert pacing.admits("shardId-000000000001", 100, 0.0)


def test_a_record_of_ten_mebibytes_passes_a_full_bucket_and_is_paid_off_afterwards() -> None:
    pacing = drained()
    assert pacing.admits(SHARD, 10 * MEBIBYTE, 10.0)
    assert not pacing.admits(SHARD, 100, 10.0)
    assert pacing.wait_seconds(SHARD, 10.0) == pytest.approx(9.5, abs=0.01)
    assert pacing.admits(SHARD, 100, 19.51)


def test_small_records_do_not_overtake_a_large_one_for_ever() -> None:
    pacing = drained(16 << 10)
    assert not pacing.admits(SHARD, MEBIBYTE, 0.1)
    wait = pacing.wait_seconds(SHARD, 0.1)
    assert not pacing.admits(SHARD, 100, 0.1 + wait / 2)
    assert pacing.admits(SHARD, MEBIBYTE, 0.1 + wait)


@given(
    size=st.integers(1, 10 * MEBIBYTE),
    before=st.integers(1, 10 * MEBIBYTE),
    throttles=st.integers(0, 30),
    start=st.floats(0, 1e7),
)
def test_what_is_refused_passes_after_the_wait(size: int, before: int, throttles: int, start: float) -> None:
    pacing, now = Pacing(), start
    for _ in range(throttles):
        pacing.throttled(SHARD, now, sent=now)
        now += 2 * HOLD_SECONDS
    for _ in range(600):
        pacing.admits(SHARD, before, now)
    now += pacing.wait_seconds(SHARD, now)
    if not pacing.admits(SHARD, size, now):
        now += pacing.wait_seconds(SHARD, now)
        assert pacing.admits(SHARD, size, now)


def test_a_throttled_shard_is_left_alone_for_a_moment() -> None:
    pacing = Pacing()
    pacing.throttled(SHARD, 0.0, sent=0.0)
    assert pacing.wait_seconds(SHARD, 0.0) == HOLD_SECONDS
    assert not pacing.admits(SHARD, 100, HOLD_SECONDS * 0.99)
    assert pacing.admits(SHARD, 100, HOLD_SECONDS)


def test_a_throttled_shard_is_written_to_more_slowly() -> None:
    assert rate(throttled(1), start=10.0) == pytest.approx(800, rel=0.02)


def test_the_throttles_of_one_moment_count_once() -> None:
    pacing = drained()
    for _ in range(500):
        pacing.throttled(SHARD, 0.0, sent=0.0)
    assert rate(pacing, start=10.0) == pytest.approx(800, rel=0.02)


def test_a_throttle_that_is_told_of_late_counts_with_the_others_of_its_moment() -> None:
    pacing = drained()
    pacing.throttled(SHARD, 0.0, sent=0.0)
    pacing.throttled(SHARD, 3 * HOLD_SECONDS, sent=HOLD_SECONDS / 2)
    assert rate(pacing, start=10.0) == pytest.approx(800, rel=0.02)


def test_what_was_on_its_way_at_a_throttle_and_is_stored_is_taken_off() -> None:
    pacing = Pacing()
    pacing.throttled(SHARD, 0.0, sent=-0.1)
    assert pacing.has_throttled_since(-0.05)
    for _ in range(50):
        pacing.stored(SHARD, 100, 0.05, sent=-0.05)
    # A hundred have flowed in, and half of them are gone.
    assert admitted(pacing, 100, HOLD_SECONDS) == 50


def test_what_was_sent_after_a_throttle_is_taken_off_once() -> None:
    pacing = Pacing()
    pacing.throttled(SHARD, 0.0, sent=-0.1)
    assert not pacing.has_throttled_since(HOLD_SECONDS)
    pacing.stored(SHARD, 100, 2 * HOLD_SECONDS, sent=HOLD_SECONDS)
    assert admitted(pacing, 100, 2 * HOLD_SECONDS) == pytest.approx(200, abs=1)


def test_a_shard_that_always_throttles_is_still_tried_twenty_times_a_second() -> None:
    assert rate(throttled(1000), start=LATER) == pytest.approx(20, rel=0.1)


def test_a_shard_that_stores_again_gets_its_whole_quota_back_within_half_a_minute() -> None:
    pacing = throttled(1000)
    for now in ticks(30.0, start=LATER, step=0.1):
        pacing.succeeded(SHARD, now)
    assert rate(pacing, start=LATER + 31.0) == pytest.approx(1000, rel=0.01)


def test_silence_does_not_speed_a_shard_up() -> None:
    pacing = throttled(1000)
    pacing.succeeded(SHARD, LATER + 20.0)
    assert rate(pacing, start=LATER + 20.0) < 100


def test_news_from_before_a_throttle_does_not_speed_a_shard_up() -> None:
    pacing = throttled(1)
    pacing.succeeded(SHARD, HOLD_SECONDS / 2)
    assert rate(pacing, start=10.0) == pytest.approx(800, rel=0.02)


def test_a_clock_that_steps_back_adds_nothing() -> None:
    pacing = drained()
    admitted(pacing, 100, 50.0)
    assert not pacing.admits(SHARD, 100, 40.0)


# What a writer may have ready at a time.
PER_TICK = 100


def write(pacings: list[Pacing], *, seconds: float, size: int) -> tuple[list[int], int]:
    """Writers of one real shard, answered 20 ms later: what each of them stored, and how often the shard throttled."""
    shard, stored, throttles = ShardBudget(now=0.0), [0] * len(pacings), 0
    answers: list[tuple[float, Callable[[str, float], None]]] = []
    for now in ticks(seconds):
        while answers and answers[0][0] <= now:
            _, answer = answers.pop(0)
            answer(SHARD, now)
        for writer, pacing in enumerate(pacings):
            for _ in range(PER_TICK):
                if not pacing.admits(SHARD, size, now):
                    break
                is_stored = shard.admits_record(size, now=now)
                stored[writer] += is_stored
                throttles += not is_stored
                answer = pacing.succeeded if is_stored else partial(pacing.throttled, sent=now)
                answers.append((now + 0.02, answer))
    return stored, throttles


@pytest.mark.parametrize("size", [100, 4 << 10])
def test_a_lone_writer_uses_all_of_a_shard_and_is_throttled_but_once_a_minute(size: int) -> None:
    (stored,), throttles = write([Pacing()], seconds=60.0, size=size)
    assert stored >= 0.98 * 60 * min(1000, MEBIBYTE / size)
    # What was on its way when the first throttle came back.
    assert throttles <= 2 * 5 * PER_TICK


def test_writers_that_share_a_shard_use_most_of_it_each_its_part_with_few_throttles() -> None:
    stored, throttles = write([Pacing(), Pacing()], seconds=60.0, size=100)
    assert sum(stored) >= 0.85 * 60 * 1000
    assert min(stored) >= 0.3 * sum(stored)
    assert throttles <= 0.05 * sum(stored)
