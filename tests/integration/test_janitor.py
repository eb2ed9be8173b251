"""The ring: a leaf is emptied when all in it is delivered and old enough, and never before; and nobody is disturbed by it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING

import asyncpg
import pytest

from forwarder.config.settings import OutboxSettings
from forwarder.database.queries import query
from forwarder.database.sessions import session
from forwarder.health import OutboxState
from forwarder.metrics import Metrics
from forwarder.outbox.janitor import MAX_SINK_PAGES, Janitor
from forwarder.outbox.position import Snapshot
from forwarder.outbox.survey import Survey, read_ring
from forwarder.records.record import SetAside
from forwarder.store.positions import Positions
from forwarder.store.replay import Replay
from tests.capture import capture
from tests.databases import Database

if TYPE_CHECKING:
    from forwarder.database.sessions import Connection

LEAF_EVENTS = 16
HOUR = 3600.0


@pytest.fixture
async def owner(database: Database) -> AsyncIterator[Connection]:
    """A session with the settings of the janitor's, in a database with a captured table and a ring of tiny leaves."""
    async with session(database.url, purpose="janitor") as connection:
        await connection.execute(
            "CREATE TABLE public.item (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, note text)"
        )
        await connection.execute(f"SELECT forwarder.lay_out({LEAF_EVENTS})")
        await capture(connection, "public.item")
        yield connection


@asynccontextmanager
async def application(database: Database) -> AsyncIterator[Connection]:
    connection = await asyncpg.connect(database.writer_url)
    try:
        yield connection
    finally:
        await connection.close()


async def write(connection: Connection, count: int) -> None:
    await connection.execute("INSERT INTO public.item (note) SELECT 'note' FROM generate_series(1, $1::integer)", count)


async def deliver(connection: Connection, *, sink: str = "default") -> None:
    """Move a sink past everything that is visible now."""
    await Positions(connection, sink=sink).load(start="oldest")
    await connection.execute(
        "UPDATE forwarder.sink SET delivered = pg_current_snapshot(), last_seq = (SELECT last_value FROM forwarder.outbox_seq)"
        " WHERE name = $1",
        sink,
    )


async def reclaim(connection: Connection, number: int, *, retention_seconds: float = 0.0) -> bool | None:
    leaf = (await read_ring(connection)).leaves[number].name
    reclaimed: bool | None = await connection.fetchval(query("reclaim"), leaf, retention_seconds)
    return reclaimed


async def make_round(
    connection: Connection,
    settings: OutboxSettings | None = None,
    *,
    state: OutboxState | None = None,
    metrics: Metrics | None = None,
    **values: float,
) -> None:
    settings = settings or OutboxSettings.model_validate(values)
    outbox_metrics = (metrics or Metrics()).outbox
    survey = Survey(settings=settings, state=state or OutboxState(), metrics=outbox_metrics)
    await Janitor("", settings=settings, survey=survey, metrics=outbox_metrics).make_round(connection)


async def held(connection: Connection) -> list[int]:
    """How many changes each leaf holds."""
    return [
        await connection.fetchval(f"SELECT count(*) FROM {leaf.name}") for leaf in (await read_ring(connection)).leaves
    ]


# What is emptied, and what is not.


async def test_a_delivered_leaf_is_emptied_and_the_others_stay(owner: Connection) -> None:
    await write(owner, 2 * LEAF_EVENTS)
    await deliver(owner)

    assert await reclaim(owner, 0)
    assert await held(owner) == [0, LEAF_EVENTS, 1, 0, 0, 0, 0, 0]


async def test_a_leaf_has_no_index_that_nobody_uses_and_loses_the_one_that_it_had(owner: Connection) -> None:
    unused = "SELECT count(*) FROM pg_indexes WHERE schemaname = 'forwarder' AND indexdef LIKE '%USING hash%'"
    assert await owner.fetchval(unused) == 0
    # As in an installation of before, whose leaves are not empty.
    await owner.execute(f"CREATE INDEX ON {(await read_ring(owner)).leaves[0].name} USING hash (replaces)")
    await write(owner, 2 * LEAF_EVENTS)
    await deliver(owner)

    assert await reclaim(owner, 0)
    assert await owner.fetchval(unused) == 0


async def test_never_the_leaf_in_use_or_the_next(owner: Connection) -> None:
    # Leaf 2 is in use; leaf 3 still holds changes of the last lap.
    await write(owner, 10 * LEAF_EVENTS)
    await deliver(owner)

    assert [await reclaim(owner, number) for number in range(8)] == [True, True, False, False, True, True, True, True]


@pytest.mark.parametrize("release", ["this one", "the one before"])
async def test_what_is_in_flight_while_a_sink_is_set_back_stays_until_it_is_delivered(
    owner: Connection, database: Database, release: str
) -> None:
    async with application(database) as slow:
        transaction = slow.transaction()
        await transaction.start()
        await write(slow, 1)
        await write(owner, 3 * LEAF_EVENTS)
        await deliver(owner)
        await Replay(owner, sink="default").set_back(2 * LEAF_EVENTS)
        if release == "the one before":
            await owner.execute("UPDATE forwarder.sink SET floor_seq = batch_last_seq")
        await transaction.commit()
    assert await reclaim(owner, 0) is False

    await deliver(owner)
    assert await reclaim(owner, 0)


async def test_what_a_stuck_sink_has_not_delivered_stays(owner: Connection) -> None:
    await write(owner, LEAF_EVENTS // 2)
    await deliver(owner, sink="stuck")
    await write(owner, 3 * LEAF_EVENTS)
    await deliver(owner)

    assert await reclaim(owner, 0) is False

    await deliver(owner, sink="stuck")
    assert await reclaim(owner, 0)


async def test_without_any_sink_everything_stays(owner: Connection) -> None:
    await write(owner, 3 * LEAF_EVENTS)

    assert await reclaim(owner, 0) is False


async def test_a_change_whose_transaction_was_running_when_the_position_was_taken_stays(
    owner: Connection, database: Database
) -> None:
    async with application(database) as slow:
        transaction = slow.transaction()
        await transaction.start()
        await write(slow, 1)
        await write(owner, 3 * LEAF_EVENTS)
        await deliver(owner)
        await transaction.commit()

    assert await reclaim(owner, 0) is False
    await deliver(owner)
    assert await reclaim(owner, 0)


async def test_a_leaf_that_a_writer_has_not_committed_to_is_passed_over_without_waiting(
    owner: Connection, database: Database
) -> None:
    async with application(database) as slow:
        transaction = slow.transaction()
        await transaction.start()
        await write(slow, 1)
        await write(owner, 3 * LEAF_EVENTS)
        await deliver(owner)

        assert await reclaim(owner, 0) is None
        await transaction.rollback()
    assert await reclaim(owner, 0)


async def test_what_a_batch_under_way_has_delivered_stays_until_the_batch_is_done(owner: Connection) -> None:
    await write(owner, 3 * LEAF_EVENTS)
    positions = Positions(owner, sink="default")
    batch = (await positions.load()).entering(await _snapshot(owner), floor_seq=0, ceiling_seq=3 * LEAF_EVENTS)
    await positions.save(batch.advanced(3 * LEAF_EVENTS))

    assert await reclaim(owner, 0) is False
    await positions.save(batch.advanced(3 * LEAF_EVENTS).finished())
    assert await reclaim(owner, 0)


@pytest.mark.parametrize(
    "foreign", ["system_identifier = system_identifier + 1", "delivered = '1000000000:1000000000:'"]
)
async def test_for_a_sink_of_another_cluster_everything_stays(owner: Connection, foreign: str) -> None:
    await write(owner, 3 * LEAF_EVENTS)
    await deliver(owner)
    await owner.execute(f"UPDATE forwarder.sink SET {foreign}")

    assert await reclaim(owner, 0) is False


async def test_a_change_younger_than_the_retention_stays(owner: Connection) -> None:
    await write(owner, 3 * LEAF_EVENTS)
    await deliver(owner)

    assert await reclaim(owner, 0, retention_seconds=HOUR) is False


async def test_a_leaf_of_rolled_back_changes_is_emptied(owner: Connection) -> None:
    transaction = owner.transaction()
    await transaction.start()
    await write(owner, 3 * LEAF_EVENTS)
    await transaction.rollback()

    await make_round(owner)

    assert [leaf.is_empty for leaf in (await read_ring(owner)).leaves] == [True] * 3 + [False] + [True] * 4


async def test_a_backlog_longer_than_the_ring_is_kept_whole_and_then_emptied(owner: Connection) -> None:
    await deliver(owner, sink="stuck")
    await write(owner, 20 * LEAF_EVENTS)
    await make_round(owner, retention_seconds=0)
    assert sum(await held(owner)) == 20 * LEAF_EVENTS

    await deliver(owner, sink="stuck")
    await make_round(owner, retention_seconds=0)

    # Leaf 4 is in use, in its third lap.
    assert await held(owner) == [0, 0, 0, 0, 2 * LEAF_EVENTS + 1, 2 * LEAF_EVENTS, 0, 0]


# The rounds.


async def test_a_round_keeps_what_the_retention_asks_for_except_where_writers_come_soon(owner: Connection) -> None:
    await write(owner, 8 * LEAF_EVENTS - 1)
    await deliver(owner)

    await make_round(owner, retention_seconds=HOUR)

    # Leaf 7 is in use and 0 is the next; 1 and 2 are needed soon.
    assert await held(owner) == [LEAF_EVENTS - 1, 0, 0, *[LEAF_EVENTS] * 5]


async def test_on_a_quiet_system_every_delivered_change_is_gone_in_time(
    owner: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("forwarder.outbox.ring.MIN_OPEN_SECONDS", 0.0)
    await write(owner, 1)
    await deliver(owner)

    for _ in range(2):
        await make_round(owner, retention_seconds=0)

    assert await held(owner) == [0] * 8


async def test_a_stuck_sink_does_not_make_the_sequence_run_away(
    owner: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("forwarder.outbox.ring.MIN_OPEN_SECONDS", 0.0)
    await deliver(owner, sink="stuck")
    await write(owner, 20 * LEAF_EVENTS)

    for _ in range(5):
        await make_round(owner, retention_seconds=0)

    assert (await read_ring(owner)).last_seq == 21 * LEAF_EVENTS


async def test_a_leaf_that_is_emptied_needs_no_vacuum_and_no_freezing(owner: Connection) -> None:
    await write(owner, 3 * LEAF_EVENTS)
    await deliver(owner)
    frozen = "SELECT age(relfrozenxid) FROM pg_class WHERE oid = $1::text::regclass"
    leaf = (await read_ring(owner)).leaves[0].name
    for _ in range(50):
        await owner.fetchval("SELECT pg_current_xact_id()")
    assert await owner.fetchval(frozen, leaf) >= 50

    await reclaim(owner, 0)

    assert await owner.fetchval(frozen, leaf) <= 2
    options = await owner.fetch("SELECT reloptions FROM pg_class WHERE relname ~ '^outbox_' AND relkind = 'r'")
    assert {tuple(row["reloptions"]) for row in options} == {("autovacuum_enabled=false",)}


# The positions.


A_MILLION = pytest.param(1_000_000, marks=[pytest.mark.long, pytest.mark.timeout(1800)])


@pytest.mark.parametrize("checkpoints", [3000, A_MILLION])
async def test_positions_stay_small_while_a_transaction_holds_back_vacuum(
    owner: Connection, database: Database, checkpoints: int
) -> None:
    positions = Positions(owner, sink="default")
    position = await positions.load()
    async with application(database) as old:
        transaction = old.transaction(isolation="repeatable_read")
        await transaction.start()
        await old.fetchval("SELECT count(*) FROM public.item")
        for seq in range(1, checkpoints + 1):
            position = position.drained(position.delivered, floor_seq=0, last_seq=seq)
            await positions.save(position)
            if seq % 500 == 0:
                await make_round(owner)
        pages = await owner.fetchval("SELECT pg_relation_size('forwarder.sink') / 8192")
        index_pages = await owner.fetchval("SELECT pg_relation_size('forwarder.sink_pkey') / 8192")
        await transaction.rollback()

    assert pages <= 2 * MAX_SINK_PAGES
    assert index_pages <= 4
    assert await positions.load() == position


async def test_positions_of_many_sinks_survive_their_compaction(owner: Connection) -> None:
    for number in range(30):
        await deliver(owner, sink=f"sink-{number}")
    before = await owner.fetch("SELECT sink FROM forwarder.sink AS sink ORDER BY name")

    assert await owner.fetchval(query("compact_sinks"), 0)

    assert await owner.fetch("SELECT sink FROM forwarder.sink AS sink ORDER BY name") == before


async def test_positions_that_somebody_reads_are_not_waited_for(owner: Connection, database: Database) -> None:
    await deliver(owner)
    other = await asyncpg.connect(database.url)
    try:
        await other.execute("BEGIN; SELECT FROM forwarder.sink")
        assert await owner.fetchval(query("compact_sinks"), 0) is False
    finally:
        await other.close()


# The guard rails.


async def test_a_sink_that_is_late_and_an_outbox_that_is_large_are_warned_of(
    owner: Connection,
) -> None:
    state = OutboxState()
    await deliver(owner, sink="stuck")
    # Random enough not to be compressed.
    note = "SELECT string_agg(md5(random()::text), '') FROM generate_series(1, 60000) AS n GROUP BY n % 1000"
    await owner.execute(f"INSERT INTO public.item (note) {note}")
    await owner.execute("UPDATE forwarder.outbox SET at = at - interval '10 minutes' WHERE seq = 1")

    await make_round(owner, state=state, warn_age_seconds=300, warn_bytes=1 << 20)

    assert "sink 'stuck' has not delivered a change for 6" in state.warnings[0]
    assert "the outbox takes 0.0" in state.warnings[1]
    await deliver(owner, sink="stuck")
    await make_round(owner, state=state, warn_age_seconds=300)
    assert state.warnings == ()


async def test_what_the_janitor_sees_and_does_is_measured(owner: Connection) -> None:
    metrics = Metrics()
    await write(owner, 3 * LEAF_EVENTS)
    await deliver(owner)
    await write(owner, 1)

    await make_round(owner, metrics=metrics, retention_seconds=0)

    size = (await read_ring(owner)).bytes
    lines = metrics.exposition().decode().splitlines()
    values = {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines if line[0] != "#")}
    assert values["forwarder_outbox_reclaimed_leaves_total"] == 3
    assert values["forwarder_outbox_bytes"] == size > 0
    assert 0 < values['forwarder_outbox_waiting_seconds{sink="default"}'] < 60


async def test_the_age_of_a_backlog_is_that_of_its_oldest_change(owner: Connection) -> None:
    await Positions(owner, sink="default").load()
    await _write_for_minutes(owner, 9, 8, 7)

    assert await _waiting_minutes(owner) == 9


async def test_the_age_of_a_backlog_inside_a_batch_is_that_of_the_next_change(owner: Connection) -> None:
    positions = Positions(owner, sink="default")
    position = await positions.load()
    await _write_for_minutes(owner, 9, 8, 7)
    batch = position.entering(await _snapshot(owner), floor_seq=0, ceiling_seq=3)

    await positions.save(batch.advanced(1))
    assert await _waiting_minutes(owner) == 8

    await positions.save(batch.advanced(3).finished())
    assert await _waiting_minutes(owner) is None


async def test_a_backlog_is_counted_up_to_a_thousand_and_beyond_that_told_by_seqs(owner: Connection) -> None:
    positions = Positions(owner, sink="default")
    position = await positions.load()
    assert await _backlog(owner) == (0, 0)

    await write(owner, 999)
    assert await _backlog(owner) == (999, 0)

    with suppress(asyncpg.DivisionByZeroError):
        # These 40 are rolled back, and their seqs are drawn.
        await owner.execute(
            "INSERT INTO public.item (note) SELECT (1 / (40 - n))::text FROM generate_series(1, 40) AS n"
        )
    await write(owner, 100)
    drawn = await owner.fetchval("SELECT last_value FROM forwarder.outbox_seq")
    assert await _backlog(owner) == (drawn, 0)
    assert 1_099 <= drawn <= 1_139

    batch = position.entering(await _snapshot(owner), floor_seq=0, ceiling_seq=drawn)
    await positions.save(batch.advanced(900))
    assert await _backlog(owner) == (99 + 100, 0)

    await positions.save(batch.advanced(drawn).finished())
    assert await _backlog(owner) == (0, 0)


async def test_dead_letters_are_counted_by_sink(owner: Connection) -> None:
    positions = Positions(owner, sink="default")
    position = await positions.load()
    await write(owner, 3)
    aside = [SetAside(seq=seq, partition_key="", size=1, code="oversize", reason="") for seq in (1, 3)]
    await positions.save(position.entering(await _snapshot(owner), floor_seq=0, ceiling_seq=3).advanced(3), aside=aside)
    await deliver(owner, sink="other")

    rows = await owner.fetch(query("backlogs"))

    assert {row["sink"]: row["dead_letters"] for row in rows} == {"default": 2, "other": 0}


# Pausing capture.

FULL = OutboxSettings(max_bytes=1 << 20, on_outbox_full="pause-capture", retention_seconds=HOUR)


async def fill(connection: Connection) -> None:
    """More than ``FULL`` allows, in the first leaves of the ring."""
    note = "SELECT string_agg(md5(random()::text), '') FROM generate_series(1, 60000) AS n GROUP BY n % 50"
    await connection.execute(f"INSERT INTO public.item (note) {note}")


async def captured_kinds(connection: Connection) -> list[tuple[str, str | None]]:
    """What kind of change each in the outbox is, and what is said of it."""
    rows = await connection.fetch("SELECT op::text, fault FROM forwarder.outbox ORDER BY seq")
    return [(row[0], row[1]) for row in rows]


async def test_a_full_outbox_pauses_capture_and_both_ends_of_the_gap_are_in_the_stream(
    owner: Connection, database: Database
) -> None:
    state = OutboxState()
    await deliver(owner, sink="stuck")
    async with application(database) as writer:
        await fill(writer)
        await make_round(owner, FULL, state=state)
        await write(writer, 5)
        # Of the table, and of forwarder.event.
        assert (await captured_kinds(owner))[50:] == [("G", "capture paused")] * 2
        assert "capture is paused" in state.warnings[0]

        await deliver(owner, sink="stuck")
        await make_round(owner, FULL, state=state)
        await write(writer, 1)

    assert await owner.fetchval("SELECT count(*) FROM public.item") == 50 + 5 + 1
    assert (await captured_kinds(owner))[-2:] == [("G", "capture resumed"), ("I", None)]
    assert state.warnings == ()


async def test_pausing_waits_for_no_writer_and_none_waits_for_it(owner: Connection, database: Database) -> None:
    await deliver(owner, sink="stuck")
    async with application(database) as writer:
        await writer.execute("SET lock_timeout = '1ms'; BEGIN")
        await fill(writer)
        await owner.execute("SET lock_timeout = '1ms'")
        await make_round(owner, FULL)
        await write(writer, 1)
        await writer.execute("COMMIT")

    assert await captured_kinds(owner) == [*[("I", None)] * 50, *[("G", "capture paused")] * 2]


async def test_a_full_outbox_is_kept_unless_pausing_is_asked_for(owner: Connection) -> None:
    await deliver(owner, sink="stuck")
    await fill(owner)
    await make_round(owner, max_bytes=1 << 20)
    await write(owner, 1)

    assert await captured_kinds(owner) == [("I", None)] * 51


async def test_history_goes_before_capture_is_paused(owner: Connection) -> None:
    await fill(owner)
    await deliver(owner)
    await make_round(owner, FULL)
    await write(owner, 1)

    assert ("G", "capture paused") not in await captured_kinds(owner)
    assert sum(await held(owner)) < 20


async def _write_for_minutes(connection: Connection, *ages: int) -> None:
    """Changes that seem to have been made so many minutes ago."""
    await write(connection, len(ages))
    for seq, minutes in enumerate(ages, start=1):
        await connection.execute(
            "UPDATE forwarder.outbox SET at = now() - make_interval(mins => $2) WHERE seq = $1", seq, minutes
        )


async def _backlog(connection: Connection) -> tuple[int, int]:
    """How many changes wait, and how many are dead letters."""
    [backlog] = await connection.fetch(query("backlogs"))
    return backlog["changes"], backlog["dead_letters"]


async def _waiting_minutes(connection: Connection) -> int | None:
    (backlog,) = await connection.fetch(query("backlogs"))
    seconds = backlog["waiting_seconds"]
    return None if seconds is None else int(seconds // 60)


async def _snapshot(connection: Connection) -> Snapshot:
    return Snapshot(*await connection.fetchval("SELECT pg_current_snapshot()"))
