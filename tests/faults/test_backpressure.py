"""A sink that stalls slows no writer, fills no memory, and goes on where it stopped."""

from __future__ import annotations

import errno
import os
import select
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import anyio
import asyncpg
import psutil
import pytest

from forwarder.delivery.relay import Relay
from forwarder.delivery.schedules.lanes import Lanes
from forwarder.health import Phase
from forwarder.local.kinesis.faults import Error, Hang
from forwarder.outbox.pages import Outbox, Page
from tests.databases import Database
from tests.ledger import Ledger, all_delivered, audit, write, write_rows
from tests.listening import (
    CREDENTIALS,
    STREAM,
    Served,
    client_of,
    command,
    impatient,
    leads,
    listening,
    peak_bytes,
)
from tests.waiting import eventually

MAX_EVENTS, PAGE_ROWS = 200, 50
MAX_BYTES = PAGE_BYTES = 1 << 20
HANG = Hang(operation="PutRecords")

pytestmark = pytest.mark.slow


class Marks:
    """The most that was in memory at once."""

    def __init__(self) -> None:
        self.events = 0
        self.bytes = 0


@pytest.fixture
def marks(monkeypatch: pytest.MonkeyPatch) -> Marks:
    marks = Marks()

    class MarkedLanes(Lanes):
        def extend(self, records: Any) -> None:
            super().extend(records)
            marks.events = max(marks.events, self.records)
            marks.bytes = max(marks.bytes, self.bytes)

    monkeypatch.setattr("forwarder.sinks.kinesis.shards.Lanes", MarkedLanes)
    return marks


async def test_writers_finish_their_work_while_the_sink_hangs(
    database: Database, ledger: Ledger, served: Served, marks: Marks, monkeypatch: pytest.MonkeyPatch
) -> None:
    impatient(monkeypatch)
    served.kinesis.faults.replace([HANG])
    async with listening(
        database.url, served.sink, max_events=MAX_EVENTS, page_rows=PAGE_ROWS, poll_interval_seconds=0.1
    ) as service:
        await leads(service)
        await write(ledger, database.writer_url, transactions=100)
        assert ledger.changes > MAX_EVENTS + PAGE_ROWS
        assert served.kinesis.stream(STREAM).record_count == 0
        served.kinesis.faults.replace([])
        found = await all_delivered(ledger, served.data)
    assert found.repeats == 0
    assert marks.events <= MAX_EVENTS + PAGE_ROWS


async def test_a_stalled_sink_holds_no_lock_and_no_snapshot_in_the_database(
    database: Database, ledger: Ledger, served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    impatient(monkeypatch)
    served.kinesis.faults.replace([HANG])
    await write_rows(ledger, database.writer_url, *range(100, 500))
    superuser = await asyncpg.connect(database.superuser_url)

    async def waits_for_the_sink() -> bool:
        return served.kinesis.faults.struck(HANG) > 3

    async def no_session_holds_a_snapshot() -> bool:
        sessions = await superuser.fetch(
            "SELECT application_name, state, xact_start, backend_xmin FROM pg_stat_activity"
            " WHERE datname = current_database() AND application_name LIKE 'forwarder %'"
        )
        assert {session["application_name"] for session in sessions} >= {"forwarder leader", "forwarder reader"}
        return all(session["xact_start"] is None and session["backend_xmin"] is None for session in sessions)

    async with listening(database.url, served.sink, max_events=MAX_EVENTS, page_rows=PAGE_ROWS):
        await eventually(waits_for_the_sink)
        # A statement of the moment has a snapshot too, but lets go of it.
        await eventually(no_session_holds_a_snapshot)
        # Whoever wants to change a captured table's definition need not wait for us.
        await superuser.execute("SET lock_timeout = '1s'; ALTER TABLE account ADD COLUMN another text")
        served.kinesis.faults.replace([])
        await all_delivered(ledger, served.data)
    await superuser.close()


async def test_bytes_in_memory_stay_bounded_while_the_sink_stalls(
    database: Database, ledger: Ledger, served: Served, marks: Marks, monkeypatch: pytest.MonkeyPatch
) -> None:
    impatient(monkeypatch)
    served.kinesis.faults.replace([HANG])
    for first in range(100, 500, 20):
        await write_rows(ledger, database.writer_url, *range(first, first + 20), note="x" * 50_000)
    async with listening(database.url, served.sink, max_bytes=MAX_BYTES, page_bytes=PAGE_BYTES):

        async def full() -> bool:
            return marks.bytes >= MAX_BYTES and served.kinesis.faults.struck(HANG) > 3

        await eventually(full)
        served.kinesis.faults.replace([])
        found = await all_delivered(ledger, served.data)
    assert found.repeats == 0
    # A page may overshoot the bound; each record wraps its images in some 200 bytes.
    assert marks.bytes <= (MAX_BYTES + PAGE_BYTES) * 1.05


async def test_looking_again_and_again_while_the_sink_stalls_piles_nothing_up(
    database: Database, ledger: Ledger, served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An open transaction keeps the listener looking every 50 ms at most."""
    monkeypatch.setattr("forwarder.outbox.head_reader.LAST_LOOK_SECONDS", 0.003)
    looks = 0
    pages: list[int] = []
    offer, drain = Relay.offer, Outbox.drain

    def counted(self: Relay, *arguments: Any, **options: Any) -> None:
        offer(self, *arguments, **options)
        pages.append(len(self._buffer._frontier._pages))

    async def looked(self: Outbox, *arguments: Any, **options: Any) -> Page | None:
        nonlocal looks
        looks += 1
        return await drain(self, *arguments, **options)

    monkeypatch.setattr(Relay, "offer", counted)
    monkeypatch.setattr(Outbox, "drain", looked)
    served.kinesis.faults.replace([Error(operation="PutRecords")])
    writer = await asyncpg.connect(database.writer_url)
    async with listening(database.url, served.sink):
        await writer.execute("BEGIN; INSERT INTO account VALUES (100, 1)")
        await write_rows(ledger, database.writer_url, 101)

        async def has_looked_often() -> bool:
            return looks > 100

        await eventually(has_looked_often)
        assert max(pages) <= 3
        await writer.execute("COMMIT")
        ledger.inserted(100)
        served.kinesis.faults.replace([])
        await all_delivered(ledger, served.data)
    await writer.close()


async def test_the_real_process_stays_small_while_a_large_backlog_waits(
    database: Database, ledger: Ledger, served: Served, tmp_path: Path
) -> None:
    refusing = Error(operation="PutRecords")
    served.kinesis.faults.replace([refusing])
    env = {**CREDENTIALS, "FORWARDER_DATABASE_URL": database.url, "FORWARDER_SINK": served.sink}
    env |= {"FORWARDER_LISTEN_MAX_BYTES": str(4 << 20), "FORWARDER_LISTEN_PAGE_BYTES": str(1 << 20)}
    async with command("listen", env=env, directory=tmp_path / "listen") as listener:
        await listener.says("listening")
        process = psutil.Process(listener.process.pid)
        before = process.memory_info().rss
        for first in range(1000, 3100, 300):
            await write_rows(ledger, database.writer_url, *range(first, first + 300), note="x" * 30_000)
        await listener.says("sink unavailable")

        async def has_been_refused_for_long() -> bool:
            return served.kinesis.faults.struck(refusing) > 30

        await eventually(has_been_refused_for_long, within_seconds=30)
        # 63 MB wait in the outbox.
        assert process.memory_info().rss - before < 40 << 20
        served.kinesis.faults.replace([])
        found = await all_delivered(ledger, served.data)
        assert process.memory_info().rss - before < 40 << 20
        assert await listener.stop() == 0
    assert found.repeats == 0


async def test_the_real_process_stays_small_with_huge_rows_among_many_tiny_ones(
    database: Database, ledger: Ledger, served: Served, tmp_path: Path
) -> None:
    async with client_of(served) as operator:
        arn = served.kinesis.stream(STREAM).identity.arn
        await operator.update_max_record_size(StreamARN=arn, MaxRecordSizeInKiB=10_240)
    for first in range(100_000, 116_000, 4_000):
        await write_rows(ledger, database.writer_url, first + 20_000_000, note="x" * (8 << 20))
        await write_rows(ledger, database.writer_url, *range(first, first + 4_000))
    env = {**CREDENTIALS, "FORWARDER_DATABASE_URL": database.url, "FORWARDER_SINK": served.sink}
    refusing = Error(operation="PutRecords")
    served.kinesis.faults.replace([refusing])
    async with command("listen", env=env, directory=tmp_path / "listen") as listener:

        async def memory_is_full() -> bool:
            return served.kinesis.faults.struck(refusing) > 5

        await eventually(memory_is_full, within_seconds=30)
        served.kinesis.faults.replace([])
        found = await all_delivered(ledger, served.data)
        assert peak_bytes(listener) < 200 << 20
        assert await listener.stop() == 0
    assert found.repeats == 0


async def test_a_disk_that_is_full_for_a_while_keeps_the_order_of_a_file(
    database: Database, ledger: Ledger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "changes.jsonl"
    write_to_disk, calls = os.write, 0

    def sometimes_full(descriptor: int, data: Any) -> int:
        nonlocal calls
        calls += 1
        if calls % 3 == 1:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        # Half of it fits before the disk is full again.
        return (
            write_to_disk(descriptor, data[: max(1, len(data) // 2)])
            if calls % 3 == 2
            else write_to_disk(descriptor, data)
        )

    monkeypatch.setattr("forwarder.sinks.line_sink.os.write", sometimes_full)
    monkeypatch.setattr("forwarder.sinks.line_sink.LineSink.max_records", 20)

    def lines() -> list[bytes]:
        return path.read_bytes().splitlines()

    async with listening(database.url, f"file:{path}") as service:
        await leads(service)
        await write(ledger, database.writer_url, transactions=60)
        await all_delivered(ledger, lines)
    assert calls > 10


class Pipe:
    """A standard output whose reader reads only when told to."""

    def __init__(self) -> None:
        self._reading, self.writing = os.pipe()
        self._rest = b""

    async def read(self, *, lines: int) -> list[bytes]:
        """Read so many lines or more."""
        with anyio.fail_after(20):
            while self._rest.count(b"\n") < lines:
                await anyio.wait_readable(self._reading)
                self._rest += os.read(self._reading, 1 << 16)
        *read, self._rest = self._rest.split(b"\n")
        return read

    def fileno(self) -> int:
        return self.writing

    def close(self) -> None:
        os.close(self._reading)
        os.close(self.writing)


@pytest.fixture
def pipe() -> Iterator[Pipe]:
    pipe = Pipe()
    yield pipe
    pipe.close()


async def test_a_stalled_reader_of_standard_output_gets_whole_lines_in_order_after_a_reconnect(
    database: Database, ledger: Ledger, pipe: Pipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("forwarder.listen.sink_worker.STEADY_SECONDS", 0.0)
    monkeypatch.setattr("forwarder.sinks.line_sink.sys.stdout", pipe)
    await write_rows(ledger, database.writer_url, *range(100, 500), note="x" * 1000)
    async with listening(database.url, "stdout:") as service:
        await leads(service)

        async def is_full() -> bool:
            return not select.select([], [pipe.writing], [], 0)[1]

        await eventually(is_full)
        superuser = await asyncpg.connect(database.superuser_url)
        await superuser.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND application_name LIKE 'forwarder %'"
        )
        await superuser.close()

        async def ended() -> bool:
            return service.states["default"].phase is Phase.RECONNECTING

        await eventually(ended)
        await leads(service)
        # Until the pages are read again and a second write is under way.
        await anyio.sleep(0.3)
        read = await pipe.read(lines=ledger.changes)
        while audit(ledger, read).findings.lost:
            read += await pipe.read(lines=1)
        audit(ledger, read).assert_faultless()


async def test_a_stop_does_not_wait_for_ever_for_a_reader_that_stalls(
    database: Database, ledger: Ledger, pipe: Pipe, tmp_path: Path
) -> None:
    await write_rows(ledger, database.writer_url, *range(100, 500), note="x" * 1000)
    env = {"FORWARDER_DATABASE_URL": database.url, "FORWARDER_LISTEN_STOP_TIMEOUT_SECONDS": "0.3"}
    async with command(
        "listen", "--sink", "stdout:", env=env, directory=tmp_path / "listen", stdout=pipe.writing
    ) as listener:

        async def is_full() -> bool:
            return not select.select([], [pipe.writing], [], 0)[1]

        await eventually(is_full, within_seconds=30)
        listener.process.terminate()
        assert await listener.ends(within_seconds=10) == 0
