"""Whoever has a table of the application locked is in nobody's way: the listener, and what `forwarder migrate` shows, wait for no such lock."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

import asyncpg
import pytest

from forwarder.capture import plan
from forwarder.capture.catalog import read_tables
from forwarder.capture.rights_due import Roles
from forwarder.capture.selection import Pattern, Rule
from forwarder.capture.uncaptured import look_at_triggers
from forwarder.config.settings import OutboxSettings
from forwarder.database.queries import query
from forwarder.database.sessions import session
from forwarder.errors import ForwarderError
from forwarder.health import OutboxState
from forwarder.metrics import Metrics
from forwarder.outbox.janitor import Janitor
from forwarder.outbox.survey import Survey
from tests.databases import Database
from tests.migrating import migrate_tables

if TYPE_CHECKING:
    from forwarder.database.sessions import Connection

TABLES = ("item", "part", "log", "log_1", "log_2", "log_2_a", "stranger", "stranger_1")
RULES = [Rule(match=Pattern("public.*"), exclude=(Pattern("public.stranger*"),))]


@pytest.fixture
async def owner(database: Database) -> AsyncIterator[Connection]:
    """A session that gives up at once where it would have to wait, in a database with captured tables and one that is not."""
    async with session(database.url, purpose="janitor") as connection:
        await connection.execute(
            """
            CREATE TABLE public.item (id integer PRIMARY KEY, note text UNIQUE CHECK (note <> ''));
            CREATE TABLE public.part (id integer PRIMARY KEY, item integer REFERENCES public.item);
            CREATE TABLE public.log (day integer, id integer, PRIMARY KEY (day, id)) PARTITION BY LIST (day);
            CREATE TABLE public.log_1 PARTITION OF public.log FOR VALUES IN (1);
            CREATE TABLE public.log_2 PARTITION OF public.log FOR VALUES IN (2) PARTITION BY LIST (id);
            CREATE TABLE public.log_2_a PARTITION OF public.log_2 FOR VALUES IN (1);
            CREATE TABLE public.stranger (id integer PRIMARY KEY) PARTITION BY LIST (id);
            CREATE TABLE public.stranger_1 PARTITION OF public.stranger FOR VALUES IN (1);
            """
        )
        await migrate_tables(connection, "public.*", exclude=["public.stranger*"])
        await connection.execute("SET lock_timeout = '1ms'")
        yield connection


@pytest.fixture
async def locked(owner: Connection, database: Database) -> AsyncIterator[Connection]:
    """A transaction of the application that nobody else can read its tables beside."""
    connection = await asyncpg.connect(database.url)
    await connection.execute("BEGIN")
    for table in TABLES:
        await connection.execute(f"LOCK TABLE ONLY public.{table} IN ACCESS EXCLUSIVE MODE")
    yield connection
    await connection.close()


@pytest.mark.usefixtures("locked")
async def test_a_look_at_triggers_sees_all_partitions_and_waits_for_none(owner: Connection, locked: Connection) -> None:
    assert await look_at_triggers(owner) == []
    await locked.execute("ALTER TABLE public.log_2_a DISABLE TRIGGER USER")
    await locked.execute("COMMIT; BEGIN; LOCK TABLE public.log IN ACCESS EXCLUSIVE MODE")

    assert {f"{found}" for found in await look_at_triggers(owner)} == {"public.log_2_a"}


async def test_what_looks_at_triggers_keeps_no_lock_of_the_application(owner: Connection) -> None:
    async with owner.transaction():
        await look_at_triggers(owner)
        kept = await owner.fetch(
            "SELECT relation::regclass::text FROM pg_locks AS lock JOIN pg_class AS class ON class.oid = lock.relation"
            " WHERE pid = pg_backend_pid() AND relnamespace = 'public'::regnamespace"
        )
    assert kept == []


@pytest.mark.usefixtures("locked")
async def test_a_round_of_the_janitor_measures_everything(owner: Connection) -> None:
    state, metrics = OutboxState(), Metrics()
    survey = Survey(settings=OutboxSettings(), state=state, metrics=metrics.outbox)
    await Janitor("", settings=OutboxSettings(), survey=survey, metrics=metrics.outbox).make_round(owner)
    survey.forget()
    await survey.renew(owner)

    assert state.warnings == ()
    assert "forwarder_outbox_bytes 0.0" not in metrics.exposition().decode()


@pytest.mark.usefixtures("locked")
async def test_a_reader_learns_the_names_of_tables(owner: Connection) -> None:
    # Three tables, and forwarder.event.
    ids = await owner.fetch("SELECT id FROM forwarder.captured_table")
    await owner.execute(query("refresh_keys"), None)
    assert len(await owner.fetch(query("tables"), None)) == len(ids) == 4


@pytest.mark.usefixtures("locked")
async def test_a_plan_is_made_and_nothing_to_do_is_found(owner: Connection) -> None:
    found = await plan.from_selection(owner, RULES, roles=Roles(capture="forwarder_capture", runtime=None))
    assert found.changes == []
    assert len((await plan.from_nothing(owner)).changes) == 3


async def test_what_is_in_the_way_of_a_change_is_told_without_waiting_for_it(
    owner: Connection, locked: Connection
) -> None:
    is_exclusive = False
    obstacle = await owner.fetchrow(query("lock_conflicts"), "public.log", is_exclusive)

    assert obstacle is not None
    assert obstacle["pid"] == locked.get_server_pid()
    assert await owner.fetchrow(query("lock_conflicts"), "public.gone", is_exclusive) is None


@pytest.mark.usefixtures("locked")
async def test_rights_are_brought_in_line(owner: Connection) -> None:
    relations = [table.relation for table in await read_tables(owner)]
    await owner.fetch(query("rights_due"), None, None, relations)


# What we lock ourselves.


async def test_a_look_at_triggers_that_fails_spoils_nothing_else_and_says_who_is_in_the_way(
    owner: Connection, database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    state, metrics = OutboxState(), Metrics()
    survey = Survey(settings=OutboxSettings(warn_bytes=1 << 20), state=state, metrics=metrics.outbox)
    other = await asyncpg.connect(database.url, server_settings={"application_name": "psql"})
    try:
        await other.execute("BEGIN; LOCK TABLE forwarder.watched_trigger IN SHARE MODE")
        await survey.measure(owner, outbox_bytes=2 << 20, is_paused=False)
    finally:
        await other.close()

    large, unseen = state.warnings
    assert unseen.startswith(
        "it is not known whether all tables are captured: cannot look at the triggers of captured tables: forwarder.watched_trigger"
        f" is locked (ShareLock) by pid {other.get_server_pid()} (psql) since "
    )
    assert "the outbox takes" in large
    assert "triggers are not looked at; trying again" in caplog.messages
    assert "forwarder_outbox_bytes 2.097152e+06" in metrics.exposition().decode()
    # The next look is another matter.
    survey.forget()
    await survey.measure(owner, outbox_bytes=2 << 20, is_paused=False)
    assert state.warnings == (large,)


async def test_a_look_at_triggers_that_a_lost_session_ends_is_an_error(owner: Connection) -> None:
    survey = Survey(settings=OutboxSettings(), state=OutboxState(), metrics=Metrics().outbox)
    await owner.execute(
        "CREATE OR REPLACE FUNCTION forwarder.expected_triggers(only_table integer DEFAULT NULL) RETURNS TABLE (table_id integer, relation oid,"
        " is_root boolean, name text, trigger_oid oid, version xid, is_sound boolean) LANGUAGE plpgsql AS"
        " 'BEGIN PERFORM pg_terminate_backend(pg_backend_pid()); END'"
    )
    with pytest.raises(ForwarderError):
        await survey.renew(owner)
