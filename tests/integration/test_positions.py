from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import anyio
import asyncpg
import pytest

from forwarder.database.sessions import session
from forwarder.errors import Refused, Unavailable
from forwarder.events import Event
from forwarder.outbox.delivered_ahead import Ahead
from forwarder.outbox.position import Position, Snapshot
from forwarder.outbox.registry import Registry
from forwarder.records.record import SetAside
from forwarder.store.positions import Positions
from forwarder.store.replay import Replay
from tests.capture import capture
from tests.cases import each_value_once
from tests.databases import Database
from tests.reading import Reader
from tests.waiting import eventually

if TYPE_CHECKING:
    from forwarder.database.sessions import Connection

IN_A_BATCH = (
    Position(delivered=Snapshot(3, 9, (3, 7)), floor_seq=11, last_seq=25)
    .entering(Snapshot(8, 12, (8, 10, 11)), floor_seq=20, ceiling_seq=40)
    .advanced(22)
)


@pytest.fixture
async def leader(database: Database) -> AsyncIterator[Connection]:
    async with session(database.url, purpose="leader") as connection:
        yield connection


@pytest.fixture
async def item(connection: Connection) -> int:
    await connection.execute("CREATE TABLE public.item (id bigint PRIMARY KEY)")
    return await capture(connection, "public.item")


async def drain(leader: Connection, position: Position, *, page_rows: int = 1000) -> tuple[list[Event], Position]:
    outbox = Reader(leader, position=position, registry=Registry(), page_rows=page_rows, page_bytes=1 << 20)
    events: list[Event] = []
    while (page := await outbox.read()).more:
        events += page.events
    # What came after the batch, if it was one.
    last = await outbox.read()
    return [*events, *page.events, *last.events], last.position


def keys(events: Sequence[Event]) -> list[int]:
    return [int(event.key_values or 0) for event in events]


async def set_sink(connection: Connection, assignments: str) -> None:
    await connection.execute(f"UPDATE forwarder.sink SET {assignments}")


async def test_a_new_sink_begins_with_the_oldest_change(leader: Connection, connection: Connection, item: int) -> None:
    await connection.execute("INSERT INTO item VALUES (1)")

    events, _ = await drain(leader, await Positions(leader, sink="new").load())

    assert keys(events) == [1]


@pytest.mark.parametrize("position", [IN_A_BATCH, IN_A_BATCH.finished()], ids=["in a batch", "between batches"])
async def test_a_saved_position_is_loaded_as_it_was(
    leader: Connection, connection: Connection, position: Position
) -> None:
    positions = Positions(leader, sink="default")
    await positions.load()
    await connection.execute("SELECT setval('forwarder.outbox_seq', 40)")

    await positions.save(position)

    assert await positions.load() == position


async def test_sinks_do_not_share_a_position(leader: Connection, connection: Connection) -> None:
    one, other = Positions(leader, sink="one"), Positions(leader, sink="other")
    fresh = await other.load()
    await one.load()
    await connection.execute("SELECT setval('forwarder.outbox_seq', 40)")

    await one.save(IN_A_BATCH)

    assert await other.load() == fresh


async def test_no_transaction_that_begins_after_a_save_has_a_seq_up_to_the_floor(
    leader: Connection, connection: Connection, item: int
) -> None:
    positions = Positions(leader, sink="default")
    position = await positions.load()
    assert await positions.save(position) == 0

    await connection.execute("INSERT INTO item VALUES (1), (2), (3)")
    floor_seq = await positions.save(position)
    await connection.execute("INSERT INTO item VALUES (4)")

    assert floor_seq == 3
    assert await connection.fetchval("SELECT max(seq) FROM forwarder.outbox") == 4


async def test_saving_waits_for_no_disk(leader: Connection) -> None:
    await Positions(leader, sink="default").load()

    assert await leader.fetchval("SHOW synchronous_commit") == "off"


async def restore(connection: Connection) -> None:
    """Write the sinks anew with all that is in them, as a dump does that was taken in this very moment."""
    await connection.execute(
        "CREATE TEMP TABLE dump AS SELECT * FROM forwarder.sink; DELETE FROM forwarder.sink;"
        " INSERT INTO forwarder.sink SELECT * FROM dump; DROP TABLE dump"
    )


async def compact(connection: Connection) -> None:
    assert await connection.fetchval("SELECT forwarder.compact_sinks(0)")


async def test_a_position_that_was_restored_is_nobodys_before_it_is_loaded(
    leader: Connection, connection: Connection, item: int
) -> None:
    """It has the epoch of the tenure in which the dump was taken, which may go on."""
    positions = Positions(leader, sink="default")
    position = await positions.load()
    aside = SetAside(seq=1, partition_key="1", size=1, code="oversize", reason="")
    await connection.execute("INSERT INTO item VALUES (1)")
    await restore(connection)

    for attempt in (positions.save(position), positions.prove(), positions.keep([aside])):
        with pytest.raises(Unavailable, match="a dump was restored"):
            await attempt

    assert await connection.fetchval("SELECT count(*) FROM forwarder.dead_letter") == 0
    await positions.save(await positions.load())


async def test_what_was_set_aside_and_is_nowhere_is_told_and_does_not_keep_the_position_from_moving(
    leader: Connection, connection: Connection, item: int, caplog: pytest.LogCaptureFixture
) -> None:
    told: list[int] = []
    positions = Positions(leader, sink="default", tell_lost=told.append)
    position = await positions.load()
    await connection.execute("INSERT INTO item VALUES (1), (2)")
    aside = [SetAside(seq=seq, partition_key="1", size=1, code="oversize", reason="") for seq in (1, 2)]
    await connection.execute("DELETE FROM forwarder.outbox WHERE seq = 2")

    await positions.keep(aside)
    await positions.save(replace(position, last_seq=2), aside=aside)

    assert told == [1, 1]
    assert [vars(record)["seq"] for record in caplog.records if "is nowhere any more" in record.message] == [2, 2]
    assert [row[0] for row in await connection.fetch("SELECT seq FROM forwarder.dead_letter")] == [1]
    assert (await positions.load()).last_seq == 2


@pytest.mark.parametrize("restored_first", [True, False])
async def test_a_compaction_makes_no_restored_position_a_saved_one(
    leader: Connection, connection: Connection, *, restored_first: bool
) -> None:
    positions = Positions(leader, sink="default")
    position = await positions.load()
    for step in (restore, compact) if restored_first else (compact, restore):
        await step(connection)

    with pytest.raises(Unavailable, match="a dump was restored"):
        await positions.save(position)


async def test_a_leader_goes_on_after_a_compaction(leader: Connection, connection: Connection) -> None:
    positions = Positions(leader, sink="default")
    position = await positions.load()

    await compact(connection)

    await positions.prove()
    await positions.save(position)


async def test_no_position_is_saved_while_the_sequence_is_below_its_floor(
    leader: Connection, connection: Connection, item: int
) -> None:
    """Somebody has set the sequence back: changes would be captured that the floor counts as delivered."""
    positions = Positions(leader, sink="default")
    position = await positions.load()
    await connection.execute("INSERT INTO item VALUES (1), (2), (3)")
    floor_seq = await positions.save(position)
    await connection.execute("SELECT setval('forwarder.outbox_seq', 2)")

    with pytest.raises(Unavailable):
        await positions.save(replace(position, floor_seq=floor_seq))


async def test_a_sink_that_was_removed_meanwhile_is_not_saved(leader: Connection, connection: Connection) -> None:
    positions = Positions(leader, sink="default")
    position = await positions.load()
    await connection.execute("DELETE FROM forwarder.sink")

    with pytest.raises(Unavailable, match="removed"):
        await positions.save(position)


async def test_a_database_without_our_schema_is_refused_with_the_remedy(bare_database: Database) -> None:
    async with session(bare_database.url, purpose="leader") as leader:
        with pytest.raises(Refused, match="run `forwarder migrate` first"):
            await Positions(leader, sink="default").load()


async def test_a_lost_session_is_unavailable(leader: Connection, connection: Connection) -> None:
    positions = Positions(leader, sink="default")
    position = await positions.load()
    await connection.execute("SELECT pg_terminate_backend($1)", leader.get_server_pid())

    with pytest.raises(Unavailable):
        await positions.save(position)


# A sink that is set back.


@pytest.fixture
async def in_flight(database: Database, item: int) -> AsyncIterator[Connection]:
    """A writer whose transaction is open, and has the lowest seq of all."""
    writer = await asyncpg.connect(database.writer_url)
    await writer.execute("BEGIN; INSERT INTO item VALUES (1)")
    yield writer
    await writer.close()


@pytest.mark.parametrize("commits", ["before the next one", "in the middle of the batch", "at the end"])
async def test_what_is_in_flight_while_a_sink_is_set_back_twice_is_sent_when_it_commits(
    leader: Connection, connection: Connection, in_flight: Connection, commits: str
) -> None:
    await connection.execute("INSERT INTO item SELECT generate_series(2, 9)")
    positions = Positions(leader, sink="default")
    _, delivered = await drain(leader, await positions.load())
    await positions.save(delivered)

    await Replay(connection, sink="default").set_back(5)
    if commits == "before the next one":
        await in_flight.execute("COMMIT")
    await Replay(connection, sink="default").set_back(8)
    position = await positions.load()
    reader = Reader(leader, position=position, registry=Registry(), page_rows=2, page_bytes=1 << 20)
    page = await reader.read()
    ahead = Ahead(end=page.position, undelivered=frozenset())
    if commits == "in the middle of the batch":
        await in_flight.execute("COMMIT")
    events, after = await drain(leader, page.position, page_rows=2)
    if commits == "at the end":
        await in_flight.execute("COMMIT")
    last, _ = await drain(leader, after)

    first = [1] if commits == "before the next one" else []
    assert keys([*page.events, *events, *last]) == ([1, *range(2, 10)] if first else [*range(5, 10), 1])
    assert [event.key_values for event in [*events, *last] if ahead.has(event.txid, event.seq)] == []


async def test_a_sink_that_the_release_before_has_set_back_passes_over_nothing_that_is_in_flight(
    leader: Connection, connection: Connection, in_flight: Connection
) -> None:
    await connection.execute("INSERT INTO item SELECT generate_series(2, 9)")
    positions = Positions(leader, sink="default")
    await positions.load()
    await Replay(connection, sink="default").set_back(8)
    await set_sink(connection, "floor_seq = 7, batch_last_seq = 7, last_seq = 7")
    await in_flight.execute("COMMIT")

    await Replay(connection, sink="default").set_back(8)
    events, _ = await drain(leader, await positions.load())

    assert keys(events) == [1, *range(2, 10)]


async def test_a_sink_that_is_set_back_twice_begins_no_earlier_than_it_was_told(
    leader: Connection, connection: Connection, item: int
) -> None:
    await connection.execute("INSERT INTO item SELECT generate_series(1, 9)")
    positions = Positions(leader, sink="default")
    _, delivered = await drain(leader, await positions.load())
    await positions.save(delivered)

    await Replay(connection, sink="default").set_back(5)
    await Replay(connection, sink="default").set_back(8)
    events, _ = await drain(leader, await positions.load())

    assert keys(events) == [5, 6, 7, 8, 9]


# What was delivered beyond the position.


async def deliver_ahead(positions: Positions) -> None:
    position = await positions.load()
    await positions.save(position, ahead=Ahead(end=replace(position, floor_seq=0), undelivered=frozenset({7})))


async def test_what_was_delivered_ahead_is_known_to_the_next_leader_and_not_to_the_one_after_a_replay(
    leader: Connection, connection: Connection, item: int
) -> None:
    await connection.execute("INSERT INTO item VALUES (1)")
    positions = Positions(leader, sink="default", history_stamp="1/1")
    await deliver_ahead(positions)

    await positions.load()
    known = positions.ahead
    await Replay(connection, sink="default").set_back(None)
    await positions.load()

    assert known
    assert known.undelivered == {7}
    assert positions.ahead is None


async def test_of_two_that_lead_one_after_the_other_and_save_nothing_the_second_knows_it_too(
    leader: Connection, connection: Connection
) -> None:
    positions = Positions(leader, sink="default", history_stamp="1/1")
    await deliver_ahead(positions)
    for _ in range(2):
        await positions.load()
        assert positions.ahead


async def test_what_was_delivered_ahead_of_a_position_that_is_set_back_at_that_moment_is_not_taken_over(
    leader: Connection, connection: Connection, database: Database, item: int
) -> None:
    await connection.execute("INSERT INTO item VALUES (1)")
    positions = Positions(leader, sink="default", history_stamp="1/1")
    await deliver_ahead(positions)
    async with session(database.url, purpose="operator") as operator:
        transaction = operator.transaction()
        await transaction.start()
        # What setting it back, or beginning to send a table again, does to it.
        await operator.execute("UPDATE forwarder.sink SET epoch = epoch + 1, saved_txid = pg_current_xact_id()")
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(positions.load)
            await eventually(lambda: is_waiting(connection, leader))
            await transaction.commit()
    assert positions.ahead is None


async def is_waiting(connection: Connection, other: Connection) -> bool:
    state = "SELECT wait_event_type = 'Lock' FROM pg_stat_activity WHERE pid = $1"
    return bool(await connection.fetchval(state, other.get_server_pid()))


async def test_what_a_sink_has_delivered_ahead_is_not_what_another_one_of_its_name_has(
    leader: Connection, connection: Connection
) -> None:
    positions = Positions(leader, sink="default", history_stamp="1/1")
    await deliver_ahead(positions)
    # As an operator does by hand, or a release that knows nothing of it.
    await connection.execute("DELETE FROM forwarder.sink")

    for _ in range(3):
        await positions.load()
        assert positions.ahead is None


# Another cluster, or a restored one: the snapshots of the position mean nothing.

ANOTHER_CLUSTER = "system_identifier = system_identifier + 1"
A_LATER_STATE = "delivered = '1000000000:1000000000:'"


@each_value_once(
    foreign=[f"{ANOTHER_CLUSTER}, delivered = '900000003:900000003:'", A_LATER_STATE], page_rows=[1, 2, 100]
)
async def test_in_another_cluster_what_is_retained_after_the_last_delivered_seq_is_sent_again(
    leader: Connection, connection: Connection, item: int, foreign: str, page_rows: int
) -> None:
    await connection.execute("INSERT INTO item SELECT generate_series(1, 5)")
    # As a dump brings them along: with ids of transactions that this cluster has yet to see.
    await connection.execute("UPDATE forwarder.outbox SET txid = (900000000 + seq)::text::xid8 WHERE seq IN (2, 4)")
    positions = Positions(leader, sink="default")
    await positions.load()
    await set_sink(connection, f"last_seq = 3, {foreign}")

    position = await positions.load()
    await connection.execute("INSERT INTO item VALUES (6)")
    events, after = await drain(leader, position, page_rows=page_rows)

    assert keys(events)[:3] == [4, 5, 6]
    again, _ = await drain(leader, after)
    assert keys(again) == []


async def test_in_another_cluster_what_was_in_flight_with_a_lower_seq_is_sent_again_too(
    leader: Connection, connection: Connection, item: int
) -> None:
    await connection.execute("INSERT INTO item SELECT generate_series(1, 5)")
    await connection.execute("UPDATE forwarder.outbox SET txid = (900000000 + seq)::text::xid8")
    positions = Positions(leader, sink="default")
    await positions.load()
    # All but the second had been delivered.
    await set_sink(connection, f"last_seq = 5, delivered = '900000002:900000006:900000002', {ANOTHER_CLUSTER}")

    events, _ = await drain(leader, await positions.load())

    assert keys(events) == [2, 3, 4, 5]


async def test_what_is_sent_again_from_another_cluster_is_not_passed_over_by_a_restart_within_its_last_page(
    leader: Connection, connection: Connection, item: int
) -> None:
    await connection.execute("INSERT INTO item SELECT generate_series(1, 5)")
    await connection.execute("UPDATE forwarder.outbox SET txid = (900000000 + seq)::text::xid8")
    positions = Positions(leader, sink="default")
    await positions.load()
    await set_sink(connection, f"last_seq = 1, delivered = '900000002:900000002:', {ANOTHER_CLUSTER}")
    position = await positions.load()
    reader = Reader(leader, position=position, registry=Registry(), page_rows=1000, page_bytes=1 << 20)
    page = await reader.read()
    assert keys(page.events) == [2, 3, 4, 5]

    # Where a batch that ends with the page stands while its second change is not delivered.
    await positions.save(position.within(position.finished(), before_seq=3, ceiling_seq=5))
    events, _ = await drain(leader, await positions.load())

    assert keys(events) == [3, 4, 5]


async def test_a_replay_sends_what_came_from_another_cluster(
    leader: Connection, connection: Connection, item: int
) -> None:
    await connection.execute("INSERT INTO item SELECT generate_series(1, 5)")
    await connection.execute("UPDATE forwarder.outbox SET txid = (900000000 + seq)::text::xid8")
    positions = Positions(leader, sink="default")
    await positions.load()
    await set_sink(connection, f"last_seq = 1, delivered = '900000002:900000002:', {ANOTHER_CLUSTER}")
    under_way = await positions.load()

    await Replay(connection, sink="default").set_back(5)
    events, delivered = await drain(leader, await positions.load())
    await positions.save(delivered)
    await Replay(connection, sink="default").set_back(4)
    again, _ = await drain(leader, await positions.load())

    assert under_way.batch is not None
    assert keys(events) == [2, 3, 4, 5]
    assert keys(again) == [4, 5]


async def test_a_writer_in_flight_while_another_cluster_is_adopted_is_not_lost(
    leader: Connection, connection: Connection, database: Database, item: int
) -> None:
    positions = Positions(leader, sink="default")
    await positions.load()
    await set_sink(connection, ANOTHER_CLUSTER)
    writer = await asyncpg.connect(database.writer_url)
    try:
        transaction = writer.transaction()
        await transaction.start()
        await writer.execute("INSERT INTO item VALUES (1)")
        await connection.execute("INSERT INTO item VALUES (2)")
        position = await positions.load()
        first, after = await drain(leader, position)
        await transaction.commit()
        second, _ = await drain(leader, after)
    finally:
        await writer.close()

    assert keys(first) == [2]
    assert keys(second) == [1]


async def test_an_adopted_cluster_is_known_at_the_next_start(leader: Connection, connection: Connection) -> None:
    positions = Positions(leader, sink="default")
    await positions.load()
    await set_sink(connection, ANOTHER_CLUSTER)
    adopted = await positions.load()

    assert adopted.batch is not None
    assert adopted.batch.snapshot != adopted.delivered
    assert await positions.load() == adopted


async def test_whoever_has_loaded_the_position_last_is_the_only_one_who_can_save_it(leader: Connection) -> None:
    frozen, successor = Positions(leader, sink="default"), Positions(leader, sink="default")
    position = await frozen.load()
    await successor.load()

    with pytest.raises(Unavailable, match="somebody else leads"):
        await frozen.save(position)
    await successor.save(position)


async def test_who_was_replaced_keeps_no_dead_letter(leader: Connection, connection: Connection, item: int) -> None:
    await connection.execute("INSERT INTO item VALUES (1)")
    replaced = Positions(leader, sink="default")
    await replaced.load()
    change = SetAside(seq=1, partition_key="1", size=1, code="oversize", reason="")

    await Positions(leader, sink="default").load()
    with pytest.raises(Unavailable, match="somebody else leads"):
        await replaced.keep([change])

    assert not await connection.fetchval("SELECT count(*) FROM forwarder.dead_letter")
