"""Two real listeners: whatever becomes of the one that leads, the other takes over, and nothing is lost or reversed."""

from __future__ import annotations

import signal
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import pytest

from forwarder.config.settings import Settings, SinkSettings
from forwarder.health import Phase
from forwarder.listen.service import Service
from forwarder.local.kinesis.faults import Hang
from forwarder.metrics import Metrics
from tests.databases import Database, connected
from tests.hasty import __file__ as hasty
from tests.ledger import Audit, Ledger, all_delivered, write_rows, writing
from tests.listening import CREDENTIALS, STREAM, Command, Served, command, leads, listening, running
from tests.proxy import proxy
from tests.waiting import eventually

PAUSE_SECONDS = 0.1
# Of pauses between looks; what is promised is three.
CRASH_SECONDS = 5.0
SILENCE_SECONDS = 30.0
# With the usual times, as "make test-long" has them, the server waits 20 seconds before it takes a leader for dead.
HASTY = "tests.hasty"
USUAL = pytest.param("forwarder", 60, marks=pytest.mark.long)

pytestmark = pytest.mark.slow


@pytest.fixture
def env(database: Database, served: Served) -> Mapping[str, str]:
    return {
        **CREDENTIALS,
        "FORWARDER_DATABASE_URL": database.url,
        "FORWARDER_SINK": served.sink,
        "PYTHONPATH": str(Path(hasty).parent.parent),
    }


@asynccontextmanager
async def two_listeners(
    env: Mapping[str, str], directory: Path, *, module: str = "forwarder", **first_env: str
) -> AsyncIterator[tuple[Command, Command]]:
    """One that leads, and one that stands by. ``first_env``: what is different for the first."""
    async with command("listen", env={**env, **first_env}, directory=directory / "first", module=module) as first:
        await first.says("listening")
        async with command("listen", env=env, directory=directory / "second", module=module) as second:
            await second.says("standing by")
            yield first, second


async def test_a_standby_takes_over_soon_after_the_leader_is_killed(
    env: Mapping[str, str], database: Database, ledger: Ledger, served: Served, tmp_path: Path
) -> None:
    async with (
        two_listeners(env, tmp_path) as (first, second),
        writing(ledger, database.writer_url, pause_seconds=PAUSE_SECONDS),
    ):
        await served.kinesis.wait_for_records(50, stream=STREAM)
        await first.kill()
        await second.says("listening", within_seconds=CRASH_SECONDS)
    await all_delivered_by_a_listener(env, tmp_path, ledger, served)


async def test_a_rolling_deploy_loses_nothing_and_repeats_nothing(
    env: Mapping[str, str], database: Database, ledger: Ledger, served: Served, tmp_path: Path
) -> None:
    async with two_listeners(env, tmp_path) as (first, second):
        async with writing(ledger, database.writer_url, pause_seconds=PAUSE_SECONDS):
            await served.kinesis.wait_for_records(50, stream=STREAM)
            assert await first.stop() == 0
            await second.says("listening", within_seconds=CRASH_SECONDS)
        assert await second.stop() == 0
    found = await all_delivered_by_a_listener(env, tmp_path, ledger, served)
    assert found.repeats == 0


@pytest.mark.parametrize(("module", "frozen_seconds"), [(HASTY, 10), USUAL])
@pytest.mark.timeout(180)
async def test_a_leader_that_was_frozen_is_replaced_and_reverses_nothing_when_it_wakes(
    env: Mapping[str, str],
    database: Database,
    ledger: Ledger,
    served: Served,
    tmp_path: Path,
    module: str,
    frozen_seconds: float,
) -> None:
    async with (
        two_listeners(env, tmp_path, module=module) as (first, second),
        writing(ledger, database.writer_url, pause_seconds=PAUSE_SECONDS),
    ):
        await served.kinesis.wait_for_records(50, stream=STREAM)
        first.process.send_signal(signal.SIGSTOP)
        thaws_at = anyio.current_time() + frozen_seconds
        await second.says("listening", within_seconds=SILENCE_SECONDS)
        # The length of the freeze is the point.
        await anyio.sleep_until(thaws_at)
        first.process.send_signal(signal.SIGCONT)
        await first.says("standing by")
    await all_delivered_by_a_listener(env, tmp_path, ledger, served)


@pytest.mark.parametrize("module", [HASTY, pytest.param("forwarder", marks=pytest.mark.long)])
async def test_a_standby_takes_over_from_a_leader_whose_network_went_dark(
    env: Mapping[str, str], database: Database, ledger: Ledger, served: Served, tmp_path: Path, module: str
) -> None:
    async with (
        proxy(database.url) as way,
        two_listeners(env, tmp_path, module=module, FORWARDER_DATABASE_URL=way.url) as (_, second),
        writing(ledger, database.writer_url, pause_seconds=PAUSE_SECONDS),
    ):
        await served.kinesis.wait_for_records(50, stream=STREAM)
        way.stall()
        await second.says("listening", within_seconds=SILENCE_SECONDS)
    await all_delivered_by_a_listener(env, tmp_path, ledger, served)


async def test_behind_a_leader_that_is_stuck_with_a_backlog_the_standby_says_so(
    database: Database, ledger: Ledger, served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("forwarder.listen.leader_watch.STILL_SECONDS", 1.0)
    monkeypatch.setattr("forwarder.listen.standby.LOOK_SECONDS", 0.0)
    hanging = Hang(operation="PutRecords")
    served.kinesis.faults.replace([hanging])
    async with listening(database.url, served.sink, stop_timeout_seconds=0.1) as leader:
        await leads(leader)
        async with listening(database.url, served.sink) as standby:
            await write_rows(ledger, database.writer_url, 100)
            state = standby.states["default"]

            async def warns() -> bool:
                return "has saved nothing for" in (state.warning or "")

            await eventually(warns)
            assert (state.phase, state.ready) == (Phase.STANDBY, True)

            async def withdrawn() -> bool:
                return state.warning is None

            served.kinesis.faults.replace([])
            await eventually(withdrawn, within_seconds=30)
    await all_delivered(ledger, served.data)


async def test_who_leads_one_sink_and_stands_by_for_another_tells_both_backlogs(
    database: Database, ledger: Ledger, served: Served
) -> None:
    both = [SinkSettings(name=name, url=served.sink, start="oldest") for name in ("default", "other")]
    metrics = Metrics()
    async with listening(database.url, served.sink) as leader:
        await leads(leader)
        async with running(Service(Settings(), both, database_url=database.url, metrics=metrics)) as mixed:

            async def is_both() -> bool:
                phases = {name: state.phase for name, state in mixed.states.items()}
                return phases == {"default": Phase.STANDBY, "other": Phase.LEADING}

            async def tells() -> bool:
                text = metrics.exposition().decode()
                return all(f'forwarder_outbox_waiting_seconds{{sink="{name}"}}' in text for name in mixed.states)

            await eventually(is_both, within_seconds=20)
            await eventually(tells)
            async with connected(database.superuser_url) as root:
                janitors = await root.fetchval(
                    "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
                    " AND application_name NOT IN ('forwarder leader', 'forwarder reader', 'forwarder doorbell', '')"
                )
            # One for each process.
            assert janitors == 2
            assert all(state.ready for state in mixed.states.values())


async def all_delivered_by_a_listener(env: Mapping[str, str], directory: Path, ledger: Ledger, served: Served) -> Audit:
    """Both are gone. Have a third one deliver what is left; what came of it."""
    async with command("listen", "--once", env=env, directory=directory / "third") as third:
        assert await third.ends() == 0, third.stderr
    return await all_delivered(ledger, served.data)
