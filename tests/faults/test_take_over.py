"""Two real listeners: whatever becomes of the one that leads, the other takes over, and nothing is lost or reversed."""

from __future__ import annotations

import signal
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import pytest

from tests.databases import Database
from tests.ledger import Audit, Ledger, all_delivered, writing
from tests.listening import CREDENTIALS, STREAM, Command, Served, command
from tests.proxy import proxy

PAUSE_SECONDS = 0.02
# Two seconds more than promised: the machine may be busy with other tests.
CRASH_SECONDS = 5.0
SILENCE_SECONDS = 30.0


@pytest.fixture
def env(database: Database, served: Served) -> Mapping[str, str]:
    return {**CREDENTIALS, "FORWARDER_DATABASE_URL": database.url, "FORWARDER_SINK": served.sink}


@asynccontextmanager
async def two_listeners(
    env: Mapping[str, str], directory: Path, **first_env: str
) -> AsyncIterator[tuple[Command, Command]]:
    """One that leads, and one that stands by. ``first_env``: what is different for the first."""
    async with command("listen", env={**env, **first_env}, directory=directory / "first") as first:
        await first.says("listening")
        async with command("listen", env=env, directory=directory / "second") as second:
            await second.says("standing by")
            yield first, second


async def leads_within(listener: Command, seconds: float) -> None:
    began = time.monotonic()
    await listener.says("listening", within_seconds=seconds)
    assert time.monotonic() - began < seconds


async def test_a_standby_takes_over_soon_after_the_leader_is_killed(
    env: Mapping[str, str], database: Database, ledger: Ledger, served: Served, tmp_path: Path
) -> None:
    async with (
        two_listeners(env, tmp_path) as (first, second),
        writing(ledger, database.writer_url, pause_seconds=PAUSE_SECONDS),
    ):
        await served.kinesis.wait_for_records(50, stream=STREAM)
        await first.kill()
        await leads_within(second, CRASH_SECONDS)
    await all_delivered_by_a_listener(env, tmp_path, ledger, served)


async def test_a_rolling_deploy_loses_nothing_and_repeats_nothing(
    env: Mapping[str, str], database: Database, ledger: Ledger, served: Served, tmp_path: Path
) -> None:
    async with two_listeners(env, tmp_path) as (first, second):
        async with writing(ledger, database.writer_url, pause_seconds=PAUSE_SECONDS):
            await served.kinesis.wait_for_records(50, stream=STREAM)
            assert await first.stop() == 0
            await leads_within(second, CRASH_SECONDS)
        assert await second.stop() == 0
    found = await all_delivered_by_a_listener(env, tmp_path, ledger, served)
    assert found.repeats == 0


@pytest.mark.parametrize("frozen_seconds", [25, pytest.param(60, marks=pytest.mark.long)])
@pytest.mark.timeout(180)
async def test_a_leader_that_was_frozen_is_replaced_and_reverses_nothing_when_it_wakes(
    env: Mapping[str, str], database: Database, ledger: Ledger, served: Served, tmp_path: Path, frozen_seconds: float
) -> None:
    async with (
        two_listeners(env, tmp_path) as (first, second),
        writing(ledger, database.writer_url, pause_seconds=PAUSE_SECONDS),
    ):
        await served.kinesis.wait_for_records(50, stream=STREAM)
        first.process.send_signal(signal.SIGSTOP)
        thaws_at = anyio.current_time() + frozen_seconds
        await leads_within(second, SILENCE_SECONDS)
        # The length of the freeze is the point.
        await anyio.sleep_until(thaws_at)
        first.process.send_signal(signal.SIGCONT)
        await first.says("standing by")
    await all_delivered_by_a_listener(env, tmp_path, ledger, served)


async def test_a_standby_takes_over_from_a_leader_whose_network_went_dark(
    env: Mapping[str, str], database: Database, ledger: Ledger, served: Served, tmp_path: Path
) -> None:
    async with (
        proxy(database.url) as way,
        two_listeners(env, tmp_path, FORWARDER_DATABASE_URL=way.url) as (_, second),
        writing(ledger, database.writer_url, pause_seconds=PAUSE_SECONDS),
    ):
        await served.kinesis.wait_for_records(50, stream=STREAM)
        way.stall()
        await leads_within(second, SILENCE_SECONDS)
    await all_delivered_by_a_listener(env, tmp_path, ledger, served)


async def all_delivered_by_a_listener(env: Mapping[str, str], directory: Path, ledger: Ledger, served: Served) -> Audit:
    """Both are gone. Have a third one deliver what is left; what came of it."""
    async with command("listen", "--once", env=env, directory=directory / "third") as third:
        assert await third.ends() == 0, third.stderr
    return await all_delivered(ledger, served.data)
