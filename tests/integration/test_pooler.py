"""Whose session it is: direct, through PgBouncer in session mode, and through one that lends the same session to others too."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio
import pytest

from forwarder.database.sessions import connect, session
from forwarder.errors import Refused
from tests.cases import each_value_once
from tests.databases import Database, connected
from tests.pooler import PoolMode, needs_pgbouncer, pgbouncer

pytestmark = needs_pgbouncer


async def assert_refused(pooled: Database) -> None:
    with pytest.raises(
        Refused, match=r"^cannot connect .*: a pooler in transaction mode .*connect to the host and port"
    ):
        await connect(pooled.url, purpose="test")


@asynccontextmanager
async def applications(url: str, *, count: int) -> AsyncIterator[None]:
    """So many clients of the pool that ask one short question after the other."""

    end = anyio.Event()

    async def ask() -> None:
        async with connected(url) as connection:
            while not end.is_set():
                await connection.execute("SELECT 1")

    async with anyio.create_task_group() as tasks:
        for _ in range(count):
            tasks.start_soon(ask)
        yield
        end.set()


@pytest.mark.parametrize("mode", ["transaction", "statement"])
@pytest.mark.parametrize("pool_size", [1, 2])
async def test_a_session_that_an_idle_pool_lends_by_turns_is_refused(
    database: Database, mode: PoolMode, pool_size: int
) -> None:
    async with pgbouncer(database, mode=mode, pool_size=pool_size) as pooled:
        for _ in range(3):
            await assert_refused(pooled)


@each_value_once(clients=[2, 5], round_robin=[False, True])
async def test_a_session_that_a_busy_pool_lends_by_turns_is_refused(
    database: Database, clients: int, *, round_robin: bool
) -> None:
    async with pgbouncer(database, pool_size=3, round_robin=round_robin) as pooled:
        async with applications(pooled.url, count=clients):
            for _ in range(20):
                await assert_refused(pooled)
        await assert_refused(pooled)


async def test_a_refused_session_goes_back_to_the_pool_as_it_was(database: Database) -> None:
    async with pgbouncer(database, pool_size=1) as pooled:
        await assert_refused(pooled)

        async with connected(pooled.url) as application, application.transaction():
            # The one that asks, and none of ours.
            assert await application.fetchval("SELECT count(*) FROM pg_prepared_statements") == 1
            assert await application.fetch("SELECT FROM pg_locks WHERE locktype = 'advisory'") == []
            assert await application.fetchval("SHOW statement_timeout") == "0"
            assert await application.fetchval("SHOW enable_seqscan") == "on"


async def test_a_session_that_is_lent_for_as_long_as_we_are_connected_is_as_good_as_our_own(database: Database) -> None:
    async with pgbouncer(database, mode="session", pool_size=5) as pooled, applications(pooled.url, count=2):
        for _ in range(5):
            async with session(pooled.url, purpose="test") as connection:
                assert await connection.fetchval("SHOW statement_timeout") == "50s"
