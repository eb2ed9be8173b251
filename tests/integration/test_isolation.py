"""Functions that look more than once have to see what was committed meanwhile: above READ COMMITTED they refuse."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import suppress
from typing import TYPE_CHECKING

import asyncpg
import pytest

from tests.capture import capture
from tests.cases import each_value_once
from tests.databases import Database, connected

if TYPE_CHECKING:
    from forwarder.database.sessions import Connection

LEAF_EVENTS = 16
REFUSAL = "needs READ COMMITTED"


@pytest.fixture
async def owner(connection: Connection) -> Connection:
    """A session of the owner, with a captured table and a ring of tiny leaves."""
    await connection.execute("CREATE TABLE public.item (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, note text)")
    await connection.execute(f"SELECT forwarder.lay_out({LEAF_EVENTS})")
    await capture(connection, "public.item")
    return connection


@pytest.fixture
async def strict(database: Database, owner: Connection) -> AsyncIterator[Connection]:
    """A session as a database with another default would give it, in which a transaction has begun to look."""
    async with connected(database.url) as session:
        await session.execute("SET default_transaction_isolation = 'repeatable read'")
        await session.execute("BEGIN; SELECT FROM forwarder.migration")
        yield session


async def write(connection: Connection, count: int) -> None:
    await connection.execute("INSERT INTO public.item (note) SELECT 'note' FROM generate_series(1, $1::integer)", count)


async def deliver(connection: Connection) -> None:
    """A sink that has everything that is visible now."""
    await connection.execute(
        "INSERT INTO forwarder.sink (name, system_identifier, delivered, floor_seq, last_seq)"
        " SELECT 'default', system_identifier, pg_current_snapshot(), 0, 0 FROM pg_control_system()"
    )


async def seqs(connection: Connection) -> list[int]:
    return [row["seq"] for row in await connection.fetch("SELECT seq FROM forwarder.outbox ORDER BY seq")]


async def attempt(strict: Connection, call: str) -> None:
    """Call a function, which may refuse, and commit what it did otherwise."""
    with suppress(asyncpg.RaiseError):
        await strict.execute(f"SELECT forwarder.{call}")
    await strict.execute("COMMIT")


async def test_leaves_laid_out_anew_lose_nothing_that_was_committed_since_the_snapshot(
    owner: Connection, strict: Connection
) -> None:
    await write(owner, 3)
    await attempt(strict, "lay_out(32)")
    assert await seqs(owner) == [1, 2, 3]


async def test_no_leaf_is_emptied_of_what_was_committed_since_the_snapshot(
    database: Database, owner: Connection
) -> None:
    async with connected(database.writer_url) as slow, connected(database.url) as strict:
        await slow.execute("BEGIN")
        await write(slow, 1)
        await write(owner, 3 * LEAF_EVENTS)
        await deliver(owner)
        # This snapshot counts the slow writer as running, as the sink's does. Its change is not there for the first, and it is
        # not delivered for the second.
        await strict.execute("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT FROM forwarder.migration")
        await slow.execute("COMMIT")
        await attempt(strict, "reclaim('forwarder.outbox_4_0', 0)")
    assert 1 in await seqs(owner)


async def test_positions_written_anew_are_those_of_now(owner: Connection, strict: Connection) -> None:
    await deliver(owner)
    await attempt(strict, "compact_sinks(-1)")
    assert await owner.fetchval("SELECT count(*) FROM forwarder.sink") == 1


@each_value_once(
    call=[
        "lay_out(32)",
        "reclaim('forwarder.outbox_4_0', 0)",
        "is_spent('forwarder.outbox_4_0', 0)",
        "compact_sinks(-1)",
        "enter_history(1, 1)",
        "origins()",
        "set_paused(true)",
    ],
    isolation=["repeatable read", "serializable"],
)
async def test_what_relies_on_read_committed_refuses_with_the_remedy(
    owner: Connection, call: str, isolation: str
) -> None:
    await owner.execute(f"SET default_transaction_isolation = '{isolation}'")
    with pytest.raises(asyncpg.RaiseError, match=f"{REFUSAL}, and this transaction is {isolation}") as refusal:
        await owner.execute(f"SELECT forwarder.{call}")
    assert "default_transaction_isolation" in str(refusal.value)
