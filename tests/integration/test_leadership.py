from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

import pytest

from forwarder.database.sessions import session
from forwarder.errors import Unavailable
from forwarder.store import positions as positions_module
from forwarder.store.leadership import Leadership
from forwarder.store.positions import Positions
from tests.databases import Database
from tests.proxy import proxy

if TYPE_CHECKING:
    from forwarder.database.sessions import Connection


@pytest.fixture
async def sessions(database: Database) -> AsyncIterator[Sequence[Connection]]:
    async with AsyncExitStack() as stack:
        yield [await stack.enter_async_context(session(database.url, purpose="leader")) for _ in range(2)]


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
