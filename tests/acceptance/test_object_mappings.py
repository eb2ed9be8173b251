"""Object mappings of DMS in records of its format, from a row to the bytes that a consumer of DMS reads."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.databases import Database, connected
from tests.listening import CREDENTIALS, Operator, kinesis_with_stream
from tests.mapped import numbered, object_mapping, selection, transformation

CUSTOMERS = "CREATE TABLE public.customers (id integer PRIMARY KEY, first text, last text, phone text, active boolean)"
ATTRIBUTES = [
    {
        "target-attribute-name": "Name",
        "attribute-type": "scalar",
        "attribute-sub-type": "string",
        "value": "${last}, ${first}",
    },
    {
        "target-attribute-name": "Contact",
        "attribute-type": "document",
        "attribute-sub-type": "json",
        "value": {"Home": {"Phone": "${phone}"}},
    },
]


async def records(
    database: Database, folder: Path, *rules: dict[str, Any], options: str = ""
) -> list[tuple[str, dict[str, Any]]]:
    """The partition keys and the records of one inserted row."""
    async with kinesis_with_stream() as served:
        env = {
            **CREDENTIALS,
            "FORWARDER_DATABASE_URL": database.url,
            "FORWARDER_SINK": f"{served.sink}&format=dms{options}",
            "FORWARDER_TABLE_MAPPINGS": "mappings.json",
        }
        operator = Operator(env, folder, {"mappings.json": numbered(selection("public.%"), *rules)})
        async with connected(database.url) as owner:
            await owner.execute(CUSTOMERS)
            await operator.says("migrate")
            await owner.execute("INSERT INTO public.customers VALUES (1, 'Randy', 'Marsh', '123', true)")
        await operator.says("listen", "--once")
        found = served.kinesis.stream("changes").records()
        return [(record.partition_key, json.loads(record.data)) for record in found]


async def test_columns_are_left_out_and_attributes_made_of_them(database: Database, tmp_path: Path) -> None:
    parameters = {"exclude_columns": ["first", "last", "phone"], "attribute_mappings": ATTRIBUTES}
    ((_, record),) = await records(database, tmp_path, object_mapping("public.customers", parameters=parameters))
    assert record["data"] == {"id": 1, "active": "t", "Name": "Marsh, Randy", "Contact": {"Home": {"Phone": "123"}}}


async def test_all_columns_are_in_a_document_under_the_names_of_the_records(database: Database, tmp_path: Path) -> None:
    ((_, record),) = await records(
        database,
        tmp_path,
        object_mapping(
            "public.customers",
            "map-record-to-document",
            target_table_name="CustomerData",
            parameters={"exclude_columns": ["phone"]},
        ),
        transformation("convert-uppercase", "public.customers.%"),
    )
    assert record["data"] == {"_doc": {"ID": 1, "FIRST": "Randy", "LAST": "Marsh", "ACTIVE": "t"}}
    assert record["metadata"]["table-name"] == "CustomerData"


@pytest.mark.parametrize("action", ["map-record-to-record", "map-record-to-document"])
async def test_an_excluded_column_is_in_no_part_of_a_record(database: Database, tmp_path: Path, action: str) -> None:
    changes = tmp_path / "changes"
    rules = [
        selection("public.%"),
        object_mapping("public.customers", action, parameters={"exclude_columns": ["phone", "id"]}),
        transformation("convert-uppercase", "public.customers.phone"),
        transformation("add-before-image-columns", "public.customers", before_image_def={"column-filter": "all"}),
    ]
    env = {
        "FORWARDER_DATABASE_URL": database.url,
        "FORWARDER_SINK": f"file:{changes}?format=dms&EnableBeforeImage=true&ColumnFilter=all",
        "FORWARDER_TABLE_MAPPINGS": "mappings.json",
    }
    operator = Operator(env, tmp_path, {"mappings.json": numbered(*rules)})
    async with connected(database.url) as owner:
        await owner.execute(CUSTOMERS)
        await operator.says("migrate")
        await owner.execute("INSERT INTO public.customers VALUES (1777777712, 'Randy', 'Marsh', '7777777-34', true)")
        await owner.execute("UPDATE public.customers SET first = 'Stan', phone = '7777777-56'")
        await owner.execute("UPDATE public.customers SET id = 1777777713")
        await owner.execute("DELETE FROM public.customers")
    await operator.says("listen", "--once")
    assert [json.loads(line)["metadata"]["operation"] for line in changes.read_text().splitlines()] == [
        *("insert", "update", "delete", "update", "delete")
    ]
    assert "Randy" in changes.read_text()
    assert "7777777" not in changes.read_text()


async def test_an_excluded_column_stays_so_when_it_or_its_table_is_renamed(database: Database, tmp_path: Path) -> None:
    changes = tmp_path / "changes"
    rules = [
        selection("public.%"),
        object_mapping("public.customers", parameters={"exclude_columns": ["phone"]}),
        transformation("add-before-image-columns", "public.customers", before_image_def={"column-filter": "all"}),
    ]
    env = {
        "FORWARDER_DATABASE_URL": database.url,
        "FORWARDER_SINK": f"file:{changes}?format=dms&EnableBeforeImage=true&ColumnFilter=all",
        "FORWARDER_TABLE_MAPPINGS": "mappings.json",
    }
    operator = Operator(env, tmp_path, {"mappings.json": numbered(*rules)})
    async with connected(database.url) as owner:
        await owner.execute(CUSTOMERS)
        await operator.says("migrate")
        await owner.execute("INSERT INTO public.customers VALUES (1, 'Randy', 'Marsh', '7777777', true)")
        await owner.execute("ALTER TABLE public.customers RENAME phone TO tel")
        await owner.execute("ALTER TABLE public.customers ADD phone text")
        await owner.execute("UPDATE public.customers SET first = 'Stan', phone = '77777778'")
        await operator.says("listen", "--once")
        await owner.execute("ALTER TABLE public.customers RENAME TO clients")
        await owner.execute("UPDATE public.clients SET first = 'Kyle'")
        await operator.says("listen", "--once")
        said = await operator.says("migrate", status=2)
        assert (
            "public.clients was public.customers, of which rule-id 2 of mappings.json excludes phone, and no object mapping"
            in said
        )
        await owner.execute("UPDATE public.clients SET first = 'Eric'")
    await operator.says("listen", "--once")
    found = [json.loads(line) for line in changes.read_text().splitlines()]
    assert [record["data"]["first"] for record in found] == ["Randy", "Stan", "Kyle", "Eric"]
    assert "7777777" not in changes.read_text()


async def test_events_of_an_outbox_follow_the_rules_too(database: Database, tmp_path: Path) -> None:
    changes = tmp_path / "changes"
    keyed = {"partition_key_type": "attribute-name", "partition_key_name": "tenant"}
    rules = [
        selection("public.%"),
        transformation("rename", "public.outboxevent", "table", value="events"),
        transformation("rename", "public.outboxevent.tenant", value="TENANT"),
        object_mapping("public.outboxevent", parameters={"exclude_columns": ["secret"], **keyed}),
    ]
    env = {
        "FORWARDER_DATABASE_URL": database.url,
        "FORWARDER_SINK": f"file:{changes}?format=dms&IncludePartitionValue=true&MessageFormat=json-unformatted",
    }
    settings = 'table_mappings = "mappings.json"\n[[table]]\nmatch = "public.outboxevent"\noutbox = true\n'
    operator = Operator(env, tmp_path, {"forwarder.toml": settings, "mappings.json": numbered(*rules)})
    async with connected(database.url) as owner:
        await owner.execute(
            "CREATE TABLE public.outboxevent (id integer PRIMARY KEY, aggregatetype text, aggregateid text, type text, payload jsonb,"
            " tenant text, secret text)"
        )
        await operator.says("migrate")
        await owner.execute(
            "INSERT INTO public.outboxevent VALUES (1, 'order', '42', 'Placed', '{}', 'acme', 'TOPSECRET')"
        )
    await operator.says("listen", "--once")
    (found,) = [json.loads(line) for line in changes.read_text().splitlines()]
    about = found["metadata"]
    assert (about["table-name"], about["partition-key-value"]) == ("events", "acme")
    assert found["data"]["TENANT"] == "acme"
    assert "TOPSECRET" not in changes.read_text()


@pytest.mark.parametrize(("format", "is_shown"), [("dms", False), ("native", True)])
async def test_dead_letters_show_has_the_columns_that_a_record_has(
    database: Database, tmp_path: Path, format: str, *, is_shown: bool
) -> None:
    rules = [
        selection("public.%"),
        object_mapping("public.customers", parameters={"exclude_columns": ["phone"]}),
    ]
    async with kinesis_with_stream() as served:
        env = {
            **CREDENTIALS,
            "FORWARDER_DATABASE_URL": database.url,
            "FORWARDER_SINK": f"{served.sink}&format={format}",
            "FORWARDER_TABLE_MAPPINGS": "mappings.json",
        }
        operator = Operator(env, tmp_path, {"mappings.json": numbered(*rules)})
        async with connected(database.url) as owner:
            await owner.execute(CUSTOMERS)
            await operator.says("migrate")
            await owner.execute("ALTER TABLE public.customers RENAME phone TO tel")
            await owner.execute(
                "INSERT INTO public.customers VALUES (1, repeat('x', 1 << 20), 'Marsh', '7777777', true)"
            )
        await operator.says("listen", "--once")
        shown = json.loads(await operator.says("dead-letters", "show"))
    assert (shown["after"]["last"], shown["before"]) == ("Marsh", None)
    # The records of other formats have the columns that the mapping excludes.
    assert ("7777777" in json.dumps(shown)) is ("tel" in shown["after"]) is is_shown


@pytest.mark.parametrize(
    ("parameters", "key"),
    [
        ({"partition_key_type": "schema-table"}, "crm.customers"),
        ({"partition_key_type": "primary-key"}, "crm.customers.1"),
        ({"partition_key_type": "constant", "partition_key": {"value": "all"}}, "all"),
        ({"partition_key_type": "attribute-name", "partition_key_name": "last"}, "Marsh"),
    ],
)
async def test_the_partition_key_is_the_one_that_the_record_tells(
    database: Database, tmp_path: Path, parameters: dict[str, Any], key: str
) -> None:
    ((found, record),) = await records(
        database,
        tmp_path,
        object_mapping("public.customers", parameters=parameters),
        transformation("rename", "public", "schema", value="crm"),
        options="&IncludePartitionValue=true&PartitionIncludeSchemaTable=true",
    )
    assert found == key
    assert record["metadata"]["partition-key-type"] == parameters["partition_key_type"]
    told = record["metadata"].get("partition-key-value")
    assert told == (None if parameters["partition_key_type"] == "schema-table" else key)
