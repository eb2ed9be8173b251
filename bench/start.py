"""What it costs to start: CPU time from exec to the moment at which a command does what it is for. A failover waits for it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from bench.figures import Figure
from bench.rig import Rig, discarding_kinesis, rig
from bench.size import Size


async def measure(_: Size, runs: int) -> Sequence[Figure]:
    """Seconds of CPU time, user and system, one command after the other in each run."""
    help_: list[float] = []
    version: list[float] = []
    file: list[float] = []
    kinesis: list[float] = []
    async with rig() as ready, discarding_kinesis(ready.directory) as stream:
        for number in range(runs):
            help_.append(_ended("--help"))
            version.append(_ended("--version"))
            file.append(await _listens(ready, f"file:{ready.directory / str(number)}"))
            kinesis.append(await _listens(ready, stream))
    return [
        Figure(name="--help", unit="s", runs=help_, digits=2, at_most=0.25),
        Figure(name="--version", unit="s", runs=version, digits=2, at_most=0.25),
        Figure(name="listen, until it listens, to a file", unit="s", runs=file, digits=2),
        Figure(name="listen, until it listens, to Kinesis", unit="s", runs=kinesis, digits=2),
    ]


def _ended(*arguments: str) -> float:
    """Of a command that has come to its end."""
    process = subprocess.Popen([sys.executable, "-m", "forwarder", *arguments], stdout=subprocess.DEVNULL)
    _, _, usage = os.wait4(process.pid, 0)
    process.returncode = 0
    return usage.ru_utime + usage.ru_stime


async def _listens(ready: Rig, sink: str) -> float:
    await ready.rewind()
    async with ready.listener(sink) as listener:
        return _so_far(listener.pid)


def _so_far(pid: int) -> float:
    # The name of the program, in parentheses, may have blanks in it; utime and stime are the 14th and 15th field.
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
