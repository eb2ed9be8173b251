"""``audit`` of [[table]]: who made a change, from where and when."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from datetime import datetime
from typing import TYPE_CHECKING

import asyncpg
import pytest

from forwarder.config.database import CAPTURE_ROLE
from tests.databases import OWNER, WRITER, Database, connected
from tests.ruled import as_superuser, changes, create

if TYPE_CHECKING:
    from forwarder.database.sessions import Connection

ITEM = "CREATE TABLE public.item (id integer PRIMARY KEY, note text)"
ALWAYS = {
    *("user", "role", "application", "client", "pid", "transaction_at", "statement_at", "depth", "database"),
    "server_version",
}


@pytest.fixture
async def owner(database: Database) -> AsyncIterator[Connection]:
    session = await asyncpg.connect(database.url)
    yield session
    await session.close()


async def test_audit_says_who_from_where_and_when(owner: Connection, database: Database) -> None:
    await create(owner, ITEM, audit=True)
    async with connected(database.writer_url) as writer:
        await writer.execute("SET application_name = 'shop \"1\"'")
        async with writer.transaction():
            began_at = await writer.fetchval("SELECT now()")
            port = await writer.fetchval("SELECT inet_client_port()")
            await writer.execute("INSERT INTO public.item VALUES (1, 'x')")
            await writer.execute("UPDATE public.item SET note = 'y'")
            await writer.execute("DELETE FROM public.item")
        pid = writer.get_server_pid()
    found = [change.extra["audit"] for change in await changes(owner)]
    assert len(found) == 3
    for audit in found:
        assert audit.keys() == ALWAYS
        assert (audit["user"], audit["role"], audit["application"]) == (WRITER, WRITER, 'shop "1"')
        assert (audit["client"], audit["pid"], audit["depth"]) == (f"127.0.0.1:{port}", pid, 1)
        assert audit["database"] == database.name
        assert datetime.fromisoformat(audit["transaction_at"]) == began_at
        assert datetime.fromisoformat(audit["statement_at"]) >= began_at
        assert audit["statement_at"].endswith("Z")
    assert len({audit["statement_at"] for audit in found}) == 3


async def test_audit_of_a_truncate_and_of_a_change_without_images(owner: Connection) -> None:
    await create(owner, ITEM, audit=True)
    await owner.execute("SELECT forwarder.limit_images(100)")
    await owner.execute("INSERT INTO public.item VALUES (1, repeat('x', 1000))")
    await owner.execute("TRUNCATE public.item")
    found = await changes(owner)
    assert [(change.op, change.fault, change.extra["audit"]["user"]) for change in found] == [
        ("I", "54000", OWNER),
        ("T", None, OWNER),
    ]


async def test_audit_tells_the_session_as_the_log_does_to_whom_may_see_it(
    owner: Connection, database: Database
) -> None:
    await create(owner, ITEM, audit=True)
    async with as_superuser(database) as superuser:
        await superuser.execute(f"GRANT pg_read_all_stats TO {CAPTURE_ROLE}")
        try:
            async with connected(database.writer_url) as writer:
                await writer.execute("INSERT INTO public.item VALUES (1)")
                expected = await writer.fetchval(
                    "SELECT to_hex(trunc(extract(epoch FROM backend_start))::bigint) || '.' || to_hex(pid)"
                    " FROM pg_stat_activity WHERE pid = pg_backend_pid()"
                )
        finally:
            await superuser.execute(f"REVOKE pg_read_all_stats FROM {CAPTURE_ROLE}")
    (change,) = await changes(owner)
    assert change.extra["audit"]["session"] == expected
    assert re.fullmatch(r"[0-9a-f]+\.[0-9a-f]+", expected)


async def test_audit_statement_is_the_clients_own(owner: Connection, database: Database) -> None:
    await create(owner, ITEM, audit=["statement"])
    async with connected(database.writer_url) as writer:
        await writer.execute("INSERT INTO public.item VALUES ($1, $2)", 1, "parameter")
        await writer.execute("DO $$ BEGIN UPDATE public.item SET note = 'inner'; END $$ -- outer")
    first, second = (change.extra["audit"]["statement"] for change in await changes(owner))
    assert first == "INSERT INTO public.item VALUES ($1, $2)"
    assert second == "DO $$ BEGIN UPDATE public.item SET note = 'inner'; END $$ -- outer"


async def test_audit_without_statement_has_none(owner: Connection) -> None:
    await create(owner, ITEM, audit=True)
    await owner.execute("INSERT INTO public.item VALUES (1, 'marker')")
    (change,) = await changes(owner)
    assert "statement" not in change.extra["audit"]


async def test_audit_tells_of_whoever_called_a_function_that_runs_with_its_owners_rights(
    owner: Connection, database: Database
) -> None:
    await create(
        owner,
        ITEM,
        "CREATE FUNCTION public.add() RETURNS void LANGUAGE sql SECURITY DEFINER AS 'INSERT INTO public.item VALUES (1)'",
        audit=True,
    )
    async with connected(database.writer_url) as writer:
        await writer.execute("SELECT public.add()")
    (change,) = await changes(owner)
    assert (change.extra["audit"]["user"], change.extra["audit"]["role"]) == (WRITER, WRITER)


async def test_audit_tells_the_role_that_was_set(owner: Connection, database: Database) -> None:
    await create(owner, ITEM, audit=True)
    async with as_superuser(database) as superuser:
        await superuser.execute(f"SET ROLE {WRITER}")
        await superuser.execute("INSERT INTO public.item VALUES (1)")
        await superuser.execute("RESET ROLE")
        await superuser.execute(f"SET SESSION AUTHORIZATION {OWNER}")
        await superuser.execute("UPDATE public.item SET id = 2")
    found = [(change.extra["audit"]["user"], change.extra["audit"]["role"]) for change in await changes(owner)]
    assert found == [("postgres", WRITER), (OWNER, OWNER), (OWNER, OWNER)]


FORGERIES = (
    'SET forwarder.audit = \'{"user":"boss"}\'',
    'SELECT set_config(\'forwarder.context\', \'"},"audit":{"user":"boss"}\', false)',
    'SET application_name = \'","user":"boss\'',
    "SET search_path = pg_temp, public, pg_catalog",
    "CREATE TEMP TABLE audit (value text)",
    'CREATE FUNCTION pg_temp.audit(boolean) RETURNS text LANGUAGE sql AS $$SELECT \'"audit":{"user":"boss"}\'$$',
    "CREATE FUNCTION pg_temp.current_setting(text) RETURNS text LANGUAGE sql AS $$SELECT 'boss'$$",
    'CREATE FUNCTION pg_temp.json_strip_nulls(json) RETURNS json LANGUAGE sql AS $$SELECT \'{"user":"boss"}\'::json$$',
    'CREATE TEMP TABLE "session_user" (value text)',
    "SET forwarder.wake = 'boss'",
)


async def test_a_writer_cannot_forge_an_audit(owner: Connection, database: Database) -> None:
    """Only what is the client's own to say: the name of the application."""
    await create(owner, ITEM, audit=True)
    async with connected(database.writer_url) as writer:
        for number, forgery in enumerate(FORGERIES):
            await writer.execute(forgery)
            await writer.execute("INSERT INTO public.item VALUES ($1)", number)
        for attempt in (
            "SELECT forwarder.audit(false)",
            "INSERT INTO forwarder.outbox (table_id, relation, op, extra) VALUES (1, 1, 'I', '\"audit\":{}')",
            "SELECT forwarder.write_change('INSERT', 1, '{}', NULL, NULL, NULL, NULL, NULL, NULL, false, NULL, '')",
        ):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await writer.execute(attempt)
    found = [change.extra["audit"] for change in await changes(owner)]
    assert len(found) == len(FORGERIES)
    for audit in found:
        assert audit.keys() == ALWAYS
        assert (audit["user"], audit["role"]) == (WRITER, WRITER)
