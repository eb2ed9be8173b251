"""The ring under load: leaves are emptied and laid out anew beside writers and a reader, and nothing is lost."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import anyio
import asyncpg
import pytest

from forwarder.config.settings import OutboxSettings
from forwarder.health import Phase
from forwarder.local.postgres import EmbeddedPostgres
from tests.databases import MIGRATED_TEMPLATE, Database, connected, copy_of
from tests.ledger import Ledger, Writer, all_delivered, create_accounts, write
from tests.listening import STREAM, Served, leads, listening
from tests.waiting import eventually

LEAF_EVENTS = 64
AT_ONCE = OutboxSettings(retention_seconds=0.0)


@pytest.fixture(autouse=True)
def _busy_janitor(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("forwarder.outbox.janitor.ROUND_SECONDS", 0.02)


@pytest.fixture
async def tiny_leaves(database: Database) -> None:
    await run(database.url, f"SELECT forwarder.lay_out({LEAF_EVENTS})")


async def run(url: str, statement: str) -> None:
    async with connected(url) as connection:
        await connection.execute(statement)


@asynccontextmanager
async def writing(ledger: Ledger, url: str, *, writers: int) -> AsyncIterator[None]:
    """So many writers for the length of a block."""
    end = anyio.Event()

    async def go_on(writer: Writer) -> None:
        await writer.run(until=end)

    async with anyio.create_task_group() as tasks:
        for number in range(writers):
            tasks.start_soon(go_on, Writer(ledger, url, number=number, pause_seconds=0.005))
        yield
        end.set()
    await ledger.settle(url)


def is_tidy(database: Database) -> Callable[[], Awaitable[bool]]:
    """Whether only the leaf in use and the next hold anything. (What they hold may be of several laps.)"""

    async def tidy() -> bool:
        async with connected(database.url) as connection:
            return bool(await connection.fetchval("SELECT count(DISTINCT tableoid) <= 2 FROM forwarder.outbox"))

    return tidy


FOR_LONG = pytest.param(16, 1500, marks=[pytest.mark.long, pytest.mark.timeout(1800)])


@pytest.mark.parametrize(("writers", "leaves"), [(16, 16), FOR_LONG])
async def test_leaves_are_emptied_beside_many_writers_and_nothing_is_lost(
    database: Database, ledger: Ledger, tiny_leaves: None, served: Served, writers: int, leaves: int
) -> None:
    async with listening(database.url, served.sink, outbox=AT_ONCE, page_rows=50) as service:
        async with writing(ledger, database.writer_url, writers=writers):
            await served.kinesis.wait_for_records(leaves * LEAF_EVENTS, stream=STREAM)
        found = await all_delivered(ledger, served.data)
        await eventually(is_tidy(database))
        assert service.states["default"].phase is Phase.LEADING
    assert found.repeats == 0


async def test_a_transaction_that_holds_back_vacuum_holds_no_leaf(
    database: Database, ledger: Ledger, tiny_leaves: None, served: Served
) -> None:
    async with connected(database.writer_url) as old:
        await old.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
        versions = "SELECT sum(version) FROM account"
        before = await old.fetchval(versions)
        async with listening(database.url, served.sink, outbox=AT_ONCE):
            await write(ledger, database.writer_url, transactions=80)
            await all_delivered(ledger, served.data)
            await eventually(is_tidy(database))
        assert await old.fetchval(versions) == before


async def test_a_janitor_that_is_cut_off_again_and_again_ends_no_delivery(
    database: Database, ledger: Ledger, tiny_leaves: None, served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("forwarder.backoff.delay_seconds", lambda *_, **__: 0.01)
    async with (
        listening(database.url, served.sink, outbox=AT_ONCE) as service,
        connected(database.superuser_url) as root,
    ):
        await leads(service)

        async def terminated() -> bool:
            return bool(
                await root.fetchval(
                    "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
                    " WHERE datname = current_database() AND application_name = 'forwarder janitor'"
                    # asyncpg forgets a future, which fails the test, where a session ends just before its COPY: our first question.
                    " AND query <> '' AND query NOT LIKE 'COPY%'"
                )
            )

        async with writing(ledger, database.writer_url, writers=4):
            for _ in range(15):
                await eventually(terminated)
        found = await all_delivered(ledger, served.data)
        await eventually(is_tidy(database))
        assert service.states["default"].phase is Phase.LEADING
    assert found.repeats == 0


@pytest.mark.parametrize("crashes", [2, pytest.param(20, marks=[pytest.mark.long, pytest.mark.timeout(1800)])])
async def test_a_crash_of_the_server_in_the_middle_of_tidying_loses_nothing(
    own_postgres: EmbeddedPostgres, served: Served, eager: None, monkeypatch: pytest.MonkeyPatch, crashes: int
) -> None:
    monkeypatch.setattr("forwarder.outbox.janitor.ROUND_SECONDS", 0.0)
    monkeypatch.setattr("forwarder.outbox.janitor.MAX_SINK_PAGES", 0)
    ledger = Ledger()
    async with copy_of(MIGRATED_TEMPLATE, own_postgres) as database:
        await create_accounts(database.url)
        await run(database.url, f"SELECT forwarder.lay_out({LEAF_EVENTS})")
        async with listening(database.url, served.sink, outbox=AT_ONCE, page_rows=20, max_events=100) as service:
            async with writing(ledger, database.writer_url, writers=4):
                for _ in range(crashes):
                    await leads(service)
                    count = served.kinesis.stream(STREAM).record_count
                    await served.kinesis.wait_for_records(count + 4 * LEAF_EVENTS, stream=STREAM)
                    await own_postgres.stop(mode="immediate")
                    await own_postgres.start()
                await leads(service)
            await all_delivered(ledger, served.data)
            await eventually(is_tidy(database))


async def test_leaves_of_another_size_are_laid_out_beside_writers_and_a_reader_and_nothing_is_lost(
    database: Database, ledger: Ledger, served: Served
) -> None:
    async with listening(database.url, served.sink, outbox=AT_ONCE, page_rows=20):
        async with writing(ledger, database.writer_url, writers=8), connected(database.url) as owner:
            await owner.execute("SET lock_timeout = '1s'")
            for leaf_events in (32, 1024, 16, 256):
                count = served.kinesis.stream(STREAM).record_count
                await owner.execute(f"SELECT forwarder.lay_out({leaf_events})")
                await served.kinesis.wait_for_records(count + 120, stream=STREAM)
        found = await all_delivered(ledger, served.data)
    assert found.repeats == 0


async def test_no_writer_waits_for_a_leaf_to_be_emptied(
    database: Database, ledger: Ledger, tiny_leaves: None, served: Served
) -> None:
    """A writer's own lock waits, as the server sees them: none of them is for a leaf."""
    waits: list[str] = []
    async with listening(database.url, served.sink, outbox=AT_ONCE), connected(database.superuser_url) as observer:
        async with writing(ledger, database.writer_url, writers=16), anyio.create_task_group() as tasks:

            async def observe() -> None:
                while True:
                    waits.extend(await _waits_for_a_leaf(observer))

            tasks.start_soon(observe)
            await served.kinesis.wait_for_records(8 * LEAF_EVENTS, stream=STREAM)
            tasks.cancel_scope.cancel()
        await all_delivered(ledger, served.data)
        await eventually(is_tidy(database))
    assert waits == []


async def _waits_for_a_leaf(observer: asyncpg.Connection[asyncpg.Record]) -> list[str]:
    rows = await observer.fetch(
        "SELECT activity.usename || ' ' || lock.relation::regclass"
        " FROM pg_locks AS lock JOIN pg_stat_activity AS activity USING (pid)"
        " WHERE NOT lock.granted AND lock.relation::regclass::text LIKE 'forwarder.outbox%'"
        " AND activity.usename = 'app_writer' AND clock_timestamp() - lock.waitstart > interval '50 ms'"
    )
    return [row[0] for row in rows]


async def test_a_janitor_whose_every_round_fails_ends_no_delivery(
    database: Database, ledger: Ledger, served: Served, caplog: pytest.LogCaptureFixture
) -> None:
    await run(database.url, "DROP FUNCTION forwarder.leaves CASCADE")
    async with listening(database.url, served.sink) as service:
        await write(ledger, database.writer_url, transactions=20)
        await all_delivered(ledger, served.data)
        assert service.states["default"].ready
    assert "the outbox is not tidied; trying again" in caplog.messages


async def test_both_ends_of_a_gap_come_out_of_the_stream(database: Database, ledger: Ledger, served: Served) -> None:
    await run(database.url, "SELECT forwarder.set_paused(true); INSERT INTO account VALUES (100, 1)")
    # The janitor has no reason for a pause, and ends it.
    async with listening(database.url, served.sink, poll_interval_seconds=0.05):
        with anyio.fail_after(20):
            records = await served.kinesis.wait_for_records(4, stream=STREAM)
    # The other two are those of forwarder.event.
    gaps = [gap for gap in map(json.loads, (record.data for record in records)) if gap["schema"] == "public"]
    assert [(gap["op"], gap["table"], gap["key"], gap["after"], gap["fault"]) for gap in gaps] == [
        ("gap", "account", None, None, "capture paused"),
        ("gap", "account", None, None, "capture resumed"),
    ]
