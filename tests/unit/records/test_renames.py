from __future__ import annotations

import json
from typing import Any

import pytest
from msgspec.structs import replace

from forwarder.config.formats import Debezium, Dms, DynamoDb, Format
from forwarder.config.sink_url import Framing
from forwarder.events import CapturedTable, Column, ColumnType, Event
from forwarder.json_members import written
from forwarder.records.formats import catalogue
from forwarder.records.formats.catalogue import RecordFormat
from forwarder.records.formats.encoder import Provenance
from forwarder.records.formats.native import encoder
from forwarder.records.origins import Origin, Origins
from forwarder.records.renames import Renames
from tests.mapped import mappings_of, object_mapping, selection, transformation
from tests.support.loads import row

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


def test_a_row_that_is_loaded_has_the_names_of_the_mappings_and_stays_one_of_its_load() -> None:
    event = renamed(row(extra='"withheld":["note"]'), *RENAME_ALL)
    assert (event.table.qualified_name, event.key, event.after) == (
        "crm_public.Sales",
        '{"ID":42}',
        '{"ID":42,"STATUS":"new"}',
    )
    assert json.loads(f"{{{event.extra}}}") == {"withheld": ["NOTE"], "load": {"number": 7}}
    assert event.reading == row().reading


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
    event = replace(UPDATE, op=b"E", table=replace(ORDERS, id=0, schema="forwarder", name="event"))
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
    assert renamed(row(), before_image(**defined)).after == row().after


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
    assert found.exclude == {"PRICE", "price"}
    assert found.attributes[0].value == {"a": ("", "ID", " of ", "PRICE", "")}


def test_a_column_that_was_renamed_to_what_the_mappings_call_it_is_there_once() -> None:
    int8, text = (ColumnType("pg_catalog", name, "b", -1, is_array=False) for name in ("int8", "text"))
    # Behind the present columns are those that it had under other names.
    table = replace(ORDERS, columns=(Column("ID", int8, former=("id",)), Column("id", text, is_gone=True)))
    event = renamed(replace(UPDATE, table=table), *RENAME_ALL)
    assert event.table.columns == (Column("ID", int8, former=("id",)),)


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
    assert [line.partition(";")[0] for line in dict.fromkeys(told)] == [
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
    assert found.exclude == {"PRICE", "BI_PRICE", "price"}


def test_columns_that_any_of_contradictory_object_mappings_excludes_are_excluded() -> None:
    rules = [
        object_mapping(where, parameters={"exclude_columns": [column]})
        for where, column in (("%.o%", "price"), ("%.%s", "doc"))
    ]
    renames = Renames(mappings_of(selection(), *rules).telling(lambda said: None))
    found = renames.object_mapping(renames.event(UPDATE).table)
    assert found
    assert found.exclude == {"price", "doc"}


NAME_IS_FULL_NAME = transformation("rename", "public.orders.name", value="full_name")
LATER = replace(ORDERS, columns=(Column("id"), Column("name"), Column("full_name")))


@pytest.mark.parametrize(
    ("image", "expected"),
    [
        ('{"id":1,"name":"N","full_name":"own"}', '{"id":1,"name":"N","full_name":"own"}'),
        ('{"id":1,"full_name":"own","name":"N"}', '{"id":1,"full_name":"own","name":"N"}'),
        # Of an update with `after = "changed"`.
        ('{"id":1,"name":"N"}', '{"id":1,"name":"N"}'),
    ],
)
def test_a_column_that_comes_later_under_the_name_of_a_renamed_one_overwrites_no_value(
    image: str, expected: str
) -> None:
    event = replace(UPDATE, table=LATER, before=image, after=image, extra='"changed":["name"]')
    found = renamed(event, NAME_IS_FULL_NAME)
    assert (found.before, found.after, found.extra) == (expected, expected, '"changed":["name"]')


def test_a_key_that_is_renamed_is_not_taken_for_a_column_that_comes_later() -> None:
    table = replace(ORDERS, key_columns=(("id",),), columns=(Column("id"), Column("order_id"), Column("BI_a")))
    event = replace(UPDATE, table=table, before='{"id":2,"order_id":"old"}', after='{"id":2,"order_id":"new"}')
    rules = (transformation("rename", "public.orders.id", value="order_id"), before_image(**{"column-filter": "all"}))
    found = renamed(replace(event, key='{"id":2}'), *rules)
    assert (found.key, found.table.key_columns) == ('{"id":2}', (("id",),))
    assert found.after == '{"id":2,"order_id":"new","BI_id":2,"BI_order_id":"old"}'


def test_a_rule_that_exchanges_two_names_does_so_and_a_name_of_before_is_followed() -> None:
    rules = (transformation("rename", "%.%.a", value="b"), transformation("rename", "%.%.b", value="a"))
    columns = (Column("a"), Column("b"), Column("ID", former=("id",)), Column("id", is_gone=True))
    event = replace(UPDATE, table=replace(ORDERS, columns=columns), before=None)
    assert renamed(replace(event, after='{"a":1,"b":2}'), *rules).after == '{"b":1,"a":2}'
    upper = transformation("convert-uppercase", "%.%.id")
    assert renamed(replace(event, after='{"id":1}'), *rules, upper).after == '{"ID":1}'


def test_columns_and_tables_that_would_get_one_name_are_told_once_each_is_seen() -> None:
    told: list[str] = []
    lower = replace(ORDERS, id=2, name="Orders")
    rules = mappings_of(selection(), NAME_IS_FULL_NAME, transformation("convert-lowercase", "%.%", "table"))
    renames = Renames(rules, captured=lambda: [LATER, lower], tell=told.append)
    for table in (LATER, lower, LATER):
        renames.event(replace(UPDATE, table=table))
    assert told == [
        "rule-id 2: columns name and full_name of public.orders would both be called full_name; give one of them another name",
        "public.orders and public.Orders would both be called public.orders in records; rename one of them otherwise",
    ]


@pytest.mark.parametrize("seen_first", ["orders", "Orders"])
@pytest.mark.parametrize("captured_first", ["orders", "Orders"])
def test_two_tables_never_have_one_name_whichever_comes_later(seen_first: str, captured_first: str) -> None:
    tables = {name: replace(ORDERS, id=1 if name == captured_first else 2, name=name) for name in ("orders", "Orders")}
    captured = [tables[seen_first]]
    renames = Renames(
        mappings_of(selection(), transformation("convert-lowercase", "%.%", "table")), captured=lambda: captured
    )
    alone = renames.event(replace(UPDATE, table=tables[seen_first])).table.name
    captured[:] = tables.values()
    names = {name: renames.event(replace(UPDATE, table=tables[name])).table.name for name in reversed(tables)}
    again = {name: renames.event(replace(UPDATE, table=tables[name])).table.name for name in tables}
    assert alone == "orders"
    assert again == {"orders": "orders", "Orders": "Orders"}
    assert names["orders"] == "orders"


def test_a_table_that_is_gone_keeps_no_name_from_one_that_is_there() -> None:
    gone, there = replace(ORDERS, name="Orders", is_live=False), replace(ORDERS, id=2, name="ORDERS")
    renames = Renames(
        mappings_of(selection(), transformation("convert-lowercase", "%.%", "table")), captured=lambda: [gone, there]
    )
    assert [renames.event(replace(UPDATE, table=table)).table.name for table in (there, gone)] == ["orders", "Orders"]


def test_an_event_of_an_outbox_has_the_names_of_the_mappings_and_its_object_mapping() -> None:
    outbox = replace(ORDERS, key_columns=(("aggregateid",),))
    event = replace(
        UPDATE, op=b"E", table=outbox, before=None, after='{"aggregateid":"4","secret":1}', key='{"aggregateid":"4"}'
    )
    mapping = object_mapping("public.orders", parameters={"exclude_columns": ["secret"]})
    renames = Renames(mappings_of(selection(), mapping, *RENAME_ALL))
    found = renames.event(event)
    assert (found.table.name, found.after, found.key) == (
        "Sales",
        '{"AGGREGATEID":"4","SECRET":1}',
        '{"AGGREGATEID":"4"}',
    )
    mapped = renames.object_mapping(found.table)
    assert mapped
    assert "SECRET" in mapped.exclude


def test_an_old_value_is_of_its_column_s_type() -> None:
    """So that each format writes it as the new one."""
    int8 = ColumnType("pg_catalog", "int8", "b", -1, is_array=False)
    table = replace(ORDERS, columns=(Column("id", int8),))
    found = renamed(replace(UPDATE, table=table), before_image(**{"column-filter": "all"}))
    assert found.table.columns == (Column("id", int8), Column("BI_id", int8, is_gone=True))


@pytest.mark.parametrize("format", [Debezium(), Dms(), DynamoDb()])
def test_every_format_writes_an_old_value_as_it_writes_the_new_one(format: Format) -> None:
    names = ("timestamp", "bytea", "bpchar", "money", "numeric", "date", "jsonb")
    values = '"2024-02-29T13:14:15.5"', '"\\\\xdead"', '"ab   "', '"$1,234.56"', "1.50", '"2024-02-29"', '{"a": 1}'
    columns = [Column("id"), *(Column(name, ColumnType("pg_catalog", name, "b", -1, is_array=False)) for name in names)]
    image = written({"id": "42", **dict(zip(names, values, strict=True))})
    event = replace(
        UPDATE, table=replace(ORDERS, columns=tuple(columns)), before=image, after=image.replace("42", "43")
    )
    renames = Renames(mappings_of(selection(), before_image(**{"column-filter": "all"})))
    provenance = Provenance(origins=Origins([Origin(0, "7/1")]), database="app")
    [data] = catalogue.renamed(catalogue.record_format(format, Framing(), provenance), renames).encode([event])
    record = json.loads(data)
    new = record.get("data") or record.get("after") or record["dynamodb"]["NewImage"]
    assert [new[f"BI_{name}"] for name in names] == [new[name] for name in names]


def test_a_delete_has_no_old_values_in_the_format_dms() -> None:
    event = replace(UPDATE, op=b"D", table=replace(ORDERS, columns=(Column("id"), Column("note"))), after=None)
    renames = Renames(mappings_of(selection(), before_image(**{"column-filter": "all"})))
    provenance = Provenance(origins=Origins([Origin(0, "7/1")]), database="app")
    format = catalogue.record_format(Dms(IncludeNullAndEmpty=True, exact=True), Framing(), provenance)
    [data] = catalogue.renamed(format, renames).encode([replace(event, before=None)])
    assert json.loads(data)["data"] == {"id": 42, "note": None}
