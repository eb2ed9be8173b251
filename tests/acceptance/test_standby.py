"""The real listener while another session has the leader's lock: a listener, or a stranger who keeps everything from being delivered."""

from __future__ import annotations

import json
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import anyio
import asyncpg
import pytest
from prometheus_client.parser import text_string_to_metric_families

from forwarder.database.sessions import LEADER_LOCK_CLASS, LOCK_CLASS, MIGRATION_LOCK
from tests.databases import WRITER, Database, connected
from tests.ledger import Ledger, all_delivered, write_rows
from tests.listening import CREDENTIALS, Operator, Served, command
from tests.waiting import eventually


@pytest.fixture
def port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


@pytest.fixture
def env(database: Database, served: Served) -> Mapping[str, str]:
    return {**CREDENTIALS, "FORWARDER_DATABASE_URL": database.url, "FORWARDER_SINK": served.sink}


@pytest.fixture
def operator(env: Mapping[str, str], tmp_path: Path) -> Operator:
    return Operator(env, tmp_path)


def bound(env: Mapping[str, str], port: int) -> Mapping[str, str]:
    return {**env, "FORWARDER_HTTP_BIND": f"127.0.0.1:{port}"}


@asynccontextmanager
async def stranger(
    database: Database, *, lock: str = f"{LEADER_LOCK_CLASS}, hashtext('default')"
) -> AsyncIterator[asyncpg.Connection[asyncpg.Record]]:
    """A role that may connect, and nothing of ours, under a name of ours."""
    settings = {"application_name": "forwarder leader"}
    connection = await asyncpg.connect(database.writer_url, server_settings=settings)
    try:
        await connection.execute(f"SELECT pg_advisory_lock({lock})")
        yield connection
    finally:
        await connection.close()


def named(connection: asyncpg.Connection[asyncpg.Record]) -> str:
    return f"role {WRITER}, application 'forwarder leader', pid {connection.get_server_pid()}"


async def readiness(port: int) -> tuple[int, dict[str, Any]]:
    async with aiohttp.ClientSession() as client, client.get(f"http://127.0.0.1:{port}/readyz") as answer:
        return answer.status, await answer.json()


async def outbox_figures(port: int) -> Mapping[tuple[str, ...], float]:
    """What `/metrics` says of the outbox."""
    async with aiohttp.ClientSession() as client, client.get(f"http://127.0.0.1:{port}/metrics") as answer:
        text = await answer.text()
    return {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name in ("forwarder_outbox_bytes", "forwarder_outbox_waiting_seconds")
    }


async def test_a_stranger_with_the_leaders_lock_is_named_and_when_it_is_gone_all_is_delivered(
    database: Database, ledger: Ledger, served: Served, env: Mapping[str, str], port: int, tmp_path: Path
) -> None:
    await write_rows(ledger, database.writer_url, *range(100, 110))
    async with (
        stranger(database) as held,
        command("listen", env=bound(env, port), directory=tmp_path / "listen") as listener,
    ):
        await listener.says("no listener leads")
        pid = held.get_server_pid()
        assert f"pid={pid} role={WRITER}" in listener.stderr
        status, body = await readiness(port)
        assert status == 503
        assert named(held) in body["sinks"]["default"]["trouble"]
        assert f"SELECT pg_terminate_backend({pid})" in body["sinks"]["default"]["trouble"]
        await held.close()
        await listener.says("listening")
        await all_delivered(ledger, served.data)
        assert (await readiness(port))[0] == 200


async def test_a_stranger_that_takes_the_lock_behind_a_leader_is_noticed_by_the_standby(
    database: Database, env: Mapping[str, str], port: int, tmp_path: Path
) -> None:
    async with (
        command("listen", env=env, directory=tmp_path / "leader") as leader,
        connected(database.writer_url) as waiter,
    ):
        await leader.says("listening")
        async with command("listen", env=bound(env, port), directory=tmp_path / "standby") as standby:
            await standby.says("standing by")
            assert (await readiness(port))[0] == 200
            # Who waits inside the server gets it at once.
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(waiter.execute, f"SELECT pg_advisory_lock({LEADER_LOCK_CLASS}, hashtext('default'))")
                await eventually(waits(database))
                await leader.kill()
            await standby.says("no listener leads")
            assert (await readiness(port))[0] == 503


def waits(database: Database) -> Callable[[], Awaitable[bool]]:
    async def is_waiting() -> bool:
        async with connected(database.url) as owner:
            return bool(
                await owner.fetchval("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted")
            )

    return is_waiting


async def test_a_standby_is_ready_needs_one_session_and_measures_what_the_leader_measures(
    database: Database, env: Mapping[str, str], port: int, tmp_path: Path
) -> None:
    async with command("listen", env=env, directory=tmp_path / "leader") as leader:
        await leader.says("listening")
        before = await sessions(database)
        async with command("listen", env=bound(env, port), directory=tmp_path / "standby") as standby:
            await standby.says("standing by")

            async def figures() -> Mapping[tuple[str, ...], float]:
                found = await outbox_figures(port)
                return found if found["forwarder_outbox_bytes",] else {}

            found = await eventually(figures)
            async with connected(database.url) as owner:
                size = await owner.fetchval("SELECT sum(bytes) FROM forwarder.leaves()")
            assert found["forwarder_outbox_bytes",] == size
            assert found["forwarder_outbox_waiting_seconds", "default"] == 0
            sinks = {"default": {"phase": "standby", "trouble": None}}
            assert await readiness(port) == (200, {"status": "ready", "sinks": sinks, "warnings": []})
            assert await sessions(database) == [*before, "forwarder leader"]


async def sessions(database: Database) -> list[str]:
    """Which of ours there are once all of the first are there, but for the one that counts."""
    async with connected(database.superuser_url) as root:

        async def names() -> list[str]:
            rows = await root.fetch(
                "SELECT application_name FROM pg_stat_activity WHERE datname = current_database()"
                " AND application_name LIKE 'forwarder %' ORDER BY application_name = 'forwarder leader', 1"
            )
            found = [row[0] for row in rows]
            return found if "forwarder janitor" in found else []

        return await eventually(names)


async def test_every_command_that_finds_a_stranger_in_the_leaders_place_names_it(
    database: Database, operator: Operator
) -> None:
    await operator.says("listen", "--once")
    async with stranger(database) as held:
        for arguments in (("listen", "--once"), ("sinks", "remove", "default")):
            error = await operator.says(*arguments, status=1)
            assert f"held by {named(held)}, which has a role that may not deliver" in error
            assert f"SELECT pg_terminate_backend({held.get_server_pid()})" in error
            assert error.count("\n") == 1
        [sink] = map(json.loads, (await operator.says("sinks", "list", "--json")).splitlines())
        assert sink["leader_pid"] is None
        assert named(held) in sink["usurpation"]
        assert "no listener" in await operator.says("sinks", "list")


async def test_a_listener_that_leads_is_named_to_whoever_wants_its_place(
    database: Database, env: Mapping[str, str], operator: Operator, tmp_path: Path
) -> None:
    async with command("listen", env=env, directory=tmp_path / "leader") as leader:
        await leader.says("listening")
        for arguments, text in (
            (("listen", "--once"), "another `forwarder listen` serves sink 'default'"),
            (("sinks", "remove", "default"), "a listener serves sink 'default'"),
        ):
            assert f"{text}: role app_owner, application 'forwarder leader', pid " in await operator.says(
                *arguments, status=1
            )


async def test_migrate_names_the_stranger_that_it_waits_for(
    database: Database, env: Mapping[str, str], tmp_path: Path
) -> None:
    async with (
        stranger(database, lock=f"{LOCK_CLASS}, {MIGRATION_LOCK}") as held,
        command("migrate", env=env, directory=tmp_path / "migrate") as migrate,
    ):
        await migrate.says("waiting for a stranger who has the lock of `forwarder migrate`")
        pid = held.get_server_pid()
        assert f'pid={pid} role={WRITER} application="forwarder leader"' in migrate.stderr
        assert f"pg_terminate_backend({pid})" in migrate.stderr
        await held.close()
        assert await migrate.ends() == 0
