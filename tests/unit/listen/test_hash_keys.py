"""``forwarder.listen.hash_keys``."""

from __future__ import annotations

import pytest

from forwarder.errors import Misconfigured
from forwarder.events import CapturedTable
from forwarder.listen.hash_keys import hash_keys


def table(schema: str, name: str) -> CapturedTable:
    return CapturedTable(id=1, relation=1, schema=schema, name=name, key_columns=(), before_image="full")


def test_without_patterns_partition_keys_decide() -> None:
    assert hash_keys({}) is None


def test_the_last_pattern_that_matches_a_table_counts() -> None:
    hash_key_of = hash_keys({"public.*": "1", "public.orders": "2", "audit.*": "3"})
    assert hash_key_of
    orders = table("public", "orders")
    assert [hash_key_of(orders), hash_key_of(orders)] == [2, 2]
    assert hash_key_of(table("public", "items")) == 1
    assert hash_key_of(table("other", "items")) is None


@pytest.mark.parametrize("shards", [{"a.b.c": "1"}, {"public.orders": "5/4"}])
def test_what_means_nothing_is_refused(shards: dict[str, str]) -> None:
    with pytest.raises(Misconfigured):
        hash_keys(shards)
