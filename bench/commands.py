"""The product's own commands, each as a process: what is measured is what a user runs."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import anyio
from anyio.abc import Process
from anyio.streams.buffered import BufferedByteReceiveStream

from forwarder.errors import Refused

_STOP_SECONDS = 30.0
_MAX_LINE_BYTES = 1 << 16
# What is set on this machine for other databases, streams and settings.
_FOREIGN = ("FORWARDER_", "AWS_", "PG")


class Command:
    """One ``forwarder`` command that runs."""

    def __init__(self, name: str, process: Process) -> None:
        assert process.stdout is not None
        self._name = name
        self._process = process
        self._output = BufferedByteReceiveStream(process.stdout)
        self._lines: list[str] = []

    @property
    def pid(self) -> int:
        return self._process.pid

    async def says(self, text: str) -> str:
        """Read on to the next line with ``text`` in it.

        Raises:
            Refused: the command ended without it.
        """
        while (line := await self._line()) is not None:
            if text in line:
                return line
        raise self._ended()

    async def succeed(self) -> None:
        """Return when it has ended with status 0.

        Raises:
            Refused: with another.
        """
        while await self._line() is not None:
            pass
        if await self._process.wait() != 0:
            raise self._ended()

    def kill(self) -> None:
        """End it as a crash would."""
        self._process.kill()

    async def _line(self) -> str | None:
        try:
            line = (await self._output.receive_until(b"\n", _MAX_LINE_BYTES)).decode()
        except anyio.IncompleteRead:
            return None
        self._lines.append(line)
        return line

    def _ended(self) -> Refused:
        return Refused("\n".join([f"`forwarder {self._name}` has ended; it said:", *self._lines]))


@asynccontextmanager
async def run(name: str, *arguments: str, directory: Path, environment: Mapping[str, str]) -> AsyncIterator[Command]:
    """Run ``forwarder NAME ARGUMENTS`` in a directory for the length of a block; then let it end by itself."""
    own = {variable: value for variable, value in os.environ.items() if not variable.startswith(_FOREIGN)}
    process = await anyio.open_process(
        [sys.executable, "-m", "forwarder", name, *arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        cwd=directory,
        env={**own, **environment},
        start_new_session=True,
    )
    try:
        yield Command(name, process)
    finally:
        with suppress(ProcessLookupError):
            process.terminate()
        with anyio.move_on_after(_STOP_SECONDS, shield=True):
            await process.wait()
        # Kills it if it still runs.
        await process.aclose()
