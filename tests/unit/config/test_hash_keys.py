from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from forwarder.config.hash_keys import HASHES, hash_key
from forwarder.errors import Misconfigured


@pytest.mark.parametrize(
    ("value", "expected"),
    [("1/1", HASHES // 2), ("1/2", HASHES // 4), ("2/2", HASHES // 4 * 3), ("0", 0), (str(HASHES - 1), HASHES - 1)],
)
def test_a_part_is_the_hash_in_its_middle_and_a_number_is_the_hash(value: str, expected: int) -> None:
    assert hash_key(value) == expected


@given(st.integers(1, 1000), st.data())
def test_a_part_is_in_the_shard_of_its_number_and_after_a_split_in_a_child_of_that(
    parts: int, data: st.DataObject
) -> None:
    number = data.draw(st.integers(1, parts))
    key = hash_key(f"{number}/{parts}")

    assert key * parts // HASHES == number - 1
    assert key * parts * 2 // HASHES in (2 * number - 2, 2 * number - 1)


@pytest.mark.parametrize("value", ["0/4", "5/4", "1/0", "a", "", "1/2/3", "-1", "½", str(HASHES), "1/1000000"])
def test_what_is_no_part_is_refused_with_the_remedy(value: str) -> None:
    with pytest.raises(Misconfigured, match='write "1/4" for the first of four shards'):
        hash_key(value)
