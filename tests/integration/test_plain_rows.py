"""Rows that the trigger writes down without care: they are told by what their table is now, and look like all others."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import anyio
import asyncpg
import pytest

from forwarder.config.database import CAPTURE_ROLE
from tests.cases import each_value_once
from tests.databases import WRITER, Database, connected
from tests.migrating import captured, migrate_tables
from tests.waiting import eventually

if TYPE_CHECKING:
    from forwarder.database.sessions import Connection


@pytest.fixture
async def owner(database: Database) -> AsyncIterator[Connection]:
    """The role that owns the tables and migrates."""
    session = await asyncpg.connect(database.url)
    yield session
    await session.close()


@pytest.fixture
async def writer(database: Database) -> AsyncIterator[Connection]:
    """A role that may write to the tables and has no grant of ours."""
    session = await asyncpg.connect(database.writer_url)
    yield session
    await session.close()


# A value of each type whose rows can be plain, and of some that cannot.
VALUES = {
    "bool": "true",
    "int2": "-32768",
    "int8": "9223372036854775807",
    "oid": "4294967295",
    "numeric": "1e-20",
    "text": "'a\"b'",
    "bpchar": "'a '",
    "name": "'a'",
    '"char"': "'c'",
    "uuid": "'00000000-0000-0000-0000-00000000000a'",
    "json": """'{"a": 1.0}'""",
    "jsonb": """'{"a": 1.0}'""",
    "date": "'2026-03-04'",
    "time": "'05:06:07.89'",
    "timetz": "'05:06:07.89+05:30'",
    "timestamp": "'2026-03-04 05:06:07'",
    "timestamptz": "'2026-03-04 05:06:07+00'",
    "interval": "'1 year -2 days 03:04:05.6'",
    "float4": "0.1::float4 * 3",
    "float8": "0.1::float8 * 3",
    "bytea": r"'\x00ff5c'",
    "bit(3)": "B'101'",
    "varbit": "B'1011'",
    "inet": "'10.0.0.1/8'",
    "macaddr": "'08:00:2b:01:02:03'",
    "tsvector": "'a:1 b:2'",
    "date[]": "'{2026-03-04}'",
    "timestamp[]": "'{2026-03-04 05:06:07}'",
    "timestamptz[]": "'{2026-03-04 05:06:07+00}'",
    "float8[]": "ARRAY[0.1::float8 * 3]",
    "bytea[]": r"ARRAY['\x00ff5c'::bytea]",
    "interval[]": "ARRAY['1 year -2 days 03:04:05.6'::interval]",
    "numeric[]": "'{1.10,NaN}'",
    "jsonb[]": """ARRAY['{"a": 1.0}'::jsonb]""",
    "public.size": "'large'",
    "public.moment": "'2026-03-04 05:06:07+00'",
    "money": "1234.5",
    "regclass": "'public.item'",
    "tstzrange": "'[2026-03-04 05:06:07+00,)'",
    "daterange": "'[2026-03-04,2026-03-05)'",
    "point": "point(0.1::float8 * 3, 1)",
    "public.pair": "ROW(0.1::float8 * 3, '2026-03-04 05:06:07+00')",
    "public.size[]": "'{large}'",
}
TYPES = (
    "CREATE TYPE public.size AS ENUM ('small', 'large'); CREATE DOMAIN public.moment AS timestamptz;"
    "CREATE TYPE public.pair AS (ratio float8, at timestamptz)"
)
SETTINGS = (
    "timezone = 'Asia/Kolkata'",
    "TIME ZONE INTERVAL '-08:30' HOUR TO MINUTE",
    "TIME ZONE 5.75",
    "datestyle = 'German, DMY'",
    "bytea_output = 'escape'",
    "extra_float_digits = 0",
    "extra_float_digits = -5",
    "extra_float_digits = 3",
    "intervalstyle = 'iso_8601'",
    "quote_all_identifiers = on",
    "search_path = ''",
    "search_path = pg_temp, public",
)


@pytest.mark.parametrize("scope", ["", "LOCAL"])
async def test_no_image_of_any_type_depends_on_what_a_session_sets_between_two_rows(
    owner: Connection, writer: Connection, scope: str
) -> None:
    await owner.execute(TYPES)
    for number, (type_name, value) in enumerate(VALUES.items()):
        await owner.execute("CREATE TABLE IF NOT EXISTS public.item ()")
        table = f"public.t{number}"
        await owner.execute(
            f"CREATE TABLE {table} (id integer PRIMARY KEY DEFAULT 1, value {type_name} DEFAULT {value})"
        )
    assert not (await migrate_tables(owner, "public.t*")).problems
    inserts = ";".join(f"INSERT INTO public.t{number} DEFAULT VALUES" for number in range(len(VALUES)))
    updates = ";".join(f"UPDATE public.t{number} SET id = 1" for number in range(len(VALUES)))
    deletes = ";".join(f"DELETE FROM public.t{number}" for number in range(len(VALUES)))
    for setting in ("timezone = 'UTC'", *SETTINGS):
        async with writer.transaction():
            await writer.execute(f"SET {scope} {setting}")
            await writer.execute(inserts)
        for changes in (updates, deletes):
            async with writer.transaction():
                await writer.execute(f"SET {scope} {setting}; {changes}")
        await writer.execute("RESET ALL")

    images = await owner.fetch(
        "SELECT table_id, count(*) AS changes, count(DISTINCT coalesce(before, after)) AS forms, max(fault) AS fault"
        " FROM forwarder.outbox GROUP BY 1 ORDER BY 1"
    )
    assert len(images) == len(VALUES)
    assert {tuple(row)[1:] for row in images} == {(3 * (len(SETTINGS) + 1), 1, None)}


@pytest.mark.parametrize("zone", ["'Europe/Berlin'", "INTERVAL '-08:30' HOUR TO MINUTE", "5.75", "'<+03>-03'"])
async def test_the_time_zone_of_a_session_is_its_own_after_a_write_and_after_the_transaction(
    owner: Connection, writer: Connection, zone: str
) -> None:
    await owner.execute("CREATE TABLE public.item (id serial PRIMARY KEY, at timestamptz DEFAULT now())")
    await owner.execute(f"GRANT USAGE ON SEQUENCE public.item_id_seq TO {WRITER}")
    await migrate_tables(owner, "item")
    write = "INSERT INTO public.item DEFAULT VALUES; UPDATE public.item SET at = now()"
    first = await writer.fetchval("SHOW timezone")
    async with writer.transaction():
        await writer.execute(f"SET LOCAL TIME ZONE {zone}")
        shown = await writer.fetchval("SHOW timezone")
        await writer.execute(write)
        assert await writer.fetchval("SHOW timezone") == shown
        await writer.execute(f"SAVEPOINT here; SET LOCAL timezone = 'Asia/Tokyo'; {write}; ROLLBACK TO here; {write}")
        assert await writer.fetchval("SHOW timezone") == shown
        await writer.execute(f"SAVEPOINT there; SET timezone = 'Asia/Tokyo'; {write}; RELEASE there")
        assert await writer.fetchval("SHOW timezone") == "Asia/Tokyo"
    assert await writer.fetchval("SHOW timezone") == "Asia/Tokyo"
    with pytest.raises(asyncpg.DivisionByZeroError):
        async with writer.transaction():
            await writer.execute(f"SET timezone = 'America/Lima'; {write}; SELECT 1 / 0")
    assert await writer.fetchval("SHOW timezone") == "Asia/Tokyo"
    await writer.execute(f"SET TIME ZONE {zone}; {write}")
    async with writer.transaction():
        await writer.execute(f"{write}; SET timezone = 'America/Lima'")
    assert await writer.fetchval("SHOW timezone") == "America/Lima"
    await writer.execute(f"RESET timezone; {write}")
    assert await writer.fetchval("SHOW timezone") == first
    assert {event.fault for event in await captured(owner)} == {None}


async def test_a_trigger_that_sets_the_time_zone_for_the_transaction_has_it_set(
    owner: Connection, writer: Connection
) -> None:
    await owner.execute(
        "CREATE TABLE public.item (id integer PRIMARY KEY, at timestamptz DEFAULT '2026-01-01 00:00+00');"
        "CREATE FUNCTION public.set_zone() RETURNS trigger LANGUAGE plpgsql AS"
        " $$ BEGIN PERFORM set_config('timezone', 'Asia/Tokyo', true); SET LOCAL bytea_output = 'escape'; RETURN NEW; END $$;"
        "CREATE TRIGGER before BEFORE INSERT ON public.item FOR EACH ROW EXECUTE FUNCTION public.set_zone();"
        "CREATE TRIGGER zz AFTER INSERT ON public.item FOR EACH ROW EXECUTE FUNCTION public.set_zone()"
    )
    await migrate_tables(owner, "item")
    async with writer.transaction():
        await writer.execute("INSERT INTO public.item VALUES (1), (2)")
        assert await writer.fetchval("SHOW timezone") == "Asia/Tokyo"
    assert await writer.fetchval("SHOW timezone") != "Asia/Tokyo"
    assert [event.after["at"] for event in await captured(owner)] == ["2026-01-01T00:00:00+00:00"] * 2


NEEDS = [
    ("id integer, name text, price numeric(12, 2), tags text[], document jsonb", 0),
    ("id integer, at timestamptz", 1),
    ("id integer, ratio float8, raw bytea, at timestamptz, span interval", 15),
    ("size public.size", 16),
    ("at public.moment", 1),
    ("id integer, pair public.pair", None),
    ("id integer, amount money", None),
    ("id integer, sizes public.size[]", None),
    ("id integer, period tstzrange", None),
    ("", 0),
]


async def test_what_a_row_needs_is_told_by_its_types(owner: Connection) -> None:
    await migrate_tables(owner)
    await owner.execute(TYPES)
    for number, (columns, needs) in enumerate(NEEDS):
        table = f"public.item_{number}"
        await owner.execute(f"CREATE TABLE {table} (gone text, {columns or 'other text'})")
        await owner.execute(f"ALTER TABLE {table} DROP COLUMN gone{'' if columns else ', DROP COLUMN other'}")
        assert await owner.fetchval(f"SELECT forwarder.needs_of(NULL::{table})") == needs, columns
        assert await owner.fetchval(f"SELECT forwarder.table_of(NULL::{table}) = '{table}'::regclass"), columns


async def test_what_a_row_needs_does_not_depend_on_what_backslashes_mean(owner: Connection) -> None:
    await owner.execute("CREATE TABLE public.item (id integer PRIMARY KEY)")
    await migrate_tables(owner, "item")
    await owner.execute("SET standard_conforming_strings = off")
    assert await owner.fetchval("SELECT forwarder.needs_of(NULL::public.item)") == 0


async def test_the_table_is_found_by_a_role_that_may_not_use_its_schema(owner: Connection) -> None:
    await migrate_tables(owner)
    await owner.execute("CREATE SCHEMA closed; CREATE TABLE closed.item (id integer)")
    await owner.execute("PREPARE ask AS SELECT forwarder.table_of(NULL::closed.item) = $1")
    table = await owner.fetchval("SELECT 'closed.item'::regclass::oid::integer")
    await owner.execute(f"SET ROLE {CAPTURE_ROLE}")
    assert await owner.fetchval(f"EXECUTE ask({table})")


# Columns that come later


EVIL = (
    "CREATE SCHEMA evil; CREATE TYPE evil.mood AS ENUM ('good');"
    "CREATE FUNCTION evil.to_json(evil.mood) RETURNS json LANGUAGE plpgsql AS"
    " $$ BEGIN DROP FUNCTION forwarder.capture() CASCADE; RETURN '1'; END $$;"
)
CAST = "CREATE CAST (evil.mood AS json) WITH FUNCTION evil.to_json(evil.mood)"
CHANGES = [
    "ALTER TABLE public.item ADD mood evil.mood DEFAULT 'good'",
    "ALTER TABLE public.item ALTER name TYPE evil.mood USING 'good', ALTER name SET DEFAULT 'good'",
]


Isolation = Literal["read_committed", "repeatable_read", "serializable"]
ISOLATIONS: list[Isolation] = ["read_committed", "repeatable_read", "serializable"]


async def write(writer: Connection, number: int) -> None:
    await writer.execute("INSERT INTO public.item (id) VALUES ($1)", number)


@each_value_once(change=CHANGES, isolation=ISOLATIONS)
async def test_the_cast_of_a_column_that_came_after_a_session_has_written_can_write_nothing(
    owner: Connection, writer: Connection, change: str, isolation: Isolation
) -> None:
    await owner.execute("CREATE TABLE public.item (id integer PRIMARY KEY, name text)")
    await migrate_tables(owner, "item")
    await owner.execute(f"{EVIL}; {CAST}")
    await write(writer, 1)
    async with writer.transaction(isolation=isolation):
        # The snapshot is older than the change.
        await writer.fetchval("SELECT 1 FROM pg_class LIMIT 1")
        await owner.execute(change)
        await write(writer, 2)
    assert [(event.op, event.fault) for event in await captured(owner)] == [("I", None), ("I", "25006")]
    assert await owner.fetchval("SELECT to_regproc('forwarder.capture') IS NOT NULL")


async def test_the_cast_of_a_column_that_was_added_while_a_copy_waited_can_write_nothing(
    owner: Connection, writer: Connection, database: Database
) -> None:
    await owner.execute("CREATE TABLE public.item (id integer PRIMARY KEY, name text)")
    await migrate_tables(owner, "item")
    await owner.execute(f"{EVIL}; {CAST}")

    async def waits() -> bool:
        async with connected(database.superuser_url) as observer:
            return bool(await observer.fetchval("SELECT count(*) FROM pg_locks WHERE NOT granted"))

    async with owner.transaction():
        await owner.execute(CHANGES[0])
        copy = asyncio.create_task(
            writer.copy_records_to_table("item", records=[(1,), (2,)], columns=["id"], schema_name="public")
        )
        await eventually(waits)
    await copy
    assert [(event.op, event.fault) for event in await captured(owner)] == [("I", "25006")] * 2


async def test_a_cast_that_an_enum_is_given_after_a_session_has_written_can_write_nothing(
    owner: Connection, writer: Connection
) -> None:
    await owner.execute(EVIL)
    await owner.execute("CREATE TABLE public.item (id integer PRIMARY KEY, mood evil.mood DEFAULT 'good')")
    await migrate_tables(owner, "item")
    await write(writer, 1)
    await owner.execute(CAST)
    await write(writer, 2)
    assert [(event.after, event.fault) for event in await captured(owner)] == [
        ({"id": 1, "mood": "good"}, None),
        (None, "25006"),
    ]


async def test_a_column_that_a_transaction_adds_and_takes_back_is_seen_by_its_own_writes(owner: Connection) -> None:
    await owner.execute("CREATE TABLE public.item (id integer PRIMARY KEY, name text)")
    await migrate_tables(owner, "item")
    await owner.execute(f"{EVIL}; {CAST}")
    for number in (1, 3):
        await write(owner, number)
        transaction = owner.transaction()
        await transaction.start()
        await owner.execute(CHANGES[0])
        await write(owner, number + 1)
        assert await owner.fetchval("SELECT fault FROM forwarder.outbox ORDER BY seq DESC LIMIT 1") == "25006"
        await transaction.rollback()
    await owner.execute(f"{CHANGES[0]}; ALTER TABLE public.item DROP mood")
    await write(owner, 5)
    assert [(event.after["id"], event.fault) for event in await captured(owner)] == [(1, None), (3, None), (5, None)]


async def test_the_check_of_a_domain_changes_nothing_when_it_is_found_out_what_a_row_needs(
    owner: Connection, writer: Connection
) -> None:
    await owner.execute(
        "CREATE FUNCTION public.is_fine(integer) RETURNS boolean LANGUAGE plpgsql AS"
        " $$ BEGIN IF current_user NOT LIKE '%writer%' THEN DROP FUNCTION forwarder.capture() CASCADE; END IF; RETURN true; END $$;"
        "CREATE DOMAIN public.fine AS integer CHECK (public.is_fine(VALUE));"
        "CREATE TABLE public.item (id integer PRIMARY KEY, n public.fine)"
    )
    await migrate_tables(owner, "item")
    await write(writer, 1)
    await write(writer, 2)
    assert [event.fault for event in await captured(owner)] == [None, None]


# Rows that are too large


async def peak_bytes(url: str, statement: str) -> int:
    """The most memory that a new session's process had, when it has run a statement."""
    async with connected(url) as session:
        await session.execute(statement)
        status = await anyio.Path(f"/proc/{session.get_server_pid()}/status").read_text()
    return 1024 * int(status.split("VmHWM:")[1].split()[0])


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs the files of processes that Linux has")
async def test_a_plain_row_that_is_too_large_takes_no_more_memory_than_another(
    owner: Connection, database: Database
) -> None:
    for table, kind in {"plain": "integer", "careful": "money"}.items():
        await owner.execute(f"CREATE TABLE public.{table} (id integer PRIMARY KEY, text text, n {kind})")
    await migrate_tables(owner, "public.*")
    await owner.execute("SELECT forwarder.limit_images(32 << 20)")
    for statement in ("INSERT INTO {} VALUES (1, repeat('a', 40 << 20))", "UPDATE {} SET n = 1", "DELETE FROM {}"):
        plain, careful = [await peak_bytes(database.url, statement.format(table)) for table in ("plain", "careful")]
        assert plain < 1.1 * careful
    assert [(event.op, event.after, event.fault) for event in await captured(owner)] == [
        (op, None, "54000") for op in "IIUUDD"
    ]


@pytest.mark.parametrize("kind", ["integer", "money"])
async def test_of_a_row_that_becomes_too_large_the_old_version_is_not_fetched(
    owner: Connection, database: Database, kind: str
) -> None:
    await owner.execute(f"CREATE TABLE public.item (id integer PRIMARY KEY, text text, n {kind})")
    await owner.execute("ALTER TABLE public.item ALTER text SET STORAGE EXTERNAL")
    await owner.execute("INSERT INTO public.item VALUES (1, repeat('a', 40 << 20))")
    await migrate_tables(owner, "item")
    await owner.execute("SELECT forwarder.limit_images(32 << 20)")
    updated, deleted = [
        await peak_bytes(database.url, f"{statement} WHERE id = 1")
        for statement in ("UPDATE public.item SET n = 1", "DELETE FROM public.item")
    ]
    assert updated < 1.2 * deleted
    assert [(event.op, event.fault) for event in await captured(owner)] == [("U", "54000"), ("D", "54000")]


# Names and operators that a session puts before PostgreSQL's own


async def test_operators_and_functions_of_a_session_are_not_called(owner: Connection, database: Database) -> None:
    await owner.execute("CREATE TABLE public.item (id integer PRIMARY KEY, at timestamptz DEFAULT now(), name text)")
    await migrate_tables(owner, "item")
    hostile = []
    for schema in ("public", "pg_temp"):
        for signature, result in {
            "starts_with(text, text)": "boolean",
            "row_to_json(record)": "json",
            "age(xid)": "integer",
            "pg_column_size(record)": "integer",
            "octet_length(text)": "integer",
            "is_plain(oid, oid, integer)": "boolean",
            "needs_of(anyelement)": "integer",
        }.items():
            hostile.append(
                f"CREATE FUNCTION {schema}.{signature} RETURNS {result} LANGUAGE plpgsql AS $$ BEGIN RAISE 'called'; END $$"
            )
    hostile += [
        "CREATE FUNCTION public.never(text, text) RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN RAISE 'called'; END $$",
        "CREATE FUNCTION public.never(integer, integer) RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN RAISE 'called'; END $$",
        "CREATE FUNCTION public.never(oid, oid) RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN RAISE 'called'; END $$",
        *(
            f"CREATE OPERATOR public.{name} (FUNCTION = public.never, LEFTARG = {kind}, RIGHTARG = {kind})"
            for name in ("=", "<>", "<=", ">")
            for kind in ("text", "integer", "oid")
        ),
        "CREATE DOMAIN pg_temp.text AS integer",
        "CREATE TEMP TABLE outbox (id integer)",
    ]
    async with connected(database.superuser_url) as session:
        for statement in hostile:
            await session.execute(statement)
        await session.execute("SET search_path = pg_temp, public, pg_catalog")
        await session.execute("INSERT INTO public.item (id, name) VALUES (1, 'a'), (2, 'b')")
        await session.execute("UPDATE public.item SET name = 'c'")
        await session.execute("DELETE FROM public.item")
    events = await captured(owner)
    assert [event.op for event in events] == list("IIUUDD")
    assert {event.fault for event in events} == {None}
    assert all(json.dumps(event.before or event.after) for event in events)
