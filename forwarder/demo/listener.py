"""The listener of the demo: ``forwarder listen``, killed once in the middle and started again."""

from __future__ import annotations

import socket
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import anyio

from forwarder.demo.audit import Absence
from forwarder.demo.processes import Program, program
from forwarder.demo.stage import Stage


class Listener:
    """Runs ``forwarder listen``, and notes when it was away."""

    def __init__(self, stage: Stage, *, logs: Path, step: Callable[[str], None]) -> None:
        self._stage = stage
        self._logs = logs
        self._step = step
        self.outages: list[Absence] = []
        self.state = "starting"
        self.ready = anyio.Event()
        self._bind = _free_address()

    @property
    def dashboard_url(self) -> str:
        return f"http://{self._bind}/"

    async def run(self, *, kill_after_seconds: float) -> None:
        """Listen until cancelled, except for the time between the kill and the restart.

        Raises:
            ProgramEnded: it has ended by itself.
        """
        async with self._listening() as first:
            self.ready.set()
            with anyio.move_on_after(kill_after_seconds):
                await first.fail()
            killed_at = time.time()
            await first.kill()
        self.state = "killed"
        self._step("listener killed (kill -9)")
        async with self._listening() as second:
            self.outages.append(Absence(began_at=killed_at, ended_at=time.time()))
            self._step("listener started again")
            await second.fail()

    @asynccontextmanager
    async def _listening(self) -> AsyncIterator[Program]:
        environment = {"FORWARDER_DATABASE_URL": self._stage.database_url, "FORWARDER_HTTP_BIND": self._bind}
        async with program("listen", "--sink", self._stage.sink, logs=self._logs, environment=environment) as running:
            await running.says(" info listening ")
            self.state = f"listening, pid {running.pid}"
            yield running


def _free_address() -> str:
    """An address for the dashboard, the same before and after the kill."""
    with socket.socket() as free:
        # Not 8080: two demos that start at once would both find it free.
        free.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{free.getsockname()[1]}"
