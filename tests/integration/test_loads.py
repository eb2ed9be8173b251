from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import anyio
import pytest

from forwarder.database.sessions import session
from forwarder.errors import Refused, Unavailable
from forwarder.local.postgres import EmbeddedPostgres
from forwarder.outbox.position import Snapshot
from forwarder.store import load_requests
from forwarder.store.loads import MOST, Load, Loads, LoadState
from forwarder.store.positions import Positions
from forwarder.store.replay import Replay
from forwarder.store.sink_status import remove_sink
from tests.capture import capture
from tests.databases import Database
from tests.dumps import dump, restored

if TYPE_CHECKING:
    from forwarder.database.sessions import Connection

BEGUN = Snapshot(3, 5, (3,))
FIRST, SECOND = '{"relation": 7, "after": ["1"]}', '{"relation": 7, "after": ["2"]}'


@pytest.fixture
async def leader(database: Database) -> AsyncIterator[Connection]:
    async with session(database.url, purpose="leader") as connection:
        yield connection


@pytest.fixture
async def item(connection: Connection) -> int:
    await connection.execute("CREATE TABLE public.item (id bigint PRIMARY KEY)")
    return await capture(connection, "public.item")


@pytest.fixture
async def loads(leader: Connection) -> Loads:
    return await led(leader)


async def led(leader: Connection, sink: str = "default") -> Loads:
    positions = Positions(leader, sink=sink)
    await positions.load()
    return Loads(leader, sink=sink, epoch=positions.epoch)


async def request(connection: Connection, table_id: int, *, restart: bool = False) -> Load:
    [load] = await load_requests.request(connection, sinks=["default"], table_ids=[table_id], restart=restart)
    return load


async def running(loads: Loads, connection: Connection, table_id: int) -> Load:
    """A load that has begun and has read a chunk."""
    load = await request(connection, table_id)
    assert await loads.begin(load, begun=BEGUN, estimated_rows=9)
    [load] = await loads.due()
    assert await loads.advance(load, place=FIRST, rows=1, bytes=10)
    [load] = await loads.due()
    return load


async def test_a_load_waits_begins_advances_and_finishes(loads: Loads, connection: Connection, item: int) -> None:
    [asked] = await load_requests.request(
        connection, sinks=["default"], table_ids=[item], part='{"where": "id > 5", "limit": 3}'
    )
    [waiting] = await loads.due()
    assert await loads.begin(waiting, begun=BEGUN, estimated_rows=9)
    [begun] = await loads.due()
    assert await loads.advance(begun, place=FIRST, rows=1, bytes=10)
    [advanced] = await loads.due()
    assert await loads.finish(advanced, rows=2, bytes=20)

    assert waiting == asked
    assert (waiting.qualified_name, waiting.state, waiting.part) == (
        "public.item",
        LoadState.WAITING,
        '{"limit": 3, "where": "id > 5"}',
    )
    assert (begun.state, begun.begun, begun.place, begun.estimated_rows) == (LoadState.RUNNING, BEGUN, None, 9)
    assert (advanced.place, advanced.rows, advanced.bytes) == ('{"after": ["1"], "relation": 7}', 1, 10)
    assert await loads.due() == []
    [finished] = await load_requests.find(connection)
    assert (finished.state, finished.place, finished.rows, finished.bytes) == (LoadState.FINISHED, None, 2, 20)
    assert finished.finished_at
    assert finished.started_at == begun.started_at


async def test_a_leader_goes_on_where_the_one_before_was(
    loads: Loads, leader: Connection, connection: Connection, item: int
) -> None:
    before = await running(loads, connection, item)

    [load] = await (await led(leader)).due()

    assert load == before


async def test_a_load_that_runs_does_not_begin_and_one_that_waits_does_not_advance(
    loads: Loads, connection: Connection, item: int
) -> None:
    waiting = await request(connection, item)
    assert not await loads.advance(waiting, place=FIRST, rows=1, bytes=10)
    assert not await loads.finish(waiting, rows=1, bytes=10)
    assert await loads.begin(waiting, begun=BEGUN, estimated_rows=None)

    assert not await loads.begin(waiting, begun=Snapshot(4, 4), estimated_rows=None)

    [running] = await loads.due()
    assert (running.begun, running.place, running.rows) == (BEGUN, None, 0)


@pytest.mark.parametrize("intervention", ["pause", "cancel", "restart", "removal"])
async def test_a_leader_learns_that_somebody_has_intervened(
    loads: Loads, connection: Connection, item: int, intervention: str
) -> None:
    load = await running(loads, connection, item)

    if intervention == "pause":
        assert [one.number for one in await load_requests.pause(connection)] == [load.number]
    elif intervention == "cancel":
        assert [one.number for one in await load_requests.cancel(connection)] == [load.number]
    elif intervention == "restart":
        assert (await request(connection, item, restart=True)).number > load.number
    else:
        await connection.execute("DELETE FROM forwarder.load")

    assert not await loads.advance(load, place=SECOND, rows=2, bytes=20)
    assert not await loads.finish(load, rows=2, bytes=20)
    assert not await loads.fail(load, "gone")
    assert load.number not in [due.number for due in await loads.due()]


@pytest.mark.parametrize("begins_first", [True, False])
async def test_a_load_that_was_paused_goes_on_as_it_was(
    loads: Loads, connection: Connection, item: int, *, begins_first: bool
) -> None:
    load = await running(loads, connection, item) if begins_first else await request(connection, item)
    await load_requests.pause(connection, sinks=["default"], table_ids=[item])
    assert await loads.due() == []

    [resumed] = await load_requests.resume(connection)

    assert replace(resumed, updated_at=load.updated_at) == load
    assert await loads.due() == [resumed]


async def test_a_leader_can_ask_whether_a_load_still_runs(loads: Loads, connection: Connection, item: int) -> None:
    load = await running(loads, connection, item)
    assert await loads.runs(load)
    await load_requests.pause(connection)
    assert not await loads.runs(load)


async def test_what_is_not_so_is_not_changed(loads: Loads, connection: Connection, item: int) -> None:
    load = await request(connection, item)

    assert await load_requests.resume(connection) == []
    assert await load_requests.pause(connection, sinks=["other"]) == []
    assert await load_requests.cancel(connection, table_ids=[item + 1]) == []
    assert await loads.due() == [load]
    await load_requests.cancel(connection)
    assert await load_requests.cancel(connection) == []
    assert await load_requests.pause(connection) == []


async def test_a_failed_load_says_why_and_the_table_can_be_loaded_again(
    loads: Loads, connection: Connection, item: int
) -> None:
    load = await running(loads, connection, item)

    assert await loads.fail(load, "it was dropped;\ncreate it")

    [failed] = await load_requests.find(connection)
    assert (failed.state, failed.error, failed.rows) == (LoadState.FAILED, "it was dropped; create it", 1)
    assert await loads.due() == []
    again = await request(connection, item)
    assert await load_requests.find(connection) == [again]


async def test_a_failed_load_can_be_given_up_and_an_older_one_stays_as_it_is(
    loads: Loads, connection: Connection, item: int
) -> None:
    older = await request(connection, item)
    await loads.fail(older, "broken")
    newer = await request(connection, item)
    await loads.fail(newer, "broken again")

    assert [load.number for load in await load_requests.cancel(connection)] == [newer.number]

    states = await connection.fetch("SELECT state FROM forwarder.load ORDER BY number")
    assert [state for (state,) in states] == ["failed", "cancelled"]


class Told:
    """What is told of loads."""

    def __init__(self) -> None:
        self.seen: Sequence[Load] = ()
        self.states: Mapping[str, int] = {}
        self.remaining_rows = 0
        self.moves: list[int] = []

    def see(self, loads: Sequence[Load], *, states: Mapping[str, int], remaining_rows: int) -> None:
        self.seen, self.states, self.remaining_rows = loads, states, remaining_rows

    def moved(self, load: Load, *, rows: int, bytes: int) -> None:
        self.moves.append(rows)


async def test_whoever_leads_tells_how_loads_are_and_what_they_have_delivered(
    leader: Connection, connection: Connection, item: int
) -> None:
    positions = Positions(leader, sink="default")
    await positions.load()
    told = Told()
    loads = Loads(leader, sink="default", epoch=positions.epoch, report=told)
    load = await running(loads, connection, item)
    assert (told.seen, told.states, told.remaining_rows) == ([load], {"running": 1}, 8)
    await load_requests.pause(connection)
    assert not await loads.advance(load, place=SECOND, rows=2, bytes=20)
    assert await loads.due() == []
    assert told.states == {"paused": 1}
    await load_requests.resume(connection)
    await loads.finish(load, rows=3, bytes=30)
    await loads.due()
    assert (list(told.seen), told.states) == ([], {})
    await loads.fail(await request(connection, item), "broken")
    await loads.fail(await request(connection, item), "broken again")
    await loads.due()

    assert [one.error for one in told.seen] == ["broken again"]
    assert told.states == {"failed": 1}
    assert told.moves == [1, 3]


async def test_of_very_many_loads_the_oldest_are_due_and_those_that_run(
    loads: Loads, connection: Connection, item: int
) -> None:
    await connection.execute(
        "INSERT INTO forwarder.load (sink, table_id) SELECT 'default', $1 + number FROM generate_series(1, $2) AS number;",
        item,
        MOST + 5,
    )
    await connection.execute(
        "INSERT INTO forwarder.captured_table (relation, schema_name, table_name)"
        " SELECT 4000000 + number, 'public', 'table_' || number FROM generate_series(1, $1::integer) AS number",
        MOST + 5,
    )
    newest = await request(connection, item)
    assert await loads.begin(newest, begun=BEGUN, estimated_rows=None)

    due = [load.number for load in await loads.due()]

    assert due == [*range(1, MOST), newest.number]


# Asking for loads.


async def test_a_second_load_of_a_table_is_refused_and_none_is_asked_for(connection: Connection, item: int) -> None:
    await connection.execute("CREATE TABLE public.other (id bigint PRIMARY KEY)")
    other = await capture(connection, "public.other")
    load = await request(connection, item)

    with pytest.raises(Refused, match=r"a load of public\.item for sink 'default' is waiting since .*--restart"):
        await load_requests.request(connection, sinks=["new", "default"], table_ids=[other, item])

    assert await load_requests.find(connection) == [load]


async def test_each_sink_has_loads_of_its_own(loads: Loads, connection: Connection, item: int) -> None:
    for_both = await load_requests.request(connection, sinks=["default", "other"], table_ids=[item])

    assert [load.sink for load in for_both] == ["default", "other"]
    assert await loads.due() == [for_both[0]]


async def test_an_initial_load_is_asked_for_once_for_a_sink_and_a_table(
    loads: Loads, leader: Connection, connection: Connection, item: int
) -> None:
    assert await loads.request_initial([item]) == {item}
    assert await loads.request_initial([item]) == {item}
    [load] = await loads.due()
    await loads.fail(load, "broken")

    assert await loads.request_initial([item]) == {item}
    assert await loads.due() == []
    other = await led(leader, "other")
    assert await other.request_initial([item]) == {item}
    assert [load.sink for load in await other.due()] == ["other"]


async def test_a_table_that_is_not_captured_any_more_gets_no_initial_load(
    loads: Loads, connection: Connection, item: int
) -> None:
    await connection.execute("UPDATE forwarder.captured_table SET removed_at = now()")

    assert await loads.request_initial([item, item + 1]) == set()


async def test_an_outbox_of_the_application_gets_no_initial_load(
    loads: Loads, connection: Connection, item: int
) -> None:
    await connection.execute("""UPDATE forwarder.captured_table SET options = '{"outbox": true}'""")

    assert await loads.request_initial([item]) == set()


async def test_an_initial_load_comes_after_one_that_was_asked_for_by_hand(
    loads: Loads, connection: Connection, item: int
) -> None:
    load = await running(loads, connection, item)
    assert await loads.request_initial([item]) == set()

    await loads.finish(load, rows=1, bytes=10)

    assert await loads.request_initial([item]) == {item}


# Who may change them.


@pytest.mark.parametrize("usurpation", ["another leader", "a replay", "a removal", "a restore"])
async def test_whoever_leads_no_more_changes_no_load(
    loads: Loads, connection: Connection, database: Database, item: int, usurpation: str
) -> None:
    load = await running(loads, connection, item)
    if usurpation == "another leader":
        async with session(database.url, purpose="leader") as other:
            await led(other)
    elif usurpation == "a replay":
        await connection.execute("INSERT INTO item VALUES (1)")
        await Replay(connection, sink="default").set_back(None)
    elif usurpation == "a removal":
        await connection.execute("DELETE FROM forwarder.sink")
    else:
        await connection.execute("UPDATE forwarder.sink SET last_seq = last_seq")

    for attempt in (
        loads.advance(load, place=SECOND, rows=2, bytes=20),
        loads.finish(load, rows=2, bytes=20),
        loads.fail(load, "broken"),
        loads.begin(load, begun=BEGUN, estimated_rows=None),
    ):
        with pytest.raises(Unavailable, match="somebody else leads"):
            await attempt

    assert await load_requests.find(connection) == [load]


async def test_a_load_that_is_cancelled_at_that_moment_is_not_advanced(
    loads: Loads, connection: Connection, item: int
) -> None:
    load = await running(loads, connection, item)
    transaction = connection.transaction()
    await transaction.start()
    await load_requests.cancel(connection)
    advanced: list[bool] = []

    async def advance() -> None:
        advanced.append(await loads.advance(load, place=SECOND, rows=2, bytes=20))

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(advance)
        await transaction.commit()

    assert advanced == [False]


async def test_a_removed_sink_leaves_no_loads(database: Database, connection: Connection, item: int) -> None:
    async with session(database.url, purpose="leader") as leader:
        loads = await led(leader)
        await running(loads, connection, item)
        await led(leader, "other")
    kept = await load_requests.request(connection, sinks=["other"], table_ids=[item])

    async with session(database.url, purpose="sinks") as operator:
        await remove_sink(operator, "default", discard=True)

    assert await load_requests.find(connection) == kept


# Copies of the database.


async def restore(connection: Connection) -> None:
    """Write the loads anew with all that is in them, as a dump does that was taken in this very moment."""
    await connection.execute(
        "CREATE TEMP TABLE dump AS SELECT * FROM forwarder.load; DELETE FROM forwarder.load;"
        " INSERT INTO forwarder.load OVERRIDING SYSTEM VALUE SELECT * FROM dump; DROP TABLE dump"
    )


@pytest.mark.parametrize(
    "origin", ["database_oid = 1", "begun = '900000003:900000003:'", "a dump", "a dump, then paused"]
)
async def test_a_load_of_another_database_begins_anew(
    loads: Loads, connection: Connection, item: int, origin: str, caplog: pytest.LogCaptureFixture
) -> None:
    load = await running(loads, connection, item)
    if "dump" in origin:
        await restore(connection)
        if "paused" in origin:
            await load_requests.pause(connection)
            await load_requests.resume(connection)
    else:
        await connection.execute(f"UPDATE forwarder.load SET {origin}, saved_txid = pg_current_xact_id()")

    [renewed] = await loads.due()

    assert renewed.number == load.number
    assert (renewed.state, renewed.begun, renewed.place, renewed.rows) == (LoadState.WAITING, None, None, 0)
    assert [vars(record)["loads"] for record in caplog.records] == [str(load.number)]
    assert await loads.begin(renewed, begun=BEGUN, estimated_rows=None)
    [begun] = await loads.due()
    assert begun.state == LoadState.RUNNING


async def test_a_load_that_came_in_a_dump_begins_anew_and_the_original_goes_on(
    loads: Loads, connection: Connection, database: Database, postgres: EmbeddedPostgres, item: int
) -> None:
    load = await running(loads, connection, item)
    async with (
        restored(await dump(postgres, database.name), postgres) as copy,
        session(copy.url, purpose="leader") as leader,
    ):
        [renewed] = await (await led(leader)).due()

    assert (renewed.state, renewed.begun, renewed.place) == (LoadState.WAITING, None, None)
    assert await loads.due() == [load]


async def test_a_load_is_not_advanced_in_a_row_that_was_restored_meanwhile(
    loads: Loads, connection: Connection, item: int
) -> None:
    load = await running(loads, connection, item)

    await restore(connection)

    assert not await loads.advance(load, place=SECOND, rows=2, bytes=20)


async def test_a_paused_load_of_another_database_stays_paused_and_begins_anew(
    loads: Loads, connection: Connection, item: int
) -> None:
    await running(loads, connection, item)
    await load_requests.pause(connection)
    await restore(connection)
    assert await loads.due() == []

    [resumed] = await load_requests.resume(connection)

    assert (resumed.state, resumed.begun) == (LoadState.WAITING, None)


async def test_a_database_without_loads_is_refused_with_the_remedy(bare_database: Database) -> None:
    async with session(bare_database.url, purpose="load") as connection:
        with pytest.raises(Refused, match="run `forwarder migrate` first"):
            await load_requests.find(connection)
