"""The types of columns, as the formats of records are told them: ``CapturedTable.columns``."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Sequence

import anyio
import asyncpg
import pytest

from forwarder.capture.known_columns import keep_columns
from forwarder.database.sessions import Connection, session
from forwarder.events import CapturedTable, ColumnType
from forwarder.outbox.registry import Registry
from tests.capture import capture
from tests.databases import Database, connected
from tests.reading import BEGINNING, Reader


@pytest.fixture
async def writer(database: Database) -> AsyncIterator[Connection]:
    connection = await asyncpg.connect(database.url)
    yield connection
    await connection.close()


@pytest.fixture
async def reader(database: Database) -> AsyncIterator[Reader]:
    async with session(database.url, purpose="reader") as connection:
        registry = Registry(with_columns=True)
        yield Reader(connection, position=BEGINNING, registry=registry, page_rows=1000, page_bytes=1 << 20)


async def tables_of_page(reader: Reader) -> Sequence[CapturedTable]:
    return [event.table for event in (await reader.read()).events]


def types_of(table: CapturedTable) -> dict[str, str | None]:
    return {column.name: column.type.name if column.type else None for column in table.columns}


async def test_each_column_has_its_type_and_what_stands_in_its_brackets(writer: Connection, reader: Reader) -> None:
    await writer.execute("CREATE TABLE item (id bigint PRIMARY KEY, price numeric(10,2), at timestamptz(3), note text)")
    await capture(writer, "item")
    await writer.execute("INSERT INTO item VALUES (1)")
    [table] = await tables_of_page(reader)
    assert types_of(table) == {"id": "int8", "price": "numeric", "at": "timestamptz", "note": "text"}
    assert [column.type and column.type.modifier for column in table.columns] == [-1, (10 << 16 | 2) + 4, 3, -1]


async def test_a_domain_is_what_it_is_made_of_and_an_array_what_it_holds(writer: Connection, reader: Reader) -> None:
    await writer.execute(
        "CREATE DOMAIN price AS numeric(12,3); CREATE DOMAIN dear AS price; CREATE DOMAIN tags AS text[];"
        "CREATE TYPE mood AS ENUM ('ok'); CREATE TYPE place AS (street text);"
        "CREATE TABLE item (a dear, b dear[], c tags, d mood[], e place, f int4range, g oidvector, h int[][])"
    )
    await capture(writer, "item")
    await writer.execute("INSERT INTO item DEFAULT VALUES")
    [table] = await tables_of_page(reader)
    modifier = (12 << 16 | 3) + 4
    assert [column.type for column in table.columns] == [
        ColumnType("pg_catalog", "numeric", "b", modifier, is_array=False),
        ColumnType("pg_catalog", "numeric", "b", modifier, is_array=True),
        ColumnType("pg_catalog", "text", "b", -1, is_array=True),
        ColumnType("public", "mood", "e", -1, is_array=True),
        ColumnType("public", "place", "c", -1, is_array=False),
        ColumnType("pg_catalog", "int4range", "r", -1, is_array=False),
        ColumnType("pg_catalog", "oid", "b", -1, is_array=True),
        ColumnType("pg_catalog", "int4", "b", -1, is_array=True),
    ]


@pytest.mark.parametrize(
    ("statement", "types"),
    [
        ("ALTER TABLE item ADD COLUMN more date", {"id": "int8", "note": "text", "more": "date"}),
        ("ALTER TABLE item ALTER COLUMN note TYPE jsonb USING '1'", {"id": "int8", "note": "jsonb"}),
        ("ALTER TABLE item RENAME COLUMN note TO words", {"id": "int8", "words": "text", "note": "text"}),
    ],
    ids=["added", "altered", "renamed"],
)
async def test_a_column_that_was_changed_since_is_known_on_the_next_page_and_under_its_old_name_too(
    writer: Connection, reader: Reader, statement: str, types: dict[str, str]
) -> None:
    await writer.execute("CREATE TABLE item (id bigint PRIMARY KEY, note text)")
    await capture(writer, "item")
    await writer.execute("INSERT INTO item VALUES (1)")
    await tables_of_page(reader)
    await writer.execute("INSERT INTO item VALUES (2)")
    await writer.execute(statement)
    await writer.execute("INSERT INTO item VALUES (3)")
    before, after = await tables_of_page(reader)
    assert before is after
    assert types_of(after) == types


async def test_types_are_known_to_a_listener_that_starts_when_their_columns_and_tables_are_gone(
    writer: Connection, reader: Reader
) -> None:
    await writer.execute("CREATE TABLE item (id bigint PRIMARY KEY, price numeric(10,2), on_day date)")
    await writer.execute("CREATE TABLE gone (id bigint PRIMARY KEY, on_day date)")
    for table in ("item", "gone"):
        await capture(writer, table)
    await keep_columns(writer)
    await writer.execute("INSERT INTO item VALUES (1); INSERT INTO gone VALUES (1)")
    await writer.execute("ALTER TABLE item RENAME price TO cost; ALTER TABLE item DROP on_day; DROP TABLE gone")
    item, gone = await tables_of_page(reader)
    assert types_of(item) == {"id": "int8", "cost": "numeric", "price": "numeric", "on_day": "date"}
    assert [column.is_gone for column in item.columns] == [False, False, True, True]
    assert [column.type and column.type.modifier for column in item.columns] == [
        -1,
        (10 << 16 | 2) + 4,
        (10 << 16 | 2) + 4,
        -1,
    ]
    assert types_of(gone) == {"id": "int8", "on_day": "date"}
    assert not any(column.is_gone for column in gone.columns)


async def test_a_column_that_was_made_again_has_the_type_that_it_has_now(writer: Connection, reader: Reader) -> None:
    await writer.execute("CREATE TABLE item (id bigint PRIMARY KEY, note text)")
    await capture(writer, "item")
    await keep_columns(writer)
    await writer.execute("ALTER TABLE item DROP note")
    await keep_columns(writer)
    await writer.execute("INSERT INTO item VALUES (1)")
    await writer.execute("ALTER TABLE item ADD note date")
    [item] = await tables_of_page(reader)
    assert types_of(item) == {"id": "int8", "note": "date"}
    assert not any(column.is_gone for column in item.columns)


async def test_a_listener_keeps_what_it_has_read_for_the_next_one(
    writer: Connection, reader: Reader, database: Database
) -> None:
    await writer.execute("CREATE TABLE item (id bigint PRIMARY KEY, note text)")
    await capture(writer, "item")
    await writer.execute("INSERT INTO item VALUES (1)")
    await tables_of_page(reader)
    await writer.execute("ALTER TABLE item DROP note")
    next_one = Registry(with_columns=True)
    async with session(database.url, purpose="reader") as connection:
        await next_one.refresh(connection)
    [item] = [table for table, _ in next_one.tables.values() if table.name == "item"]
    assert types_of(item) == {"id": "int8", "note": "text"}


async def test_the_columns_of_a_table_that_was_captured_anew_under_its_id_are_known_beside_those_of_before(
    writer: Connection, reader: Reader
) -> None:
    await writer.execute("CREATE TABLE item (id bigint PRIMARY KEY, note text)")
    table_id = await capture(writer, "item")
    await keep_columns(writer)
    await writer.execute("INSERT INTO item VALUES (1)")
    await writer.execute("DROP TABLE item; CREATE TABLE item (id bigint PRIMARY KEY, more date)")
    await writer.execute("SELECT forwarder.install('item', 'full', '[]', $1)", table_id)
    [item] = await tables_of_page(reader)
    assert types_of(item) == {"id": "int8", "more": "date", "note": "text"}


async def test_after_a_restore_that_gave_a_table_another_oid_its_columns_are_known_before_migrate_has_run(
    writer: Connection, reader: Reader
) -> None:
    await writer.execute("CREATE TABLE item (id bigint PRIMARY KEY, note text); CREATE TABLE other (more date)")
    table_id = await capture(writer, "item")
    await keep_columns(writer)
    await writer.execute("INSERT INTO item VALUES (1)")
    # What pg_restore leaves: the registry as it was, and under its oids other tables, or none.
    await writer.execute("UPDATE forwarder.captured_table SET relation = 'other'::regclass WHERE id = $1", table_id)
    [item] = await tables_of_page(reader)
    assert types_of(item) == {"id": "int8", "note": "text"}


async def test_two_who_look_columns_up_at_once_are_both_done(writer: Connection, database: Database) -> None:
    tables = [f"item{number}" for number in range(20)]
    for table in tables:
        await writer.execute(f"CREATE TABLE {table} (id bigint PRIMARY KEY, note text)")
        await capture(writer, table)
    async with connected(database.url) as one, connected(database.url) as other, anyio.create_task_group() as group:
        for connection in (one, other):
            group.start_soon(keep_columns, connection)
    assert await writer.fetchval("SELECT count(*) FROM forwarder.known_columns") == len(tables)


async def test_of_names_that_are_gone_the_latest_1600_are_known(writer: Connection, reader: Reader) -> None:
    await writer.execute("CREATE TABLE item (id bigint PRIMARY KEY, note text)")
    table_id = await capture(writer, "item")
    await keep_columns(writer)
    former = [{"name": f"former{number}", "is_gone": True} for number in range(1600)]
    await writer.execute(
        "UPDATE forwarder.known_columns SET columns = columns || $2 WHERE table_id = $1", table_id, json.dumps(former)
    )
    await writer.execute("ALTER TABLE item RENAME note TO words")
    await writer.execute("INSERT INTO item VALUES (1)")
    [item] = await tables_of_page(reader)
    assert [column.name for column in item.columns] == [
        "id",
        "words",
        "note",
        *(f"former{number}" for number in range(1599)),
    ]


async def test_a_column_is_known_by_all_names_that_it_had_even_if_another_has_one_of_them(
    writer: Connection, reader: Reader
) -> None:
    await writer.execute("CREATE TABLE item (id bigint PRIMARY KEY, phone text, note text)")
    await capture(writer, "item")
    for change in ("RENAME phone TO tel", "RENAME tel TO number", "ADD phone integer", "DROP note", "ADD note text"):
        await keep_columns(writer)
        await writer.execute(f"ALTER TABLE item {change}")
    await writer.execute("INSERT INTO item VALUES (1)")
    [item] = await tables_of_page(reader)
    assert [(column.name, column.former, column.is_gone) for column in item.columns] == [
        ("id", (), False),
        ("number", ("phone", "tel"), False),
        ("phone", (), False),
        ("note", (), False),
        ("tel", ("phone",), True),
    ]


async def test_nothing_is_written_where_no_column_has_changed(writer: Connection) -> None:
    await writer.execute("CREATE TABLE item (id bigint PRIMARY KEY, note text)")
    await capture(writer, "item")
    await keep_columns(writer)
    await writer.execute("ALTER TABLE item RENAME note TO words")
    await keep_columns(writer)
    version = "SELECT array_agg(ctid) FROM forwarder.known_columns"
    before = await writer.fetchval(version)
    await keep_columns(writer)
    assert await writer.fetchval(version) == before


async def test_a_column_that_nobody_knows_any_more_has_no_type_and_is_looked_up_once(
    writer: Connection, reader: Reader
) -> None:
    await writer.execute("CREATE TABLE item (id bigint PRIMARY KEY, note text)")
    await capture(writer, "item")
    for number in (1, 2):
        await writer.execute("INSERT INTO item VALUES ($1)", number)
        if number == 1:
            await writer.execute("ALTER TABLE item RENAME COLUMN note TO words")
            [first] = await tables_of_page(reader)
    assert types_of(first) == {"id": "int8", "words": "text", "note": None}
    [second] = await tables_of_page(reader)
    assert second is first
