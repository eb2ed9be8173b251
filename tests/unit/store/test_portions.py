from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from forwarder.store.portions import MAX_BYTES, MAX_ROWS, portions


def cut(sizes: list[int]) -> list[list[int]]:
    return [list(portion) for portion in portions(sizes, size=lambda size: size)]


@given(st.lists(st.integers(0, 2 * MAX_BYTES), max_size=30))
def test_everything_is_in_one_portion_in_its_order_and_only_a_large_item_makes_a_large_one(sizes: list[int]) -> None:
    found = cut(sizes)

    assert [size for portion in found for size in portion] == sizes
    assert all(portion and (sum(portion) <= MAX_BYTES or len(portion) == 1) for portion in found)


def test_a_portion_holds_no_more_rows_than_a_short_statement_can_write() -> None:
    assert [len(portion) for portion in cut([1] * (2 * MAX_ROWS + 1))] == [MAX_ROWS, MAX_ROWS, 1]
