"""`forwarder replay` beside a listener that runs: what is retained is sent again, and nothing else is forgotten over it."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from functools import partial

import anyio
import asyncpg
import pytest

from forwarder.capture.selection import Pattern
from forwarder.database.sessions import Connection, session
from forwarder.errors import Refused
from forwarder.local.kinesis.faults import Error
from forwarder.store.replay import Replay
from forwarder.store.replay_progress import Progress
from tests.capture import capture
from tests.cases import each_value_once, some
from tests.databases import Database, connected
from tests.ledger import Ledger, all_delivered, arrival, write, write_rows, writing
from tests.listening import STREAM, Served, leads, listening
from tests.waiting import eventually

HOUR = timedelta(hours=1)


@pytest.fixture
async def operator(database: Database) -> AsyncIterator[Connection]:
    async with session(database.url, purpose="test") as connection:
        yield connection


@pytest.fixture(autouse=True)
def eager(monkeypatch: pytest.MonkeyPatch) -> None:
    """Letters that are to be sent again are looked for ten times a second."""
    monkeypatch.setattr("forwarder.listen.redelivery.INTERVAL_SECONDS", 0.1)


async def all_repeated(served: Served, seqs: set[int]) -> None:
    """Wait until each of these has come twice."""

    async def came_twice() -> bool:
        read = [arrival(data).seq for data in served.data()]
        return all(read.count(seq) >= 2 for seq in seqs)

    await eventually(came_twice, within_seconds=20)


async def position_saved(operator: Connection) -> None:
    """Wait until the stored position covers all there is."""

    async def saved() -> bool:
        seen = "SELECT bool_and(pg_visible_in_snapshot(txid, delivered)) FROM forwarder.outbox, forwarder.sink"
        return bool(await operator.fetchval(seen))

    await eventually(saved)


async def empty(operator: Connection, leaf: str) -> None:
    """Empty a leaf, whose time has come: as soon as nobody reads it, since ``reclaim`` waits for no reader."""

    async def emptied() -> bool:
        return bool(await operator.fetchval("SELECT forwarder.reclaim($1::text::regclass, 0)", leaf))

    await eventually(emptied)


async def test_a_sink_that_is_set_back_while_it_runs_gets_it_all_again_in_order(
    database: Database, ledger: Ledger, served: Served, operator: Connection
) -> None:
    async with listening(database.url, served.sink, page_rows=20) as service:
        await leads(service)
        await write(ledger, database.writer_url, transactions=30)
        await all_delivered(ledger, served.data)
        seqs = [arrival(data).seq for data in served.data()]
        done = await Replay(operator, sink="default").set_back(None)
        assert done.seq == min(seqs)
        await all_repeated(served, set(seqs))
        await write(ledger, database.writer_url, transactions=10, first_writer=10)
        found = await all_delivered(ledger, served.data)
    assert found.repeats == len(seqs)


async def test_a_sink_is_set_back_to_a_change_inside_what_is_retained(
    database: Database, ledger: Ledger, served: Served, operator: Connection
) -> None:
    await write(ledger, database.writer_url, transactions=30)
    async with listening(database.url, served.sink) as service:
        await leads(service)
        await all_delivered(ledger, served.data)
        await position_saved(operator)
        seqs = sorted(arrival(data).seq for data in served.data())
        middle = seqs[len(seqs) // 2]
        assert (await Replay(operator, sink="default").set_back(middle)).seq == middle
        await all_repeated(served, {seq for seq in seqs if seq >= middle})
        found = await all_delivered(ledger, served.data)
    assert found.repeats == sum(seq >= middle for seq in seqs)


async def test_what_was_not_delivered_before_a_replay_is_not_skipped_by_it(
    database: Database, ledger: Ledger, served: Served, operator: Connection
) -> None:
    async with connected(database.writer_url) as slow, listening(database.url, served.sink) as service:
        await leads(service)
        # In flight, with a lower seq than what is replayed.
        await slow.execute("BEGIN; INSERT INTO account VALUES (100, 1)")
        await write_rows(ledger, database.writer_url, 101)
        await all_delivered(ledger, served.data)
        # Waiting, with a lower seq than what is replayed.
        served.kinesis.faults.replace([Error(operation="PutRecords")])
        await write_rows(ledger, database.writer_url, 102)
        await write_rows(ledger, database.writer_url, 103)
        last = await operator.fetchval("SELECT max(seq) FROM forwarder.outbox")
        assert (await Replay(operator, sink="default").set_back(last)).seq == last
        served.kinesis.faults.replace([])
        await slow.execute("COMMIT")
        ledger.inserted(100)
        await all_delivered(ledger, served.data)


async def test_a_replay_under_writers_loses_nothing_and_keeps_the_order(
    database: Database, ledger: Ledger, served: Served, operator: Connection
) -> None:
    async with listening(database.url, served.sink, page_rows=20) as service:
        await leads(service)
        async with writing(ledger, database.writer_url, pause_seconds=0.01):
            for count in (50, 150, 250):
                await served.kinesis.wait_for_records(count, stream=STREAM)
                await Replay(operator, sink="default").set_back(None)
        await all_delivered(ledger, served.data)


@pytest.mark.parametrize("starts", [(5, 15), (15, 5)])
async def test_of_two_that_set_a_sink_back_the_earlier_start_counts(
    database: Database, ledger: Ledger, served: Served, operator: Connection, starts: tuple[int, int]
) -> None:
    await deliver(database, ledger, served, operator, *range(100, 120))
    for start in starts:
        await Replay(operator, sink="default").set_back(start)
    async with listening(database.url, served.sink):
        await all_repeated(served, set(range(5, 21)))
        await position_saved(operator)
    assert times(served) == {seq: 1 + (seq >= 5) for seq in range(1, 21)}


async def test_a_time_finds_its_change(
    database: Database, ledger: Ledger, served: Served, operator: Connection
) -> None:
    await write_rows(ledger, database.writer_url, *range(100, 200))
    # As if a change had been made every hour, the last one now.
    await operator.execute(
        "UPDATE forwarder.outbox SET at = now() - (SELECT max(seq) FROM forwarder.outbox) * interval '1 hour'"
        " + seq * interval '1 hour'"
    )
    async with listening(database.url, served.sink) as service:
        await leads(service)
        await all_delivered(ledger, served.data)
    seqs = sorted(arrival(data).seq for data in served.data())
    for hours in (0, 1, 50, 98):
        done = await Replay(operator, sink="default").set_back(datetime.now(UTC) - hours * HOUR - HOUR / 2)
        assert done.seq == seqs[-1 - hours]


async def test_what_is_not_retained_is_refused_and_the_oldest_is_named(
    database: Database, ledger: Ledger, served: Served, operator: Connection
) -> None:
    await write_rows(ledger, database.writer_url, *range(100, 110))
    async with listening(database.url, served.sink) as service:
        await leads(service)
        await all_delivered(ledger, served.data)
    await operator.execute("DELETE FROM forwarder.outbox WHERE seq < (SELECT max(seq) - 5 FROM forwarder.outbox)")
    oldest = await operator.fetchval("SELECT min(seq) FROM forwarder.outbox")
    replay = Replay(operator, sink="default")
    with pytest.raises(Refused, match=f"the oldest retained change is {oldest} of "):
        await replay.set_back(oldest - 1)
    with pytest.raises(Refused, match=f"the oldest retained change is {oldest} of "):
        await replay.set_back(datetime.now(UTC) - HOUR)
    with pytest.raises(Refused, match="no change is as late"):
        await replay.set_back(datetime.now(UTC) + HOUR)
    with pytest.raises(Refused, match="forwarder sinks list"):
        await Replay(operator, sink="none").set_back(None)


async def test_the_changes_of_some_tables_are_sent_again_and_the_sink_stays_where_it_is(
    database: Database, ledger: Ledger, served: Served, operator: Connection
) -> None:
    async with listening(database.url, served.sink) as service:
        await leads(service)
        await write_rows(ledger, database.writer_url, *range(100, 120))
        await all_delivered(ledger, served.data)
        seqs = {arrival(data).seq for data in served.data()}

        await position_saved(operator)
        done = await Replay(operator, sink="default").send_tables(None, [Pattern("public.acc*")])
        assert done.changes == len(seqs)
        await all_repeated(served, seqs)

        async def nothing_waits() -> bool:
            return not await operator.fetchval("SELECT count(*) FROM forwarder.dead_letter")

        await eventually(nothing_waits)
        with pytest.raises(Refused, match=r"captured: public\.account"):
            await Replay(operator, sink="default").send_tables(None, [Pattern("public.nothing")])
    assert len(served.data()) == 2 * len(seqs)


@pytest.mark.parametrize("by_table", [False, True], ids=["all", "a table"])
async def test_what_is_sent_again_has_the_context_that_it_had(
    database: Database, ledger: Ledger, served: Served, operator: Connection, *, by_table: bool
) -> None:
    async with listening(database.url, served.sink) as service:
        await leads(service)
        async with connected(database.writer_url) as writer, writer.transaction():
            await writer.execute("SELECT set_config('forwarder.context', '{\"user\":\"ada\"}', true)")
            await writer.execute("INSERT INTO account VALUES (100, 1)")
        await served.kinesis.wait_for_records(1, stream=STREAM)
        await position_saved(operator)
        replay = Replay(operator, sink="default")
        await (replay.send_tables(None, ACCOUNT) if by_table else replay.set_back(None))
        await served.kinesis.wait_for_records(2, stream=STREAM)
    assert [json.loads(data)["context"] for data in served.data()] == 2 * [{"user": "ada"}]


async def nothing_is_due(operator: Connection) -> None:
    """Wait until everything that was to be sent again has been."""

    async def none() -> bool:
        return not await operator.fetchval("SELECT count(*) FROM forwarder.dead_letter WHERE retry_at IS NOT NULL")

    await eventually(none, within_seconds=20)


def times(served: Served) -> Counter[int]:
    """How often each change has come, by its seq."""
    return Counter(arrival(data).seq for data in served.data())


ACCOUNT = [Pattern("account")]


async def deliver(database: Database, ledger: Ledger, served: Served, operator: Connection, *ids: int) -> None:
    """Write some rows, and have a listener deliver them that has ended by then."""
    async with listening(database.url, served.sink):
        await write_rows(ledger, database.writer_url, *ids)
        await all_delivered(ledger, served.data)
        await position_saved(operator)


class KilledError(Exception):
    """What ends a replay in the middle."""


async def interrupt(replay: Replay, *, after: int, anew: bool = False) -> None:
    """Begin a replay, or go on with it, and end it in the middle: when so many changes are on their way."""

    def kill(progress: Progress) -> None:
        if progress.changes == after:
            raise KilledError

    with pytest.raises(KilledError):
        await replay.send_tables(None, ACCOUNT, anew=anew, report=kill)


async def test_a_sink_goes_on_while_changes_of_a_table_are_sent_to_it_again(
    database: Database, ledger: Ledger, served: Served, operator: Connection, connection: Connection
) -> None:
    async def is_held_up() -> bool:
        return bool(
            await connection.fetchval("SELECT cardinality(pg_blocking_pids($1)) > 0", operator.get_server_pid())
        )

    async with listening(database.url, served.sink) as service, anyio.create_task_group() as tasks:
        await leads(service)
        await write_rows(ledger, database.writer_url, *range(100, 120))
        await all_delivered(ledger, served.data)
        await position_saved(connection)
        async with connected(database.url) as holder:
            await holder.execute("BEGIN; LOCK TABLE forwarder.dead_letter IN SHARE MODE")
            tasks.start_soon(Replay(operator, sink="default").send_tables, None, ACCOUNT)
            await eventually(is_held_up)
            await write_rows(ledger, database.writer_url, 200)
            await all_delivered(ledger, served.data)
            await position_saved(connection)


async def test_what_a_batch_under_way_has_delivered_is_sent_again_too(
    database: Database, ledger: Ledger, served: Served, operator: Connection
) -> None:
    stuck = Error(
        operation="PutRecords",
        error_code="ValidationException",
        partition_keys=frozenset({"public.account.150"}),
    )
    served.kinesis.faults.replace([stuck])
    await write_rows(ledger, database.writer_url, *range(100, 200))
    async with listening(database.url, f"{served.sink}&on_poison=halt-lane", page_rows=20) as service:
        await leads(service)
        await served.kinesis.wait_for_records(99, stream=STREAM)
        seqs = set(times(served))

        async def is_in_the_middle() -> bool:
            return bool(await operator.fetchval("SELECT batch_last_seq = 50 FROM forwarder.sink"))

        await eventually(is_in_the_middle)
        await Replay(operator, sink="default").send_tables(None, ACCOUNT)
        await all_repeated(served, seqs)
        served.kinesis.faults.replace([])
        await all_delivered(ledger, served.data)


@pytest.mark.parametrize("first", some(105, of=[100, 105, 142]))
async def test_the_changes_of_a_table_come_again_as_they_were(
    database: Database,
    ledger: Ledger,
    served: Served,
    operator: Connection,
    connection: Connection,
    monkeypatch: pytest.MonkeyPatch,
    first: int,
) -> None:
    monkeypatch.setattr("forwarder.outbox.transaction_counts.MAX_TOTAL", 50)
    monkeypatch.setattr("forwarder.outbox.transaction_counts.MAX_COUNTED", 20)
    await connection.execute("CREATE TABLE public.other (LIKE public.account INCLUDING ALL)")
    await capture(connection, "public.other")
    # Transactions of both tables, by turns and one inside the other, one of them larger than anybody counts.
    async with connected(database.url) as inner:
        await connection.execute("BEGIN")
        await inner.execute("BEGIN")
        for number in range(100, 160):
            await connection.execute("INSERT INTO account VALUES ($1, 1)", number)
            await connection.execute("INSERT INTO other VALUES ($1, 1)", number)
            if number < 120:
                await inner.execute("INSERT INTO account VALUES ($1, 1)", 100 + number)
        await inner.execute("COMMIT")
        await connection.execute("COMMIT")
    await connection.execute("INSERT INTO account VALUES (300, 1)")
    async with listening(database.url, served.sink, page_rows=20) as service:
        await leads(service)
        await served.kinesis.wait_for_records(141, stream=STREAM)
        await position_saved(operator)
        before = Counter(served.data())
        monkeypatch.setattr("forwarder.store.table_replay.PAGE_ROWS", 7)
        monkeypatch.setattr("forwarder.store.portions.MAX_ROWS", 3)
        done = await Replay(operator, sink="default").send_tables(first - 99, ACCOUNT)
        await nothing_is_due(operator)
        again = Counter(served.data()) - before
    assert again == {data: 1 for data in before if b'"table":"account"' in data and arrival(data).seq >= first - 99}
    assert done.changes == len(again)


async def test_a_replay_that_was_killed_goes_on_where_it_was_and_doubles_nothing(
    database: Database, ledger: Ledger, served: Served, operator: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("forwarder.store.portions.MAX_ROWS", 10)

    async with listening(database.url, served.sink) as service:
        await leads(service)
        await write_rows(ledger, database.writer_url, *range(100, 200))
        await all_delivered(ledger, served.data)
        await position_saved(operator)
        replay = Replay(operator, sink="default")
        await interrupt(replay, after=30)
        await nothing_is_due(operator)
        assert sorted(times(served).values()) == [1] * 70 + [2] * 30

        # What is delivered meanwhile has come after the replay had begun.
        await write_rows(ledger, database.writer_url, 200)
        await all_delivered(ledger, served.data)
        await position_saved(operator)
        done = await replay.send_tables(None, ACCOUNT)
        await nothing_is_due(operator)
        assert done.changes == 100
        assert sorted(times(served).values()) == [1] + [2] * 100

        # It is done, so the same once more is another replay.
        assert (await replay.send_tables(None, ACCOUNT)).changes == 101


async def test_the_changes_of_a_row_come_again_in_their_order_with_their_ids_behind_later_ones(
    database: Database,
    ledger: Ledger,
    served: Served,
    operator: Connection,
    connection: Connection,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("forwarder.store.portions.MAX_ROWS", 10)
    async with listening(database.url, served.sink) as service:
        await leads(service)
        await write_rows(ledger, database.writer_url, *range(100, 110))
        for _ in range(4):
            await connection.execute("UPDATE account SET version = version + 1 WHERE id BETWEEN 100 AND 109")
        await served.kinesis.wait_for_records(50, stream=STREAM)
        await position_saved(operator)
        replay = Replay(operator, sink="default")
        await interrupt(replay, after=20)
        await nothing_is_due(operator)
        await replay.send_tables(None, ACCOUNT)
        await nothing_is_due(operator)
    assert set(Counter(served.data()).values()) == {2}
    for key in range(100, 110):
        seqs = [arrival(data).seq for data in served.data() if json.loads(data)["key"] == {"id": key}]
        assert seqs == 2 * sorted(seqs[:5])


async def test_a_dead_letter_is_tried_again_with_its_table_and_stays_one_if_it_is_refused_again(
    database: Database, ledger: Ledger, served: Served, operator: Connection
) -> None:
    keys = frozenset({"public.account.105"})
    refused = Error(operation="PutRecords", error_code="ValidationException", partition_keys=keys)
    served.kinesis.faults.replace([refused])
    letter = "SELECT attempts, retry_at IS NULL AS waits FROM forwarder.dead_letter"

    async def is_refused_again() -> bool:
        return [tuple(row) for row in await operator.fetch(letter)] == [(2, True)]

    async with listening(database.url, served.sink) as service:
        await leads(service)
        await write_rows(ledger, database.writer_url, *range(100, 110))
        await served.kinesis.wait_for_records(9, stream=STREAM)
        await position_saved(operator)
        assert (await Replay(operator, sink="default").send_tables(None, ACCOUNT)).changes == 10
        await eventually(is_refused_again, within_seconds=20)
        served.kinesis.faults.replace([])
        await Replay(operator, sink="default").send_tables(None, ACCOUNT)
        await nothing_is_due(operator)
    assert sorted(times(served).values()) == [1] + [3] * 9
    assert await operator.fetch(letter) == []


async def test_a_replay_that_was_killed_is_begun_anew_if_that_is_asked_for(
    database: Database, ledger: Ledger, served: Served, operator: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("forwarder.store.portions.MAX_ROWS", 10)

    await deliver(database, ledger, served, operator, *range(100, 120))
    replay = Replay(operator, sink="default")
    for _ in range(2):
        await interrupt(replay, after=10, anew=True)
        assert await operator.fetchval("SELECT count(*) FROM forwarder.dead_letter") == 10


async def test_one_that_was_interrupted_is_not_given_up_for_another_unless_that_is_asked_for(
    database: Database, ledger: Ledger, served: Served, operator: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("forwarder.store.portions.MAX_ROWS", 10)
    await deliver(database, ledger, served, operator, *range(100, 120))
    replay = Replay(operator, sink="default")
    await interrupt(replay, after=10)
    with pytest.raises(
        Refused, match=r"replay of public\.account, begun at .* is at change 11 of 20; .*give it up by --anew"
    ):
        await replay.send_tables(5, ACCOUNT)
    assert (await replay.send_tables(5, ACCOUNT, anew=True)).changes == 16


async def test_one_that_was_interrupted_before_it_sent_anything_is_begun_anew(
    database: Database, ledger: Ledger, served: Served, operator: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    replay = Replay(operator, sink="default")
    await deliver(database, ledger, served, operator, *range(100, 120))
    await interrupt(replay, after=0)
    await deliver(database, ledger, served, operator, *range(200, 230))
    await operator.execute("DELETE FROM forwarder.outbox WHERE seq <= 20")
    assert (await replay.send_tables(None, ACCOUNT)).changes == 30
    # Neither does it stand in the way of another.
    monkeypatch.setattr("forwarder.store.portions.MAX_ROWS", 10)
    await interrupt(replay, after=0)
    assert (await replay.send_tables(41, ACCOUNT)).changes == 10


async def test_one_of_which_nothing_is_retained_is_begun_anew(
    database: Database,
    ledger: Ledger,
    served: Served,
    operator: Connection,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr("forwarder.store.portions.MAX_ROWS", 10)
    replay = Replay(operator, sink="default")
    await deliver(database, ledger, served, operator, *range(100, 120))
    await interrupt(replay, after=10)
    await deliver(database, ledger, served, operator, *range(200, 230))
    await operator.execute("DELETE FROM forwarder.outbox WHERE seq <= 20")
    done = await replay.send_tables(None, ACCOUNT)
    assert (done.changes, done.first_seq, done.is_short) == (30, 21, False)
    assert "nothing is retained of the replay that was interrupted: beginning anew" in caplog.messages


async def test_one_that_was_killed_after_its_last_portion_is_not_sent_twice(
    database: Database, ledger: Ledger, served: Served, operator: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("forwarder.store.portions.MAX_ROWS", 10)
    replay = Replay(operator, sink="default")
    await deliver(database, ledger, served, operator, *range(100, 120))
    # Seqs behind the last change that nobody retains, nor ever did.
    await operator.execute("SELECT nextval('forwarder.outbox_seq') FROM generate_series(1, 5)")
    await interrupt(replay, after=20)
    done = await replay.send_tables(None, ACCOUNT)
    assert (done.changes, done.is_short) == (20, False)
    assert await operator.fetchval("SELECT count(*) FROM forwarder.replay") == 0
    assert await operator.fetchval("SELECT count(DISTINCT retry_at) FROM forwarder.dead_letter") == 2


async def test_who_goes_on_is_told_when_it_began_how_far_it_is_and_what_is_not_retained(
    database: Database, ledger: Ledger, served: Served, operator: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("forwarder.store.portions.MAX_ROWS", 10)
    replay = Replay(operator, sink="default")
    before = datetime.now(UTC)
    await deliver(database, ledger, served, operator, *range(100, 130))
    await interrupt(replay, after=10)
    after = datetime.now(UTC)
    for oldest_seq, is_cut in ((1, False), (15, True)):
        await operator.execute("DELETE FROM forwarder.outbox WHERE seq < $1", oldest_seq)
        heard: list[Progress] = []

        def stop(progress: Progress, heard: list[Progress] = heard) -> None:
            heard.append(progress)
            raise KilledError

        with pytest.raises(KilledError):
            await replay.send_tables(None, ACCOUNT, report=stop)
        (progress,) = heard
        assert (progress.tables, progress.changes, progress.next_seq) == (["public.account"], 10, 11)
        assert before < progress.begun_at < after
        assert progress.is_cut == is_cut


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE forwarder.replay SET database_oid = 1",
        "UPDATE forwarder.replay SET system_identifier = 1",
        "UPDATE forwarder.sink SET created_at = clock_timestamp()",
    ],
    ids=["another database", "another cluster", "another sink of this name"],
)
async def test_a_replay_that_was_begun_elsewhere_does_not_go_on_here(
    database: Database,
    ledger: Ledger,
    served: Served,
    operator: Connection,
    monkeypatch: pytest.MonkeyPatch,
    change: str,
) -> None:
    monkeypatch.setattr("forwarder.store.portions.MAX_ROWS", 10)

    await deliver(database, ledger, served, operator, *range(100, 120))
    replay = Replay(operator, sink="default")
    await interrupt(replay, after=10)
    await operator.execute(f"{change}; DELETE FROM forwarder.dead_letter")
    assert (await replay.send_tables(None, ACCOUNT)).changes == 20
    assert await operator.fetchval("SELECT count(*) FROM forwarder.dead_letter") == 20


@pytest.mark.parametrize(
    ("table", "mode", "is_refused"),
    # Before the first portion, when the second command begins anew; and in it, which the second waits for.
    [("dropped", "ACCESS EXCLUSIVE", True), ("dead_letter", "SHARE", False)],
    ids=["read", "write"],
)
async def test_two_replays_of_one_sink_do_not_work_on_the_same(
    database: Database,
    ledger: Ledger,
    served: Served,
    operator: Connection,
    table: str,
    mode: str,
    *,
    is_refused: bool,
) -> None:
    await deliver(database, ledger, served, operator, *range(100, 120))

    refused: list[str] = []

    async def attempt(connection: Connection) -> None:
        try:
            await Replay(connection, sink="default").send_tables(None, ACCOUNT)
        except Refused as error:
            refused.append(str(error))

    async with (
        session(database.url, purpose="test") as other,
        connected(database.url) as holder,
        anyio.create_task_group() as tasks,
    ):
        pids = [operator.get_server_pid(), other.get_server_pid()]

        async def all_wait(count: int) -> bool:
            waiting: int = await holder.fetchval(
                "SELECT count(*) FROM pg_locks WHERE NOT granted AND pid = ANY ($1)", pids
            )
            return waiting == count

        holding = holder.transaction()
        await holding.start()
        await holder.execute(f"LOCK TABLE forwarder.{table} IN {mode} MODE")
        for count, session_of_one in enumerate((operator, other), start=1):
            tasks.start_soon(attempt, session_of_one)
            await eventually(partial(all_wait, count))
        await holding.rollback()
    assert ["another `forwarder replay --table` is at work" in reason for reason in refused] == [True] * is_refused
    assert await operator.fetchval("SELECT count(*) FROM forwarder.dead_letter") == 20
    # Neither has any of them been sent by both.
    assert await operator.fetchval("SELECT count(DISTINCT retry_at) FROM forwarder.dead_letter") == 1


async def test_a_table_is_known_by_its_name_of_today_and_by_the_one_that_it_had_at_the_last_migrate(
    database: Database, ledger: Ledger, served: Served, operator: Connection, connection: Connection
) -> None:
    await deliver(database, ledger, served, operator, *range(100, 110))
    await connection.execute("ALTER TABLE account RENAME TO customer")
    for name in ("account", "customer"):
        assert (await Replay(operator, sink="default").send_tables(None, [Pattern(name)])).changes == 10
    with pytest.raises(Refused, match=r"captured: public\.customer"):
        await Replay(operator, sink="default").send_tables(None, [Pattern("nothing")])


async def test_what_retention_takes_from_a_replay_that_is_under_way_is_told(
    database: Database, ledger: Ledger, served: Served, operator: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("forwarder.store.portions.MAX_ROWS", 10)

    await deliver(database, ledger, served, operator, *range(100, 130))
    replay = Replay(operator, sink="default")
    await interrupt(replay, after=10)
    await operator.execute("DELETE FROM forwarder.outbox WHERE seq <= 20")
    done = await replay.send_tables(None, ACCOUNT)
    assert (done.changes, done.is_short) == (20, True)


async def test_a_clock_that_was_set_back_keeps_nothing_from_being_sent_again(
    database: Database, ledger: Ledger, served: Served, operator: Connection
) -> None:
    await deliver(database, ledger, served, operator, *range(100, 120))
    await operator.execute("UPDATE forwarder.sink SET created_at = now() + interval '1 hour'")
    assert (await Replay(operator, sink="default").send_tables(None, ACCOUNT)).changes == 20


# Into the leaf behind those in use, so that none of them is emptied before its time.
@each_value_once(hole=[1, 2], jump={"": 0, "restored meanwhile": (1 << 36) + 64})
async def test_what_retention_has_taken_out_of_the_middle_is_told(
    database: Database,
    ledger: Ledger,
    served: Served,
    operator: Connection,
    monkeypatch: pytest.MonkeyPatch,
    hole: int,
    jump: int,
) -> None:
    # A listener that finds itself in another history goes on in a leaf behind, and its janitor may see that before or after it empties some.
    monkeypatch.setattr("forwarder.outbox.ring.EARLY_LEAVES", 0)
    await operator.execute("SELECT forwarder.lay_out(16)")
    await deliver(database, ledger, served, operator, *range(100, 155))
    if jump:
        await operator.execute(
            "INSERT INTO forwarder.history (number, system_identifier, timeline, shared_to_seq, own_from_seq)"
            " VALUES (1000, 1, 1, 55, $1::bigint)",
            jump,
        )
        await operator.execute("SELECT setval('forwarder.outbox_seq', $1)", jump)
        await deliver(database, ledger, served, operator, *range(170, 180))
    replay = Replay(operator, sink="default")
    whole = await replay.send_tables(None, ACCOUNT)
    assert (whole.changes, whole.is_short) == (65 if jump else 55, False)
    # Something has kept the leaf before it, a transaction that was open, say.
    leaf = await operator.fetchval("SELECT name FROM forwarder.leaves() WHERE number = $1", hole)
    await empty(operator, leaf)
    rest = await replay.send_tables(None, ACCOUNT)
    assert (rest.changes, rest.is_short) == (whole.changes - 16, True)


async def test_what_retention_takes_from_a_replay_that_just_begins_is_told(
    database: Database, ledger: Ledger, served: Served, operator: Connection
) -> None:
    await deliver(database, ledger, served, operator, *range(100, 120))
    # Between the choice of the first change and the beginning.
    await operator.execute(
        "CREATE FUNCTION public.pass_on() RETURNS trigger LANGUAGE plpgsql AS"
        " 'BEGIN DELETE FROM forwarder.outbox WHERE seq <= 10; RETURN NULL; END';"
        "CREATE TRIGGER pass_on BEFORE DELETE ON forwarder.replay"
        " FOR EACH STATEMENT EXECUTE FUNCTION public.pass_on()"
    )
    done = await Replay(operator, sink="default").send_tables(None, ACCOUNT)
    assert (done.first_seq, done.changes, done.is_short) == (1, 10, True)


@pytest.mark.parametrize("of_tables", [False, True], ids=["set back", "of tables"])
async def test_what_is_left_of_a_transaction_comes_again_without_a_place_that_nobody_knows(
    database: Database, ledger: Ledger, served: Served, operator: Connection, *, of_tables: bool
) -> None:
    await operator.execute("SELECT forwarder.lay_out(16)")
    async with connected(database.writer_url) as writer:
        # The second of them fills the rest of its leaf and goes on in the next; others come after it.
        for first, last in ((100, 110), (110, 130), (130, 136), (136, 137)):
            await writer.execute(
                "INSERT INTO account SELECT generate_series($1::bigint, $2::bigint - 1), 1", first, last
            )
    ledger.inserted(*range(100, 137))
    async with listening(database.url, served.sink) as service:
        await leads(service)
        await all_delivered(ledger, served.data)
        await position_saved(operator)
        before = set(served.data())
        leaf = await operator.fetchval("SELECT name FROM forwarder.leaves() ORDER BY newest_seq LIMIT 1")
        await empty(operator, leaf)
        replay = Replay(operator, sink="default")
        await (replay.send_tables(None, ACCOUNT) if of_tables else replay.set_back(None))

        async def came_again() -> bool:
            return len(served.data()) >= 37 + 22

        await eventually(came_again, within_seconds=20)
        again = sorted(served.data(), key=lambda data: arrival(data).seq)
    places = [json.loads(data)["tx"] for data in again if data not in before]
    assert places == [{"index": None, "count": None}] * len(places)
    assert len(places) == 15


async def test_a_sink_of_another_cluster_is_refused(
    database: Database, ledger: Ledger, served: Served, operator: Connection
) -> None:
    await write_rows(ledger, database.writer_url, 100)
    async with listening(database.url, served.sink):
        await all_delivered(ledger, served.data)
    connection = await asyncpg.connect(database.url)
    await connection.execute("UPDATE forwarder.sink SET system_identifier = 1")
    await connection.close()
    with pytest.raises(Refused, match="another cluster"):
        await Replay(operator, sink="default").set_back(None)
