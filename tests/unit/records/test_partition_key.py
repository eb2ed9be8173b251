from __future__ import annotations

import hashlib

import pytest

from forwarder.events import CapturedTable, Event
from forwarder.records.partition_key import chooser, shortened


def event(key_values: str | None, *, table: str = "orders") -> Event:
    return Event(
        seq=1,
        txid=1,
        at=0,
        table=CapturedTable(id=1, relation=1, schema="public", name=table, key_columns=(("id",),), before_image="full"),
        partition=None,
        op=b"I",
        before=None,
        after="{}",
        fault=None,
        index=1,
        count=1,
        key=None,
        key_values=key_values,
    )


@pytest.mark.parametrize(
    ("key_values", "prefix", "expected"),
    [
        ("42", True, "public.orders.42"),
        ("42", False, "42"),
        ("eu,7", True, "public.orders.eu,7"),
        ("", True, "public.orders."),
        ("", False, "orders"),  # Kinesis refuses an empty partition key.
        (None, True, "public.orders"),
        (None, False, "orders"),
    ],
)
def test_a_row_travels_under_its_key(key_values: str | None, *, prefix: bool, expected: str) -> None:
    assert chooser("primary-key", prefix=prefix)([event(key_values)]) == [expected]


@pytest.mark.parametrize(("prefix", "expected"), [(True, "public.orders"), (False, "orders")])
def test_a_table_travels_under_its_name(*, prefix: bool, expected: str) -> None:
    assert chooser("table", prefix=prefix)([event("42")]) == [expected]


def test_the_limit_counts_characters_and_not_bytes() -> None:
    assert shortened("é" * 256) == "é" * 256
    assert shortened("🐘" * 256) == "🐘" * 256


def test_a_longer_key_is_hashed() -> None:
    assert shortened("é" * 257) == hashlib.sha256(("é" * 257).encode()).hexdigest()


@pytest.mark.parametrize("prefix", [True, False])
def test_the_limit_holds_with_and_without_the_prefix(*, prefix: bool) -> None:
    choose = chooser("primary-key", prefix=prefix)

    short, first, second = choose([event("x"), event("x" * 257), event("y" * 257)])

    assert short.endswith("x")
    assert len(first) == len(second) == 64
    assert first != second


def test_two_tables_do_not_share_a_lane_by_their_keys() -> None:
    first, second = chooser("primary-key")([event("1", table="orders"), event("1", table="invoices")])

    assert first != second
