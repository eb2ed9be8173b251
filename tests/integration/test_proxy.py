from __future__ import annotations

from collections.abc import AsyncIterator

import anyio
import asyncpg
import pytest

from tests.databases import Database
from tests.proxy import Proxy, proxy
from tests.waiting import eventually


@pytest.fixture
async def relay(bare_database: Database) -> AsyncIterator[Proxy]:
    async with proxy(bare_database.url) as relay:
        yield relay


async def test_bytes_pass_in_both_directions(relay: Proxy) -> None:
    connection = await asyncpg.connect(relay.url)
    assert await connection.fetchval("SELECT repeat($1, 1000000)", "x") == "x" * 1_000_000
    await connection.close()


async def test_the_end_of_a_connection_passes_through(relay: Proxy) -> None:
    connection = await asyncpg.connect(relay.url)
    assert relay.connections == 1
    await connection.close()

    async def closed() -> bool:
        return relay.connections == 0

    await eventually(closed)


async def test_a_cut_drops_every_connection_and_lets_new_ones_in(relay: Proxy) -> None:
    connections = [await asyncpg.connect(relay.url) for _ in range(2)]

    relay.cut()

    for connection in connections:
        with pytest.raises((ConnectionError, asyncpg.PostgresConnectionError, asyncpg.InterfaceError)):
            await connection.fetchval("SELECT 1")
    after = await asyncpg.connect(relay.url)
    assert await after.fetchval("SELECT 1") == 1
    await after.close()


async def test_refusal_closes_new_connections_and_keeps_old_ones(relay: Proxy) -> None:
    old = await asyncpg.connect(relay.url)

    relay.refuse()
    with pytest.raises((ConnectionError, asyncpg.PostgresConnectionError)):
        await asyncpg.connect(relay.url)
    assert await old.fetchval("SELECT 1") == 1

    relay.accept()
    new = await asyncpg.connect(relay.url)
    await new.close()
    await old.close()


async def test_a_stall_holds_the_answer_back_until_it_is_resumed(relay: Proxy) -> None:
    connection = await asyncpg.connect(relay.url)
    answers: list[int] = []

    async def ask() -> None:
        answers.append(await connection.fetchval("SELECT 1"))

    async with anyio.create_task_group() as tasks:
        relay.stall()
        tasks.start_soon(ask)
        await anyio.wait_all_tasks_blocked()
        assert not answers
        relay.resume()

    assert answers == [1]
    await connection.close()
