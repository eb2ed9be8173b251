"""Reading the rows of a table in the order of its key, whatever type and index that has."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

import asyncpg
import pytest

from forwarder.database.sessions import session
from forwarder.errors import LoadFailed
from forwarder.load.making import Making
from forwarder.load.part import Part
from forwarder.load.portions import Portions
from forwarder.load.reader import ChunkReader
from tests.databases import OWNER, Database, connected
from tests.loading import Loading
from tests.migrating import migrate_tables
from tests.support import every_type

if TYPE_CHECKING:
    from forwarder.database.sessions import Connection


# Arrays are alike as keys; these stand for all.
ARRAYS = ("integer[]", "text[]", "public.mood[]", "public.positive[]")


@pytest.fixture
async def owner(database: Database) -> AsyncIterator[Connection]:
    """The role that owns the tables and migrates."""
    async with connected(database.url) as connection:
        yield connection


@pytest.fixture
async def loading(database: Database, owner: Connection) -> AsyncIterator[Loading]:
    async with session(database.url, purpose="tests") as connection:
        yield Loading(ChunkReader(connection), owner)


async def test_a_key_of_every_type_leads_from_row_to_row(
    database: Database, owner: Connection, loading: Loading
) -> None:
    async with connected(database.superuser_url) as root:
        await root.execute(every_type.SCHEMA)
        types = [type for type in await every_type.types(root, without=()) if type.has_order]
        keyed: list[str] = []
        for type in types:
            for column, values in type.columns.items():
                if column.endswith("[]") and column not in ARRAYS:
                    continue
                name = f"key_{len(keyed)}"
                keyed.append(column)
                await root.execute(f"CREATE TABLE public.{name} (key {column} PRIMARY KEY)")
                for value in values:
                    if len(value) < 1000 and not value.startswith("NULL"):
                        await root.execute(f"INSERT INTO public.{name} SELECT {value} ON CONFLICT DO NOTHING")
                await root.execute(f"ALTER TABLE public.{name} OWNER TO {OWNER}")
    await migrate_tables(owner, "public.key_*")
    await owner.execute("SET timezone = 'GMT'; SET search_path = pg_catalog")
    for number, column in enumerate(keyed):
        name = f"key_{number}"
        in_order = await owner.fetch(f"SELECT row_to_json(item)::text FROM public.{name} AS item ORDER BY key")
        read = await loading.images(name, rows=1)
        assert read == [image for (image,) in in_order], column


async def test_keys_are_read_in_the_order_of_their_index_whatever_that_is(owner: Connection, loading: Loading) -> None:
    await owner.execute(
        """
        CREATE TABLE public.mixed (a integer NOT NULL, b text NOT NULL, c integer NOT NULL);
        CREATE UNIQUE INDEX ON public.mixed (a DESC, b, c DESC NULLS LAST);
        CREATE TABLE public.cased (a text COLLATE "POSIX", b text COLLATE "C", PRIMARY KEY (a, b));
        CREATE TABLE public.patterned (a text NOT NULL);
        CREATE UNIQUE INDEX ON public.patterned (a text_pattern_ops);
        INSERT INTO public.mixed SELECT a, b, c FROM generate_series(1, 3) AS a, unnest('{ä,A,b}'::text[]) AS b, generate_series(1, 3) AS c;
        INSERT INTO public.cased SELECT a, b FROM unnest('{ä,A,z}'::text[]) AS a, unnest('{a,A,b,B}'::text[]) AS b;
        INSERT INTO public.patterned SELECT * FROM unnest('{ä,A,a,b,z,Z}'::text[]);
        """
    )
    await migrate_tables(owner, "public.*")
    for name, order, count in (
        ("mixed", "a DESC, b, c DESC", 27),
        ("cased", "a, b", 12),
        ("patterned", "a USING OPERATOR(pg_catalog.~<~)", 6),
    ):
        in_order = await owner.fetch(f"SELECT row_to_json(item)::text FROM public.{name} AS item ORDER BY {order}")
        for rows in (1, 2, 5):
            assert await loading.images(name, rows=rows) == [image for (image,) in in_order]
        assert len(in_order) == count


async def test_keys_of_a_collation_that_ignores_case_are_told_apart_as_it_does(
    owner: Connection, loading: Loading
) -> None:
    try:
        await owner.execute(
            "CREATE COLLATION public.ignores_case (provider = icu, locale = 'und-u-ks-level2', deterministic = false)"
        )
    except asyncpg.FeatureNotSupportedError:
        pytest.skip("this PostgreSQL was built without ICU")
    await owner.execute("CREATE TABLE public.item (a text COLLATE public.ignores_case, b integer, PRIMARY KEY (a, b))")
    await owner.execute("INSERT INTO public.item VALUES ('a', 1), ('A', 2), ('b', 1), ('B', 2), ('a', 3)")
    await migrate_tables(owner, "item")
    expected = [f'{{"a":"{a}","b":{b}}}' for a, b in (("a", 1), ("A", 2), ("a", 3), ("b", 1), ("B", 2))]
    for rows in (1, 2, 5):
        assert await loading.images(rows=rows) == expected


async def test_keys_of_a_type_with_operators_of_its_own_are_read_beside_others(
    database: Database, owner: Connection, loading: Loading
) -> None:
    async with connected(database.superuser_url) as root:
        try:
            await root.execute("CREATE EXTENSION citext SCHEMA public")
        except (asyncpg.UndefinedFileError, asyncpg.FeatureNotSupportedError):
            pytest.skip("this PostgreSQL has no citext")
    await owner.execute("CREATE TABLE public.item (name public.citext, n integer, PRIMARY KEY (n, name))")
    await owner.execute("INSERT INTO public.item VALUES ('b', 1), ('A', 1), ('c', 1), ('B', 2), ('a', 2)")
    await migrate_tables(owner, "item")
    for rows in (1, 2, 5):
        assert await loading.images(rows=rows) == [
            f'{{"name":"{name}","n":{n}}}' for name, n in (("A", 1), ("b", 1), ("c", 1), ("a", 2), ("B", 2))
        ]


async def test_a_chunk_is_a_walk_along_an_index_and_sorts_nothing(
    owner: Connection, loading: Loading, monkeypatch: pytest.MonkeyPatch
) -> None:
    await owner.execute("CREATE TABLE public.item (a integer, b text, c date, PRIMARY KEY (a, b))")
    # Of a table that was never analysed, PostgreSQL would rather sort all rows.
    await owner.execute("INSERT INTO public.item SELECT n % 3, n, '2026-01-01' FROM generate_series(1, 50) AS n")
    await migrate_tables(owner, "item")
    plans: list[str] = []
    fetch = Portions.fetch

    async def explained(self: Portions, connection: Connection, statement: str, making: Making) -> None:
        plans.extend(line for (line,) in await connection.fetch(f"EXPLAIN {statement}"))
        await fetch(self, connection, statement, making)

    monkeypatch.setattr(Portions, "fetch", explained)
    assert len(await loading.rows(rows=20)) == 50
    scans = [line for line in plans if "Scan" in line and "Subquery" not in line]
    assert len(scans) == 1 + 2 + 2
    assert all("Index Scan using item_pkey" in line for line in scans)
    assert not [line for line in plans if "Sort" in line or ("Filter" in line and "load_bytes" not in line)]


@pytest.mark.parametrize(
    ("columns", "deed"),
    [
        ("a integer PRIMARY KEY, b integer", "ALTER TABLE public.item ALTER a TYPE text"),
        (
            "a integer, b integer, PRIMARY KEY (a, b)",
            "ALTER TABLE public.item DROP CONSTRAINT item_pkey, ADD PRIMARY KEY (b, a)",
        ),
        (
            "a integer PRIMARY KEY, b integer NOT NULL",
            "ALTER TABLE public.item DROP CONSTRAINT item_pkey, ADD PRIMARY KEY (b)",
        ),
        (
            "a integer NOT NULL UNIQUE, b integer",
            "CREATE UNIQUE INDEX aaa ON public.item (a DESC); ALTER TABLE public.item DROP CONSTRAINT item_a_key",
        ),
        ("a integer, b integer", "ALTER TABLE public.item ADD PRIMARY KEY (a, b)"),
    ],
    ids=["type", "order of columns", "other column", "direction", "first key"],
)
async def test_a_table_whose_key_has_changed_is_read_from_its_beginning(
    owner: Connection, loading: Loading, columns: str, deed: str
) -> None:
    await owner.execute(f"CREATE TABLE public.item ({columns})")
    await owner.execute("INSERT INTO public.item SELECT n, 100 - n FROM generate_series(1, 30) AS n")
    await migrate_tables(owner, "item")
    begun = await loading.now()
    plan = await loading.reader.plan(await loading.id(), Part())
    first = await loading.reader.read(plan, None, rows=20, bytes=1 << 20, begun=begun)
    await owner.execute(deed)
    await migrate_tables(owner, "item")
    plan = await loading.reader.plan(await loading.id(), Part())
    second = await loading.reader.read(plan, first.place, rows=1000, bytes=1 << 20, begun=begun)
    assert {json.loads(str(row.after))["b"] for row in second.rows} == set(range(70, 100))
    assert second.place is None


async def test_a_place_outlives_new_names_and_columns(owner: Connection, loading: Loading) -> None:
    await owner.execute("CREATE TABLE public.item (a integer PRIMARY KEY, b integer)")
    await owner.execute("INSERT INTO public.item SELECT n, n FROM generate_series(1, 30) AS n")
    await migrate_tables(owner, "item")
    begun = await loading.now()
    plan = await loading.reader.plan(await loading.id(), Part())
    first = await loading.reader.read(plan, None, rows=20, bytes=1 << 20, begun=begun)
    await owner.execute(
        "ALTER TABLE public.item RENAME a TO id; ALTER TABLE public.item DROP COLUMN b; ALTER TABLE public.item ADD c text"
    )
    plan = await loading.reader.plan(await loading.id(), Part())
    second = await loading.reader.read(plan, first.place, rows=1000, bytes=1 << 20, begun=begun)
    assert [row.after for row in second.rows][::9] == ['{"id":21,"c":null}', '{"id":30,"c":null}']


async def test_a_key_without_an_index_is_said(owner: Connection, loading: Loading) -> None:
    await owner.execute("CREATE TABLE public.item (id integer PRIMARY KEY); INSERT INTO public.item VALUES (1)")
    await migrate_tables(owner, "item")
    await owner.execute("ALTER TABLE public.item DROP CONSTRAINT item_pkey")
    with pytest.raises(
        LoadFailed, match=r"public\.item has no index to read it by its key \(id\); create a unique index"
    ):
        await loading.rows()
    with pytest.raises(LoadFailed, match="table 999 is not captured; capture it first"):
        await loading.reader.plan(999, Part())
