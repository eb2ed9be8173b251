"""Control records: what a change of a table itself becomes."""

from __future__ import annotations

import json
from typing import Any

import pytest

from forwarder.config.table_mappings.object_mapping import ObjectMapping
from tests.unit.records.formats.dms.changes import change, record

ID = {"name": "id", "type": "integer", "nullable": False, "key": 1}
NAME = {"name": "name", "type": "text", "nullable": True, "key": None}
AGE = {"name": "age", "type": "integer", "nullable": True, "key": None}
OPTIONS = {"IncludeTableAlterOperations": True, "IncludeControlDetails": True}


def described(*columns: dict[str, Any], table: str = "foo") -> str:
    return json.dumps({"schema": "public", "table": table, "columns": columns})


def control(before: str | None, after: str | None, **options: Any) -> Any:
    event = change(op=b"S", before=before, after=after, key=None, key_values=None)
    return record(event, **OPTIONS | options)


def test_a_new_table_is_told_with_its_columns_and_its_key() -> None:
    assert control(None, described(ID, NAME)) == {
        "control": {
            "table-def": {
                "columns": {"id": {"type": "INT32", "nullable": False}, "name": {"type": "STRING", "nullable": True}},
                "primary-key": ["id"],
            }
        },
        "metadata": {
            "timestamp": "2026-01-02T03:04:05.123456Z",
            "record-type": "control",
            "operation": "create-table",
            "partition-key-type": "schema-table",
            "schema-name": "public",
            "table-name": "foo",
        },
    }


@pytest.mark.parametrize(
    ("before", "after", "operation"),
    [
        (None, described(ID), "create-table"),
        (described(ID), None, "drop-table"),
        (described(ID), described(ID, table="bar"), "rename-table"),
        (described(ID), described(ID, NAME, AGE), "add-column"),
        (described(ID, NAME, AGE), described(ID, AGE), "drop-column"),
        (described(ID, NAME), described(ID, {**NAME, "name": "title"}), "rename-column"),
        (described(ID, NAME), described(ID, {**NAME, "type": "bigint"}), "column-type-change"),
        (described(ID, NAME), described({**ID, "type": "bigint"}, {**NAME, "type": "bigint"}), "column-type-change"),
        (described(ID, NAME), described(ID, {**NAME, "nullable": False}), "change-columns"),
        (described(ID, NAME), described(ID, {**NAME, "name": "n", "type": "bigint"}), "change-columns"),
        (described(ID, NAME), described({**ID, "key": None}, NAME), "change-columns"),
        (None, None, "change-columns"),
    ],
)
def test_each_change_of_a_table_has_the_word_of_dms(before: str | None, after: str | None, operation: str) -> None:
    assert control(before, after)["metadata"]["operation"] == operation


def test_a_table_that_is_gone_has_no_definition() -> None:
    assert control(described(ID), None)["control"] == {}


def test_a_table_without_a_key_has_none_in_its_definition() -> None:
    definition = control(None, described(NAME))["control"]["table-def"]
    assert list(definition) == ["columns"]


def test_a_renamed_table_tells_its_old_name() -> None:
    renamed = control(described(ID), described(ID, table="bar"))
    assert renamed["metadata"]["table-name"] == "bar"
    assert renamed["forwarder"] == {"renamed-from": {"schema-name": "public", "table-name": "foo"}}


def test_columns_of_a_key_are_in_its_order() -> None:
    first, second = {**NAME, "key": 2}, {**AGE, "key": 1}
    assert control(None, described(first, second))["control"]["table-def"]["primary-key"] == ["age", "name"]


def test_it_is_told_only_when_that_is_asked_for() -> None:
    assert control(None, described(ID), IncludeTableAlterOperations=False) is None
    assert "control" not in control(None, described(ID), IncludeControlDetails=False)


@pytest.mark.parametrize(
    ("type", "told"),
    [
        ("smallint", {"type": "INT16"}),
        ("bigint", {"type": "INT64"}),
        ("real", {"type": "FLOAT"}),
        ("double precision", {"type": "DOUBLE"}),
        ("numeric(10,2)", {"type": "NUMERIC", "precision": 10, "scale": 2}),
        ("numeric(3,-2)", {"type": "NUMERIC", "precision": 3, "scale": -2}),
        ("numeric", {"type": "NUMERIC", "precision": 28, "scale": 6}),
        ("boolean", {"type": "STRING", "length": 5}),
        ("character varying(9)", {"type": "STRING", "length": 9}),
        ("character varying", {"type": "STRING", "length": 8000}),
        ("character(5)", {"type": "STRING", "length": 5}),
        ("date", {"type": "DATE32"}),
        ("timestamp(3) without time zone", {"type": "TIMESTAMP"}),
        ("timestamp with time zone", {"type": "TIMESTAMP"}),
        ("interval hour to minute", {"type": "STRING", "length": 25}),
        ("interval(3)", {"type": "STRING", "length": 25}),
        ("jsonb", {"type": "STRING"}),
        ("integer[]", {"type": "STRING"}),
        ("numeric(10,2)[]", {"type": "STRING"}),
        ('public."odd(1)"', {"type": "STRING"}),
    ],
)
def test_a_type_has_the_name_of_dms(type: str, told: dict[str, Any]) -> None:
    columns = control(None, described({**NAME, "type": type}))["control"]["table-def"]["columns"]
    assert columns["name"] == {**told, "nullable": True}


def test_a_boolean_is_one_where_it_is_mapped_so() -> None:
    written = control(None, described({**NAME, "type": "boolean"}), MapBooleanAsBoolean=True)
    assert written["control"]["table-def"]["columns"]["name"]["type"] == "BOOL"


def test_excluded_columns_are_not_named() -> None:
    mapping = ObjectMapping(rule_id="1", shape="record").excluding(frozenset(("id", "age")))
    told = control(described(ID, NAME), described(ID, NAME, AGE), mapping=mapping)
    assert told["control"] == {"table-def": {"columns": {"name": {"type": "STRING", "nullable": True}}}}
    assert told["metadata"]["operation"] == "add-column"
