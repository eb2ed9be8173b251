"""docker-compose.yml without Docker: its init script, its commands, its settings and its health checks, run on this machine."""

from __future__ import annotations

import os
import re
import socket
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from functools import partial
from pathlib import Path
from subprocess import DEVNULL, PIPE
from typing import Any

import anyio
import asyncpg
import pytest
import yaml
from anyio.abc import Process
from anyio.streams.buffered import BufferedByteReceiveStream

from forwarder.local.postgres import EmbeddedPostgres, embedded_postgres
from tests.conftest import memory_disk
from tests.packaging import ROOT, health_check
from tests.waiting import eventually

pytestmark = pytest.mark.slow


class Compose:
    """The services of the file, with every address in them moved to a free port of this machine."""

    def __init__(self, postgres: EmbeddedPostgres) -> None:
        self._ports = {"kinesis": _free_port(), "listen": _free_port()}
        self._moved = {
            "postgres:5432": f"127.0.0.1:{postgres.port}",
            "kinesis:4567": f"127.0.0.1:{self._ports['kinesis']}",
            "0.0.0.0:8080": f"127.0.0.1:{self._ports['listen']}",
            "0.0.0.0": "127.0.0.1",
            "4567": str(self._ports["kinesis"]),
            "8080": str(self._ports["listen"]),
        }
        self._services: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]

    def url(self, service: str) -> str:
        """The URL of the database as the service is told."""
        return self._environment(service)["FORWARDER_DATABASE_URL"]

    async def run(self, service: str) -> None:
        """Run a service to its end."""
        await anyio.run_process(self._command(service), stdin=DEVNULL, env=self._environment(service))

    @asynccontextmanager
    async def running(self, service: str) -> AsyncIterator[Process]:
        """Run a service for the length of a block, and have it stop by itself on SIGTERM."""
        process = await anyio.open_process(
            self._command(service), stdin=DEVNULL, stdout=PIPE, stderr=None, env=self._environment(service)
        )
        async with process:
            try:
                yield process
            finally:
                process.terminate()
                with anyio.CancelScope(shield=True):
                    await process.wait()

    async def is_healthy(self, service: str) -> None:
        """Wait until the service's own health check, or else the image's, says so.

        Each run of a check starts a Python, so the port that it connects to is waited for before the first.
        """
        await eventually(partial(_is_open, self._ports[service]), within_seconds=30)
        await eventually(partial(self._check, service))

    async def _check(self, service: str) -> bool:
        own = self._services[service].get("healthcheck", {}).get("test")
        command = self._move(own[1:] if own else health_check())
        finished = await anyio.run_process([sys.executable, *command[1:]], check=False, env=self._environment(service))
        return finished.returncode == 0

    def _command(self, service: str) -> list[str]:
        command = self._services[service].get("command", ["listen"])
        return [sys.executable, "-m", "forwarder", *self._move(command)]

    def _environment(self, service: str) -> dict[str, str]:
        given: Mapping[str, str] = self._services[service].get("environment", {})
        return {"PATH": os.environ["PATH"], **dict(zip(given, self._move(list(given.values())), strict=True))}

    def _move(self, texts: list[str]) -> list[str]:
        # In one pass: a free port may hold the digits of another.
        address = re.compile("|".join(map(re.escape, self._moved)))
        return [address.sub(lambda match: self._moved[match[0]], text) for text in texts]


async def _is_open(port: int) -> bool:
    with suppress(OSError):
        async with await anyio.connect_tcp("127.0.0.1", port):
            return True
    return False


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
    return port


@pytest.fixture
async def compose(postgres_binaries: Path | None) -> AsyncIterator[Compose]:
    """The services, with the database made as the image of PostgreSQL makes it: by the superuser, from the init script."""
    async with embedded_postgres(
        bin_directory=postgres_binaries, durable=False, parent_directory=memory_disk()
    ) as postgres:
        await _execute(postgres.url(), "CREATE DATABASE app")
        await _execute(postgres.url("app"), (ROOT / "deploy" / "compose" / "init.sql").read_text())
        yield Compose(postgres)


async def _execute(url: str, statement: str) -> None:
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()


async def test_the_forwarder_connects_as_a_role_without_privileges(compose: Compose) -> None:
    connection = await asyncpg.connect(compose.url("listen"))
    try:
        role = await connection.fetchrow(
            "SELECT rolsuper, rolreplication, rolcreatedb, rolcreaterole FROM pg_roles WHERE rolname = current_user"
        )
    finally:
        await connection.close()
    assert role is not None
    assert not any(role.values())


async def test_a_change_shows_in_the_tail_of_the_stream(compose: Compose) -> None:
    async with AsyncExitStack() as services:
        await services.enter_async_context(compose.running("kinesis"))
        await compose.is_healthy("kinesis")
        tail = await services.enter_async_context(compose.running("tail"))
        await compose.run("migrate")
        await services.enter_async_context(compose.running("listen"))
        await compose.is_healthy("listen")

        await _execute(compose.url("listen"), "UPDATE public.orders SET status = 'paid' WHERE id = 1")

        assert tail.stdout is not None
        with anyio.fail_after(20):
            line = await BufferedByteReceiveStream(tail.stdout).receive_until(b"\n", max_bytes=100_000)
    shown = line.decode()
    assert "  update    public.orders  id=1  " in shown
    assert shown.endswith('  status: "open" → "paid"')
