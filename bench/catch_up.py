"""How ``forwarder listen`` catches up with a backlog, and what it asks of the machine and the database meanwhile."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

import anyio

from bench.commands import Command
from bench.figures import Figure, ratios
from bench.listener import Peak
from bench.rig import Rig
from bench.tally import Tally
from forwarder.database.sessions import Connection, session

# A backlog that is nothing special, for comparison.
SMALL_EVENTS = 200_000
_PATIENCE_SECONDS = 1800.0
_SAMPLE_SECONDS = 0.02
_OLDEST = """
    SELECT max(extract(epoch FROM clock_timestamp() - xact_start))::double precision
    FROM pg_stat_activity
    WHERE application_name LIKE 'forwarder%' AND application_name NOT LIKE 'forwarder bench%'
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stretch:
    """What one listener sent, from its first record to its last, and the most that it took."""

    records: int
    seconds: float
    # From the start of the process, imports and all.
    first_record_seconds: float
    peak_rss_bytes: int
    oldest_transaction_seconds: float

    @property
    def rate(self) -> float:
        return self.records / self.seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class CaughtUp:
    """A backlog that one listener began to deliver, was killed in the middle, and another finished; a small one for comparison."""

    small: Stretch
    begun: Stretch
    finished: Stretch
    repeated: int

    @property
    def rate(self) -> float:
        return (self.begun.records + self.finished.records) / (self.begun.seconds + self.finished.seconds)


async def catch_up(ready: Rig, tally: Tally, sink_url: str) -> Stretch:
    """Run a listener until all is delivered."""
    return await _listen(ready, tally, sink_url, _delivered(ready))


async def catch_up_in_two(ready: Rig, tally: Tally, sink_url: str, *, events: int, small: Stretch) -> CaughtUp:
    """Run a listener until half of so many events is stored, and kill it; let another one finish."""

    async def half(listener: Command) -> None:
        await tally.reach(events // 2)
        listener.kill()

    begun = await _listen(ready, tally, sink_url, half)
    finished = await catch_up(ready, tally, sink_url)
    return CaughtUp(small=small, begun=begun, finished=finished, repeated=begun.records + finished.records - events)


def _delivered(ready: Rig) -> Callable[[Command], Awaitable[None]]:
    async def delivered(_: Command) -> None:
        await ready.all_delivered(within_seconds=_PATIENCE_SECONDS)

    return delivered


async def _listen(ready: Rig, tally: Tally, sink_url: str, until: Callable[[Command], Awaitable[None]]) -> Stretch:
    tally.restart()
    began = time.perf_counter()
    async with (
        _oldest_transaction(ready.url) as oldest,
        ready.forwarder("listen", f"--sink={sink_url}") as listener,
        anyio.create_task_group() as tasks,
    ):
        peak = Peak(listener.pid)
        tasks.start_soon(peak.watch)
        with anyio.fail_after(_PATIENCE_SECONDS):
            await until(listener)
        tasks.cancel_scope.cancel()
    # It is gone, and so are its requests: none comes after this count.
    return Stretch(
        records=tally.records,
        seconds=tally.last_at - tally.first_at,
        first_record_seconds=tally.first_at - began,
        peak_rss_bytes=peak.rss_bytes,
        oldest_transaction_seconds=oldest.seconds,
    )


class _Oldest:
    """The age that the oldest transaction of the product's sessions has had."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self.seconds = 0.0

    async def watch(self) -> None:
        """Look until cancelled."""
        while True:
            self.seconds = max(self.seconds, await self._connection.fetchval(_OLDEST) or 0.0)
            await anyio.sleep(_SAMPLE_SECONDS)


@asynccontextmanager
async def _oldest_transaction(url: str) -> AsyncIterator[_Oldest]:
    """Watch for it for the length of a block."""
    async with session(url, purpose="bench oldest") as connection, anyio.create_task_group() as tasks:
        oldest = _Oldest(connection)
        tasks.start_soon(oldest.watch)
        yield oldest
        tasks.cancel_scope.cancel()


def figures(name: str, runs: Sequence[CaughtUp]) -> Sequence[Figure]:
    """What both kinds of backlog are asked: of the two listeners, the worse one counts."""
    rates = [run.rate for run in runs]
    small_rates = [run.small.rate for run in runs]
    return [
        _worst("start to the first record", "s", runs, lambda found: found.first_record_seconds, at_most=3, digits=1),
        Figure(name=f"drain of {name}", unit="events/s", runs=rates),
        Figure(name=f"drain of {SMALL_EVENTS:,} alike", unit="events/s", runs=small_rates),
        Figure(name="large / small", unit="x", runs=ratios(rates, small_rates), digits=2, at_least=0.8),
        _worst("peak resident memory", "MiB", runs, lambda found: found.peak_rss_bytes / 2**20, at_most=150),
        _worst("oldest transaction", "s", runs, lambda found: found.oldest_transaction_seconds, at_most=1, digits=2),
        Figure(name="repeated after kill -9 in the middle", unit="", runs=[run.repeated for run in runs], at_most=5000),
    ]


def _worst(
    name: str,
    unit: str,
    runs: Sequence[CaughtUp],
    of: Callable[[Stretch], float],
    *,
    at_most: float,
    digits: int = 0,
) -> Figure:
    worst = [max(of(run.begun), of(run.finished)) for run in runs]
    return Figure(name=name, unit=unit, runs=worst, at_most=at_most, digits=digits)
