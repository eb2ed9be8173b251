from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from forwarder.config import partition_key
from forwarder.events import CapturedTable, Event, Stored
from forwarder.outbox.keys import member_reader
from forwarder.records.partition_key import MAX_CHARACTERS, Chooser, chooser, shortened
from tests.support.loads import LOG as LOADED_LOG
from tests.support.loads import beginning, end, row

Row = dict[str, Any]


def table_of(name: str = "orders", *key: str) -> CapturedTable:
    key_columns = tuple((column,) for column in key)
    return CapturedTable(id=1, relation=1, schema="public", name=name, key_columns=key_columns, before_image="full")


ORDERS = table_of("orders", "id")
LOG = table_of("log")


def event(
    key_values: str | None = None,
    *,
    table: CapturedTable = ORDERS,
    op: bytes = b"I",
    before: Row | None = None,
    after: Row | None = None,
    context: str | None = None,
    key: str | None = None,
) -> Event:
    return Event(
        seq=1,
        txid=77,
        at=0,
        table=table,
        partition=None,
        op=op,
        before=json.dumps(before) if before else None,
        after=json.dumps(after) if after else None,
        fault=None,
        index=1,
        count=1,
        key=key,
        key_values=key_values,
        context=context,
    )


def choosing(value: str = "primary-key", **options: str) -> Chooser:
    return chooser(partition_key.parse({"partition_key": value, **options}), reader_of=member_reader)


def telling(value: str, told: list[tuple[str, str]]) -> Chooser:
    """A chooser; ``told`` collects what it tells of columns that are not there."""
    return chooser(
        partition_key.parse({"partition_key": value}),
        reader_of=member_reader,
        tell_absent=lambda table, column: told.append((table.name, column)),
    )


def key_of(value: str, change: Event, **options: str) -> str:
    [key] = choosing(value, **options)([change])
    return key


@pytest.mark.parametrize(
    ("key_values", "prefix", "expected"),
    [
        ("42", "true", "public.orders.42"),
        ("42", "false", "42"),
        ("eu,7", "true", "public.orders.eu,7"),
        ("", "true", "public.orders."),
        ("", "false", "orders"),  # Kinesis refuses an empty partition key.
        (None, "true", "public.orders"),
        (None, "false", "orders"),
    ],
)
def test_a_row_travels_under_its_key(key_values: str | None, prefix: str, expected: str) -> None:
    assert key_of("primary-key", event(key_values), prefix=prefix) == expected


@pytest.mark.parametrize(("prefix", "expected"), [("true", "public.orders"), ("false", "orders")])
def test_a_table_travels_under_its_name(prefix: str, expected: str) -> None:
    assert key_of("table", event("42"), prefix=prefix) == expected


def test_a_transaction_travels_under_its_number() -> None:
    assert key_of("transaction", event("42")) == "77"


def test_a_constant_is_the_key_of_every_change() -> None:
    assert choosing("constant:all")([event("42"), event(table=LOG), event(op=b"T")]) == ["all", "all", "all"]


def test_random_keys_differ_for_one_row_and_are_the_same_when_they_are_made_again() -> None:
    events = [replace(event("42"), seq=seq) for seq in (1, 2)]
    keys = choosing("random")(events)
    assert keys[0][:4] != keys[1][:4]
    assert choosing("random")(events) == keys
    assert len(keys[0]) == 16


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (event("1", after={"id": 1, "region": "eu"}), "public.orders.eu"),
        (event("1", after={"id": 1, "region": None}), "public.orders.null"),
        (event("1", after={"id": 1, "region": 1.50}), "public.orders.1.5"),
        # The new value counts.
        (event("1", op=b"U", before={"region": "eu"}, after={"region": "us"}), "public.orders.us"),
        # Not there: it has not changed.
        (event("1", op=b"U", before={"id": 1, "region": "eu"}, after={"id": 1}), "public.orders.eu"),
        (event("1", op=b"D", before={"id": 1, "region": "eu"}), "public.orders.eu"),
    ],
)
def test_a_row_travels_under_its_column(change: Event, expected: str) -> None:
    assert key_of("column:region", change) == expected


def test_several_columns_are_joined_in_the_order_of_the_option() -> None:
    change = event("1", op=b"U", before={"region": "eu", "shop": 7}, after={"shop": 8})

    assert key_of("column:shop,region", change) == "public.orders.8,eu"
    assert key_of("column:shop,region", change, prefix="false") == "8,eu"


def test_the_column_of_the_primary_key_makes_the_key_that_the_primary_key_makes() -> None:
    change = event("1", after={"id": 1})

    assert key_of("column:id", change) == key_of("primary-key", change)


def test_the_columns_of_a_large_row_are_those_that_were_read_for_it() -> None:
    change = event("1", op=b"U")
    change.stored = Stored(2 << 20, 2 << 20, before_columns='{"region":"eu"}', after_columns='{"region":"us"}')

    assert key_of("column:region", change) == "public.orders.us"
    assert key_of("template:{before.region}", change) == "eu"
    change.stored = Stored(2 << 20, 2 << 20)
    assert key_of("column:region", change) == "public.orders.1"


@pytest.mark.parametrize("value", ["column:region", "template:{table}.{after.region}"])
@pytest.mark.parametrize("op", [b"T", b"G", b"S"])
def test_what_concerns_a_whole_table_travels_under_its_name(value: str, op: bytes) -> None:
    # The images of a change of the table itself describe columns, and are no row.
    assert key_of(value, event(op=op, after={"region": "eu"})) == "public.orders"


@pytest.mark.parametrize("value", ["column:region", "template:{table}.{after.region}"])
def test_a_row_without_the_column_travels_under_its_key_and_that_is_told(value: str) -> None:
    told: list[tuple[str, str]] = []
    keyed, keyless = event("1", after={"id": 1}), event(table=LOG, after={"id": 1})

    keys = telling(value, told)([keyed, event("2", after={"id": 2, "region": "eu"}), keyless])

    assert keys[0] == "public.orders.1"
    assert keys[1].endswith("orders.eu")
    assert keys[2] == "public.log"
    assert told == [("orders", "region"), ("log", "region")]


@pytest.mark.parametrize(
    "change",
    [event("1", op=b"T"), event("1", table=table_of("event", "key"), op=b"E", after={"key": "1"})],
)
def test_a_change_that_has_no_columns_is_not_told_to_lack_one(change: Event) -> None:
    told: list[tuple[str, str]] = []

    telling("column:region", told)([change])

    assert told == []


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ("{schema}.{table}:{after.region}", "public.orders:us"),
        ("{before.region}", "eu"),
        ("{table}-{key}", "orders-7,a"),
        ("{key.id}", "7"),
        ("{op}", "update"),
        ("{txid}", "77"),
        ("{context.tenant}/{table}", "acme/orders"),
        ("{{{table}}}", "{orders}"),
    ],
)
def test_a_template_is_filled_with_what_the_change_has(template: str, expected: str) -> None:
    change = event(
        "7,a",
        key='{"id":7,"part":"a"}',
        op=b"U",
        before={"region": "eu"},
        after={"region": "us"},
        context='{"user":1,"tenant":"acme"}',
    )

    assert key_of(f"template:{template}", change) == expected


@pytest.mark.parametrize(
    "template", ["{key}", "{key.id}", "{after.region}", "{before.region}", "{context.tenant}", "{after.empty}"]
)
@pytest.mark.parametrize("context", [None, '"a text"', "[1]", '{"user":1}'])
def test_a_template_that_cannot_be_filled_gives_way_to_the_tables_name(template: str, context: str | None) -> None:
    change = event(table=LOG, after={"empty": ""}, context=context)

    assert key_of(f"template:{template}", change) == "public.log"


def test_a_row_without_a_key_may_travel_under_its_hash() -> None:
    row = {"at": 1, "line": "x"}
    digest = hashlib.sha256(json.dumps(row).encode()).hexdigest()
    inserted, deleted = event(table=LOG, after=row), event(table=LOG, op=b"D", before=row)

    assert choosing(keyless="row-hash")([inserted, deleted]) == [f"public.log.{digest}"] * 2
    assert choosing(keyless="row-hash", prefix="false")([inserted]) == [digest]
    assert choosing(keyless="row-hash")([event("1", after=row)]) == ["public.orders.1"]
    assert choosing(keyless="row-hash")([event(table=LOG, op=b"T"), event(table=ORDERS, after=row)]) == [
        "public.log",
        "public.orders",
    ]


def test_the_limit_counts_characters_and_not_bytes() -> None:
    assert shortened("é" * 256) == "é" * 256
    assert shortened("🐘" * 256) == "🐘" * 256


def test_a_longer_key_is_hashed() -> None:
    assert shortened("é" * 257) == hashlib.sha256(("é" * 257).encode()).hexdigest()


@pytest.mark.parametrize("prefix", ["true", "false"])
def test_the_limit_holds_with_and_without_the_prefix(prefix: str) -> None:
    short, first, second = choosing(prefix=prefix)([event("x"), event("x" * 257), event("y" * 257)])

    assert short.endswith("x")
    assert len(first) == len(second) == 64
    assert first != second


def test_two_tables_do_not_share_a_lane_by_their_keys() -> None:
    first, second = choosing()([event("1"), event("1", table=table_of("invoices", "id"))])

    assert first != second


@pytest.mark.parametrize(
    ("kind", "key"),
    [
        ("primary-key", "public.orders.42"),
        ("table", "public.orders"),
        ("constant:all", "all"),
        ("column:status", "public.orders.new"),
        ("template:{table}/{op}/{key.id}/{after.status}", "orders/read/42/new"),
        # It is of no transaction, and goes by its own key.
        ("transaction", "public.orders.42"),
        ("template:{txid}", "public.orders.42"),
    ],
)
def test_a_row_that_is_loaded_has_the_key_of_the_changes_of_its_row(kind: str, key: str) -> None:
    assert key_of(kind, row()) == key


@pytest.mark.parametrize("kind", ["primary-key", "table", "column:status", "template:{after.status}", "transaction"])
def test_the_beginning_and_the_end_of_a_load_go_by_the_name_of_the_table(kind: str) -> None:
    assert choosing(kind)([beginning(), end()]) == ["public.orders", "public.orders"]


def test_rows_that_are_loaded_have_random_keys_each_its_own_and_again_the_same() -> None:
    events = [row(number) for number in range(100)]
    keys = choosing("random")(events)
    assert len(set(keys)) == 100
    assert keys == choosing("random")([row(number, seq=9) for number in range(100)])
    assert {len(key) for key in keys} == {16}


def test_a_row_of_a_table_without_a_key_that_is_loaded_has_the_key_of_its_deletion() -> None:
    read = row(of=LOADED_LOG)
    delete = replace(read, op=b"D", txid=9, before=read.after, after=None, reading=None)
    for options in ({}, {"keyless": "row-hash"}):
        assert key_of("primary-key", read, **options) == key_of("primary-key", delete, **options)


TEXTS = st.text(st.characters(exclude_characters="\x00", exclude_categories=["Cs"]), max_size=300)
ROWS = st.fixed_dictionaries({"id": st.integers(), "region": TEXTS, "shop": TEXTS | st.none(), "note": TEXTS})
KINDS = (
    "primary-key",
    "table",
    "constant:x",
    "column:region",
    "column:region,shop",
    "template:{schema}/{after.region}/{after.shop}",
    "template:{before.region}-{key}",
)


def changed(old: Row, new: Row) -> Row:
    """The image that ``after = "changed"`` keeps."""
    return {name: value for name, value in new.items() if name == "id" or value != old[name]}


@st.composite
def lives(draw: st.DrawFn) -> Sequence[Event]:
    """The changes of one row, from its insert to its delete, of which only the note changes; with images as tables may keep them."""
    row = draw(ROWS)
    key_values = str(row["id"])
    life = [event(key_values, after=row)]
    for note in draw(st.lists(TEXTS, max_size=5)):
        new = {**row, "note": note}
        before, after = draw(
            st.sampled_from([(row, new), (row, changed(row, new)), (changed(new, row), new), (None, new)])
        )
        life.append(event(key_values, op=b"U", before=before, after=after))
        row = new
    return [*life, event(key_values, op=b"D", before=row)]


@given(st.sampled_from(KINDS), lives())
def test_a_row_stays_in_one_lane_as_long_as_what_makes_its_key_does(kind: str, life: Sequence[Event]) -> None:
    told: list[tuple[str, str]] = []

    keys = telling(kind, told)(life)

    assert len(set(keys)) == 1
    assert 0 < len(keys[0]) <= MAX_CHARACTERS
    assert told == []


@given(
    st.sampled_from([*KINDS, "transaction", "random", "template:{op}{txid}{context.tenant}"]),
    st.lists(st.sampled_from(b"IUDTGSE"), min_size=1),
)
def test_every_change_has_a_key_that_kinesis_takes(kind: str, operations: list[int]) -> None:
    events = [event(op=bytes([op]), table=LOG) for op in operations]

    keys = choosing(kind)(events)

    assert len(keys) == len(events)
    assert all(0 < len(key) <= MAX_CHARACTERS for key in keys)
