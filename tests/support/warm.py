"""``python -m tests.support.warm DESCRIPTOR``: a process that has imported everything already, and forks for each that is to run.

To start a command is half a second of work and more, most of it imports and what the AWS SDK reads; from here it is some milliseconds.
What is forked is a process like any other, with a pid, environment, directory and descriptors of its own, and it enters by the same door: it runs the
module as ``python -m`` would. Nothing exists yet that it could inherit: no thread, no event loop, no connection, no setting.

What to run comes through a socket whose other end the tests hold; when they are gone, this process ends.
"""

from __future__ import annotations

import atexit
import gc
import json
import os
import runpy
import select
import signal
import socket
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from importlib import import_module
from pkgutil import walk_packages
from typing import NoReturn

import forwarder
from forwarder.capture.function_definitions import definitions
from forwarder.capture.migrations import shipped
from tests.support.array_types import share_array_types
from tests.support.sdk import read_beforehand, share_between_sessions

_NUMBER_BYTES = 4
# What libraries import when they are first used.
_IMPORTED_BY_OTHERS = (
    "anyio._backends._asyncio",
    "encodings.idna",
    "pybase64",
    "typer._adapters",
    "typer._click.decorators",
    "uvloop",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What to run: ``python -m MODULE ARGUMENT...``, where, and in which environment."""

    module: str
    arguments: Sequence[str]
    env: Mapping[str, str]
    directory: str


def send(order: Order, control: socket.socket, *, stdout: int, stderr: int, report: int) -> None:
    """Have it run. What becomes of it is written to ``report``: its pid, and when it has ended its exit status."""
    body = json.dumps(asdict(order)).encode()
    socket.send_fds(control, [to_bytes(len(body))], [stdout, stderr, report])
    control.sendall(body)


def to_bytes(number: int) -> bytes:
    return number.to_bytes(_NUMBER_BYTES, "big", signed=True)


def read_number(descriptor: int) -> int | None:
    """What has been written as a number, or None if nobody is left to write one."""
    written = os.read(descriptor, _NUMBER_BYTES)
    return int.from_bytes(written, "big", signed=True) if written else None


def _serve(control: socket.socket) -> Order | None:
    """In this process, None once the tests are gone; in each that it forks, what that is to run."""
    running: dict[int, tuple[int, int]] = {}
    while True:
        readable, _, _ = select.select([control.fileno(), *running], [], [])
        for ended in running.keys() & readable:
            pid, report = running.pop(ended)
            _, status = os.waitpid(pid, 0)
            _tell(report, os.waitstatus_to_exitcode(status))
            os.close(report)
            os.close(ended)
        if control.fileno() not in readable:
            continue
        length, descriptors, _, _ = socket.recv_fds(control, _NUMBER_BYTES, 3)
        if not length:
            return None
        order = Order(**json.loads(control.recv(int.from_bytes(length, "big"), socket.MSG_WAITALL)))
        stdout, stderr, report = descriptors
        if not (pid := os.fork()):
            control.detach()
            _keep_only(stdout, stderr)
            return order
        os.close(stdout)
        os.close(stderr)
        _tell(report, pid)
        running[os.pidfd_open(pid)] = pid, report


def _tell(report: int, number: int) -> None:
    # The tests may be gone by now.
    with suppress(BrokenPipeError):
        os.write(report, to_bytes(number))


def _keep_only(stdout: int, stderr: int) -> None:
    """Leave the standard descriptors alone, as a new process finds them."""
    os.dup2(stdout, 1)
    os.dup2(stderr, 2)
    os.closerange(3, os.sysconf("SC_OPEN_MAX"))


def _run(order: Order) -> None:
    os.chdir(order.directory)
    os.environ.clear()
    os.environ.update(order.env)
    time.tzset()
    signal.signal(signal.SIGINT, signal.default_int_handler)
    sys.argv[1:] = order.arguments
    runpy.run_module(order.module, run_name="__main__", alter_sys=True)


def _exit(status: int) -> NoReturn:
    """What Python does at its end, but for taking apart all that was imported, which takes as long as the rest."""
    for thread in threading.enumerate():
        if thread is not threading.current_thread() and not thread.daemon:
            thread.join()
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


def _import_everything() -> None:
    ours = {module.name for module in walk_packages(forwarder.__path__, "forwarder.")}
    # The door is what each process runs.
    for name in (*ours - {"forwarder.__main__"}, *_IMPORTED_BY_OTHERS):
        import_module(name)


if __name__ == "__main__":
    # Ctrl-C in a terminal is for the tests and what they run.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _import_everything()
    share_between_sessions()
    share_array_types()
    read_beforehand()
    definitions({migration.version: migration.text for migration in shipped()})
    gc.freeze()
    if order := _serve(socket.socket(fileno=int(sys.argv[1]))):
        try:
            _run(order)
        except SystemExit as wish:
            if isinstance(wish.code, int | None):
                _exit(wish.code or 0)
            raise
