from hypothesis import given
from hypothesis import strategies as st

from forwarder.delivery.concurrency import START, Concurrency


def answer(concurrency: Concurrency, round_trip_seconds: float, *, rounds: int = 1, rejected: int = 0) -> None:
    """Answer as many requests as the limit allows, all of them in flight together, some times over."""
    for _ in range(rounds):
        for _ in range(concurrency.limit):
            concurrency.finished(round_trip_seconds, in_flight=concurrency.limit, rejected=rejected, records=100)


def fail(concurrency: Concurrency, *, requests: int) -> None:
    for _ in range(requests):
        concurrency.failed()


def test_eight_requests_are_allowed_at_first() -> None:
    assert Concurrency(max_in_flight=64).limit == 8


def test_a_maximum_below_eight_is_kept_from_the_start() -> None:
    assert Concurrency(max_in_flight=3).limit == 3


def test_a_limit_that_is_used_rises_by_one_a_round_up_to_the_maximum() -> None:
    concurrency = Concurrency(max_in_flight=20)
    answer(concurrency, 0.02)
    assert concurrency.limit == 9
    answer(concurrency, 0.02, rounds=50)
    assert concurrency.limit == 20


def test_a_limit_that_nobody_reaches_does_not_rise() -> None:
    concurrency = Concurrency(max_in_flight=64)
    for _ in range(1000):
        concurrency.finished(0.02, in_flight=concurrency.limit - 1, rejected=0, records=1)
    assert concurrency.limit == START


def test_slow_rounds_lower_the_limit_to_where_it_started() -> None:
    concurrency = Concurrency(max_in_flight=64)
    answer(concurrency, 0.02, rounds=30)
    risen = concurrency.limit
    answer(concurrency, 0.05)
    assert concurrency.limit == risen * 9 // 10
    answer(concurrency, 0.05, rounds=50)
    assert concurrency.limit == START


def test_one_fast_answer_shows_that_a_round_is_not_slow() -> None:
    concurrency = Concurrency(max_in_flight=64)
    answer(concurrency, 0.02)
    for index in range(concurrency.limit):
        concurrency.finished(0.5 if index else 0.02, in_flight=concurrency.limit, rejected=0, records=1)
    assert concurrency.limit == START + 2


def test_a_few_milliseconds_are_never_slow() -> None:
    concurrency = Concurrency(max_in_flight=64)
    answer(concurrency, 0.0005)
    answer(concurrency, 0.005)
    assert concurrency.limit == START + 2


def test_the_limit_settles_where_more_requests_only_wait_longer() -> None:
    concurrency = Concurrency(max_in_flight=256)
    limits = []
    for _ in range(500):
        # A stream 20 ms away that answers 1,000 requests a second: 20 in flight fill it.
        answer(concurrency, max(0.02, concurrency.limit / 1000))
        limits.append(concurrency.limit)
    assert min(limits[100:]) >= 20
    assert max(limits) <= 48


def test_a_stream_that_has_moved_away_is_not_slow_for_ever() -> None:
    concurrency = Concurrency(max_in_flight=64)
    answer(concurrency, 0.02, rounds=10)
    # Ten minutes of rounds, 100 ms each.
    answer(concurrency, 0.1, rounds=6000)
    assert concurrency.limit == 64


def test_a_failed_request_halves_the_limit_once_a_round() -> None:
    concurrency = Concurrency(max_in_flight=64)
    fail(concurrency, requests=8)
    assert concurrency.limit == 4


def test_a_stream_that_is_down_is_tried_with_one_request() -> None:
    concurrency = Concurrency(max_in_flight=64)
    fail(concurrency, requests=1000)
    assert concurrency.limit == 1


def test_a_stream_that_is_back_gets_all_it_had_again() -> None:
    concurrency = Concurrency(max_in_flight=64)
    answer(concurrency, 0.02)
    fail(concurrency, requests=1000)
    # Slow at first, as streams are that come back; that must not hold the limit at one.
    answer(concurrency, 0.1, rounds=16)
    assert concurrency.limit >= START


def test_rejecting_most_records_halves_the_limit_and_rejecting_some_does_not() -> None:
    concurrency = Concurrency(max_in_flight=64)
    answer(concurrency, 0.02, rejected=50)
    assert concurrency.limit == 9
    answer(concurrency, 0.02, rejected=51)
    assert concurrency.limit == 4


@given(
    max_in_flight=st.integers(1, 100),
    answers=st.lists(st.tuples(st.floats(0, 20), st.integers(0, 100), st.booleans()), max_size=300),
)
def test_the_limit_stays_between_one_and_the_maximum(
    max_in_flight: int, answers: list[tuple[float, int, bool]]
) -> None:
    concurrency = Concurrency(max_in_flight=max_in_flight)
    for round_trip_seconds, rejected, is_failure in answers:
        if is_failure:
            concurrency.failed()
        else:
            concurrency.finished(round_trip_seconds, in_flight=concurrency.limit, rejected=rejected, records=100)
        assert 1 <= concurrency.limit <= max_in_flight
