"""Reading the rows of a table in chunks: all of them, in the order of the key, each with the image that the trigger makes of it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from functools import partial
from typing import TYPE_CHECKING

import anyio
import pytest

from forwarder.database.sessions import session
from forwarder.errors import LoadFailed, TableBusy
from forwarder.load.making import Making
from forwarder.load.part import Part
from forwarder.load.portions import Portions
from forwarder.load.reader import ChunkReader
from forwarder.local.postgres import EmbeddedPostgres
from tests.databases import OWNER, Database, connected, encoded
from tests.loading import Loading, rows_of
from tests.migrating import migrate, migrate_tables
from tests.support import every_type
from tests.support.type_tables import type_tables
from tests.waiting import eventually

if TYPE_CHECKING:
    import asyncpg

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
    await migrate_tables(owner, "item")
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
    await migrate_tables(owner, "public.*")
    for name in ("plain", "careful", *(f"keyed_{number}" for number in range(8))):
        read = await loading.images(name, rows=3)
        assert None not in read
        column = "note" if name.startswith("keyed") else "id"
        assert sorted(map(str, read)) == await loading.captured(name, f"UPDATE public.{name} SET {column} = {column}")
        assert len(read) > 3


async def test_enums_are_written_as_the_trigger_does_with_a_cast_and_without(
    owner: Connection, loading: Loading
) -> None:
    await owner.execute(
        """
        CREATE TYPE public.mood AS ENUM ('good', 'it"s', '');
        CREATE DOMAIN public.temper AS public.mood CHECK (value <> 'it"s');
        CREATE TABLE public.item (id public.mood PRIMARY KEY, temper public.temper, moods public.mood[], other public.mood);
        CREATE TABLE public.thing (id public.temper PRIMARY KEY, other public.mood);
        INSERT INTO public.item VALUES ('good', 'good', '{good}', NULL), ('it"s', NULL, NULL, 'good'), ('', 'good', '{}', '');
        INSERT INTO public.thing VALUES ('good', NULL), ('', 'it"s');
        """
    )
    await migrate_tables(owner, "public.*")
    function = "CREATE FUNCTION public.as_json(public.mood) RETURNS json LANGUAGE sql AS $$ SELECT '1'::json $$"
    for cast in ("SELECT", f"{function}; CREATE CAST (public.mood AS json) WITH FUNCTION public.as_json(public.mood)"):
        await owner.execute(cast)
        for name in ("item", "thing"):
            # A session that has captured rows of the table before may not know of the cast.
            await owner.execute(f"ALTER TABLE public.{name} SET (fillfactor = 90)")
            read = await loading.images(name, rows=1)
            assert sorted(map(str, read)) == await loading.captured(name, f"UPDATE public.{name} SET other = other")


async def test_nobody_waits_for_a_table_that_is_locked(database: Database, owner: Connection, loading: Loading) -> None:
    await owner.execute("CREATE TABLE public.item (id integer PRIMARY KEY); INSERT INTO public.item VALUES (1)")
    await migrate_tables(owner, "item")
    plan = await loading.reader.plan(await loading.id(), Part())
    async with connected(database.url) as other, other.transaction():
        await other.execute("LOCK TABLE public.item IN ACCESS EXCLUSIVE MODE")
        with anyio.fail_after(10), pytest.raises(TableBusy, match=r"public\.item is locked; it is read later"):
            await loading.reader.read(plan, None, rows=1, bytes=1, begun=await loading.now())
        with anyio.fail_after(10), pytest.raises(TableBusy):
            await loading.reader.plan(await loading.id(), Part())
    assert await loading.images() == ['{"id":1}']


async def test_after_a_read_that_was_cancelled_the_session_is_of_use_at_once(
    owner: Connection, loading: Loading
) -> None:
    await owner.execute("CREATE TABLE public.item (id integer PRIMARY KEY); INSERT INTO public.item VALUES (1)")
    await migrate_tables(owner, "item")
    slow = await loading.reader.plan(await loading.id(), Part(where="pg_sleep(60) IS NOT NULL"))
    begun = await loading.now()

    async def sleeps() -> bool:
        found: bool = await owner.fetchval(
            "SELECT count(*) > 0 FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'PgSleep'"
        )
        return found

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(partial(loading.reader.read, slow, None, rows=1, bytes=1, begun=begun))
        await eventually(sleeps)
        tasks.cancel_scope.cancel()
    assert await loading.images() == ['{"id":1}']


async def test_what_is_written_anew_between_two_chunks_is_read_as_it_is(owner: Connection, loading: Loading) -> None:
    await owner.execute("CREATE TABLE public.item (id integer PRIMARY KEY, n integer)")
    await owner.execute("INSERT INTO public.item SELECT n, n FROM generate_series(1, 5) AS n")
    await migrate_tables(owner, "item")
    begun = await loading.now()
    plan = await loading.reader.plan(await loading.id(), Part())
    place, images = None, []
    for deed in (
        "SELECT",
        "ALTER TABLE public.item ALTER n TYPE text",
        "ALTER TABLE public.item RENAME n TO note; ALTER TABLE public.item RENAME TO thing",
        "ALTER TABLE public.thing ADD COLUMN more integer DEFAULT 7; CLUSTER public.thing USING item_pkey",
        "DELETE FROM public.thing WHERE id = 4; UPDATE public.thing SET id = 6 WHERE id = 5",
    ):
        await owner.execute(deed)
        chunk = await loading.reader.read(plan, place, rows=1, bytes=1, begun=begun)
        images += [row.after for row in chunk.rows]
        place = chunk.place
    assert images == [
        '{"id":1,"n":1}',
        '{"id":2,"n":"2"}',
        '{"id":3,"note":"3"}',
        '{"id":4,"note":"4","more":7}',
        '{"id":6,"note":"5","more":7}',
    ]


async def test_a_chunk_ends_when_it_has_enough_bytes(owner: Connection, loading: Loading) -> None:
    await owner.execute("CREATE TABLE public.item (id integer PRIMARY KEY, note text)")
    await owner.execute("INSERT INTO public.item SELECT n, repeat('ä', 1000) FROM generate_series(1, 100) AS n")
    await migrate_tables(owner, "item")
    chunks = await loading.chunks(rows=1000, bytes=10_000)
    assert {len(chunk.rows) for chunk in chunks[:-1]} == {5}
    assert sum(len(chunk.rows) for chunk in chunks) == 100
    assert chunks[0].bytes == sum(len(str(row.after).encode()) for row in chunks[0].rows)
    assert [len(chunk.rows) for chunk in await loading.chunks(rows=1000, bytes=1)][:3] == [1, 1, 1]


@pytest.mark.parametrize(
    ("columns", "part"),
    [
        ("id integer PRIMARY KEY, n integer, note text", Part()),
        ("id integer, n integer, note text", Part()),
        ("id integer PRIMARY KEY, n integer NOT NULL, note text", Part(order_by="n")),
        # Its images are made by forwarder.row_image().
        ("id integer PRIMARY KEY, n integer, note text, pair public.pair", Part()),
    ],
    ids=["by key", "by place", "by another column", "carefully"],
)
async def test_large_rows_behind_small_ones_are_not_fetched_by_the_hundred(
    owner: Connection, loading: Loading, monkeypatch: pytest.MonkeyPatch, columns: str, part: Part
) -> None:
    large, chunk_bytes = 100_000, 150_000
    await owner.execute("CREATE TYPE public.pair AS (a integer, b integer)")
    await owner.execute(f"CREATE TABLE public.item ({columns}); CREATE INDEX ON public.item (n)")
    await owner.execute(
        f"INSERT INTO public.item SELECT n, 7, repeat('x', CASE WHEN n > 500 THEN {large} ELSE 1 END) FROM generate_series(1, 520) AS n"
    )
    await migrate_tables(owner, "item")
    fetched: list[int] = []
    careful: set[bool] = set()
    take = Portions._take

    def weighed(self: Portions, portion: Sequence[asyncpg.Record], making: Making) -> None:
        careful.add(making._is_careful)
        fetched.append(sum(len(record[0] or "") for record in portion))
        take(self, portion, making)

    monkeypatch.setattr(Portions, "_take", weighed)
    chunks = await loading.chunks(rows=1000, bytes=chunk_bytes, part=part)
    assert len({row.after for row in rows_of(chunks)}) == len(rows_of(chunks)) == 520
    assert careful == {"pair" in columns}
    assert chunk_bytes < max(fetched) < chunk_bytes + large + 100


async def test_what_cannot_become_utf_8_is_left_out_and_the_other_rows_are_read(postgres: EmbeddedPostgres) -> None:
    async with encoded("SQL_ASCII", postgres) as database, connected(database.url) as owner:
        await owner.execute("SET client_encoding = 'SQL_ASCII'")
        await owner.execute("CREATE TABLE public.item (id integer PRIMARY KEY, note text)")
        await owner.execute(
            "INSERT INTO public.item VALUES (1, 'a'), (2, convert_from('\\xff', 'SQL_ASCII')), (3, 'c')"
        )
        await migrate_tables(owner, "item")
        async with session(database.url, purpose="tests") as connection:
            rows = await Loading(ChunkReader(connection), owner).rows()
    assert [(row.after, row.fault, row.key) for row in rows] == [
        ('{"id":1,"note":"a"}', None, None),
        (None, "22021", '{"id":2}'),
        ('{"id":3,"note":"c"}', None, None),
    ]


async def test_who_may_not_read_a_table_is_told_what_to_grant(database: Database, owner: Connection) -> None:
    await owner.execute(
        "CREATE SCHEMA shop; CREATE TABLE shop.item (id integer PRIMARY KEY); INSERT INTO shop.item VALUES (1)"
    )
    async with connected(database.superuser_url) as root:
        await root.execute("DROP ROLE IF EXISTS load_reader; CREATE ROLE load_reader LOGIN")
    try:
        await migrate(owner, "shop.item", runtime_role="load_reader")
        async with session(database.url.replace("app_owner", "load_reader"), purpose="tests") as connection:
            loading = Loading(ChunkReader(connection), owner)
            with pytest.raises(LoadFailed, match=r"GRANT USAGE ON SCHEMA shop TO load_reader"):
                await loading.rows()
            await owner.execute("GRANT USAGE ON SCHEMA shop TO load_reader; GRANT SELECT ON shop.item TO load_reader")
            assert await loading.images() == ['{"id":1}']
            await owner.execute("ALTER TABLE shop.item ENABLE ROW LEVEL SECURITY")
            with pytest.raises(LoadFailed, match="BYPASSRLS"):
                await loading.rows()
    finally:
        async with connected(database.superuser_url) as root:
            await root.execute("DROP OWNED BY load_reader; DROP ROLE load_reader")
