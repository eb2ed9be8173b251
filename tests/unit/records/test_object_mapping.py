"""What object mappings make of a row: what the guide of DMS shows, as it shows it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from msgspec.structs import replace

from forwarder.config.partition_key import BY_PRIMARY_KEY
from forwarder.events import CapturedTable, Event, Stored
from forwarder.outbox.keys import member_reader
from forwarder.records import partition_key
from forwarder.records.object_mapping import chooser, shaped
from forwarder.records.partition_key import Chooser
from forwarder.records.renames import Renames
from tests.mapped import mappings_of, object_mapping, selection, transformation
from tests.support.loads import beginning, row

ROW = {
    "FirstName": '"Randy"',
    "LastName": '"Mar\\"sh"',
    "StoreId": "5",
    "HomePhone": "1234567890",
    "WorkPhone": "null",
    "Doc": '{"a": 1.50}',
}
CONTACT = {"Home": {"Phone": "${HomePhone}"}, "Work": {"Phone": "${WorkPhone}"}}


def data(action: str = "map-record-to-record", **parameters: Any) -> Any:
    rule = object_mapping("Test.Customers", action, parameters=parameters)
    found = mappings_of(selection("Test.%"), rule).object_mapping("Test", "Customers")
    assert found is not None
    return json.loads(shaped(found, ROW))


def test_each_column_is_a_member_or_all_are_in_a_document() -> None:
    row = {name: json.loads(value) for name, value in ROW.items()}
    assert data() == row
    assert data("map-record-to-document") == {"_doc": row}


def test_excluded_columns_are_left_out_and_attributes_may_be_made_of_them() -> None:
    attributes = [
        {
            "target-attribute-name": "CustomerName",
            "attribute-type": "scalar",
            "attribute-sub-type": "string",
            "value": "${LastName}, ${FirstName}",
        },
        {
            "attribute-name": "ContactDetails",
            "attribute-type": "document",
            "attribute-sub-type": "json",
            "value": CONTACT,
        },
    ]
    excluded = ["FirstName", "LastName", "HomePhone", "WorkPhone", "Doc"]
    expected = {
        "CustomerName": 'Mar"sh, Randy',
        "ContactDetails": {"Home": {"Phone": "1234567890"}, "Work": {"Phone": ""}},
    }
    assert data(exclude_columns=excluded, attribute_mappings=attributes) == {"StoreId": 5, **expected}
    in_document = data("map-record-to-document", exclude_columns=excluded, attribute_mappings=attributes)
    assert in_document == {"_doc": {"StoreId": 5}, **expected}


@pytest.mark.parametrize(
    ("value", "sub_type", "expected"),
    [
        ("${Doc}", "json", {"a": 1.5}),
        ("${Doc}", "string", '{"a": 1.50}'),
        ("${LastName}", "json", 'Mar"sh'),
        ("[${StoreId}, ${HomePhone}]", "json", [5, 1234567890]),
        ("constant", "string", "constant"),
        ("${Unknown}", "string", ""),
    ],
)
def test_an_attribute_is_a_string_unless_it_is_to_be_json(value: str, sub_type: str, expected: Any) -> None:
    attribute = {"target-attribute-name": "x", "attribute-sub-type": sub_type, "value": value}
    assert data(attribute_mappings=[attribute])["x"] == expected


def event(table: str, after: str | None = '{"id":7,"region":"eu"}') -> Event:
    captured = CapturedTable(id=1, relation=1, schema="public", name=table, key_columns=(("id",),), before_image="full")
    return Event(1, 1140, 0, captured, None, b"I", None, after, None, 1, 1, '{"id":7}', "7")


def chosen(*rules: dict[str, Any]) -> Chooser:
    """The chooser of partition keys by these rules."""
    renames = Renames(mappings_of(selection(), *rules))
    own_keys = partition_key.chooser(BY_PRIMARY_KEY, reader_of=member_reader)
    return renames.choosing(
        chooser(renames.object_mapping, lambda events: ["otherwise" for _ in events], own_keys=own_keys)
    )


@pytest.mark.parametrize(
    ("parameters", "key"),
    [
        ({}, "otherwise"),
        ({"partition_key_type": "primary-key"}, "crm.orders.7"),
        ({"partition_key_type": "schema-table"}, "crm.orders"),
        ({"partition_key_type": "transaction-id"}, "1140"),
        ({"partition_key_type": "constant", "partition_key_name": "one"}, "one"),
        ({"partition_key": {"value": "one"}}, "one"),
        ({"partition_key_type": "attribute-name", "partition_key_name": "region"}, "eu"),
        ({"partition_key_type": "attribute-name", "partition_key_name": "missing"}, "crm.orders.7"),
        (
            {
                "partition_key_type": "attribute-name",
                "partition_key_name": "where",
                "attribute_mappings": [{"target-attribute-name": "where", "value": "${region}/${id}"}],
            },
            "eu/7",
        ),
    ],
)
def test_the_partition_key_is_what_the_mapping_of_the_table_says(parameters: dict[str, Any], key: str) -> None:
    """With the names that the records have, as in DMS."""
    choose = chosen(
        object_mapping("public.orders", parameters=parameters),
        transformation("rename", "public", "schema", value="crm"),
    )
    assert choose([event("items"), event("orders"), event("items")]) == ["otherwise", key, "otherwise"]


def test_a_row_that_is_loaded_is_of_no_transaction_and_goes_by_its_primary_key() -> None:
    choose = chosen(object_mapping("public.orders", parameters={"partition_key_type": "transaction-id"}))
    assert choose([row(), beginning()]) == ["public.orders.42", "public.orders"]


def test_an_attribute_is_named_as_in_the_database_whatever_it_is_called_in_records() -> None:
    parameters = {"partition_key_type": "attribute-name", "partition_key_name": "region"}
    choose = chosen(
        object_mapping("public.orders", parameters=parameters), transformation("convert-uppercase", "public.orders.%")
    )
    assert choose([event("orders")]) == ["eu"]


BY_REGION = {"partition_key_type": "attribute-name", "partition_key_name": "region"}
BY_PLACE = {
    "partition_key_type": "attribute-name",
    "partition_key_name": "place",
    "attribute_mappings": [{"target-attribute-name": "place", "value": "${region}/${town}"}],
}
OLD = '{"id":7,"region":"eu","town":"Bern"}'
LARGE = event("orders", None)


@pytest.mark.parametrize(
    ("images", "key"),
    [
        (("", OLD), "eu/Bern"),
        ((OLD, '{"id":7}'), "eu/Bern"),
        ((OLD, '{"id":7,"town":"Rome"}'), "eu/Rome"),
        ((OLD, '{"id":7,"town":null}'), "eu/"),
        ((OLD, ""), "eu/Bern"),
        (("", '{"id":7,"town":"Rome"}'), "public.orders.7"),
    ],
)
def test_a_column_that_the_new_row_lacks_is_taken_from_the_old_one(images: tuple[str, str], key: str) -> None:
    before, after = (image or None for image in images)
    choose = chosen(object_mapping("public.orders", parameters=BY_PLACE))
    assert choose([replace(event("orders"), op=b"U", before=before, after=after)]) == [key]


@pytest.mark.parametrize("renaming", [[], [transformation("convert-uppercase", "public.orders.%")]])
def test_a_large_row_has_the_key_that_its_columns_make(renaming: list[dict[str, Any]]) -> None:
    choose = chosen(object_mapping("public.orders", parameters=BY_PLACE), *renaming)
    both = Stored(9, 9, before_columns='{ "region" : "eu", "town" : "Bern" }', after_columns='{ "town" : "Rome" }')
    assert choose([replace(LARGE, op=b"U", stored=both)]) == ["eu/Rome"]
    assert choose([replace(LARGE, op=b"D", stored=replace(both, after_columns=None))]) == ["eu/Bern"]


def test_a_change_that_lacks_a_column_of_the_attribute_is_told() -> None:
    told: list[str] = []
    renames = Renames(mappings_of(selection(), object_mapping("public.orders", parameters=BY_PLACE)))
    own_keys = partition_key.chooser(BY_PRIMARY_KEY, reader_of=member_reader)
    choose = chooser(
        renames.object_mapping,
        own_keys,
        own_keys=own_keys,
        tell_absent=lambda table, column: told.append(f"{column} of {table.qualified_name}"),
    )
    without_row = event("orders", None)
    complete = event("orders", '{"id":7,"region":null,"town":null}')
    renames.choosing(choose)([event("orders"), without_row, complete])
    assert told == ["town of public.orders"]


def test_a_change_whose_attribute_is_null_goes_by_its_primary_key() -> None:
    choose = chosen(object_mapping("public.orders", parameters=BY_REGION))
    null = replace(event("orders", '{"id":7,"region":null}'), op=b"U", before=OLD)
    assert choose([null]) == ["public.orders.7"]


def test_an_event_without_a_row_goes_by_its_primary_key() -> None:
    choose = chosen(object_mapping("public.orders", parameters=BY_REGION))
    assert choose([event("orders", None)]) == ["public.orders.7"]


@pytest.mark.parametrize("op", [b"T", b"G", b"S"])
def test_what_concerns_a_whole_table_goes_by_its_name(op: bytes) -> None:
    choose = chosen(object_mapping("public.orders", parameters=BY_REGION))
    assert choose([replace(event("orders"), op=op, key=None, key_values=None)]) == ["public.orders"]


def test_a_key_that_kinesis_does_not_take_is_hashed() -> None:
    (key,) = chosen(object_mapping("public.orders", parameters={"partition_key": {"value": "x" * 300}}))(
        [event("orders")]
    )
    assert len(key) == 64
