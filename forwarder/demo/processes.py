"""Runs the ``forwarder`` commands of the demo as processes, each with a log file: what the demo shows is what a user runs."""

from __future__ import annotations

import os
import sys
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path
from shutil import rmtree
from subprocess import DEVNULL, PIPE, STDOUT
from tempfile import mkdtemp
from typing import NoReturn

import anyio
from anyio.abc import Process
from anyio.streams.text import TextReceiveStream

from forwarder.errors import Refused

_STOP_SECONDS = 5.0
_LAST_LINES = 5

# Variables with these prefixes could lead our processes to other servers than ours, so they are left out. In their place comes an
# account that the local Kinesis accepts, with no configuration of AWS from this machine.
_FOREIGN = ("FORWARDER_", "AWS_", "PG")
_FAKE_ACCOUNT = {
    "AWS_ACCESS_KEY_ID": "demo",
    "AWS_SECRET_ACCESS_KEY": "demo",
    "AWS_REGION": "us-east-1",
    "AWS_CONFIG_FILE": os.devnull,
    "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
}


@contextmanager
def log_directory() -> Iterator[Path]:
    """A new directory for the logs. It is removed at the end, unless an error leaves the block: the logs may tell why."""
    directory = Path(mkdtemp(prefix="forwarder-demo-"))
    try:
        yield directory
    except Exception:
        raise
    except BaseException:
        rmtree(directory)
        raise
    else:
        rmtree(directory)


class ProgramEnded(Refused):
    """A program has ended that should go on, or with another status than 0."""

    def __init__(self, message: str, *, log: Path, last_lines: Sequence[str]) -> None:
        super().__init__(message)
        self.log = log
        self.last_lines = last_lines


class Program:
    """One ``forwarder`` command that runs; everything it prints goes to its log."""

    def __init__(self, command: str, process: Process, log: Path) -> None:
        self.log = log
        self._command = command
        self._process = process
        self._lines: list[str] = []
        self._more = anyio.Event()
        self._output_ended = False

    @property
    def pid(self) -> int:
        return self._process.pid

    async def says(self, text: str) -> str:
        """The first line with ``text`` in it, as soon as it is printed.

        Raises:
            ProgramEnded: it has ended without printing that.
        """
        while not (found := [line for line in self._lines if text in line]):
            if self._output_ended:
                await self.fail()
            await self._more.wait()
        return found[0]

    async def succeed(self) -> None:
        """Return when the program has ended with status 0.

        Raises:
            ProgramEnded: it has ended with another.
        """
        if await self._process.wait() != 0:
            await self.fail()

    async def fail(self) -> NoReturn:
        """Wait for the end of a program that should go on.

        Raises:
            ProgramEnded: always.
        """
        status = await self._process.wait()
        while not self._output_ended:
            await self._more.wait()
        raise ProgramEnded(
            f"`forwarder {self._command}` ended with status {status}; see its log",
            log=self.log,
            last_lines=self._lines[-_LAST_LINES:],
        )

    async def kill(self) -> None:
        """End the program by SIGKILL: as at a power cut, it can save nothing."""
        self._process.kill()
        await self._process.wait()

    async def stop(self) -> None:
        """Ask the program to end by SIGTERM, and kill it if it has not ended after five seconds."""
        with suppress(ProcessLookupError):
            self._process.terminate()
        with anyio.move_on_after(_STOP_SECONDS) as deadline:
            await self._process.wait()
        if deadline.cancelled_caught:
            await self.kill()

    async def copy_output(self) -> None:
        """Write what the program prints to its log, until it ends."""
        assert self._process.stdout is not None
        rest = ""
        with self.log.open("a") as log:
            async for text in TextReceiveStream(self._process.stdout, errors="replace"):
                log.write(text)
                log.flush()
                *lines, rest = (rest + text).split("\n")
                self._lines += lines
                self._tell()
        self._output_ended = True
        self._tell()

    def _tell(self) -> None:
        self._more.set()
        self._more = anyio.Event()


@asynccontextmanager
async def program(
    command: str, *arguments: str, logs: Path, environment: Mapping[str, str] | None = None
) -> AsyncIterator[Program]:
    """Run ``forwarder COMMAND ARGUMENTS`` for the length of a block; then stop it."""
    # In a session of its own, so that a Ctrl-C in the terminal reaches us alone: we stop our programs in order. In the directory of the
    # logs, since there is no forwarder.toml.
    process = await anyio.open_process(
        [sys.executable, "-m", "forwarder", command, *arguments],
        stdin=DEVNULL,
        stdout=PIPE,
        stderr=STDOUT,
        cwd=logs,
        env={**_neutral_environment(), **_FAKE_ACCOUNT, **(environment or {})},
        start_new_session=True,
    )
    running = Program(command, process, logs / f"{command}.log")
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(running.copy_output)
        try:
            yield running
        finally:
            with anyio.CancelScope(shield=True):
                await running.stop()
                await process.aclose()


def _neutral_environment() -> dict[str, str]:
    return {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(_FOREIGN) and not name.lower().endswith("_proxy")
    }
