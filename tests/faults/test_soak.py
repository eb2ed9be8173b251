"""Two listeners, two sinks and everything at once, for long: nothing is lost or out of order, and nothing piles up."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

import anyio
import pytest

from tests.databases import Database, connected
from tests.ledger import Ledger, all_delivered, writing
from tests.listening import CREDENTIALS, STREAM, Command, Served, client_of, command, kinesis_with_stream
from tests.survivor import __file__ as survivor
from tests.waiting import eventually

PAUSE_SECONDS = 0.05
LEAF_EVENTS = 256
SHORT = pytest.param(6, marks=pytest.mark.timeout(300))
LONG = pytest.param(900, marks=[pytest.mark.long, pytest.mark.timeout(1800)])
# What one listener may take more at the end than after a third of the time.
MORE_BYTES, MORE_DESCRIPTORS, MORE_TASKS = 32 << 20, 5, 5

pytestmark = pytest.mark.slow


@dataclass(slots=True)
class Usage:
    """What a process had over some seconds, at each look."""

    bytes: list[int] = field(default_factory=list)
    descriptors: list[int] = field(default_factory=list)
    tasks: list[int] = field(default_factory=list)

    def look(self, process: int, tasks: Path) -> None:
        status = Path(f"/proc/{process}/status").read_text()
        self.bytes.append(next(int(line.split()[1]) << 10 for line in status.splitlines() if line.startswith("VmRSS:")))
        self.descriptors.append(len([*Path(f"/proc/{process}/fd").iterdir()]))
        # Empty while it is being written; none of the time before there was a loop, which the first count is of.
        if tasks.exists() and (count := int(tasks.read_text() or 0)):
            self.tasks.append(count)

    def __str__(self) -> str:
        bytes_, descriptors, tasks = (
            f"{min(counts)} to {max(counts)}"
            for counts in ([count >> 20 for count in self.bytes], self.descriptors, self.tasks)
        )
        return f"{bytes_} MiB, {descriptors} descriptors, {tasks} tasks"


@dataclass(slots=True)
class Events:
    """What was done to them, how often."""

    kills: int = 0
    sessions_ended: int = 0
    reshards: int = 0
    rotations: int = 0


@dataclass(slots=True, kw_only=True)
class Soak:
    """Everything that is going on."""

    database: Database
    served: Served
    directory: Path
    env: Mapping[str, str]
    arguments: Sequence[str]
    random: Random = field(default_factory=lambda: Random(10))
    events: Events = field(default_factory=Events)
    # What was read of the files, and of each how far.
    _lines: list[bytes] = field(default_factory=list)
    _ends: dict[Path, int] = field(default_factory=dict)

    @property
    def path(self) -> Path:
        return self.directory / "changes.jsonl"

    def lines(self) -> Sequence[bytes]:
        """What is in the files, once no more are rotated; half a line at the end of one is whole in the next."""
        rotated = [self.directory / f"changes.jsonl.{number}" for number in range(self.events.rotations)]
        for path in (*rotated, self.path):
            with path.open("rb") as file:
                file.seek(self._ends.get(path, 0))
                whole, newline, _ = file.read().rpartition(b"\n")
            if newline:
                self._lines += whole.split(b"\n")
                self._ends[path] = self._ends.get(path, 0) + len(whole) + 1
        return self._lines

    async def misbehave(self, *, until: float) -> None:
        """Do everything that is not to harm, again and again, and at least twice."""
        async with client_of(self.served) as client:
            while anyio.current_time() < until or self.events.kills < 2:
                async with self._second():
                    await self._pause()
                    self._rotate()
                    await self._end_sessions()
                    await self._pause()
                    await self._reshard(client)
                    await self._pause()
                    self.events.kills += 1

    @asynccontextmanager
    async def _second(self) -> AsyncIterator[Command]:
        directory = self.directory / f"second{self.events.kills}"
        async with command(*self.arguments, env=self.env, directory=directory) as second:
            yield second
            await second.kill()
            assert "Traceback" not in second.stderr

    async def _pause(self) -> None:
        # The moments are the point of this test.
        await anyio.sleep(self.random.uniform(0.2, 1.8))

    def _rotate(self) -> None:
        if self.path.exists():
            self.path.rename(self.directory / f"changes.jsonl.{self.events.rotations}")
            self.events.rotations += 1

    async def _end_sessions(self) -> None:
        async with connected(self.database.superuser_url) as superuser:
            self.events.sessions_ended += await superuser.fetchval(
                "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
                " WHERE datname = current_database() AND application_name LIKE 'forwarder %'"
            )

    async def _reshard(self, client: Any) -> None:
        stream = self.served.kinesis.stream(STREAM)
        if stream.status == "ACTIVE":
            target = 2 if self.events.reshards % 2 else 4
            await client.update_shard_count(StreamName=STREAM, TargetShardCount=target, ScalingType="UNIFORM_SCALING")
            self.events.reshards += 1


async def measured(usage: Usage, process: int, tasks: Path, begin: float, end: float) -> None:
    """Note what a process has between two times, and at least once."""
    await anyio.sleep_until(begin)
    while not usage.tasks or anyio.current_time() < end:
        usage.look(process, tasks)
        await anyio.sleep(0.5)


@pytest.mark.skipif(sys.platform != "linux", reason="it reads /proc")
@pytest.mark.parametrize("seconds", [SHORT, LONG])
async def test_what_is_cut_killed_resharded_and_rotated_for_long_loses_nothing_and_piles_nothing_up(
    database: Database, ledger: Ledger, tmp_path: Path, seconds: int
) -> None:
    env = {
        **CREDENTIALS,
        "FORWARDER_DATABASE_URL": database.url,
        "FORWARDER_OUTBOX_RETENTION_SECONDS": "1",
        "PYTHONPATH": str(Path(survivor).parent.parent),
    }
    early, late = Usage(), Usage()
    async with kinesis_with_stream(shards=2, transition_seconds=0.1) as served:
        sinks = (f"--sink=stream={served.sink}", f"--sink=file=file:{tmp_path}/changes.jsonl")
        soak = Soak(database=database, served=served, directory=tmp_path, env=env, arguments=("listen", *sinks))
        tasks = tmp_path / "tasks"
        async with connected(database.url) as owner:
            await owner.execute(f"SELECT forwarder.lay_out({LEAF_EVENTS})")
        survivor_of_all = command(
            str(tasks), *soak.arguments, env=env, directory=tmp_path / "first", module="tests.survivor"
        )
        async with survivor_of_all as first:
            await first.says("listening")
            await eventually(lambda: anyio.Path(soak.path).exists())
            began, process = anyio.current_time(), first.process.pid
            window = min(60.0, seconds / 4)
            third, whole = began + seconds / 3, began + seconds
            async with (
                writing(ledger, database.writer_url, pause_seconds=PAUSE_SECONDS),
                anyio.create_task_group() as group,
            ):
                for usage, end in ((early, third), (late, whole)):
                    group.start_soon(measured, usage, process, tasks, end - window, end)
                await soak.misbehave(until=whole)
            stream = await all_delivered(ledger, served.data, within_seconds=60)
            file = await all_delivered(ledger, soak.lines, within_seconds=60)
            assert await first.stop() == 0
            assert "Traceback" not in first.stderr
    sys.stdout.write(
        f"\n{seconds} s: {ledger.changes} changes, {soak.events}\n"
        f"repeats: {stream.repeats} in the stream, {file.repeats} in the file; lost or out of order: none\n"
        f"after a third: {early}\nat the end:    {late}\n"
    )
    assert soak.events.kills > 1
    # A listener that is cut off has fewer than one that delivers, and one with requests under way has more: what piles up is there
    # at each look of the end.
    assert max(late.bytes) <= max(early.bytes) + MORE_BYTES
    assert min(late.descriptors) <= max(early.descriptors) + MORE_DESCRIPTORS
    assert min(late.tasks) <= max(early.tasks) + MORE_TASKS
