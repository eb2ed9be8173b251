"""Commands that are forked from a process that has imported everything: see `tests.support.warm`."""

from __future__ import annotations

import asyncio
import atexit
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping
from functools import cache
from pathlib import Path

import anyio

from tests.packaging import ROOT
from tests.support.warm import Order, read_number, send

# A pid alone may by then be another process's, hence pidfds, which Linux has.
IS_POSSIBLE = sys.platform == "linux"


class Forked:
    """A process that `fork` began: what `anyio.abc.Process` has, as far as tests need it."""

    def __init__(self, pid: int, report: int) -> None:
        self.pid = pid
        self.returncode: int | None = None
        self._ended = anyio.Event()
        asyncio.get_running_loop().add_reader(report, self._end, report)

    async def wait(self) -> int:
        """Wait for its end; its exit status, or the signal that ended it as a negative number."""
        await self._ended.wait()
        assert self.returncode is not None, "the process that forks commands has ended"
        return self.returncode

    def send_signal(self, number: int) -> None:
        if self.returncode is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def _end(self, report: int) -> None:
        asyncio.get_running_loop().remove_reader(report)
        self.returncode = read_number(report)
        os.close(report)
        self._ended.set()


async def fork(
    module: str, *arguments: str, env: Mapping[str, str], directory: Path, stdout: int, stderr: int
) -> Forked:
    """Run ``python -m MODULE ARGUMENT...`` with nothing on its standard input."""
    report, written = os.pipe()
    order = Order(module=module, arguments=arguments, env=env, directory=str(directory))
    try:
        send(order, _warm(), stdout=stdout, stderr=stderr, report=written)
    finally:
        os.close(written)
    with anyio.CancelScope(shield=True):
        await anyio.wait_readable(report)
    pid = read_number(report)
    assert pid is not None, "the process that forks commands has ended"
    return Forked(pid, report)


@cache
def _warm() -> socket.socket:
    """The end of ours of the socket of a process that forks, begun at the first use and ended with the tests."""
    control, theirs = socket.socketpair()
    with theirs:
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.support.warm", str(theirs.fileno())],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            cwd=ROOT,
            pass_fds=[theirs.fileno()],
        )

    def end() -> None:
        control.close()
        process.wait()

    atexit.register(end)
    return control
