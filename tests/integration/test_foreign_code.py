"""Casts and checks run with no right of ours, and nothing of what they have done outlasts them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

import pytest

from tests.cases import each_value_once
from tests.databases import OWNER, WRITER, Database, connected
from tests.migrating import captured, migrate_tables

if TYPE_CHECKING:
    from forwarder.database.sessions import Connection


@pytest.fixture
async def owner(database: Database) -> AsyncIterator[Connection]:
    """The role that owns the tables and the types of their columns, and migrates."""
    async with connected(database.url) as session:
        yield session


@pytest.fixture
async def writer(database: Database) -> AsyncIterator[Connection]:
    """A role that may only write."""
    async with connected(database.superuser_url) as root:
        await root.execute(f"CREATE SCHEMA evil AUTHORIZATION {OWNER}; GRANT ALL ON SCHEMA evil TO PUBLIC")
    async with connected(database.writer_url) as session:
        yield session


CAST = "CREATE CAST (evil.mood AS json) WITH FUNCTION evil.to_json(evil.mood)"
# What the trigger function calls after the images are made, from a schema that somebody has put before PostgreSQL's own.
FALSE_NAMES = (
    "CREATE FUNCTION evil.pg_try_advisory_xact_lock_shared(integer, integer) RETURNS boolean LANGUAGE plpgsql AS"
    " $$ BEGIN RAISE 'called as %', current_user; END $$;"
    "CREATE FUNCTION evil.row_to_json(record) RETURNS json LANGUAGE plpgsql AS $$ BEGIN RETURN '1'; END $$"
)


async def create_mood(owner: Connection, deed: str) -> None:
    """An enum, and what becomes of it in JSON once it has its cast."""
    await owner.execute("CREATE TYPE evil.mood AS ENUM ('good')")
    await owner.execute(
        f"CREATE FUNCTION evil.to_json(evil.mood) RETURNS json LANGUAGE plpgsql AS $$ BEGIN {deed}; RETURN '1'; END $$"
    )


async def images(owner: Connection) -> list[tuple[str, object, object, str | None]]:
    return [(event.op, event.before, event.after, event.fault) for event in await captured(owner)]


@each_value_once(is_late=[False, True], is_local=["true", "false"])
async def test_a_path_that_a_cast_sets_is_nobodys_afterwards(
    owner: Connection,
    writer: Connection,
    is_local: str,
    is_late: bool,  # noqa: FBT001
) -> None:
    await create_mood(owner, f"PERFORM set_config('search_path', 'evil, pg_catalog', {is_local})")
    await writer.execute(FALSE_NAMES)
    await owner.execute("CREATE TABLE public.item (id integer PRIMARY KEY, mood evil.mood)")
    await migrate_tables(owner, "item")
    if is_late:
        await writer.execute("INSERT INTO public.item VALUES (0, 'good'); DELETE FROM public.item")
    await owner.execute(CAST)
    async with writer.transaction():
        await writer.execute("INSERT INTO public.item VALUES (1, 'good')")
        await writer.execute("UPDATE public.item SET id = 1")
        assert await writer.fetchval("SHOW search_path") == '"$user", public'
    assert (await images(owner))[-2:] == [
        ("I", None, {"id": 1, "mood": 1}, None),
        ("U", {"id": 1, "mood": 1}, {"id": 1, "mood": 1}, None),
    ]


@pytest.mark.parametrize(
    "setting",
    ["search_path", "timezone", "row_security", "forwarder.versions_replaced_in", "default_transaction_read_only"],
)
async def test_no_setting_of_a_cast_is_left_to_the_session(owner: Connection, writer: Connection, setting: str) -> None:
    value = {
        "search_path": "evil",
        "timezone": "Asia/Tokyo",
        "row_security": "off",
        "forwarder.versions_replaced_in": "/1/",
    }.get(setting, "on")
    await create_mood(owner, f"PERFORM set_config('{setting}', '{value}', false)")
    await owner.execute(CAST)
    await owner.execute("CREATE TABLE public.item (id integer PRIMARY KEY, mood evil.mood)")
    await migrate_tables(owner, "item")
    before = await writer.fetchval("SELECT coalesce(current_setting($1, true), '')", setting)
    await writer.execute("INSERT INTO public.item VALUES (1, 'good')")
    assert await writer.fetchval("SELECT coalesce(current_setting($1, true), '')", setting) == before


async def test_what_a_cast_leaves_for_the_end_of_the_transaction_is_not_done(
    owner: Connection, writer: Connection
) -> None:
    await create_mood(owner, "INSERT INTO pg_temp.bait VALUES (1)")
    await owner.execute(CAST)
    await owner.execute("CREATE TABLE public.item (id integer PRIMARY KEY, mood evil.mood)")
    await migrate_tables(owner, "item")
    await writer.execute(
        "CREATE FUNCTION evil.later() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
        " EXECUTE 'ALTER FUNCTION forwarder.capture() SECURITY INVOKER'; RETURN NULL; END $$;"
        "CREATE TEMP TABLE bait (id integer); GRANT INSERT ON bait TO PUBLIC;"
        "CREATE CONSTRAINT TRIGGER later AFTER INSERT ON bait DEFERRABLE INITIALLY DEFERRED"
        " FOR EACH ROW EXECUTE FUNCTION evil.later()"
    )
    await writer.execute("INSERT INTO public.item VALUES (1, 'good')")
    assert await images(owner) == [("I", None, {"id": 1, "mood": 1}, None)]
    assert await owner.fetchval("SELECT prosecdef FROM pg_proc WHERE oid = 'forwarder.capture'::regproc")
    assert await writer.fetchval("SELECT count(*) FROM bait") == 0


async def test_the_check_of_a_domain_is_not_run(owner: Connection, writer: Connection) -> None:
    await writer.execute(
        "CREATE FUNCTION evil.is_fine(integer) RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN"
        f" IF current_user <> '{WRITER}' THEN PERFORM set_config('forwarder.was_run', 'yes', false); END IF;"
        " RETURN true; END $$;"
        "CREATE DOMAIN evil.fine AS integer CHECK (evil.is_fine(VALUE))"
    )
    await owner.execute("CREATE TABLE public.item (id integer PRIMARY KEY, n evil.fine DEFAULT 1)")
    await migrate_tables(owner, "item")
    await writer.execute("INSERT INTO public.item VALUES (1); UPDATE public.item SET n = 2; DELETE FROM public.item")
    assert await writer.fetchval("SELECT current_setting('forwarder.was_run', true)") is None
    assert [event.op for event in await captured(owner)] == ["I", "U", "D"]


async def test_an_assertion_that_fails_in_a_cast_fails_no_write(owner: Connection, writer: Connection) -> None:
    await create_mood(owner, "ASSERT false")
    await owner.execute(CAST)
    await owner.execute("CREATE TABLE public.item (id integer PRIMARY KEY, mood evil.mood)")
    await migrate_tables(owner, "item")
    await writer.execute("INSERT INTO public.item VALUES (1, 'good'); UPDATE public.item SET id = 1")
    assert [(event.op, event.after, event.fault) for event in await captured(owner)] == [
        ("I", None, "P0004"),
        ("U", None, "P0004"),
    ]


async def test_an_assertion_about_nulls_in_the_check_of_a_domain_fails_no_write(
    owner: Connection, writer: Connection
) -> None:
    await writer.execute(
        "CREATE FUNCTION evil.is_fine(integer) RETURNS boolean LANGUAGE plpgsql AS"
        " $$ BEGIN ASSERT $1 IS NOT NULL; RETURN true; END $$;"
        "CREATE DOMAIN evil.fine AS integer CHECK (evil.is_fine(VALUE))"
    )
    await owner.execute("CREATE TABLE public.item (id integer PRIMARY KEY, n evil.fine DEFAULT 1)")
    await migrate_tables(owner, "item")
    await writer.execute("INSERT INTO public.item VALUES (1)")
    assert await images(owner) == [("I", None, {"id": 1, "n": 1}, None)]


@pytest.mark.parametrize("column", ["mood evil.mood DEFAULT 'good'", "n evil.fine DEFAULT 1", "amount money DEFAULT 1"])
async def test_a_session_that_ends_at_any_error_has_none_of_ours(
    owner: Connection, writer: Connection, column: str
) -> None:
    await writer.execute("CREATE TYPE evil.mood AS ENUM ('good'); CREATE DOMAIN evil.fine AS integer NOT NULL")
    await owner.execute(f"CREATE TABLE public.item (id integer PRIMARY KEY, {column})")
    await migrate_tables(owner, "item")
    await writer.execute("SET exit_on_error = on")
    await writer.execute("INSERT INTO public.item VALUES (1); UPDATE public.item SET id = 1")
    assert await writer.fetchval("SHOW exit_on_error") == "on"
    assert [(event.op, event.fault) for event in await captured(owner)] == [("I", None), ("U", None)]


# Columns that come later


async def test_a_time_that_comes_to_a_table_after_a_session_has_written_is_in_utc(
    owner: Connection, writer: Connection
) -> None:
    await owner.execute("CREATE TABLE public.item (id integer PRIMARY KEY)")
    await migrate_tables(owner, "item")
    await writer.execute("SET timezone = 'Asia/Tokyo'; INSERT INTO public.item VALUES (1)")
    await owner.execute("ALTER TABLE public.item ADD at timestamptz DEFAULT '2026-01-01 00:00+00'")
    await writer.execute("INSERT INTO public.item VALUES (2)")
    assert (await captured(owner))[-1].after == {"id": 2, "at": "2026-01-01T00:00:00+00:00"}


async def test_the_cast_of_an_enum_that_came_after_a_session_has_written_has_no_right_of_the_trigger_function(
    owner: Connection, writer: Connection
) -> None:
    await create_mood(owner, "PERFORM set_config('search_path', 'evil, pg_catalog', true)")
    await writer.execute(FALSE_NAMES)
    await owner.execute("CREATE TABLE public.item (id integer PRIMARY KEY)")
    await migrate_tables(owner, "item")
    await writer.execute("INSERT INTO public.item VALUES (1)")
    await owner.execute("ALTER TABLE public.item ADD mood evil.mood DEFAULT 'good'")
    await writer.execute("INSERT INTO public.item VALUES (2)")
    await owner.execute(CAST)
    await writer.execute("INSERT INTO public.item VALUES (3)")
    assert [event.after for event in await captured(owner)] == [
        {"id": 1},
        {"id": 2, "mood": "good"},
        {"id": 3, "mood": 1},
    ]
