"""Which changes are shown."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from forwarder.capture.selection import Pattern
from forwarder.cli.tail_selection import Selection
from forwarder.consumer import Change

AT = datetime(2026, 1, 2, tzinfo=UTC)


def takes(selection: Selection, *, partition_key: str | None = None, **members: Any) -> bool:
    defaults: dict[str, Any] = {"format": "native", "op": "insert", "schema": "public", "table": "orders", "seq": 7}
    return selection.takes(Change(**{**defaults, "at": AT, **members}), partition_key=partition_key)


def test_without_any_option_all_are_shown() -> None:
    assert takes(Selection())
    assert takes(Selection(), schema=None, table=None, seq=None, at=None)


@pytest.mark.parametrize(("pattern", "is_shown"), [("orders", True), ("public.o*", True), ("shop.*", False)])
def test_tables_are_chosen_by_patterns(pattern: str, *, is_shown: bool) -> None:
    assert takes(Selection(tables=[Pattern("public.items"), Pattern(pattern)])) is is_shown
    # As formats have it that name the table alone.
    assert takes(Selection(tables=[Pattern(pattern)]), schema=None) is is_shown


@pytest.mark.parametrize("key", ["public.orders.42", "42,eu"])
def test_a_key_is_that_of_the_record_or_that_of_the_row(key: str) -> None:
    assert takes(Selection(key=key), key={"id": 42, "region": "eu"}, partition_key="public.orders.42")
    assert not takes(Selection(key=key), key={"id": 43}, partition_key="public.orders.43")
    assert not takes(Selection(key=key))


def test_a_seq_is_the_first_that_is_shown() -> None:
    assert [takes(Selection(first_seq=7), seq=seq) for seq in (6, 7, 8, None)] == [False, True, True, False]


def test_a_time_is_the_first_that_is_shown() -> None:
    moments = (AT - timedelta(seconds=1), AT, None)
    assert [takes(Selection(first_at=AT), at=at) for at in moments] == [False, True, True]


@pytest.mark.parametrize(
    ("key", "members", "partition_key"),
    [
        ("100", {"schema": "crm", "table": "clients"}, "crm.clients.100"),
        ("eu,100", {"schema": "crm", "table": "clients", "partition_key": "crm.clients.eu,100"}, None),
        ("crm.clients.1", {"schema": "crm", "table": "clients", "partition_key": "crm.clients.1"}, None),
        ("1.5", {"schema": "a.b", "table": "c.d"}, "a.b.c.d.1.5"),
        # Format lambda names no table.
        ("1.5", {"schema": None, "table": None}, "public.orders.1.5"),
    ],
)
def test_the_key_of_a_change_that_does_not_tell_it_is_found_in_its_partition_key(
    key: str, members: dict[str, Any], partition_key: str | None
) -> None:
    change = Change(format="dms", op="insert", **members)
    assert Selection(key=key).takes(change, partition_key=partition_key)


def test_a_part_of_a_key_is_not_the_key() -> None:
    assert not takes(Selection(key="5"), partition_key="public.orders.1.5")
    assert not takes(Selection(key="5"), partition_key="public.orders.5", key={"id": 6})
    assert not takes(Selection(key="5"), partition_key="5.public.orders")
