"""A cast to json is run if its function, or its type, belongs to a superuser or to the owner of the table. Strangers' are not."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Literal

import asyncpg
import pytest

from forwarder.capture import plan
from tests.cases import each_value_once, some
from tests.databases import OWNER, WRITER, Database, connected
from tests.migrating import captured, migrate_tables
from tests.waiting import eventually

if TYPE_CHECKING:
    from forwarder.database.sessions import Connection


@pytest.fixture
async def root(database: Database) -> AsyncIterator[Connection]:
    async with connected(database.superuser_url) as session:
        await session.execute(f"CREATE SCHEMA theirs AUTHORIZATION {WRITER}; GRANT USAGE ON SCHEMA theirs TO PUBLIC")
        yield session


@pytest.fixture
async def owner(root: Connection, database: Database) -> AsyncIterator[Connection]:
    """The role that owns the tables, and writes to them."""
    async with connected(database.url) as session:
        yield session


@pytest.fixture
async def stranger(root: Connection, database: Database) -> AsyncIterator[Connection]:
    """A role that owns the types of some columns."""
    async with connected(database.writer_url) as session:
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
    assert not (await migrate_tables(owner, "item")).problems
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


async def waits(session: Connection, root: Connection) -> bool:
    """Whether a session waits for an advisory lock."""
    return bool(
        await root.fetchval(
            "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted AND pid = $1",
            session.get_server_pid(),
        )
    )


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


@each_value_once(form=list(FORMS), isolation=ISOLATIONS)
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


@pytest.mark.parametrize("form", some("plain", "composites within each other", of=FORMS))
async def test_an_attribute_that_a_composite_type_was_given_after_a_session_has_written_is_noticed(
    owner: Connection, stranger: Connection, form: str
) -> None:
    preparation, kind, value, written = FORMS[form]
    await owner.execute(
        f"{preparation}; CREATE TYPE public.whole AS (n integer); CREATE TYPE public.other AS (n integer)"
    )
    await owner.execute("CREATE TABLE public.item (id integer PRIMARY KEY, other public.other, mood public.whole)")
    await migrate_tables(owner, "item")
    await write(owner, 1)
    await create_cast(stranger, "RAISE query_canceled")
    await owner.execute(f"ALTER TYPE public.whole ADD ATTRIBUTE part {kind}")
    await owner.execute(f"INSERT INTO public.item (id, mood) VALUES (2, ROW(1, {value}))")
    assert await last(owner) == (None, "42501")
    await stranger.execute("DROP CAST (theirs.mood AS json)")
    await owner.execute(f"INSERT INTO public.item (id, mood) VALUES (3, ROW(1, {value}))")
    assert await last(owner) == ({"n": 1, "part": written}, None)


async def test_a_type_that_is_part_of_another_in_many_ways_is_looked_at_once(
    owner: Connection, stranger: Connection
) -> None:
    await owner.execute("CREATE TYPE public.pair_0 AS (mood theirs.mood)")
    for level in range(16):
        part = f"public.pair_{level}"
        await owner.execute(f"CREATE TYPE public.pair_{level + 1} AS (a {part}, b {part})")
    await owner.execute("CREATE TABLE public.item (id integer PRIMARY KEY, mood public.pair_16)")
    await migrate_tables(owner, "item")
    # There are 65,536 ways.
    await owner.execute("SET statement_timeout = '30s'")
    await write(owner, 1)
    await create_cast(stranger)
    await write(owner, 2)
    assert [event.fault for event in await captured(owner)] == [None, "42501"]


async def looks(root: Connection) -> int:
    """How often this transaction has looked what types rows consist of."""
    calls = await root.fetchval("SELECT pg_stat_get_xact_function_calls('forwarder.parts_of'::regproc)")
    return int(calls or 0)


@each_value_once(whose=["stranger", "owner"], count=[1, 8, 12])
async def test_a_session_looks_at_composite_types_once(
    root: Connection, owner: Connection, stranger: Connection, whose: str, count: int
) -> None:
    await root.execute("GRANT CREATE ON SCHEMA theirs TO PUBLIC")
    for number in range(count):
        await {"owner": owner, "stranger": stranger}[whose].execute(f"CREATE TYPE theirs.part_{number} AS (n integer)")
    parts = ", ".join(f"part_{number} theirs.part_{number}" for number in range(count))
    await owner.execute(f"CREATE TABLE public.item (id integer PRIMARY KEY, mood text, {parts})")
    await migrate_tables(owner, "item")
    async with root.transaction():
        await root.execute("SET LOCAL track_functions = 'all'")
        await write(root, 1)
        assert await looks(root) == 1
        await root.execute("INSERT INTO public.item SELECT generate_series(2, 5)")
        await write(root, 6)
        assert await looks(root) == 1
    # Somebody who can change so many types at any time may give one of them an attribute with a cast.
    fault = "42501" if whose == "stranger" and count > 8 else None
    assert {event.fault for event in await captured(owner)} == {fault}


async def test_a_snapshot_that_is_older_than_a_type_makes_no_later_row_look_again(
    root: Connection, owner: Connection
) -> None:
    await owner.execute("CREATE TABLE public.item (id integer PRIMARY KEY)")
    await migrate_tables(owner, "item")
    async with root.transaction(isolation="repeatable_read"):
        await root.fetchval("SELECT count(*) FROM pg_type")
        await owner.execute(
            "CREATE TYPE public.pair AS (n integer); ALTER TABLE public.item ADD COLUMN mood public.pair"
        )
        await write(root, 1)
    async with root.transaction():
        await root.execute("SET LOCAL track_functions = 'all'")
        await write(root, 2)
        assert await looks(root) == 1
        await root.execute("INSERT INTO public.item SELECT generate_series(3, 6)")
        assert await looks(root) == 1
    assert {event.fault for event in await captured(owner)} == {"42501", None}


async def test_a_type_that_is_made_while_a_statement_writes_costs_no_images(
    root: Connection, owner: Connection
) -> None:
    await owner.execute("CREATE TYPE public.pair AS (n integer)")
    await owner.execute("CREATE TABLE public.item (id integer PRIMARY KEY, mood public.pair)")
    await migrate_tables(owner, "item")
    await root.execute("SELECT pg_advisory_lock(1)")
    # The statement has its snapshot, and waits before its first row.
    slow = "INSERT INTO public.item SELECT number FROM pg_advisory_xact_lock(1), generate_series(1, 3) AS number"
    writing = asyncio.create_task(owner.execute(slow))
    await eventually(lambda: waits(owner, root))
    await root.execute(
        "CREATE TYPE public.newer AS (n integer); ALTER TYPE public.pair ADD ATTRIBUTE newer public.newer"
    )
    await root.execute("SELECT pg_advisory_unlock(1)")
    await writing
    assert [event.fault for event in await captured(owner)] == [None, None, None]


async def test_a_table_that_was_given_away_is_no_longer_trusted_by_an_older_snapshot(
    root: Connection, stranger: Connection, owner: Connection
) -> None:
    """Nor by later transactions of the session."""
    await root.execute("GRANT CREATE ON SCHEMA public TO PUBLIC")
    await stranger.execute("CREATE TABLE public.item (id integer PRIMARY KEY, mood theirs.mood DEFAULT 'good')")
    await root.execute("GRANT ALL ON public.item TO PUBLIC")
    await migrate_tables(root, "item")
    async with owner.transaction(isolation="repeatable_read"):
        await owner.fetchval("SELECT count(*) FROM pg_type")
        await root.execute(f"ALTER TABLE public.item OWNER TO {OWNER}")
        await write(owner, 1)
    await create_cast(stranger, "RAISE query_canceled")
    await write(owner, 2)
    assert (await captured(root))[-1].fault == "42501"


async def test_no_stranger_can_queue_for_what_a_writer_has_locked(owner: Connection, stranger: Connection) -> None:
    await create_table(owner)
    async with owner.transaction():
        await write(owner)
        await stranger.execute("SET lock_timeout = '2s'")
        for drop in ("SCHEMA forwarder", "FUNCTION forwarder.is_trusted", "TABLE forwarder.outbox"):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await stranger.execute(f"DROP {drop}")


async def test_attributes_that_strangers_add_are_noticed_however_many_types_are_the_owners(
    owner: Connection, stranger: Connection
) -> None:
    for number in range(12):
        await owner.execute(f"CREATE TYPE public.part_{number} AS (n integer)")
    await stranger.execute("CREATE TYPE theirs.pair AS (n integer)")
    parts = ", ".join(f"part_{number} public.part_{number}" for number in range(12))
    await owner.execute(f"CREATE TABLE public.item (id integer PRIMARY KEY, {parts}, mood theirs.pair)")
    await migrate_tables(owner, "item")
    await write(owner, 1)
    await create_cast(stranger, "RAISE query_canceled")
    await stranger.execute("ALTER TYPE theirs.pair ADD ATTRIBUTE mood theirs.mood")
    await owner.execute("INSERT INTO public.item (id, mood) VALUES (2, ROW(1, 'good'))")
    assert [event.fault for event in await captured(owner)] == [None, "42501"]


@pytest.mark.parametrize("isolation", ISOLATIONS)
async def test_an_attribute_that_is_newer_than_a_snapshot_is_noticed(
    root: Connection, stranger: Connection, owner: Connection, isolation: Isolation
) -> None:
    await stranger.execute("CREATE TYPE theirs.pair AS (n integer)")
    await owner.execute("CREATE TABLE public.item (id integer PRIMARY KEY, mood theirs.pair)")
    await migrate_tables(owner, "item")
    await create_cast(stranger, "RAISE query_canceled")
    async with owner.transaction(isolation=isolation):
        await owner.fetchval("SELECT count(*) FROM pg_type")
        await stranger.execute("ALTER TYPE theirs.pair ADD ATTRIBUTE gone integer")
        await stranger.execute("ALTER TYPE theirs.pair ADD ATTRIBUTE mood theirs.mood, DROP ATTRIBUTE gone")
        await owner.execute("INSERT INTO public.item VALUES (1, ROW(1, 'good'))")
    assert await last(owner) == (None, "42501")


async def test_a_composite_type_that_is_being_altered_holds_up_no_write_without_a_value(
    owner: Connection, stranger: Connection
) -> None:
    await stranger.execute("CREATE TYPE theirs.pair AS (n integer)")
    await owner.execute("CREATE TABLE public.item (id integer PRIMARY KEY, mood theirs.pair)")
    await migrate_tables(owner, "item")
    await owner.execute("SET lock_timeout = '5s'")
    async with stranger.transaction():
        await stranger.execute("ALTER TYPE theirs.pair ADD ATTRIBUTE mood theirs.mood")
        await write(owner)
    assert await last(owner) == (None, None)


async def test_of_more_types_than_anybody_needs_nothing_is_known(owner: Connection, stranger: Connection) -> None:
    await stranger.execute("CREATE TYPE theirs.pair_0 AS (n integer)")
    for level in range(120):
        await stranger.execute(f"CREATE TYPE theirs.pair_{level + 1} AS (part theirs.pair_{level})")
    await owner.execute("CREATE TABLE public.item (id integer PRIMARY KEY, mood theirs.pair_120)")
    await migrate_tables(owner, "item")
    await write(owner)
    assert await last(owner) == (None, "42501")


async def test_a_type_that_is_newer_than_the_snapshot_of_a_transaction_is_not_told_and_later_is(
    owner: Connection, database: Database
) -> None:
    await owner.execute("CREATE TABLE public.item (id integer PRIMARY KEY)")
    await migrate_tables(owner, "item")
    async with connected(database.url) as writer:
        async with writer.transaction(isolation="repeatable_read"):
            await writer.fetchval("SELECT count(*) FROM pg_type")
            await owner.execute("CREATE TYPE public.size AS ENUM ('small')")
            await owner.execute("ALTER TABLE public.item ADD mood public.size DEFAULT 'small'")
            await write(writer, 1)
        await write(writer, 2)
    assert [event.fault for event in await captured(owner)] == ["42501", None]


@pytest.mark.parametrize("form", some("plain", "composites within each other", of=FORMS))
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


async def test_who_writes_holds_up_nobody_who_drops_a_cast(
    root: Connection, owner: Connection, stranger: Connection
) -> None:
    await create_table(owner)
    await create_cast(root, schema="public")
    async with owner.transaction(isolation="read_committed"):
        await write(owner, 1)
        await stranger.execute("SET lock_timeout = '5s'; DROP CAST (theirs.mood AS json)")
        await write(owner, 2)
    assert [event.after and event.after["mood"] for event in await captured(owner)] == [1, "good"]


@pytest.mark.parametrize("isolation", ISOLATIONS[1:])
async def test_where_a_snapshot_does_not_do_a_cast_that_is_being_dropped_is_waited_for_once(
    root: Connection, owner: Connection, stranger: Connection, isolation: Isolation
) -> None:
    await create_table(owner)
    await stranger.execute("CREATE CAST (theirs.mood AS json) WITH INOUT")

    await root.execute("SELECT pg_advisory_lock(1)")
    async with owner.transaction(isolation=isolation):
        dropping = stranger.transaction()
        await dropping.start()
        await stranger.execute("DROP CAST (theirs.mood AS json)")
        writing = asyncio.create_task(
            owner.execute(
                "DO $$ BEGIN INSERT INTO public.item VALUES (1); PERFORM pg_advisory_xact_lock(1);"
                " INSERT INTO public.item VALUES (2); END $$"
            )
        )
        await eventually(lambda: waits(owner, root))
        await dropping.rollback()
        await root.execute("SELECT pg_advisory_unlock(1)")
        await writing
        await write(owner, 3)
    assert [event.fault for event in await captured(owner)] == ["42501", "42501", None]


@pytest.mark.parametrize("isolation", ISOLATIONS)
async def test_a_cast_that_postgresql_still_knew_when_it_was_gone_is_not_run(
    owner: Connection, stranger: Connection, isolation: Isolation
) -> None:
    await create_table(owner)
    await create_cast(stranger, "RAISE query_canceled")
    async with owner.transaction(isolation=isolation):
        await write(owner, 1)
        await owner.execute("PREPARE known AS SELECT NULL::theirs.mood::json")
        await stranger.execute("DROP CAST (theirs.mood AS json)")
        await write(owner, 2)
    await write(owner, 3)
    faults = [event.fault for event in await captured(owner)]
    assert (faults[0], faults[2]) == ("42501", None)


async def test_the_cast_of_a_tables_owner_is_run(root: Connection, owner: Connection, stranger: Connection) -> None:
    await create_table(owner)
    await root.execute(f"ALTER TYPE theirs.mood OWNER TO {OWNER}; GRANT CREATE ON SCHEMA theirs TO {OWNER}")
    await create_cast(owner)
    await write(owner)
    assert await last(owner) == (1, None)


@pytest.mark.parametrize("whose", ["owner", "root"])
async def test_a_cast_that_the_owner_of_a_trusted_type_has_made_is_run_and_not_warned_of_whoever_owns_its_function(
    root: Connection, owner: Connection, stranger: Connection, whose: str
) -> None:
    theirs = {"owner": owner, "root": root}[whose]
    await theirs.execute("CREATE TYPE public.color AS ENUM ('red')")
    await stranger.execute(
        "CREATE FUNCTION theirs.to_json(public.color) RETURNS json LANGUAGE sql AS $$SELECT json '1'$$"
    )
    await theirs.execute("CREATE CAST (public.color AS json) WITH FUNCTION theirs.to_json(public.color)")
    await owner.execute("CREATE TABLE public.item (id integer PRIMARY KEY, mood public.color DEFAULT 'red')")
    await migrate_tables(owner, "item")
    assert (await plan.from_selection(owner, [])).warnings == ()
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
    await migrate_tables(owner, "item")
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
    await migrate_tables(owner, "item")
    prepared = await owner.prepare("SELECT 'ours'::text", name="S_1")

    await root.execute("SELECT pg_advisory_lock(1)")
    writing = asyncio.create_task(write(owner))
    await eventually(lambda: waits(owner, root))
    await create_cast(stranger, PREPARE)
    await root.execute("SELECT pg_advisory_unlock(1)")
    await writing
    assert await last(owner) == (None, "42501")
    with pytest.raises(asyncpg.InvalidSQLStatementNameError):
        await prepared.fetchval()


@pytest.mark.parametrize("form", some("array", "domain", "composites within each other", of=FORMS))
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
