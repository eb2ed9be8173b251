from __future__ import annotations

import json
from typing import Any

import pytest
from msgspec.structs import replace

from forwarder.events import CapturedTable, Column, ColumnType, Event
from forwarder.records.formats import catalogue
from forwarder.records.formats.catalogue import RecordFormat
from forwarder.records.formats.encoder import Provenance
from forwarder.records.formats.native import encoder
from forwarder.records.origins import Origin, Origins
from forwarder.records.renames import Renames
from tests.mapped import mappings_of, object_mapping, selection, transformation

ORDERS = CapturedTable(
    id=1, relation=16400, schema="public", name="orders", key_columns=(("id", "no"),), before_image="full"
)
UPDATE = Event(
    seq=1,
    txid=2,
    at=0,
    table=ORDERS,
    partition="orders_2026",
    op=b"U",
    before='{"id":42,"price":1.10,"doc":{"id": 1,"price":"\\ud83d"}}',
    after='{"id":42,"price":12345678901234567890.10,"doc":{"id": 1,"price":"\\ud83d"}}',
    fault=None,
    index=1,
    count=1,
    key='{"id":42}',
    key_values="42",
)
NATIVE = RecordFormat(
    encode=encoder(Provenance(origins=Origins([Origin(0, "7")]), database="app")), splices=True, decodes=False
)
RENAME_ALL = (
    transformation("convert-uppercase", "public.orders.%"),
    transformation("rename", "public.orders", "table", value="Sales"),
    transformation("add-prefix", "public", "schema", value="crm_"),
)


def renamed(event: Event, *rules: dict[str, Any]) -> Event:
    return Renames(mappings_of(selection(), *rules)).event(event)


def test_a_record_has_the_names_of_the_mappings_and_the_values_as_they_were() -> None:
    format = catalogue.renamed(NATIVE, Renames(mappings_of(selection(), *RENAME_ALL)))
    assert format.encode([UPDATE])[0].decode() == (
        '{"id":"7/0000000000000001","seq":1,"op":"update","schema":"crm_public","table":"Sales","partition":"orders_2026","key":{"ID":42},'
        '"at":"2000-01-01T00:00:00.000000Z","txid":"2","tx":{"index":1,"count":1},'
        '"before":{"ID":42,"PRICE":1.10,"DOC":{"id": 1,"price":"\\ud83d"}},'
        '"after":{"ID":42,"PRICE":12345678901234567890.10,"DOC":{"id": 1,"price":"\\ud83d"}}}'
    )


def test_the_event_itself_keeps_the_names_of_the_database() -> None:
    """The lane, the order and the sink go by these."""
    before = replace(UPDATE)
    renamed(UPDATE, *RENAME_ALL)
    assert before == UPDATE
    assert UPDATE.table is ORDERS


def test_a_table_that_no_rule_renames_is_left_alone() -> None:
    assert renamed(UPDATE) is UPDATE
    assert renamed(UPDATE, transformation("rename", "public.items", "table", value="x")) is UPDATE


def test_the_columns_that_a_format_asks_for_have_their_new_names() -> None:
    table = replace(ORDERS, columns=(Column("id"), Column("price")))
    assert renamed(replace(UPDATE, table=table), *RENAME_ALL).table.columns == (Column("ID"), Column("PRICE"))


def test_the_table_is_made_once() -> None:
    renames = Renames(mappings_of(selection(), *RENAME_ALL))
    assert renames.event(UPDATE).table is renames.event(replace(UPDATE, seq=2)).table


def test_a_key_that_moves_and_the_columns_that_changed_have_their_new_names() -> None:
    event = replace(UPDATE, op=b"I", before=None, moved='{"id":41}', extra='"changed":["id","price"],"audit":{"id":1}')
    found = renamed(event, *RENAME_ALL)
    assert (found.moved, found.extra) == ('{"ID":41}', '"changed":["ID","PRICE"],"audit":{"id":1}')


@pytest.mark.parametrize(
    ("image", "expected"),
    [
        ('{"id":1,"a\\"b":"\\ud800","c":[1,{"id":2}]}', '{"ID":1,"A\\"B":"\\ud800","C":[1,{"id":2}]}'),
        ("{}", "{}"),
        ('{"id" : 1.50 , "x" : {"y" : null}}', '{"ID":1.50,"X":{"y" : null}}'),
        ('{"id":' + "[" * 3000 + "]" * 3000 + "}", '{"ID":' + "[" * 3000 + "]" * 3000 + "}"),
    ],
)
def test_whatever_postgresql_writes_is_taken_apart_at_its_outermost_members(image: str, expected: str) -> None:
    assert renamed(replace(UPDATE, after=image), *RENAME_ALL).after == expected


@pytest.mark.parametrize("op", [b"T", b"G", b"S"])
def test_what_concerns_the_whole_table_has_its_name_alone(op: bytes) -> None:
    found = renamed(replace(UPDATE, op=op, key=None), *RENAME_ALL)
    assert (found.table.name, found.after) == ("Sales", UPDATE.after)


def test_an_event_of_the_application_has_no_table_to_rename() -> None:
    event = replace(UPDATE, op=b"E")
    assert renamed(event, transformation("convert-uppercase", "%.%", "table")) is event


def test_rows_whose_columns_are_renamed_have_to_be_whole() -> None:
    """Else a large row goes from the database to the sink part by part, and nobody looks into it."""
    for rules, is_whole in (
        (RENAME_ALL, True),
        (RENAME_ALL[1:], False),
        ([before_image(**{"column-filter": "all"})], True),
    ):
        assert catalogue.renamed(NATIVE, Renames(mappings_of(selection(), *rules))).splices is not is_whole


def before_image(**defined: str) -> dict[str, Any]:
    return transformation("add-before-image-columns", "public.orders", before_image_def=defined)


@pytest.mark.parametrize(
    ("defined", "added"),
    [
        ({"column-filter": "pk-only"}, {"BI_id": 42}),
        ({"column-filter": "all", "column-prefix": "", "column-suffix": "_old"}, {"id_old": 42, "price_old": 1.1}),
    ],
)
def test_the_old_values_of_an_update_stand_beside_the_new_ones(defined: dict[str, str], added: dict[str, Any]) -> None:
    event = replace(UPDATE, before='{"id":42,"price":1.10}', after='{"id":42,"price":2}')
    found = renamed(event, before_image(**defined))
    assert json.loads(found.after or "") == {"id": 42, "price": 2, **added}
    inserted = replace(event, op=b"I", before=None)
    assert renamed(inserted, before_image(**defined)).after == inserted.after


@pytest.mark.parametrize("defined", [{}, {"column-prefix": "", "column-suffix": "_old"}])
def test_a_column_counts_over_an_old_value_that_would_get_its_name(defined: dict[str, str]) -> None:
    """It was added since `forwarder migrate`, which refuses such names."""
    taken = "price_old" if defined else "BI_price"
    image = f'{{"id":42,"price":1.10,"note":"{taken}","{taken}":%s}}'
    event = replace(UPDATE, before=image % 1, after=image % 2)
    found = renamed(event, before_image(**{"column-filter": "all", **defined})).after or ""
    assert found.count(f'"{taken}":') == 1
    assert json.loads(found)[taken] == 2
    assert json.loads(found)["id_old" if defined else "BI_id"] == 42


def test_the_old_key_stands_beside_the_new_one() -> None:
    event = replace(UPDATE, op=b"I", before=None, after='{"id":3}', key='{"id":3}', moved='{"id":1}')
    assert renamed(event, before_image(**{"column-filter": "pk-only"})).after == '{"id":3,"BI_id":1}'


def test_an_object_mapping_is_found_under_the_new_names() -> None:
    mapping = object_mapping(
        "public.orders",
        parameters={
            "exclude_columns": ["price"],
            "attribute_mappings": [{"target-attribute-name": "n", "value": {"a": "${id} of ${price}"}}],
        },
    )
    renames = Renames(mappings_of(selection(), mapping, *RENAME_ALL))
    assert renames.object_mapping(ORDERS) is None
    found = renames.object_mapping(renames.event(UPDATE).table)
    assert found is not None
    assert found.exclude == {"PRICE"}
    assert found.attributes[0].value == {"a": ("", "ID", " of ", "PRICE", "")}


def test_a_column_that_was_renamed_to_what_the_mappings_call_it_is_there_once() -> None:
    int8, text = (ColumnType("pg_catalog", name, "b", -1, is_array=False) for name in ("int8", "text"))
    # Behind the present columns are those that it had under other names.
    table = replace(ORDERS, columns=(Column("ID", int8), Column("id", text)))
    event = renamed(replace(UPDATE, table=table), *RENAME_ALL)
    assert event.table.columns == (Column("ID", int8),)


def test_rules_that_contradict_each_other_leave_the_names_of_the_database_and_are_told() -> None:
    """They may do so for a table or a column that came after `forwarder migrate`, and no sink may stand still for that."""
    told: list[str] = []
    rules = (
        transformation("add-prefix", "public.o%", "table", value="x_"),
        transformation("add-suffix", "public.%s", "table", value="_x"),
        transformation("add-prefix", "public", "schema", value="x_"),
        transformation("add-prefix", "%.%.p%", value="x_"),
        transformation("add-suffix", "%.%.%e", value="_x"),
        transformation("convert-uppercase", "%.%.id"),
    )
    found = Renames(mappings_of(selection(), *rules).telling(told.append)).event(
        replace(UPDATE, after='{"id":1,"price":2}')
    )
    assert (found.table.schema, found.table.name, found.after) == ("x_public", "orders", '{"ID":1,"price":2}')
    assert [line.partition(";")[0] for line in told] == [
        "rule-ids 2 and 3 say different things of table public.orders",
        "rule-ids 5 and 6 say different things of column price of public.orders",
    ]


def test_the_old_value_of_an_excluded_column_is_excluded_under_the_name_that_it_is_added_by() -> None:
    rules = (
        object_mapping("public.orders", parameters={"exclude_columns": ["price"]}),
        before_image(**{"column-filter": "all"}),
        transformation("convert-uppercase", "public.orders.%"),
    )
    renames = Renames(mappings_of(selection(), *rules))
    event = renames.event(replace(UPDATE, before='{"id":42,"price":1}', after='{"id":42,"price":2}'))
    assert json.loads(event.after or "") == {"ID": 42, "PRICE": 2, "BI_ID": 42, "BI_PRICE": 1}
    found = renames.object_mapping(event.table)
    assert found
    assert found.exclude == {"PRICE", "BI_PRICE"}


def test_columns_that_any_of_contradictory_object_mappings_excludes_are_excluded() -> None:
    rules = [
        object_mapping(where, parameters={"exclude_columns": [column]})
        for where, column in (("%.o%", "price"), ("%.%s", "doc"))
    ]
    renames = Renames(mappings_of(selection(), *rules).telling(lambda said: None))
    found = renames.object_mapping(renames.event(UPDATE).table)
    assert found
    assert found.exclude == {"price", "doc"}
