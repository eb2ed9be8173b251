"""The types of columns, as the formats of records are told them: ``CapturedTable.columns``."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence

import asyncpg
import pytest

from forwarder.database.sessions import Connection, session
from forwarder.events import CapturedTable, ColumnType
from forwarder.outbox.registry import Registry
from tests.capture import capture
from tests.databases import Database
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
