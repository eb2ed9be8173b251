"""How large chunks become, and how fast rows go."""

import pytest

from forwarder.load.pacing import FIRST_ROWS, GROWTH, LEAST_ROWS, MOST_ROWS, ChunkSize, RateLimit


def test_a_chunk_has_as_many_rows_as_can_be_read_in_the_time_it_should_take() -> None:
    size = ChunkSize(seconds=0.05)
    size.took(0.1, rows=FIRST_ROWS)
    assert size.rows == FIRST_ROWS / 2


def test_chunks_grow_step_by_step_and_not_without_end() -> None:
    size = ChunkSize(seconds=0.05)
    size.took(0.000_001, rows=FIRST_ROWS)
    assert size.rows == GROWTH * FIRST_ROWS
    for _ in range(10):
        size.took(0.000_001, rows=size.rows)
    assert size.rows == MOST_ROWS


def test_a_slow_database_does_not_make_chunks_smaller_than_is_of_use() -> None:
    size = ChunkSize(seconds=0.05)
    for _ in range(10):
        size.took(5.0, rows=size.rows)
    assert size.rows == LEAST_ROWS


def test_an_empty_chunk_says_nothing() -> None:
    size = ChunkSize(seconds=0.05)
    size.took(10.0, rows=0)
    assert size.rows == FIRST_ROWS


def test_a_chunk_that_was_overtaken_is_read_again_in_smaller_ones_down_to_a_row() -> None:
    size = ChunkSize(seconds=0.05)
    size.overtaken()
    assert size.rows == FIRST_ROWS / 4
    for _ in range(10):
        size.overtaken()
    assert size.rows == 1


def test_without_a_limit_nobody_waits() -> None:
    assert RateLimit(None).wait_seconds(1e9, now=0.0) == 0


@pytest.mark.parametrize("portion", [1, 100, 5000])
def test_over_time_the_rate_is_kept_whatever_the_portions(portion: int) -> None:
    limit, now, units = RateLimit(1000.0), 50.0, 0
    while now < 80.0:
        units += portion
        now += limit.wait_seconds(portion, now=now)
    assert 29_000 <= units <= 31_000 + portion


def test_what_was_not_used_for_long_is_not_made_up_for() -> None:
    limit = RateLimit(1000.0)
    limit.wait_seconds(1, now=0.0)
    assert limit.wait_seconds(3000, now=1000.0) == 2.0
