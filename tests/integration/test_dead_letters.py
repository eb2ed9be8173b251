"""Keeping and changing dead letters: in statements that stay short, however many changes or letters there are."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

import pytest

from forwarder import dead_letters
from forwarder.database import session
from forwarder.events import SetAside
from tests.capture import capture
from tests.databases import Database

if TYPE_CHECKING:
    from forwarder.database import Connection

# So many changes of the outbox a statement may look at that has to do with one of them.
A_FEW = 10


@pytest.fixture
async def leader(database: Database) -> AsyncIterator[Connection]:
    async with session(database.url, purpose="leader") as connection:
        yield connection


async def looked_at(connection: Connection) -> int:
    """How many changes of the outbox the transaction under way has looked at."""
    found: int = await connection.fetchval(
        "SELECT sum(seq_tup_read + coalesce(idx_tup_fetch, 0))::bigint FROM pg_stat_xact_user_tables"
        " WHERE schemaname = 'forwarder' AND relname LIKE 'outbox%'"
    )
    return found


async def test_a_change_is_set_aside_without_a_look_at_the_others_of_its_transaction(
    connection: Connection, leader: Connection
) -> None:
    await connection.execute("CREATE TABLE public.item (id bigint PRIMARY KEY)")
    await capture(connection, "public.item")
    await connection.execute("INSERT INTO item SELECT generate_series(1, 1000)")
    change = SetAside(
        seq=500, partition_key="public.item.500", size=1, code="oversize", reason="", index=500, count=1000
    )

    async with leader.transaction():
        await dead_letters.keep(leader, [change], sink="default")
        assert await looked_at(leader) <= A_FEW

    place = await connection.fetchrow("SELECT tx_index, tx_count FROM forwarder.dead_letter")
    assert place is not None
    assert tuple(place) == (500, 1000)
