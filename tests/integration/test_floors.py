"""Floors against a real PostgreSQL: whatever happens amid a save, what a later snapshot counts as not yet begun is above its floor."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

import anyio
import asyncpg
import pytest

from forwarder.database.queries import SQL
from forwarder.database.sessions import session
from forwarder.errors import Unavailable
from forwarder.outbox.floors import read_floor
from forwarder.outbox.position import Position
from forwarder.outbox.registry import Registry
from forwarder.records.record import SetAside
from forwarder.store.positions import Positions
from tests.capture import capture
from tests.databases import Database, connected
from tests.reading import Reader
from tests.waiting import eventually

if TYPE_CHECKING:
    from forwarder.database.sessions import Connection


@pytest.fixture
async def leader(database: Database) -> AsyncIterator[Connection]:
    async with session(database.url, purpose="leader") as connection:
        yield connection


@pytest.fixture
async def reader(database: Database) -> AsyncIterator[Connection]:
    async with session(database.url, purpose="reader") as connection:
        yield connection


@pytest.fixture
async def writer(database: Database, connection: Connection) -> AsyncIterator[Connection]:
    """Another session of the application, whose table is captured."""
    await connection.execute("CREATE TABLE public.item (id bigint PRIMARY KEY)")
    await capture(connection, "public.item")
    async with connected(database.writer_url) as writer:
        yield writer


def set_aside(seq: int) -> SetAside:
    return SetAside(seq=seq, partition_key="public.item.1", size=1, code="oversize", reason="")


# A lock on one of the tables stops the save where it reaches that table, so between its two statements for one of them.
@pytest.mark.parametrize("table", ["forwarder.sink", "forwarder.dead_letter"])
async def test_a_change_made_amid_a_save_that_sets_something_aside_is_delivered(
    leader: Connection, reader: Connection, connection: Connection, writer: Connection, database: Database, table: str
) -> None:
    await connection.execute("INSERT INTO public.item VALUES (1)")
    positions = Positions(leader, sink="default")
    outbox = Reader(reader, position=await positions.load(), registry=Registry(), page_rows=1000, page_bytes=1 << 20)
    page = await outbox.read()
    assert [event.seq for event in page.events] == [1]

    async with connected(database.url) as holder, anyio.create_task_group() as tasks:
        locked = holder.transaction()
        await locked.start()
        await holder.execute(f"LOCK TABLE {table} IN SHARE MODE")
        tasks.start_soon(save, positions, page.position, outbox)
        await eventually(lambda: waits(connection, leader))
        late = writer.transaction()
        await late.start()
        await writer.execute("INSERT INTO public.item VALUES (2)")
        await locked.rollback()

    # A snapshot that knows of nothing after the save, with the floor that the save brought.
    assert not (await outbox.read()).events
    await late.commit()
    page = await outbox.read()

    assert [event.seq for event in page.events] == [2]
    assert await connection.fetchval("SELECT array_agg(seq) FROM forwarder.dead_letter") == [1]


async def save(positions: Positions, position: Position, outbox: Reader) -> None:
    outbox.floor_seq = await positions.save(position, aside=[set_aside(1)])


async def waits(observer: Connection, waiter: Connection) -> bool:
    blockers: list[int] = await observer.fetchval("SELECT pg_blocking_pids($1)", waiter.get_server_pid())
    return bool(blockers)


async def test_a_save_in_a_transaction_that_has_an_id_is_refused(leader: Connection) -> None:
    positions = Positions(leader, sink="default")
    position = await positions.load()
    async with leader.transaction():
        await leader.execute("SELECT pg_current_xact_id()")
        with pytest.raises(Unavailable, match="has an id already"):
            await positions.save(position)


async def test_an_id_that_a_savepoint_brought_counts_after_it_was_rolled_back(leader: Connection) -> None:
    async with leader.transaction():
        await leader.execute("SAVEPOINT before")
        await leader.execute("SELECT pg_current_xact_id()")
        await leader.execute("ROLLBACK TO before")
        with pytest.raises(asyncpg.ObjectNotInPrerequisiteStateError, match="has an id already"):
            await leader.fetchval("SELECT forwarder.read_floor()")


async def test_a_second_floor_in_one_transaction_is_refused(leader: Connection) -> None:
    async with leader.transaction():
        await leader.fetchval("SELECT forwarder.read_floor()")
        with pytest.raises(asyncpg.ObjectNotInPrerequisiteStateError, match="has an id already"):
            await leader.fetchval("SELECT forwarder.read_floor()")


async def test_a_floor_for_later_snapshots_is_not_read_inside_a_transaction(leader: Connection) -> None:
    assert await read_floor(leader) == 0
    async with leader.transaction():
        with pytest.raises(RuntimeError, match="a transaction of its own"):
            await read_floor(leader)


def test_a_query_that_needs_a_floor_has_it_from_the_one_function_that_refuses() -> None:
    texts = {path.stem: path.read_text() for path in (SQL / "queries").glob("*/*.sql")}

    assert {name for name, text in texts.items() if "forwarder.read_floor()" in text} == {"floor", "save_position"}
    assert not [name for name, text in texts.items() if "pg_sequence_last_value" in text]
