"""Whatever a database sets for the sessions that are opened in it, nothing is lost and nothing ends."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import anyio
import pytest

from forwarder.capture.apply import Installation
from forwarder.capture.plan import Difference, from_selection
from forwarder.config.settings import OutboxSettings
from forwarder.database.conflicts import past_conflicts
from forwarder.database.sessions import describe, session
from forwarder.errors import Unavailable
from forwarder.local.postgres import EmbeddedPostgres
from forwarder.store.replay import Replay
from tests.databases import MIGRATED_TEMPLATE, Database, connected, copy_of, database_on
from tests.ledger import Ledger, all_delivered, write_rows, writing
from tests.listening import Operator, Served, leads, running, service_of
from tests.migrating import Outcome
from tests.replicas import caught_up, copied, follow
from tests.settings import HOSTILE, set_for_database
from tests.waiting import eventually

if TYPE_CHECKING:
    from forwarder.database.sessions import Connection

LEAF_EVENTS = 64
REMEDY = "connect to the primary, not to a replica"
AT_ONCE = OutboxSettings(retention_seconds=0.0)

REPEATABLE_READ = {"default_transaction_isolation": "repeatable read"}
# Serializable, read-only and a misled planner are among all at once.
EACH = [
    pytest.param(HOSTILE, id="all-at-once"),
    pytest.param(REPEATABLE_READ, id="repeatable-read", marks=pytest.mark.long),
    pytest.param({"default_transaction_isolation": "serializable"}, id="serializable", marks=pytest.mark.long),
    pytest.param({"default_transaction_read_only": "on"}, id="read-only", marks=pytest.mark.long),
    pytest.param({"jit": "on", "jit_above_cost": "0", "enable_indexscan": "off"}, id="planner", marks=pytest.mark.long),
]


@pytest.mark.parametrize("settings", EACH)
async def test_two_listeners_and_a_replay_lose_nothing(
    database: Database, ledger: Ledger, served: Served, settings: Mapping[str, str]
) -> None:
    await set_for_database(database, settings)
    leader, standby = (service_of(database.url, served.sink, checkpoint_interval_seconds=0.02) for _ in range(2))
    async with running(leader):
        await leads(leader)
        async with running(standby):
            async with writing(ledger, database.writer_url):
                for round_ in range(1, 4):
                    await eventually(partial(has_written, ledger, 80 * round_), within_seconds=30)
                    await replay(database)
                leader.stop()
                await leads(standby)
            await all_delivered(ledger, served.data)


@pytest.mark.parametrize("settings", EACH)
async def test_a_busy_janitor_loses_nothing(
    database: Database,
    ledger: Ledger,
    served: Served,
    settings: Mapping[str, str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("forwarder.outbox.janitor.ROUND_SECONDS", 0.02)
    monkeypatch.setattr("forwarder.outbox.janitor.MAX_SINK_PAGES", 0)
    async with connected(database.url) as owner:
        await owner.execute(f"SELECT forwarder.lay_out({LEAF_EVENTS})")
    await set_for_database(database, settings)
    async with running(service_of(database.url, served.sink, outbox=AT_ONCE, page_rows=50)) as service:
        async with writing(ledger, database.writer_url, pause_seconds=0.002):
            await leads(service)
            await eventually(partial(has_written, ledger, 6 * LEAF_EVENTS), within_seconds=30)
        await all_delivered(ledger, served.data)


async def replay(database: Database) -> None:
    async with session(database.url, purpose="replay") as connection:
        await past_conflicts(partial(Replay(connection, sink="default").set_back, None))


async def has_written(ledger: Ledger, changes: int) -> bool:
    return ledger.changes >= changes


@pytest.mark.parametrize("settings", [each for each in EACH if each.id != "read-only"])
async def test_leaves_laid_out_anew_keep_what_was_committed_while_the_lock_was_waited_for(
    database: Database, ledger: Ledger, settings: Mapping[str, str]
) -> None:
    await set_for_database(database, settings)
    async with connected(database.writer_url) as writer, session(database.url, purpose="migrate") as migrating:
        found = await from_selection(migrating, [], leaf_events=LEAF_EVENTS)
        transaction = writer.transaction()
        await transaction.start()
        await writer.execute("INSERT INTO account VALUES (100, 1)")
        outcome = Outcome()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(Installation(migrating, outcome).carry_out, found.changes)
            await eventually(partial(waits_for_a_lock, writer, migrating.get_server_pid()))
            await transaction.commit()
        assert "forwarder.outbox" in outcome.tables
        assert await migrating.fetchval("SELECT array_agg(seq) FROM forwarder.outbox") == [1]


async def waits_for_a_lock(observer: Connection, pid: int) -> bool:
    return bool(await observer.fetchval("SELECT count(*) FROM pg_locks WHERE NOT granted AND pid = $1", pid))


@pytest.mark.parametrize("settings", [each for each in EACH if each.id != "read-only"])
async def test_the_printed_script_pins_its_session_by_itself(
    database: Database, ledger: Ledger, settings: Mapping[str, str], postgres: EmbeddedPostgres, tmp_path: Path
) -> None:
    psql = postgres.binaries / "psql"
    if not psql.exists():
        pytest.skip("this PostgreSQL comes without psql")
    async with session(database.url, purpose="migrate") as connection:
        found = await from_selection(connection, [], leaf_events=LEAF_EVENTS)
    # The lock is waited for as long as the test takes, and what is captured meanwhile is there to be kept.
    script = Difference(decisions=found.decisions).script().replace("SET LOCAL lock_timeout = '500ms'", "")
    (tmp_path / "script.sql").write_text(script)
    await set_for_database(database, settings)
    arguments = (
        str(psql),
        "--quiet",
        "--no-psqlrc",
        "--set=ON_ERROR_STOP=1",
        f"--file={tmp_path}/script.sql",
        database.url,
    )
    async with connected(database.writer_url) as writer, connected(database.superuser_url) as observer:
        transaction = writer.transaction()
        await transaction.start()
        await writer.execute("INSERT INTO account VALUES (100, 1)")
        async with await anyio.open_process(arguments) as process:
            await eventually(partial(psql_waits, observer, database))
            await transaction.commit()
            assert await process.wait() == 0
    async with session(database.url, purpose="test") as connection:
        assert await connection.fetchval("SELECT array_agg(seq) FROM forwarder.outbox") == [1]
        assert await connection.fetchval("SELECT forwarder.leaf_events()") == LEAF_EVENTS


async def psql_waits(observer: Connection, database: Database) -> bool:
    waiting = (
        "SELECT count(*) FROM pg_stat_activity WHERE datname = $1 AND application_name = 'psql'"
        " AND wait_event_type = 'Lock'"
    )
    return bool(await observer.fetchval(waiting, database.name))


async def test_a_standby_is_refused_in_one_line_whatever_its_isolation(
    own_postgres: EmbeddedPostgres, tmp_path: Path
) -> None:
    async with copy_of(MIGRATED_TEMPLATE, own_postgres) as database, copied(own_postgres) as standby:
        await follow(standby, server=own_postgres)
        url = database_on(standby, database.name).url
        operator = Operator({"FORWARDER_DATABASE_URL": url}, tmp_path)
        assert (
            await operator.says("migrate", status=1)
            == f"forwarder: PostgreSQL at {describe(url)} is read-only; {REMEDY}\n"
        )

        await set_for_database(database, {"default_transaction_isolation": "serializable"})
        await caught_up(standby, server=own_postgres)
        with pytest.raises(Unavailable, match=REMEDY):
            async with session(url, purpose="leader"):
                pass
        said = await operator.says("migrate", status=1)
        assert said.endswith(f"{REMEDY}\n")
        assert len(said.splitlines()) == 1


async def test_a_backlog_is_read_in_order_whatever_the_planner_was_told(
    database: Database, ledger: Ledger, served: Served
) -> None:
    await create_backlog(ledger, database)
    await set_for_database(database, HOSTILE)
    service = service_of(database.url, served.sink, page_rows=100)
    async with running(service):
        await leads(service)
        await all_delivered(ledger, served.data)


async def create_backlog(ledger: Ledger, database: Database) -> None:
    for first in range(100, 1100, 100):
        await write_rows(ledger, database.writer_url, *range(first, first + 100))
