"""A cast to json is run if its function belongs to a superuser or to the owner of the table. Strangers' are not."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Literal

import asyncpg
import pytest

from forwarder.capture import plan
from tests.databases import OWNER, WRITER, Database, connected
from tests.migrating import captured, migrate
from tests.waiting import eventually

if TYPE_CHECKING:
    from forwarder.database.sessions import Connection


@pytest.fixture
async def root(bare_database: Database) -> AsyncIterator[Connection]:
    async with connected(bare_database.superuser_url) as session:
        await session.execute(f"CREATE SCHEMA theirs AUTHORIZATION {WRITER}; GRANT USAGE ON SCHEMA theirs TO PUBLIC")
        yield session


@pytest.fixture
async def owner(root: Connection, bare_database: Database) -> AsyncIterator[Connection]:
    """The role that owns the tables, and writes to them."""
    async with connected(bare_database.url) as session:
        yield session


@pytest.fixture
async def stranger(root: Connection, bare_database: Database) -> AsyncIterator[Connection]:
    """A role that owns the types of some columns."""
    async with connected(bare_database.writer_url) as session:
        await session.execute("CREATE TYPE theirs.mood AS ENUM ('good')")
        yield session


Isolation = Literal["read_committed", "repeatable_read", "serializable"]
ISOLATIONS: list[Isolation] = ["read_committed", "repeatable_read", "serializable"]

PREPARE = """EXECUTE 'DEALLOCATE "S_1"'; EXECUTE 'PREPARE "S_1" AS SELECT ''theirs''::text'"""
# How a value of a type may be part of a row, what has to be there for that, and what is written of it.
FORMS = {
    "plain": ("", "theirs.mood", "'good'", "good"),
    "array": ("", "theirs.mood[]", "'{good}'", ["good"]),
    "domain": ("CREATE DOMAIN public.feeling AS theirs.mood", "public.feeling", "'good'", "good"),
    "array of a domain": ("CREATE DOMAIN public.feeling AS theirs.mood", "public.feeling[]", "'{good}'", ["good"]),
    "composite": (
        'CREATE TYPE public."a pair" AS ("a mood" theirs.mood, n integer)',
        'public."a pair"',
        "ROW('good', 1)",
        {"a mood": "good", "n": 1},
    ),
    "array of composites": (
        "CREATE TYPE public.pair AS (n integer, mood theirs.mood)",
        "public.pair[]",
        "ARRAY[ROW(1, 'good')::public.pair]",
        [{"n": 1, "mood": "good"}],
    ),
    # More of them than a plan has among its constants.
    "composites within each other": (
        "CREATE TYPE public.a AS (mood theirs.mood); CREATE TYPE public.b AS (a public.a[]); CREATE DOMAIN public.c AS public.b;"
        + "CREATE TYPE public.d AS (c public.c); CREATE TYPE public.e AS (d public.d); CREATE TYPE public.f AS (e public.e)",
        "public.f",
        "ROW(ROW(ROW(ROW(ARRAY[ROW('good')::public.a]))))",
        {"e": {"d": {"c": {"a": [{"mood": "good"}]}}}},
    ),
}


async def create_table(owner: Connection, form: str = "plain") -> object:
    """A captured table with such a column; what is to be written of it."""
    preparation, kind, value, written = FORMS[form]
    await owner.execute(
        f"{preparation}; CREATE TABLE public.item (id integer PRIMARY KEY, mood {kind} DEFAULT {value})"
    )
    assert not (await migrate(owner, "item")).problems
    return written


async def create_cast(owner: Connection, deed: str = "NULL", *, schema: str = "theirs") -> None:
    """A cast of this role, on a type that it owns, or as a superuser on any."""
    await owner.execute(
        f"CREATE FUNCTION {schema}.to_json(theirs.mood) RETURNS json LANGUAGE plpgsql AS $$ BEGIN {deed}; RETURN '1'; END $$"
    )
    await owner.execute(f"CREATE CAST (theirs.mood AS json) WITH FUNCTION {schema}.to_json(theirs.mood)")


async def write(writer: Connection, number: int = 1) -> None:
    await writer.execute("INSERT INTO public.item (id) VALUES ($1)", number)


async def last(owner: Connection) -> tuple[object, str | None]:
    """What was written of the column last, and the fault."""
    event = (await captured(owner))[-1]
    return event.after and event.after["mood"], event.fault


async def test_the_cast_of_a_stranger_replaces_no_prepared_statement_of_the_writer(
    owner: Connection, stranger: Connection
) -> None:
    await create_table(owner)
    await create_cast(stranger, PREPARE)
    prepared = await owner.prepare("SELECT 'ours'::text", name="S_1")
    await write(owner)
    assert await prepared.fetchval() == "ours"
    await owner.execute("UPDATE public.item SET mood = 'good'; DELETE FROM public.item")
    assert [(event.op, event.before, event.after, event.fault) for event in await captured(owner)] == [
        (op, None, None, "42501") for op in "IUD"
    ]


async def test_the_cast_of_a_stranger_cancels_no_write(owner: Connection, stranger: Connection) -> None:
    await create_table(owner)
    await create_cast(stranger, "RAISE query_canceled")
    await write(owner)
    assert await last(owner) == (None, "42501")


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("isolation", ISOLATIONS)
async def test_a_cast_that_came_after_a_session_has_written_is_not_run(
    owner: Connection, stranger: Connection, form: str, isolation: Isolation
) -> None:
    written = await create_table(owner, form)
    await write(owner, 1)
    assert await last(owner) == (written, None)
    async with owner.transaction(isolation=isolation):
        # The snapshot is older than the cast.
        await write(owner, 2)
        await create_cast(stranger, "RAISE query_canceled")
        await write(owner, 3)
    assert [event.fault for event in await captured(owner)] == [None, None, "42501"]


@pytest.mark.parametrize("isolation", ISOLATIONS)
async def test_a_cast_that_takes_the_place_of_a_trusted_one_is_not_run(
    root: Connection, owner: Connection, stranger: Connection, isolation: Isolation
) -> None:
    await create_table(owner)
    await create_cast(root, schema="public")
    async with owner.transaction(isolation=isolation):
        await owner.fetchval("SELECT count(*) FROM pg_cast")
        await stranger.execute("DROP CAST (theirs.mood AS json)")
        await create_cast(stranger, "RAISE query_canceled")
        await write(owner)
    assert await last(owner) == (None, "42501")


@pytest.mark.parametrize("form", FORMS)
async def test_an_attribute_that_a_composite_type_was_given_after_a_session_has_written_is_noticed(
    owner: Connection, stranger: Connection, form: str
) -> None:
    preparation, kind, value, written = FORMS[form]
    await owner.execute(
        f"{preparation}; CREATE TYPE public.whole AS (n integer); CREATE TYPE public.other AS (n integer)"
    )
    await owner.execute("CREATE TABLE public.item (id integer PRIMARY KEY, other public.other, mood public.whole)")
    await migrate(owner, "item")
    await write(owner, 1)
    await create_cast(stranger, "RAISE query_canceled")
    await owner.execute(f"ALTER TYPE public.whole ADD ATTRIBUTE part {kind}")
    await owner.execute(f"INSERT INTO public.item (id, mood) VALUES (2, ROW(1, {value}))")
    assert await last(owner) == (None, "42501")
    await stranger.execute("DROP CAST (theirs.mood AS json)")
    await owner.execute(f"INSERT INTO public.item (id, mood) VALUES (3, ROW(1, {value}))")
    assert await last(owner) == ({"n": 1, "part": written}, None)


async def test_a_type_that_is_newer_than_the_snapshot_of_a_transaction_is_not_told_and_later_is(
    owner: Connection, bare_database: Database
) -> None:
    await owner.execute("CREATE TABLE public.item (id integer PRIMARY KEY)")
    await migrate(owner, "item")
    async with connected(bare_database.url) as writer:
        async with writer.transaction(isolation="repeatable_read"):
            await writer.fetchval("SELECT count(*) FROM pg_type")
            await owner.execute("CREATE TYPE public.size AS ENUM ('small')")
            await owner.execute("ALTER TABLE public.item ADD mood public.size DEFAULT 'small'")
            await write(writer, 1)
        await write(writer, 2)
    assert [event.fault for event in await captured(owner)] == ["42501", None]


@pytest.mark.parametrize("form", FORMS)
async def test_the_cast_of_a_superuser_is_run_whoever_owns_the_type(
    root: Connection, owner: Connection, stranger: Connection, form: str
) -> None:
    await create_table(owner, form)
    await create_cast(root, schema="public")
    await write(owner)
    written, fault = await last(owner)
    assert fault is None
    assert "1" in str(written)
    assert "good" not in str(written)


async def test_a_cast_that_is_being_dropped_holds_up_no_write(
    root: Connection, owner: Connection, stranger: Connection
) -> None:
    await create_table(owner)
    await create_cast(root, schema="public")
    async with stranger.transaction():
        await stranger.execute("DROP CAST (theirs.mood AS json)")
        await write(owner, 1)
        assert await last(owner) == (1, None)
    await write(owner, 2)
    assert await last(owner) == ("good", None)


async def test_the_cast_of_a_tables_owner_is_run(root: Connection, owner: Connection, stranger: Connection) -> None:
    await create_table(owner)
    await root.execute(f"ALTER TYPE theirs.mood OWNER TO {OWNER}; GRANT CREATE ON SCHEMA theirs TO {OWNER}")
    await create_cast(owner)
    await write(owner)
    assert await last(owner) == (1, None)


async def test_a_cast_is_run_in_that_partition_alone_whose_owner_made_it(
    root: Connection, owner: Connection, stranger: Connection
) -> None:
    await owner.execute(
        "CREATE TABLE public.item (id integer PRIMARY KEY, mood theirs.mood DEFAULT 'good') PARTITION BY RANGE (id);"
        "CREATE TABLE public.ours PARTITION OF public.item FOR VALUES FROM (1) TO (2);"
        "CREATE TABLE public.theirs PARTITION OF public.item FOR VALUES FROM (2) TO (3)"
    )
    await migrate(owner, "item")
    await root.execute(f"ALTER TABLE public.theirs OWNER TO {WRITER}")
    await create_cast(stranger)
    await owner.execute("INSERT INTO public.item (id) VALUES (1), (2)")
    assert [(event.after, event.fault) for event in await captured(owner)] == [
        (None, "42501"),
        ({"id": 2, "mood": 1}, None),
    ]


@pytest.mark.parametrize("isolation", ISOLATIONS)
async def test_a_type_of_a_stranger_without_a_cast_is_written_although_its_schema_is_for_few(
    root: Connection, owner: Connection, stranger: Connection, isolation: Isolation
) -> None:
    await root.execute(f"REVOKE USAGE ON SCHEMA theirs FROM PUBLIC; GRANT USAGE ON SCHEMA theirs TO {OWNER}")
    await create_table(owner)
    async with owner.transaction(isolation=isolation):
        await write(owner)
    assert await last(owner) == ("good", None)


async def test_a_type_in_a_schema_that_is_not_for_us_is_written_until_it_has_a_cast(
    root: Connection, owner: Connection, stranger: Connection
) -> None:
    await root.execute(f"GRANT USAGE ON SCHEMA theirs TO {OWNER}")
    await create_table(owner)
    await root.execute(f"REVOKE USAGE ON SCHEMA theirs FROM PUBLIC, {OWNER}")
    await write(owner, 1)
    assert await last(owner) == ("good", None)
    await create_cast(stranger)
    await write(owner, 2)
    assert await last(owner) == (None, "42501")


async def test_a_cast_that_runs_no_function_is_nobodys_code(owner: Connection, stranger: Connection) -> None:
    await create_table(owner)
    await stranger.execute("CREATE CAST (theirs.mood AS json) WITH INOUT")
    await write(owner)
    assert await last(owner) == ("good", None)


async def test_what_a_cast_has_prepared_that_came_in_the_middle_of_a_write_is_gone(
    root: Connection, owner: Connection, stranger: Connection
) -> None:
    # The cast of the first column waits, which takes no lock of a table, and then takes one.
    await owner.execute(
        "CREATE TYPE public.own AS ENUM ('a');"
        "CREATE FUNCTION public.to_json(public.own) RETURNS json LANGUAGE plpgsql AS"
        " $$ BEGIN PERFORM pg_advisory_xact_lock(1); PERFORM FROM pg_amop LIMIT 1; RETURN '1'; END $$;"
        "CREATE CAST (public.own AS json) WITH FUNCTION public.to_json(public.own);"
        "CREATE TABLE public.item (id integer PRIMARY KEY, own public.own DEFAULT 'a', mood theirs.mood DEFAULT 'good')"
    )
    await migrate(owner, "item")
    prepared = await owner.prepare("SELECT 'ours'::text", name="S_1")

    async def waits() -> bool:
        return bool(await root.fetchval("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"))

    await root.execute("SELECT pg_advisory_lock(1)")
    writing = asyncio.create_task(write(owner))
    await eventually(waits)
    await create_cast(stranger, PREPARE)
    await root.execute("SELECT pg_advisory_unlock(1)")
    await writing
    assert await last(owner) == (None, "42501")
    with pytest.raises(asyncpg.InvalidSQLStatementNameError):
        await prepared.fetchval()


@pytest.mark.parametrize("form", FORMS)
async def test_migrate_warns_of_a_cast_that_is_not_run(owner: Connection, stranger: Connection, form: str) -> None:
    await create_table(owner, form)
    assert (await plan.from_selection(owner, [])).warnings == ()
    await create_cast(stranger)
    (warning,) = (await plan.from_selection(owner, [])).warnings
    assert warning == (
        "rows of public.item with a theirs.mood have no images, but fault 42501: its cast to json runs theirs.to_json(theirs.mood), whose"
        " owner app_writer is neither a superuser nor the table's owner; ALTER FUNCTION theirs.to_json(theirs.mood) OWNER TO one of them, or"
        " DROP CAST (theirs.mood AS json)"
    )


async def test_migrate_warns_of_no_cast_that_is_run_or_runs_nothing(
    root: Connection, owner: Connection, stranger: Connection
) -> None:
    await create_table(owner, "composite")
    await stranger.execute("CREATE CAST (theirs.mood AS json) WITH INOUT")
    assert (await plan.from_selection(owner, [])).warnings == ()
    await stranger.execute("DROP CAST (theirs.mood AS json)")
    await create_cast(root, schema="public")
    assert (await plan.from_selection(owner, [])).warnings == ()
    await root.execute(f"ALTER FUNCTION public.to_json(theirs.mood) OWNER TO {OWNER}")
    assert (await plan.from_selection(owner, [])).warnings == ()
