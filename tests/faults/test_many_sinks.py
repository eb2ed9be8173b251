"""Several sinks of one listener: each stands where it stands, and none waits for another."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import asyncpg
import pytest

from forwarder.config.settings import ListenSettings, Settings, SinkSettings
from forwarder.errors import Refused
from forwarder.health import Phase
from forwarder.listen.service import Service
from forwarder.local.kinesis.faults import Delay, Error
from forwarder.metrics import Metrics
from forwarder.outbox.event_reader import EventReader
from tests.databases import Database
from tests.ledger import Ledger, Missing, all_delivered, audit, create_accounts, write, write_rows, writing
from tests.listening import Served, kinesis_with_stream, leads
from tests.waiting import eventually

STOP_SECONDS = 30.0


@pytest.fixture
async def other() -> AsyncIterator[Served]:
    async with kinesis_with_stream() as served:
        yield served


@asynccontextmanager
async def serving(database: Database, *sinks: SinkSettings, **listen: Any) -> AsyncIterator[Service]:
    service = Service(Settings(listen=ListenSettings(**listen)), sinks, database_url=database.url, metrics=Metrics())
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(service.run)
        yield service
        service.stop()
        with anyio.fail_after(STOP_SECONDS):
            await eventually(all_in(service, Phase.STOPPING))


def all_in(service: Service, phase: Phase) -> Any:
    async def are() -> bool:
        return all(state.phase is phase for state in service.states.values())

    return are


def sinks_of(one: Served, other: Served) -> Sequence[SinkSettings]:
    return SinkSettings(name="one", url=one.sink), SinkSettings(name="other", url=other.sink, start="oldest")


async def test_every_sink_gets_every_change_in_order(
    database: Database, ledger: Ledger, served: Served, other: Served
) -> None:
    await write(ledger, database.writer_url, transactions=40, first_writer=10)
    async with serving(database, *sinks_of(served, other)):
        async with writing(ledger, database.writer_url, pause_seconds=0.01):
            await eventually(arrived(served, 200), within_seconds=20)
        for stream in (served, other):
            assert (await all_delivered(ledger, stream.data)).repeats == 0


def arrived(served: Served, count: int) -> Any:
    async def have() -> bool:
        return len(served.data()) >= count

    return have


async def test_a_stuck_sink_holds_up_only_itself_and_catches_up_later(
    database: Database, ledger: Ledger, served: Served, other: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    # So that what the stuck one misses is not kept, and has to be read again.
    monkeypatch.setattr("forwarder.outbox.feed.KEPT_BYTES", 2000)
    other.kinesis.faults.replace([Error(operation="PutRecords")])
    async with serving(database, *sinks_of(served, other), max_events=20, page_rows=20) as service:
        await write(ledger, database.writer_url, transactions=80)
        assert (await all_delivered(ledger, served.data)).repeats == 0
        assert not other.data()
        assert service.states["one"].ready
        assert not service.states["other"].ready
        other.kinesis.faults.replace([])
        assert (await all_delivered(ledger, other.data)).repeats == 0
        await write(ledger, database.writer_url, transactions=20, first_writer=10)
        for stream in (served, other):
            await all_delivered(ledger, stream.data)


async def test_a_sink_that_stops_before_a_large_change_holds_up_no_other(
    database: Database, ledger: Ledger, served: Served, other: Served
) -> None:
    one = SinkSettings(name="one", url=served.sink)
    stops = SinkSettings(name="stops", url=f"{other.sink}&oversize=stop", start="oldest")

    async def has_stopped() -> bool:
        return missing.ids() == {200, 201}

    missing = Missing(ledger, other.data)
    await write_rows(ledger, database.writer_url, *range(100, 110))
    await write_rows(ledger, database.writer_url, 200, note="x" * (1 << 20))
    await write_rows(ledger, database.writer_url, 201)
    async with serving(database, one, stops) as service:
        await eventually(has_stopped)
        await eventually(trouble_of(service, "stops"))
        await write_rows(ledger, database.writer_url, 202)
        await eventually(arrived(served, 12))
        assert Missing(ledger, served.data).ids() == {200}
        assert missing.ids() == {200, 201, 202}
        assert service.states["one"].ready


async def test_a_take_over_beside_a_stuck_sink_repeats_nothing(
    database: Database, ledger: Ledger, served: Served, other: Served
) -> None:
    other.kinesis.faults.replace([Error(operation="PutRecords")])
    one, stuck = sinks_of(served, other)
    async with serving(database, one) as leader:
        await leads(leader)
        async with serving(database, one, stuck, max_events=20, page_rows=20) as service:
            await write(ledger, database.writer_url, transactions=50, first_writer=20)
            await eventually(trouble_of(service, "other"))
            # The second process reads nothing more, since nobody there has room for it.
            await write(ledger, database.writer_url, transactions=80)
            assert (await all_delivered(ledger, served.data)).repeats == 0
            leader.stop()
            await leads(service)
            await write(ledger, database.writer_url, transactions=20, first_writer=10)
            assert (await all_delivered(ledger, served.data)).repeats == 0
            other.kinesis.faults.replace([])
            assert (await all_delivered(ledger, other.data)).repeats == 0
    assert (await all_delivered(ledger, served.data)).repeats == 0


def trouble_of(service: Service, sink: str) -> Any:
    async def is_there() -> bool:
        return service.states[sink].reason is not None

    return is_there


@pytest.mark.parametrize("late_seconds", [0, 2], ids=["both at once", "one starts later"])
async def test_sinks_that_keep_up_read_each_change_once(
    database: Database,
    ledger: Ledger,
    served: Served,
    other: Served,
    monkeypatch: pytest.MonkeyPatch,
    late_seconds: float,
) -> None:
    if late_seconds:
        other.kinesis.faults.replace([Delay(operation="DescribeStreamSummary", seconds=late_seconds)])
    read = 0
    real = EventReader.read

    async def counted(self: EventReader, connection: Any, rows: Sequence[Any]) -> Sequence[Any]:
        nonlocal read
        read += len(rows)
        return await real(self, connection, rows)

    monkeypatch.setattr(EventReader, "read", counted)
    # A backlog that they both have, in pages, and then what comes while they run.
    await write_rows(ledger, database.writer_url, *range(1000, 1300))
    async with serving(database, *sinks_of(served, other), page_rows=50):
        for stream in (served, other):
            await all_delivered(ledger, stream.data)
        for first in range(2000, 2100, 5):
            await write_rows(ledger, database.writer_url, *range(first, first + 5))
        for stream in (served, other):
            await all_delivered(ledger, stream.data)
    assert ledger.changes <= read < ledger.changes * 1.25


async def test_a_sink_gets_the_changes_of_its_tables_alone(
    database: Database, ledger: Ledger, served: Served, other: Served
) -> None:
    nothing = SinkSettings(name="other", url=other.sink, tables=["public.order*"], start="oldest")
    async with serving(database, SinkSettings(name="one", url=served.sink), nothing) as service:
        await write(ledger, database.writer_url, transactions=30)
        await all_delivered(ledger, served.data)
        assert not other.data()
        await eventually(all_in(service, Phase.LEADING))

        async def position_has_moved() -> bool:
            return await delivered_transactions(database, "other") == await delivered_transactions(database, "one")

        # What is not for a sink is behind it all the same, so that the outbox can let go of it.
        await write(ledger, database.writer_url, transactions=5, first_writer=10)
        await eventually(position_has_moved)


async def delivered_transactions(database: Database, sink: str) -> int:
    connection = await asyncpg.connect(database.url)
    try:
        seen = "SELECT count(*) FROM forwarder.outbox, forwarder.sink WHERE name = $1"
        return int(await connection.fetchval(f"{seen} AND pg_visible_in_snapshot(txid, delivered)", sink))
    finally:
        await connection.close()


@pytest.mark.parametrize(("start", "expected"), [("now", {2}), (None, {2}), ("oldest", {1, 2})])
async def test_a_sink_that_is_added_begins_where_it_is_told(
    database: Database, ledger: Ledger, served: Served, other: Served, start: Any, expected: set[int]
) -> None:
    async with serving(database, SinkSettings(name="one", url=served.sink)):
        await write_rows(ledger, database.writer_url, 1001)
        await all_delivered(ledger, served.data)
    added = SinkSettings(name="other", url=other.sink, start=start)
    async with serving(database, SinkSettings(name="one", url=served.sink), added) as service:
        await eventually(all_in(service, Phase.LEADING))
        await write_rows(ledger, database.writer_url, 1002)
        await all_delivered(ledger, served.data)
        await eventually(arrived(other, len(expected)))
    lost = Missing(ledger, other.data).ids()
    assert {1, 2} - {identity - 1000 for identity in lost} == expected


async def test_a_change_in_flight_while_a_sink_is_added_now_reaches_it(
    database: Database, ledger: Ledger, served: Served, other: Served
) -> None:
    async with serving(database, SinkSettings(name="one", url=served.sink)):
        await write_rows(ledger, database.writer_url, 1001)
        await all_delivered(ledger, served.data)
    slow = await asyncpg.connect(database.writer_url)
    await slow.execute("BEGIN; INSERT INTO account VALUES (1002, 1)")
    async with serving(database, SinkSettings(name="other", url=other.sink, start="now")) as service:
        await eventually(all_in(service, Phase.LEADING))
        await slow.execute("COMMIT")
        await eventually(arrived(other, 1))
    await slow.close()


async def test_a_sink_that_is_refused_at_start_keeps_the_others_from_nothing(
    database: Database, ledger: Ledger, served: Served
) -> None:
    missing = SinkSettings(name="other", url=served.sink.replace("changes", "nowhere"))
    async with serving(database, SinkSettings(name="one", url=served.sink), missing) as service:
        await write(ledger, database.writer_url, transactions=20)
        await all_delivered(ledger, served.data)
        assert "nowhere" in (service.states["other"].trouble or "")


async def test_when_every_sink_is_refused_the_listener_ends_and_says_why(database: Database, served: Served) -> None:
    missing = [SinkSettings(name=name, url=served.sink.replace("changes", name)) for name in ("here", "there")]
    service = Service(Settings(), missing, database_url=database.url, metrics=Metrics())
    with pytest.raises(Refused, match="ResourceNotFoundException"), anyio.fail_after(10):
        await service.run()


async def test_once_delivers_to_all_sinks_that_can_be_served_and_then_tells_of_the_other(
    database: Database, tmp_path: Path, served: Served
) -> None:
    await create_accounts(database.url)
    ledger = Ledger()
    await write(ledger, database.writer_url, transactions=20)
    sinks = [
        SinkSettings(name="one", url=f"file:{tmp_path}/one.jsonl"),
        SinkSettings(name="two", url=f"file:{tmp_path}/two.jsonl", start="oldest"),
        SinkSettings(name="bad", url=f"file:{tmp_path}/missing/three.jsonl"),
    ]
    service = Service(Settings(), sinks, database_url=database.url, metrics=Metrics())
    with pytest.raises(Refused, match="missing"), anyio.fail_after(20):
        await service.run(once=True)
    for name in ("one", "two"):
        audit(ledger, (tmp_path / f"{name}.jsonl").read_bytes().splitlines()).assert_faultless()
