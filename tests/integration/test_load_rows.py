"""Reading the rows of a table in chunks: all of them, in the order of the key, each with the image that the trigger makes of it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

import pytest

from forwarder.database.sessions import session
from forwarder.load.reader import ChunkReader
from tests.databases import OWNER, Database, connected
from tests.loading import Loading, rows_of
from tests.migrating import migrate
from tests.support import every_type
from tests.support.type_tables import type_tables

if TYPE_CHECKING:
    from forwarder.database.sessions import Connection


@pytest.fixture
async def owner(database: Database) -> AsyncIterator[Connection]:
    """The role that owns the tables and migrates."""
    async with connected(database.url) as connection:
        yield connection


@pytest.fixture
async def loading(database: Database, owner: Connection) -> AsyncIterator[Loading]:
    async with session(database.url, purpose="tests") as connection:
        yield Loading(ChunkReader(connection), owner)


async def test_a_table_is_read_in_the_order_of_its_key(owner: Connection, loading: Loading) -> None:
    await owner.execute("CREATE TABLE public.item (id integer PRIMARY KEY, note text)")
    await owner.execute("INSERT INTO public.item SELECT 8 - n, 'note ' || n FROM generate_series(1, 7) AS n")
    await migrate(owner, "item")
    found = await loading.chunks(rows=3)
    assert [len(chunk.rows) for chunk in found] == [3, 3, 1]
    assert [row.after for row in rows_of(found)] == [f'{{"id":{id},"note":"note {8 - id}"}}' for id in range(1, 8)]


async def test_rows_of_every_type_have_the_images_that_the_trigger_makes(
    database: Database, owner: Connection, loading: Loading
) -> None:
    async with connected(database.superuser_url) as root:
        await root.execute(every_type.SCHEMA)
        types = await every_type.types(root, without=())
        tables = [table for table in type_tables(types, ()) if "public." in table.create]
        for table in tables:
            await root.execute(table.create)
            for statement in table.first:
                await root.execute(statement)
        for table in tables:
            name = table.create.split()[2]
            await root.execute(f"ALTER TABLE {name} OWNER TO {OWNER}")
    await migrate(owner, "public.*")
    for name in ("plain", "careful", *(f"keyed_{number}" for number in range(8))):
        read = await loading.images(name, rows=3)
        assert None not in read
        column = "note" if name.startswith("keyed") else "id"
        assert sorted(map(str, read)) == await loading.captured(name, f"UPDATE public.{name} SET {column} = {column}")
        assert len(read) > 3


async def test_a_key_of_every_type_leads_from_row_to_row(
    database: Database, owner: Connection, loading: Loading
) -> None:
    async with connected(database.superuser_url) as root:
        await root.execute(every_type.SCHEMA)
        types = [type for type in await every_type.types(root, without=()) if type.has_order]
        keyed: list[str] = []
        for type in types:
            for column, values in type.columns.items():
                name = f"key_{len(keyed)}"
                keyed.append(column)
                await root.execute(f"CREATE TABLE public.{name} (key {column} PRIMARY KEY)")
                for value in values:
                    if len(value) < 1000 and not value.startswith("NULL"):
                        await root.execute(f"INSERT INTO public.{name} SELECT {value} ON CONFLICT DO NOTHING")
                await root.execute(f"ALTER TABLE public.{name} OWNER TO {OWNER}")
    await migrate(owner, "public.key_*")
    await owner.execute("SET timezone = 'GMT'; SET search_path = pg_catalog")
    for number, column in enumerate(keyed):
        name = f"key_{number}"
        in_order = await owner.fetch(f"SELECT row_to_json(item)::text FROM public.{name} AS item ORDER BY key")
        read = await loading.images(name, rows=1)
        assert read == [image for (image,) in in_order], column
        assert sorted(map(str, read)) == await loading.captured(name, f"UPDATE public.{name} SET key = key"), column
