"""Covered values are nowhere of ours: in no table, file, log, letter or setting; and no writer can make a rule not apply, or read the salt."""

from __future__ import annotations

import json
import logging
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import asyncpg
import pytest

from forwarder.local.postgres import EmbeddedPostgres
from tests.clusters import Clusters
from tests.databases import MIGRATED_TEMPLATE, OWNER, WRITER, Database, connected, copy_of
from tests.dumps import dump
from tests.listening import CREDENTIALS, Served, leads, listening
from tests.ruled import MARKER, as_superuser, assert_hidden, changes, create
from tests.waiting import eventually

if TYPE_CHECKING:
    from forwarder.database.sessions import Connection

# Columns that are covered, each in its way; that of json cannot be read where it has a NUL, and an enum takes the way of casts.
TABLE = (
    "CREATE TYPE public.mood AS ENUM ('glad')",
    "CREATE TABLE public.person (id integer PRIMARY KEY, k text UNIQUE, m text, h text, x text, c text, j json, big text, mood public.mood)",
)
COLUMNS = {
    "mask": {"m": "***"},
    "hash": ["h", "j"],
    "exclude": ["x", "k"],
    "truncate": {"c": 2},
}
KEYED = "CREATE TABLE public.keyed (id text PRIMARY KEY, n integer)"
OTHER = "t0p53cret"


@pytest.fixture
async def owner(database: Database) -> AsyncIterator[Connection]:
    session = await asyncpg.connect(database.url)
    yield session
    await session.close()


async def write(connection: Connection) -> None:
    """What an application may do to such rows, at any depth, and what goes wrong with it."""
    values = f"'{MARKER}', '{MARKER}', '{MARKER}', '{MARKER}', 'ab{MARKER}'"
    await connection.execute(f"INSERT INTO public.person VALUES (1, {values}, '\"{MARKER}\"', 'x', 'glad')")
    await connection.execute(
        f"INSERT INTO public.person VALUES (2, {values.replace(MARKER, OTHER)}, '\"\\u0000{OTHER}\"')"
    )
    await connection.execute("UPDATE public.person SET id = id + 10, big = repeat('z', 2000000)")
    await connection.execute(
        "DO $$ BEGIN UPDATE person SET h = h || 'y'; UPDATE person SET m = m || 'y'; DELETE FROM person;"
        f" INSERT INTO person (id, m) VALUES (1, '{MARKER}'); UPDATE person SET id = 5; DELETE FROM person; END $$"
    )
    await connection.execute(f"INSERT INTO public.keyed VALUES ('{MARKER}', 1)")
    await connection.execute("DO $$ BEGIN UPDATE keyed SET id = id || 'x'; UPDATE keyed SET n = 2; END $$")
    with pytest.raises(asyncpg.UniqueViolationError):
        await connection.execute("INSERT INTO public.keyed SELECT id, 1 FROM public.keyed")


async def prepare(owner: Connection) -> None:
    await create(owner, *TABLE, table="public.person", columns=COLUMNS, audit=True)
    await create(owner, KEYED, table="public.keyed", columns={"hash": ["id"]}, before="changed")


def files_of(server: EmbeddedPostgres, paths: Sequence[str]) -> bytes:
    """The content of files of a server, with all their segments and forks."""
    (data,) = {path.parent.parent.parent for path in server.directory.rglob("base/1/PG_VERSION")}
    return b"".join(
        file.read_bytes()
        for path in paths
        for file in (data / path).parent.glob(f"{Path(path).name}*")
        if file.is_file()
    )


async def test_no_file_of_our_tables_has_a_covered_value_and_no_log(clusters: Clusters) -> None:
    """Also rows that are dead, and indexes. The table of the application has it, and so do its indexes and the WAL."""
    async with (
        clusters.server(log_statement="none", log_error_verbosity="verbose", log_min_messages="info") as server,
        copy_of(MIGRATED_TEMPLATE, server) as database,
    ):
        async with connected(database.url) as owner:
            await prepare(owner)
            before = len(server.log.read_bytes())
            values = f"'{MARKER}', '{MARKER}', '{MARKER}', '{MARKER}', 'ab{MARKER}'"
            await owner.execute(f"INSERT INTO public.person VALUES (1, {values}, '\"{MARKER}\"', 'x', 'glad')")
            await owner.execute(
                f"INSERT INTO public.person VALUES (2, {values.replace(MARKER, OTHER)}, '\"\\u0000{OTHER}\"')"
            )
            await owner.execute(
                "UPDATE public.person SET id = id + 10; UPDATE public.person SET big = repeat('z', 9000)"
            )
            await owner.execute("DO $$ BEGIN UPDATE person SET h = h || 'y'; DELETE FROM person; END $$")
            await owner.execute(f"INSERT INTO public.keyed VALUES ('{MARKER}', 1)")
            await owner.execute("UPDATE public.keyed SET id = id || 'x'")
        async with connected(database.superuser_url) as superuser:
            await superuser.execute("ANALYZE; CHECKPOINT")
            paths = await superuser.fetch(
                "SELECT relnamespace = 'public'::regnamespace AS is_theirs, array_agg(pg_relation_filepath(oid)) AS paths"
                " FROM pg_class WHERE pg_relation_filepath(oid) IS NOT NULL AND"
                " (relnamespace IN ('public'::regnamespace, 'forwarder'::regnamespace) OR oid IN ("
                "   SELECT unnest(ARRAY[reltoastrelid, indexrelid]) FROM pg_class AS c LEFT JOIN pg_index ON indrelid = reltoastrelid"
                "   WHERE c.relnamespace = 'forwarder'::regnamespace)) GROUP BY 1"
            )
        (theirs,) = (row["paths"] for row in paths if row["is_theirs"])
        (ours,) = (row["paths"] for row in paths if not row["is_theirs"])
        assert MARKER.encode() in files_of(server, theirs)
        content = files_of(server, ours)
        assert b"glad" in content
        for marker in (MARKER, OTHER):
            assert marker.encode() not in content
            assert marker.encode() not in server.log.read_bytes()[before:]


async def test_a_dump_of_our_schema_and_the_settings_of_the_session_have_none(
    postgres: EmbeddedPostgres, owner: Connection, database: Database
) -> None:
    await prepare(owner)
    async with connected(database.writer_url) as writer:
        async with writer.transaction():
            await writer.execute("SELECT set_config('forwarder.context', '{}', true)")
            await writer.execute(f"INSERT INTO public.person (id, m) VALUES (99, '{MARKER}')")
            await writer.execute("DO $$ BEGIN UPDATE person SET h = 'y'; DELETE FROM person; END $$")
            notes = await writer.fetch(
                "SELECT current_setting(name, true) FROM unnest(ARRAY['forwarder.versions_replaced_in', 'forwarder.keys_taken_in']) AS name"
                " UNION ALL SELECT current_setting('forwarder.changes_' || i, true) FROM generate_series(0, 31) AS i"
            )
            prepared = await writer.fetch("SELECT statement FROM pg_prepared_statements")
        await write(writer)
    assert any(note[0] for note in notes)
    assert MARKER not in f"{notes} {prepared}"
    text = await dump(postgres, database.name, "--schema=forwarder")
    assert "person" in text
    for marker in (MARKER, OTHER):
        assert marker not in text
        await assert_hidden(database, marker)


async def test_neither_records_nor_letters_nor_logs_of_the_listener_have_one(
    owner: Connection,
    database: Database,
    served: Served,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Rows of 2 MB are set aside, since the stream takes 1 MiB."""
    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)
    caplog.set_level(logging.DEBUG, logger="forwarder")
    await prepare(owner)
    async with connected(database.writer_url) as writer:
        await write(writer)
    count = len(await changes(owner))

    async def all_are_out() -> bool:
        letters: int = await owner.fetchval("SELECT count(*) FROM forwarder.dead_letter")
        return letters > 0 and len(served.data()) + letters >= count

    async with listening(database.url, served.sink) as service:
        await leads(service)
        await eventually(all_are_out, within_seconds=20)
    for marker in (MARKER, OTHER):
        assert marker.encode() not in b"\n".join(served.data())
        assert marker not in caplog.text
        await assert_hidden(database, marker)


async def test_a_record_has_the_hashed_key_and_says_what_changed_and_who_did_it(
    owner: Connection, database: Database, served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)
    columns = {"hash": ["id"]}
    await create(owner, KEYED, table="public.keyed", columns=columns, before="changed", audit=True)
    async with connected(database.writer_url) as writer:
        await writer.execute("INSERT INTO public.keyed VALUES ('a', 1)")
        await writer.execute("UPDATE public.keyed SET n = 2")

    async def both_are_out() -> bool:
        return len(served.data()) == 2

    async with listening(database.url, served.sink) as service:
        await leads(service)
        await eventually(both_are_out, within_seconds=20)
    first, second = (json.loads(data) for data in served.data())
    assert first["key"] == second["key"] == {"id": first["after"]["id"]}
    assert len(first["key"]["id"]) == 64
    assert second["before"] == {**second["key"], "n": 1}
    assert second["changed"] == ["n"]
    assert second["audit"]["user"] == WRITER
    assert "changed" not in first


async def test_errors_of_the_writer_say_nothing_of_what_our_function_saw(owner: Connection, database: Database) -> None:
    """A fault in a covered value is no error at all; and one in the outbox says nothing but what was to be sent."""
    await prepare(owner)
    async with as_superuser(database) as superuser:
        await superuser.execute("ALTER TABLE forwarder.outbox ADD CONSTRAINT never CHECK (op <> 'I')")
    async with connected(database.writer_url) as writer:
        with pytest.raises(asyncpg.CheckViolationError) as caught:
            await writer.execute("INSERT INTO public.person (id, m, h, x) VALUES (1, $1, $1, $1)", MARKER)
    assert MARKER not in f"{caught.value.as_dict()}"


NEEDS_RIGHTS = (
    "SELECT * FROM forwarder.salt",
    "UPDATE forwarder.salt SET value = ''",
    "COPY forwarder.salt TO STDOUT",
    "SELECT forwarder.rotate_salt()",
    "SELECT options FROM forwarder.captured_table",
    "SELECT after FROM forwarder.outbox",
    "SELECT forwarder.treated('\"x\"', '{\"hash\": true}')",
    "SELECT forwarder.shaped('{}', '{}', '{}')",
    "SELECT forwarder.treatments('{}', 1, 1)",
    "SELECT forwarder.rules_of(NULL::public.person)",
    "SELECT forwarder.resolved('{}', 1, 1)",
    "SELECT forwarder.stricter('{}', '{}')",
    "SELECT forwarder.register('public.person', 'full', '[]')",
    "SELECT forwarder.install('public.person', 'full', '[]')",
    "SELECT forwarder.put_trigger('public.person', '{}', '{}')",
    (
        "CREATE TABLE pg_temp.mine (id integer); CREATE TRIGGER mine AFTER INSERT ON pg_temp.mine FOR EACH ROW"
        " EXECUTE FUNCTION forwarder.capture_by_rules('1', '{\"others\":{}}')"
    ),
    'DROP TRIGGER "00_forwarder_capture" ON public.person',
    "ALTER TABLE public.person DISABLE TRIGGER ALL",
    'CREATE OR REPLACE TRIGGER "00_forwarder_capture" AFTER INSERT ON public.person EXECUTE FUNCTION suppress_redundant_updates_trigger()',
    "SET session_replication_role = replica",
    "CREATE FUNCTION forwarder.mine() RETURNS integer LANGUAGE sql AS 'SELECT 1'",
)


@pytest.mark.parametrize("may_use_the_schema", [False, True])
async def test_a_writer_may_do_none_of_this(owner: Connection, database: Database, *, may_use_the_schema: bool) -> None:
    await prepare(owner)
    if may_use_the_schema:
        await owner.execute(f"GRANT USAGE ON SCHEMA forwarder TO {WRITER}")
    async with connected(database.writer_url) as writer:
        for statement in NEEDS_RIGHTS:
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await writer.execute(statement)


BAITS = (
    "SET search_path = pg_temp, public, pg_catalog",
    "CREATE TEMP TABLE salt (value bytea); INSERT INTO salt VALUES ('x')",
    "CREATE TEMP TABLE pg_trigger AS SELECT * FROM pg_catalog.pg_trigger WHERE false",
    "CREATE TEMP TABLE pg_attribute AS SELECT attrelid, attname, attnum, attisdropped FROM pg_catalog.pg_attribute WHERE false",
    "CREATE TEMP TABLE captured_table (id integer, columns jsonb, relation oid)",
    "CREATE FUNCTION pg_temp.to_json(text) RETURNS json LANGUAGE sql AS $$SELECT '\"baited\"'::json$$",
    "CREATE FUNCTION pg_temp.sha256(bytea) RETURNS bytea LANGUAGE sql AS $$SELECT $1$$",
    "CREATE FUNCTION pg_temp.left(text, integer) RETURNS text LANGUAGE sql AS $$SELECT $1$$",
    "CREATE DOMAIN pg_temp.text AS pg_catalog.text; CREATE DOMAIN pg_temp.jsonb AS pg_catalog.jsonb",
    "SET plan_cache_mode = force_generic_plan",
    "SET plan_cache_mode = force_custom_plan",
    "SET standard_conforming_strings = off",
    "SET escape_string_warning = on; SET backslash_quote = on",
    "SET quote_all_identifiers = on",
    "SET bytea_output = escape",
    "SET row_security = off",
    "SET forwarder.versions_replaced_in = '/1/2/'; SET forwarder.keys_taken_in = '/1/2/'",
    "SET array_nulls = off; SET transform_null_equals = on",
    "SET default_transaction_isolation = serializable",
    "SET exit_on_error = on",
)


async def test_nothing_that_a_session_sets_or_makes_keeps_a_rule_from_applying(
    owner: Connection, database: Database
) -> None:
    await prepare(owner)
    async with connected(database.writer_url) as writer:
        for number, bait in enumerate(BAITS, start=100):
            await writer.execute(bait)
            await writer.execute(
                f"INSERT INTO public.person (id, k, m, h, x, c, j) VALUES ({number}, $1 || {number}, $1, $1, $1, 'ab' || $1,"
                " to_json($1::pg_catalog.text))",
                MARKER,
            )
            await writer.execute(f"UPDATE public.person SET id = -id, m = m || 'x' WHERE id = {number}")
    found = await changes(owner)
    assert len(found) == 3 * len(BAITS)
    hashes = {change.after["h"] for change in found if change.op == "I" and change.after and change.after["h"]}
    assert len(hashes) == 1
    assert len(hashes.pop()) == 64
    assert {change.fault for change in found} == {None}
    await assert_hidden(database)


async def test_a_session_that_ends_at_any_error_has_none_of_ours(owner: Connection, database: Database) -> None:
    """To hash a document that cannot be read is one, which leaves a fault."""
    await prepare(owner)
    async with connected(database.writer_url) as writer:
        await writer.execute("SET exit_on_error = on")
        for number in (1, 2):
            await writer.execute(f"INSERT INTO public.person (id, j) VALUES ({number}, '\"\\u0000{MARKER}\"')")
        assert await writer.fetchval("SHOW exit_on_error") == "on"
    assert [(change.after, change.fault) for change in await changes(owner)] == [(None, "22P05")] * 2


async def test_the_cast_of_a_tables_owner_may_not_read_the_salt(owner: Connection, database: Database) -> None:
    await owner.execute(
        "CREATE TYPE public.mood AS ENUM ('glad');"
        "CREATE TABLE public.item (id integer PRIMARY KEY, mood public.mood, h text);"
        "CREATE FUNCTION public.to_json(public.mood) RETURNS json LANGUAGE plpgsql AS $$"
        " BEGIN RETURN to_json((SELECT encode(value, 'hex') FROM forwarder.salt)); END $$;"
        "CREATE CAST (public.mood AS json) WITH FUNCTION public.to_json(public.mood)"
    )
    await create(owner, table="public.item", columns={"hash": ["h"]})
    async with connected(database.writer_url) as writer:
        await writer.execute("INSERT INTO public.item VALUES (1, 'glad', 'x')")
    assert [(change.after, change.fault) for change in await changes(owner)] == [(None, "42501")]


async def test_only_the_owner_of_the_schema_and_the_role_of_capture_may_read_the_salt(owner: Connection) -> None:
    await prepare(owner)
    readers = await owner.fetch(
        "SELECT rolname FROM pg_roles WHERE has_table_privilege(oid, 'forwarder.salt', 'SELECT') AND NOT rolsuper"
        " AND rolname NOT LIKE 'pg\\_%' ORDER BY 1"
    )
    assert [row[0] for row in readers] == sorted([OWNER, "forwarder_capture"])
