"""Whether writers notice that leaves are emptied beside them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

import anyio

from bench.figures import Figure, quantile
from bench.lock_waits import SETTINGS, SHORTEST_MS, LockWait, lock_waits
from bench.pgbench import CLIENTS, pgbench, take_log
from bench.rig import Rig, rig
from bench.size import Size
from forwarder.database.sessions import Connection, session

# A leaf is full after a second or less, so that one is emptied as often.
_SMALL_RING = {"FORWARDER_OUTBOX_RETENTION_SECONDS": "0", "FORWARDER_OUTBOX_LEAF_EVENTS": str(1 << 12)}
_LEAVES = "SELECT inhrelid::bigint, pg_relation_filenode(inhrelid) FROM pg_inherits WHERE inhparent = 'forwarder.outbox'::regclass"
_SAMPLE_SECONDS = 0.2
# A sink that nobody runs: what it has not delivered stays.
_ABSENT = "absent"
_CONTROL_SECONDS = 4
_HOLDS = 3
_HELD_MS = 60
_LEAF_IN_USE = "SELECT name FROM forwarder.leaves() WHERE newest_seq IS NOT NULL ORDER BY newest_seq DESC LIMIT 1"
_TARGET_MS = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """What the writers met in one round."""

    latencies: Sequence[float]
    leaves_emptied: int
    waits: Sequence[LockWait]

    @property
    def longest_wait(self) -> float:
        return max((wait.milliseconds for wait in self.waits), default=0.0)


async def measure(size: Size, runs: int) -> Sequence[Figure]:
    """How long writers waited for leaves that are emptied, and their transactions beside those of a round in which none is."""
    emptying: list[Round] = []
    keeping: list[Round] = []
    controls: list[Round] = []
    async with (
        rig(server=SETTINGS, environment=_SMALL_RING) as ready,
        ready.sink() as sink_url,
        ready.listener(sink_url),
    ):
        for _ in range(runs):
            emptying.append(await _round(ready, seconds=size.reclaim_seconds))
            async with _nothing_emptied(ready, sink_url):
                keeping.append(await _round(ready, seconds=size.reclaim_seconds))
                async with anyio.create_task_group() as tasks:
                    tasks.start_soon(_hold_the_leaf_in_use, ready.url)
                    controls.append(await _round(ready, seconds=_CONTROL_SECONDS))
    return [
        *_figures("leaves emptied", emptying, at_most=_TARGET_MS),
        *_figures("none emptied", keeping),
        _figure(
            f"control, the leaf in use locked for {_HELD_MS} ms: the longest wait seen",
            [found.longest_wait for found in controls],
            at_least=_HELD_MS,
        ),
    ]


async def _round(ready: Rig, *, seconds: int) -> Round:
    log, logged = ready.directory / "transactions", ready.server_log.stat().st_size
    async with _leaves_emptied(ready) as emptied:
        await pgbench(ready, f"--time={seconds}", "--log", f"--log-prefix={log}")
    latencies = [transaction.microseconds / 1000 for transaction in take_log(log)]
    await ready.all_delivered()
    relations = {oid for oid, _ in await ready.connection.fetch(_LEAVES)}
    with ready.server_log.open() as lines:
        lines.seek(logged)
        waits = [wait for wait in lock_waits(lines, relations=relations) if wait.application_name == "pgbench"]
    return Round(latencies=latencies, leaves_emptied=emptied.count, waits=waits)


class _Emptied:
    """Counts leaves that are emptied: such a leaf has a new file. It takes seconds until the same one is emptied again."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self.count = 0

    async def watch(self) -> None:
        """Look until cancelled."""
        before = set(await self._connection.fetch(_LEAVES))
        while True:
            await anyio.sleep(_SAMPLE_SECONDS)
            now = set(await self._connection.fetch(_LEAVES))
            self.count += len(now - before)
            before = now


@asynccontextmanager
async def _leaves_emptied(ready: Rig) -> AsyncIterator[_Emptied]:
    """Count those that are emptied within a block."""
    async with session(ready.url, purpose="bench leaves") as connection, anyio.create_task_group() as tasks:
        emptied = _Emptied(connection)
        tasks.start_soon(emptied.watch)
        yield emptied
        tasks.cancel_scope.cancel()


@asynccontextmanager
async def _nothing_emptied(ready: Rig, sink_url: str) -> AsyncIterator[None]:
    """Keep every leaf for the length of a block: by a sink that nobody runs, for which all that is written must stay."""
    async with ready.forwarder("listen", "--once", f"--sink={_ABSENT}={sink_url}") as listener:
        await listener.succeed()
    yield
    async with ready.forwarder("sinks", "remove", _ABSENT, "--discard") as remove:
        await remove.succeed()


async def _hold_the_leaf_in_use(url: str) -> None:
    """What the janitor never does: so that the log is seen to tell of it."""
    async with session(url, purpose="bench control") as connection:
        await anyio.sleep(_CONTROL_SECONDS / 2)
        for _ in range(_HOLDS):
            async with connection.transaction():
                leaf = await connection.fetchval(_LEAF_IN_USE)
                await connection.execute(f"LOCK TABLE {leaf} IN ACCESS EXCLUSIVE MODE")
                await anyio.sleep(_HELD_MS / 1000)


def _figures(name: str, rounds: Sequence[Round], *, at_most: float | None = None) -> Sequence[Figure]:
    return [
        Figure(name=f"{CLIENTS} writers, {name}: how many", unit="", runs=[found.leaves_emptied for found in rounds]),
        Figure(
            name=f"… waits of {SHORTEST_MS} ms or more for a leaf", unit="", runs=[len(found.waits) for found in rounds]
        ),
        _figure("… the longest", [found.longest_wait for found in rounds], at_most=at_most),
        _figure("… 99.9 % of transactions within", [quantile(found.latencies, 0.999) for found in rounds]),
        _figure("… all within", [max(found.latencies) for found in rounds]),
        Figure(name="… transactions", unit="", runs=[len(found.latencies) for found in rounds]),
    ]


def _figure(name: str, runs: Sequence[float], *, at_least: float | None = None, at_most: float | None = None) -> Figure:
    return Figure(name=name, unit="ms", runs=runs, digits=1, at_least=at_least, at_most=at_most)
