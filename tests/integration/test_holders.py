"""Who holds a lock of ours, as a listener's plain role sees it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import asyncpg
import pytest

from forwarder.database.lock_holders import Holder, holders_of_lock, holders_of_sink
from forwarder.database.sessions import DOORBELL_LOCK, LEADER_LOCK_CLASS, LOCK_CLASS, session
from forwarder.store.leadership import Leadership
from tests.databases import OWNER, WRITER, Database, connected

if TYPE_CHECKING:
    from forwarder.database.sessions import Connection

TAKE = f"SELECT pg_advisory_lock({LEADER_LOCK_CLASS}, hashtext('default'))"


@pytest.fixture
async def owner(database: Database) -> AsyncIterator[Connection]:
    async with session(database.url, purpose="leader") as connection:
        yield connection


@asynccontextmanager
async def stranger(url: str, *, application: str = "psql", take: str = TAKE) -> AsyncIterator[Connection]:
    connection = await asyncpg.connect(url, server_settings={"application_name": application})
    try:
        await connection.execute(take)
        yield connection
    finally:
        await connection.close()


async def only(connection: Connection) -> Holder:
    [holder] = await holders_of_sink(connection, "default")
    return holder


async def test_a_lock_that_is_free_has_no_holder(owner: Connection) -> None:
    assert await holders_of_sink(owner, "default") == []


async def test_a_leader_is_taken_for_one(owner: Connection, database: Database) -> None:
    async with session(database.url, purpose="leader") as leader:
        assert await Leadership(leader, sink="default").take()
        holder = await only(owner)
        assert await holders_of_sink(owner, "other") == []
        assert holder.pid == leader.get_server_pid()
    assert holder.leads
    assert f"role {OWNER}, application 'forwarder leader', pid {holder.pid} at 127.0.0.1" == str(holder)


@pytest.mark.parametrize("application", ["psql", "forwarder leader"])
async def test_a_role_that_may_not_move_the_position_cannot_lead_whatever_it_calls_itself(
    owner: Connection, database: Database, application: str
) -> None:
    async with stranger(database.writer_url, application=application) as writer:
        holder = await only(owner)
    assert holder.flaw == "has a role that may not deliver"
    assert not holder.leads
    assert str(holder) == f"role {WRITER}, application '{application}', pid {writer.get_server_pid()}"
    assert holder.remedy == f"SELECT pg_terminate_backend({writer.get_server_pid()})"


async def test_who_may_move_the_position_and_calls_itself_something_else_only_seems_to_be_no_listener(
    owner: Connection, database: Database
) -> None:
    for url in (database.url, database.superuser_url):
        async with stranger(url):
            holder = await only(owner)
        assert holder.flaw is None
        assert not holder.leads


async def test_a_role_that_can_put_on_another_may_lead_as_that_one(owner: Connection, database: Database) -> None:
    async with connected(database.superuser_url) as root:
        await root.execute(f"GRANT {OWNER} TO {WRITER}; ALTER ROLE {WRITER} NOINHERIT")
        try:
            async with stranger(database.writer_url, application="forwarder leader"):
                holder = await only(owner)
        finally:
            await root.execute(f"REVOKE {OWNER} FROM {WRITER}; ALTER ROLE {WRITER} INHERIT")
    assert holder.leads


async def test_who_shares_the_lock_cannot_lead_and_each_is_named(owner: Connection, database: Database) -> None:
    take = TAKE.replace("pg_advisory_lock", "pg_advisory_lock_shared")
    async with stranger(database.url, take=take), stranger(database.writer_url, take=take):
        holders = await holders_of_sink(owner, "default")
    assert [(holder.role, holder.flaw) for holder in holders] == [
        (WRITER, "shares the lock, as no listener does"),
        (OWNER, "shares the lock, as no listener does"),
    ]


async def test_locks_of_another_database_are_nobodys(
    owner: Connection, database: Database, bare_database: Database
) -> None:
    async with stranger(bare_database.url):
        assert await holders_of_sink(owner, "default") == []


async def test_without_the_schema_nobody_may_lead(bare_database: Database) -> None:
    async with session(bare_database.url, purpose="leader") as listener, stranger(bare_database.url):
        assert not (await only(listener)).may_lead


async def test_a_role_without_any_right_sees_as_much(owner: Connection, database: Database) -> None:
    """A listener that lacks a grant shall say so, not that it cannot see who leads."""
    await Leadership(owner, sink="default").take()
    async with session(database.writer_url, purpose="leader") as writer:
        assert (await only(writer)).leads


async def test_of_the_doorbell_too(owner: Connection, database: Database) -> None:
    async with stranger(database.writer_url, take=f"SELECT pg_advisory_lock({LOCK_CLASS}, {DOORBELL_LOCK})"):
        [holder] = await holders_of_lock(owner, DOORBELL_LOCK)
    assert (holder.role, holder.is_exclusive) == (WRITER, True)
