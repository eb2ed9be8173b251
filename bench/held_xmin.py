"""What becomes of the outbox while a transaction stays open and holds vacuum back, beside an outbox that deletes."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Mapping, Sequence, Sized
from contextlib import asynccontextmanager

import anyio

from bench.ageing import Aged, aged
from bench.arrivals import Arrivals
from bench.classic import classic
from bench.figures import Figure
from bench.pgbench import Send, pgbench, take_log
from bench.rig import SHARDS, STREAM, Rig, rig, sink_url
from bench.size import Size
from forwarder.database.sessions import Connection, session
from forwarder.local.kinesis import serve

RATE = 2_000
_CLIENTS = 8
# A leaf is full after four seconds, so the ring turns twice a minute.
_SMALL_RING = {"FORWARDER_OUTBOX_RETENTION_SECONDS": "0", "FORWARDER_OUTBOX_LEAF_EVENTS": str(1 << 13)}
_PATIENCE_SECONDS = 60.0
_SAMPLE_SECONDS = 0.5
_SIZES = (
    "SELECT sum(bytes)::bigint AS ring, pg_total_relation_size('classic.outbox') AS classic FROM forwarder.leaves()"
)


async def measure(size: Size, runs: int) -> Sequence[Figure]:
    """Latencies and sizes of the first minute beside those of the last."""
    measured = [await _run(seconds=size.held_seconds) for _ in range(runs)]
    return [
        *_figures("ring", [ring for ring, _ in measured], at_most=1.2),
        *_figures("DELETE", [deleting for _, deleting in measured]),
    ]


async def _run(*, seconds: int) -> tuple[Aged, Aged]:
    """How the ring and the outbox that deletes have aged, both fed by the same updates."""
    kinesis = Arrivals()
    kinesis.create_stream(STREAM, shards=SHARDS)
    async with (
        rig(environment=_SMALL_RING) as ready,
        serve(kinesis) as endpoint,
        _held_xmin(ready.url),
        classic(ready) as deleting,
        ready.listener(sink_url(endpoint.url)),
    ):
        sizes = _Sizes(ready.connection)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(sizes.watch)
            commits = await _commits(ready, seconds=seconds)
            tasks.cancel_scope.cancel()
        with anyio.fail_after(_PATIENCE_SECONDS):
            await _so_many(kinesis, len(commits))
        with anyio.move_on_after(_PATIENCE_SECONDS):
            await _so_many(deleting.arrivals, len(commits))
        ended = time.time()
    return (
        aged(commits, kinesis.take(), sizes.ring, ended=ended),
        aged(commits, deleting.arrivals, sizes.classic, ended=ended),
    )


@asynccontextmanager
async def _held_xmin(url: str) -> AsyncIterator[None]:
    """A transaction that has an id and a snapshot, and does nothing, for the length of a block."""
    async with session(url, purpose="bench held xmin") as connection:
        await connection.execute("SET idle_in_transaction_session_timeout = 0")
        async with connection.transaction(isolation="repeatable_read"):
            await connection.fetchval("SELECT pg_current_xact_id()")
            yield


async def _commits(ready: Rig, *, seconds: int) -> Mapping[Send, float]:
    """When each of the updates had committed that pgbench makes in so many seconds."""
    log = ready.directory / "commits"
    await pgbench(ready, f"--time={seconds}", f"--rate={RATE}", "--log", f"--log-prefix={log}", clients=_CLIENTS)
    return {transaction.send: transaction.committed_at for transaction in take_log(log)}


async def _so_many(arrivals: Sized, count: int) -> None:
    while len(arrivals) < count:  # noqa: ASYNC110 - at the end of a run, when nothing is measured any more
        await anyio.sleep(0.1)


class _Sizes:
    """How many bytes each of the two outboxes took, by when that was, on disk and with indexes."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self.ring: dict[float, int] = {}
        self.classic: dict[float, int] = {}

    async def watch(self) -> None:
        """Look until cancelled."""
        while True:
            row = await self._connection.fetchrow(_SIZES)
            assert row is not None
            now = time.time()
            self.ring[now], self.classic[now] = row["ring"], row["classic"]
            await anyio.sleep(_SAMPLE_SECONDS)


def _figures(name: str, runs: Sequence[Aged], *, at_most: float | None = None) -> Sequence[Figure]:
    return [
        _latency(f"{name}: half within, first minute", [run.first.median for run in runs]),
        _latency("… last minute", [run.last.median for run in runs]),
        _latency("… 99 % within, first minute", [run.first.p99 for run in runs]),
        _latency("… last minute", [run.last.p99 for run in runs]),
        Figure(name="… last / first", unit="x", runs=[run.ratio for run in runs], digits=2, at_most=at_most),
        _size("… at most on disk, first minute", [run.first.most_bytes for run in runs]),
        _size("… last minute", [run.last.most_bytes for run in runs]),
        Figure(name="… changes in the last minute", unit="", runs=[len(run.last.latencies) for run in runs]),
    ]


def _latency(name: str, runs: Sequence[float]) -> Figure:
    return Figure(name=name, unit="ms", runs=runs, digits=1)


def _size(name: str, runs: Sequence[int]) -> Figure:
    return Figure(name=name, unit="MiB", runs=[size / 2**20 for size in runs])
