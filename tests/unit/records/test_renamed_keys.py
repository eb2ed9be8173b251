from __future__ import annotations

from functools import partial
from typing import Any

import pytest
from msgspec.structs import replace

from forwarder.config.partition_key import parse
from forwarder.events import CapturedTable, Event, Stored
from forwarder.outbox.keys import member_reader
from forwarder.records import partition_key, renamed_keys
from forwarder.records.renames import Renames
from tests.mapped import mappings_of, selection, transformation

ORDERS = CapturedTable(
    id=1, relation=16400, schema="public", name="orders", key_columns=(("id",),), before_image="full"
)
ITEMS = replace(ORDERS, id=2, relation=16401, name="items")
RENAME_COLUMNS = (
    transformation("convert-uppercase", "public.orders.%"),
    transformation("rename", "public.orders", "table", value="Sales"),
)


def row(table: CapturedTable, region: str, **changes: Any) -> Event:
    event = Event(
        seq=1,
        txid=2,
        at=0,
        table=table,
        partition=None,
        op=b"I",
        before=None,
        after=f'{{"id":42,"region":"{region}"}}',
        fault=None,
        index=1,
        count=1,
        key='{"id":42}',
        key_values="42",
    )
    return replace(event, **changes)


def keys_of(value: str, *events: Event) -> list[str]:
    renames = Renames(mappings_of(selection(), *RENAME_COLUMNS))
    make = partial(partition_key.chooser, reader_of=member_reader)
    chooser = renamed_keys.chooser(parse({"partition_key": value}), renames.columns, make)
    return renames.choosing(chooser)(events)


@pytest.mark.parametrize(
    ("value", "key"),
    [
        ("primary-key", "public.Sales.42"),
        ("column:region", "public.Sales.eu"),
        ("template:{table}:{after.region}:{key.id}", "Sales:eu:42"),
    ],
)
def test_a_key_names_columns_as_the_database_does(value: str, key: str) -> None:
    assert keys_of(value, row(ORDERS, "eu")) == [key]


def test_each_table_has_its_own_names_and_keys_stay_in_the_order_of_the_events() -> None:
    events = [row(ORDERS, "eu"), row(ITEMS, "us"), row(ITEMS, "af"), row(ORDERS, "as")]

    assert keys_of("column:region", *events) == [
        "public.Sales.eu",
        "public.items.us",
        "public.items.af",
        "public.Sales.as",
    ]


def test_the_columns_that_were_read_of_a_large_row_are_renamed_too() -> None:
    large = row(ORDERS, "", after=None, stored=Stored(None, 2 << 20, after_columns='{"region":"eu"}'))

    assert keys_of("column:region", large) == ["public.Sales.eu"]
