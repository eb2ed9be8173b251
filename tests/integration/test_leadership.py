from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

import anyio
import asyncpg
import pytest

from forwarder import leadership as leadership_module
from forwarder import positions as positions_module
from forwarder.database import session
from forwarder.errors import Unavailable
from forwarder.leadership import Leadership
from forwarder.positions import Positions
from tests.databases import Database
from tests.proxy import proxy
from tests.waiting import eventually

if TYPE_CHECKING:
    from forwarder.database import Connection


@pytest.fixture
async def sessions(database: Database) -> AsyncIterator[Sequence[Connection]]:
    async with AsyncExitStack() as stack:
        yield [await stack.enter_async_context(session(database.url, purpose="leader")) for _ in range(2)]


@pytest.fixture(autouse=True)
def _try_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leadership_module, "RETRY_SECONDS", 0.01)


async def test_one_of_two_listeners_leads(sessions: Sequence[Connection]) -> None:
    first, second = (Leadership(each, sink="default") for each in sessions)

    assert await first.take()
    assert not await second.take()


async def test_each_sink_has_a_leader_of_its_own(sessions: Sequence[Connection]) -> None:
    assert await Leadership(sessions[0], sink="one").take()
    assert await Leadership(sessions[1], sink="other").take()


async def test_databases_do_not_share_a_leader(sessions: Sequence[Connection], bare_database: Database) -> None:
    assert await Leadership(sessions[0], sink="default").take()
    async with session(bare_database.url, purpose="leader") as elsewhere:
        assert await Leadership(elsewhere, sink="default").take()


async def test_the_second_takes_over_when_the_first_ones_session_ends(
    sessions: Sequence[Connection], connection: Connection, database: Database
) -> None:
    first = Leadership(sessions[0], sink="default")
    await first.take()
    leads = anyio.Event()
    refusals = 0

    async def stand_by() -> None:
        await second.wait()
        leads.set()

    class Counting(Leadership):
        async def take(self) -> bool:
            nonlocal refusals
            taken = await super().take()
            refusals += not taken
            return taken

    async def was_refused_again_and_again() -> bool:
        return refusals >= 3

    second = Counting(sessions[1], sink="default")
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(stand_by)
        await eventually(was_refused_again_and_again)
        assert not leads.is_set()
        await connection.execute("SELECT pg_terminate_backend($1)", sessions[0].get_server_pid())
        with anyio.fail_after(10):
            await leads.wait()

    async with session(database.url, purpose="third") as third:
        assert not await Leadership(third, sink="default").take()


async def test_standing_by_holds_neither_a_lock_request_nor_a_snapshot(
    sessions: Sequence[Connection], database: Database
) -> None:
    first, second = (Leadership(each, sink="default") for each in sessions)
    await first.take()
    superuser = await asyncpg.connect(database.superuser_url)
    pid = sessions[1].get_server_pid()
    try:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(second.wait)
            for _ in range(20):
                assert (
                    await superuser.fetchval("SELECT count(*) FROM pg_locks WHERE NOT granted AND pid = $1", pid) == 0
                )
                assert not await superuser.fetchval(
                    "SELECT backend_xmin IS NOT NULL AND state = 'idle' FROM pg_stat_activity WHERE pid = $1", pid
                )
                await anyio.sleep(0.005)
            tasks.cancel_scope.cancel()
    finally:
        await superuser.close()


async def test_a_leader_that_was_cut_off_cannot_prove_it(database: Database) -> None:
    async with proxy(database.url) as between, session(between.url, purpose="leader") as connection:
        positions = Positions(connection, sink="default")
        await positions.load()
        await positions.prove()

        between.cut()

        with pytest.raises(Unavailable, match="cannot prove the leadership"):
            await positions.prove()


async def test_a_leader_whose_network_went_dark_cannot_prove_it(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(positions_module, "ANSWER_SECONDS", 0.2)
    async with proxy(database.url) as between, session(between.url, purpose="leader") as connection:
        positions = Positions(connection, sink="default")
        await positions.load()

        between.stall()

        with pytest.raises(Unavailable):
            await positions.prove()
        connection.terminate()


async def test_the_server_ends_the_session_of_a_leader_that_asks_nothing(
    sessions: Sequence[Connection], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(leadership_module, "SILENCE_SECONDS", 1.0)
    frozen, standby = (Leadership(each, sink="default") for each in sessions)
    assert await frozen.take()

    # It asks every 10 ms, so it is never silent for so long.
    with anyio.fail_after(10):
        await standby.wait()

    with pytest.raises(Unavailable):
        await frozen.take()
