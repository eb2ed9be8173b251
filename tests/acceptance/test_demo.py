"""`forwarder demo` as a user runs it, without a terminal."""

from __future__ import annotations

import os
import re
import signal
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from subprocess import DEVNULL, PIPE
from tempfile import TemporaryDirectory

import anyio
import psutil
import pytest
from anyio.abc import Process
from anyio.streams.text import TextReceiveStream

from tests.serving import get
from tests.waiting import eventually

SOME_SECONDS = 100.0

pytestmark = pytest.mark.slow


@pytest.fixture
def temporary_directory() -> Iterator[Path]:
    """Where the demo puts its files, and nobody else; open to the user that PostgreSQL runs as."""
    with TemporaryDirectory(prefix="forwarder-test-") as directory:
        Path(directory).chmod(0o755)
        yield Path(directory)


@asynccontextmanager
async def demo(*arguments: str, temporary_directory: Path) -> AsyncIterator[Process]:
    """A demo with what it needs in its environment, and with what must not disturb it."""
    environment = {**os.environ, "TMPDIR": str(temporary_directory), "AWS_PROFILE": "production", "FORWARDER_SINK": "x"}
    command = [sys.executable, "-m", "forwarder", "demo", *arguments]
    async with await anyio.open_process(command, stdin=DEVNULL, stdout=PIPE, stderr=None, env=environment) as process:
        with anyio.fail_after(SOME_SECONDS):
            yield process


async def read_until(process: Process, text: str) -> str:
    """What it prints until ``text``."""
    assert process.stdout is not None
    output = ""
    async for piece in TextReceiveStream(process.stdout):
        output += piece
        if text in output:
            return output
    raise AssertionError(f"the demo ended without saying {text!r}: {output}")


def files_in(directory: Path) -> list[Path]:
    return list(directory.rglob("*"))


async def none_runs(processes: list[psutil.Process]) -> bool:
    return not any(process.is_running() for process in processes)


async def test_a_demo_loses_nothing_although_its_listener_is_killed(temporary_directory: Path) -> None:
    async with demo("--seconds", "2", temporary_directory=temporary_directory) as process:
        output = await read_until(process, "Nothing was lost, and the changes of every row came out in order.")

        assert await process.wait() == 0
    assert "lost                  0" in output
    assert "listener killed: 1 time" in output
    assert "latency p99" in output
    assert max(map(len, output.splitlines())) <= 80
    assert files_in(temporary_directory) == []


async def test_an_interrupted_demo_leaves_no_process_and_no_file(temporary_directory: Path) -> None:
    async with demo("--seconds", "60", "--rate", "20", temporary_directory=temporary_directory) as process:
        await read_until(process, " written ")
        processes = psutil.Process(process.pid).children(recursive=True)
        commands = [" ".join(child.cmdline()) for child in processes]
        assert any("forwarder listen" in command for command in commands)
        assert any("forwarder local-kinesis" in command for command in commands)

        process.send_signal(signal.SIGINT)

        assert await process.wait() == 130
        await eventually(lambda: none_runs(processes))
    assert files_in(temporary_directory) == []


async def test_a_kept_demo_says_how_to_connect_and_ends_well(temporary_directory: Path) -> None:
    async with demo("--seconds", "1", "--rate", "20", "--keep", temporary_directory=temporary_directory) as process:
        output = await read_until(process, "aws kinesis list-shards")
        assert "postgresql://shop_owner@127.0.0.1" in output
        address = re.findall(r"dashboard +http://(127\.0\.0\.1:[0-9]+)/", output)[-1]
        status, told = await get(address, "/api/status")

        process.send_signal(signal.SIGINT)

        assert await process.wait() == 0
    assert (status, told["is_well"]) == (200, True)
    assert any(table["inserts"] for table in told["tables"])
    assert files_in(temporary_directory) == []


async def test_a_program_that_goes_away_ends_the_demo_with_the_end_of_its_log(temporary_directory: Path) -> None:
    async with demo("--seconds", "60", "--rate", "20", temporary_directory=temporary_directory) as process:
        await read_until(process, " written ")
        for child in psutil.Process(process.pid).children():
            if "local-kinesis" in child.cmdline():
                child.terminate()

        await read_until(process, f"The end of {temporary_directory}")

        assert await process.wait() == 1
    assert any(path.name == "local-kinesis.log" for path in files_in(temporary_directory))
