"""`forwarder replay` beside a listener that runs: what is retained is sent again, and nothing else is forgotten over it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import asyncpg
import pytest

from forwarder.database import Connection, session
from forwarder.errors import Refused
from forwarder.local.kinesis.faults import Error
from forwarder.replay import Replay
from forwarder.selection import Pattern
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
    monkeypatch.setattr("forwarder.redelivery.INTERVAL_SECONDS", 0.1)


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
