"""The format dms, from a table to the records: read by a consumer that knows AWS DMS alone, and of every type that PostgreSQL has."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any

import pytest

from forwarder.database.sessions import session
from forwarder.json_members import members
from tests.databases import Database, connected
from tests.integration.test_new_tables import migrate as migrate_with
from tests.integration.test_new_tables import settings_of
from tests.listening import CREDENTIALS, Served, service_of
from tests.migrating import migrate_tables
from tests.support import every_type
from tests.support.dms_consumer import DmsConsumer
from tests.support.type_tables import type_tables

if TYPE_CHECKING:
    from forwarder.database.sessions import Connection

SHOP = """
    CREATE TYPE mood AS ENUM ('sad', 'very happy');
    CREATE TABLE item (
        id integer, region char(4), paid boolean NOT NULL, price numeric(12, 2), document jsonb, data bytea, tags text[], at timestamptz, mood mood,
        PRIMARY KEY (id, region)
    )
"""
# The rows as a consumer of DMS has them.
EXPECTED = """
    SELECT
        id, trim(region) AS region, CASE WHEN paid THEN 't' ELSE 'f' END AS paid, price::text,
        document::text, '0x' || upper(encode(data, 'hex')) AS data, tags::text,
        to_char(at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS at, mood::text
    FROM item
"""
INSERT = """
    INSERT INTO item
    SELECT $1::integer, $2::text, $1 % 2 = 0, $1 / 7.0, jsonb_build_object('n', $1 / 3.0, 's', E'a"\\nb'), sha256(convert_to($1::text, 'UTF8')),
           ARRAY['a b', NULL, 'q"'], '2026-01-02 03:04:05.123456+00'::timestamptz + make_interval(secs => $1), 'very happy'
    ON CONFLICT (id, region) DO UPDATE SET price = item.price + 1, document = NULL
"""


async def delivered(database: Database, sink: str) -> None:
    """Deliver all that there is."""
    await service_of(database.url, sink).run(once=True)


async def lines_of(database: Database, directory: Path, options: str = "") -> Sequence[str]:
    """The records of all that there is to deliver."""
    path = directory / "out.jsonl"
    await delivered(database, f"file:{path}?format=dms{options}")
    return path.read_text().split("\n")[:-1]


async def change_rows(connection: Connection, *, seed: int) -> None:
    """Inserts, updates, deletes and new keys, several in a transaction."""
    random = Random(seed)
    for _ in range(60):
        async with connection.transaction():
            for _ in range(random.randint(1, 4)):
                region, other = random.choice(["eu", "us"]), random.choice(["eu", "us"])
                id, other_id = random.randint(1, 9), random.randint(1, 9)
                match random.choice(["insert", "insert", "delete", "move"]):
                    case "insert":
                        await connection.execute(INSERT, id, region)
                    case "delete":
                        await connection.execute("DELETE FROM item WHERE (id, region) = ($1, $2)", id, region)
                    case _:
                        await connection.execute("DELETE FROM item WHERE (id, region) = ($1, $2)", other_id, other)
                        await connection.execute(
                            "UPDATE item SET id = $3, region = $4, paid = NOT paid WHERE (id, region) = ($1, $2)",
                            id, region, other_id, other,
                        )  # fmt: skip


async def expected(connection: Connection) -> list[Mapping[str, Any]]:
    """The rows of the table, without nulls."""
    rows = [dict(row) for row in await connection.fetch(EXPECTED)]
    return [{name: value for name, value in row.items() if value is not None} for row in rows]


def as_text(row: Mapping[str, Any]) -> Mapping[str, Any]:
    """A row of a consumer, with the price as a text, to compare its digits."""
    return {name: str(value) if name == "price" else value for name, value in row.items()}


def by_key(rows: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    return sorted(rows, key=lambda row: (row["id"], row["region"]))


@pytest.mark.parametrize(
    "options",
    ["", "&EnableBeforeImage=true&partition_key=table", "&EnableBeforeImage=true&ColumnFilter=all&partition_key=table"],
)
async def test_a_consumer_that_knows_dms_alone_has_the_rows_of_the_table(
    database: Database, served: Served, monkeypatch: pytest.MonkeyPatch, options: str
) -> None:
    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)
    async with connected(database.url) as owner:
        await owner.execute(SHOP)
        await migrate_tables(owner, "public.item")
        await change_rows(owner, seed=7)
        await delivered(database, f"{served.sink}&format=dms{options}")
        consumer = DmsConsumer(keys={"public.item": ("id", "region")})
        for data in served.data():
            consumer.consume(data)
        rows = [as_text(row) for row in consumer.rows("public.item")]
        assert by_key(rows) == by_key(await expected(owner))


async def test_what_is_done_to_a_table_itself_is_told_as_dms_does(database: Database, tmp_path: Path) -> None:
    with_ddl = settings_of({"match": "public.*"}, schema_events=True)
    async with session(database.superuser_url, purpose="tests") as root:
        await migrate_with(root, with_ddl)
    async with connected(database.url) as owner:
        await owner.execute("CREATE TABLE item (id integer PRIMARY KEY, note varchar(9))")
        await owner.execute("INSERT INTO item VALUES (1, 'a')")
        await owner.execute("ALTER TABLE item ADD price numeric(10,2)")
        await owner.execute("ALTER TABLE item RENAME note TO remark")
        await owner.execute("TRUNCATE item")
        await owner.execute("DROP TABLE item")
    options = "&IncludeTableAlterOperations=true&IncludeControlDetails=true"
    records = [json.loads(line) for line in await lines_of(database, tmp_path, options)]
    assert [record["metadata"]["operation"] for record in records] == [
        "create-table", "insert", "add-column", "rename-column", "truncate-table", "drop-table",
    ]  # fmt: skip
    assert records[2]["control"]["table-def"] == {
        "columns": {
            "id": {"type": "INT32", "nullable": False},
            "note": {"type": "STRING", "length": 9, "nullable": True},
            "price": {"type": "NUMERIC", "precision": 10, "scale": 2, "nullable": True},
        },
        "primary-key": ["id"],
    }


async def test_what_has_no_record_counts_as_delivered(database: Database, tmp_path: Path) -> None:
    async with connected(database.url) as owner:
        await owner.execute("CREATE TABLE item (id integer PRIMARY KEY, note text)")
        await migrate_tables(owner, "public.item")
        await owner.execute("INSERT INTO item VALUES (1, 'a')")
        await owner.execute("UPDATE item SET id = 2")
        await owner.execute("TRUNCATE item")
        records = [json.loads(line) for line in await lines_of(database, tmp_path, "&exact=true")]
        assert [(record["metadata"]["operation"], record["data"]["id"]) for record in records] == [
            ("insert", 1),
            ("update", 2),
        ]
        await owner.execute("INSERT INTO item VALUES (3, 'c')")
        records = [json.loads(line) for line in await lines_of(database, tmp_path, "&exact=true")]
        assert [record["data"]["id"] for record in records] == [1, 2, 3]


async def test_a_stream_takes_records_of_many_lines(
    database: Database, served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)
    async with connected(database.url) as owner:
        await owner.execute("CREATE TABLE item (id integer PRIMARY KEY, note text)")
        await migrate_tables(owner, "public.item")
        await owner.execute("INSERT INTO item VALUES (1, 'a')")
    await delivered(database, f"{served.sink}&format=dms&MessageFormat=json&IncludePartitionValue=true")
    [data] = served.data()
    assert data.startswith(b'{\n\t"data":\t{\n\t\t"id":\t1,\n')
    assert json.loads(data)["metadata"]["partition-key-value"] == "1"


# Columns whose text PostgreSQL alone can write: what JSON does not tell is what is an array in an array, and of what types a composite is.
_NOT_AS_TEXT = {
    "int2vector", "int2vector[]", "json[]", "jsonb[]", "oidvector", "oidvector[]", "public.nested", "public.nested[]", "public.tags[]",
}  # fmt: skip
_TEXTS = """
    SELECT attname AS column, format('SELECT id, %I::text FROM public.careful', attname) AS texts, format_type(atttypid, atttypmod) AS type
    FROM pg_attribute
    WHERE attrelid = 'public.careful'::regclass AND attnum > 1
"""


@pytest.mark.slow
async def test_a_value_of_every_type_is_the_text_of_postgresql_or_is_read_back_as_the_same(
    database: Database, tmp_path: Path
) -> None:
    async with session(database.superuser_url, purpose="tests") as root, connected(database.url) as owner:
        await root.execute(every_type.SCHEMA)
        careful = type_tables(await every_type.types(owner, without=()), ())[1]
        await owner.execute(careful.create)
        await migrate_tables(owner, "public.careful")
        await owner.execute("SET search_path = ''")
        for statement in careful.first:
            await owner.execute(statement)
        await owner.execute("SET timezone = 'UTC'; SET datestyle = 'ISO, YMD'; SET intervalstyle = 'postgres'")
        lines = await lines_of(database, tmp_path)
        rows = {int(row["id"]): row for row in (members(members(line)["data"]) for line in lines)}
        different = set()
        for column, texts, type in await owner.fetch(_TEXTS):
            for id, text in await owner.fetch(texts):
                written = rows[id].get(column)
                value = json.loads(written) if written and written.startswith('"') else written
                if value != text and column not in _NOT_AS_TEXT and not await reads_back(owner, value, text, type):
                    different.add((column, text, value))
        assert different == set()


async def reads_back(connection: Connection, value: str | None, text: str | None, type: str) -> bool:
    """Whether PostgreSQL takes a value for the same as the text of the column."""
    if type == "bytea" and value:
        value = value.replace("0x", "\\x", 1)
    query = f"SELECT $1::text::{type}::text IS NOT DISTINCT FROM $2::text"
    is_same: bool = await connection.fetchval(query, value, text)
    return is_same
