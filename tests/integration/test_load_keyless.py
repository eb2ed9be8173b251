"""Reading the rows of a table without a key: those that were there when the load began, each once."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

import pytest

from forwarder.database.sessions import session
from forwarder.errors import LoadFailed, Rewritten
from forwarder.load.part import Part
from forwarder.load.reader import ChunkReader
from tests.databases import Database, connected
from tests.loading import ALL, Loading
from tests.migrating import migrate_tables

if TYPE_CHECKING:
    from forwarder.database.sessions import Connection


@pytest.fixture
async def owner(database: Database) -> AsyncIterator[Connection]:
    async with connected(database.url) as connection:
        await connection.execute("CREATE TABLE public.item (n integer, note text)")
        await connection.execute("INSERT INTO public.item SELECT n, repeat('x', 500) FROM generate_series(1, 100) AS n")
        await migrate_tables(connection, "item")
        yield connection


@pytest.fixture
async def loading(database: Database, owner: Connection) -> AsyncIterator[Loading]:
    async with session(database.url, purpose="tests") as connection:
        yield Loading(ChunkReader(connection), owner)


async def test_each_row_is_read_once_in_the_order_of_the_file(owner: Connection, loading: Loading) -> None:
    images = [image for (image,) in await owner.fetch("SELECT row_to_json(item)::text FROM public.item ORDER BY ctid")]
    for rows in (1, 7, 1000):
        read = await loading.rows(rows=rows)
        assert [row.after for row in read] == images
        assert len({row.identity for row in read}) == 100


async def test_what_is_written_after_the_beginning_is_left_to_the_changes(owner: Connection, loading: Loading) -> None:
    begun = await loading.now()
    await owner.execute("UPDATE public.item SET note = 'new' WHERE n % 10 = 0; DELETE FROM public.item WHERE n = 5")
    await owner.execute("INSERT INTO public.item SELECT n, 'new' FROM generate_series(200, 300) AS n")
    read = await loading.images(rows=13, begun=begun)
    assert len(read) == 89
    assert not [image for image in read if "new" in str(image)]


async def test_a_row_that_a_savepoint_of_a_running_transaction_made_is_left_to_the_changes(
    database: Database, owner: Connection, loading: Loading
) -> None:
    async with connected(database.url) as other:
        async with other.transaction():
            await other.execute("INSERT INTO public.item VALUES (1000, 'outside')")
            async with other.transaction():
                await other.execute("INSERT INTO public.item VALUES (1001, 'inside')")
            await owner.execute("INSERT INTO public.item VALUES (1002, 'before')")
            begun = await loading.now()
        read = await loading.images(rows=1000, begun=begun)
    assert [image for image in read if '"n":10' in str(image) and "xx" not in str(image)] == [
        '{"n":1002,"note":"before"}'
    ]


@pytest.mark.parametrize("deed", ["VACUUM FULL public.item", "ALTER TABLE public.item ALTER n TYPE bigint"])
async def test_a_table_that_is_written_anew_has_to_be_begun_again(
    owner: Connection, loading: Loading, deed: str
) -> None:
    begun = await loading.now()
    plan = await loading.reader.plan(await loading.id(), ALL)
    chunk = await loading.reader.read(plan, None, rows=10, bytes=1 << 20, begun=begun)
    await owner.execute(deed)
    for place in (chunk.place, None):
        with pytest.raises(Rewritten, match=r"public\.item was altered or written anew .* `forwarder load --restart`"):
            await loading.reader.read(plan, place, rows=10, bytes=1 << 20, begun=begun)
    assert len(await loading.rows(rows=1000)) == 100


async def test_empty_blocks_are_passed_over(owner: Connection, loading: Loading) -> None:
    await owner.execute("DELETE FROM public.item WHERE n BETWEEN 10 AND 90")
    assert len(await loading.rows(rows=3)) == 19
    await owner.execute("DELETE FROM public.item")
    assert await loading.rows() == []


@pytest.mark.parametrize("part", [Part(order_by="n"), Part(columns=("n",))])
async def test_what_needs_a_key_is_refused(loading: Loading, part: Part) -> None:
    with pytest.raises(LoadFailed, match=r"public\.item has no key"):
        await loading.rows(part=part)
