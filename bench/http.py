"""What a thousand dashboards and a scraper of /metrics cost delivery."""

from __future__ import annotations

import socket
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import aiohttp
import anyio

from bench.figures import Figure, ratios
from bench.listener import Peak
from bench.rig import CAPTURED, ROWS, Rig, rig
from bench.size import Size
from bench.viewers import viewers

VIEWERS = 1000
# Prometheus asks every fifteen seconds, as it comes.
SCRAPE_SECONDS = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Drain:
    """One drain of a listener that runs for longer."""

    seconds: float
    # Of the listener, on processors.
    cpu_seconds: float


async def measure(size: Size, runs: int) -> Sequence[Figure]:
    """Drains in turns, alone and beside both; each begins with the COMMIT of one transaction of so many events."""
    alone: list[Drain] = []
    beside: list[Drain] = []
    statuses: list[float] = []
    scrapes: list[float] = []
    address = _free_address()
    rounds = size.drain_events // ROWS
    async with rig() as first, first.sink() as sink:
        ready = replace(first, environment={"FORWARDER_HTTP_BIND": address})
        async with ready.listener(sink) as listener, anyio.create_task_group() as tasks:
            peak = Peak(listener.pid)
            tasks.start_soon(peak.watch)
            await _drain(ready, listener.pid, rounds=rounds)
            before = peak.rss_bytes
            for _ in range(runs):
                alone.append(await _drain(ready, listener.pid, rounds=rounds))
                async with viewers(address, VIEWERS) as seen, _scraping(address) as slowest:
                    beside.append(await _drain(ready, listener.pid, rounds=rounds))
                statuses += seen
                scrapes.append(max(slowest))
            tasks.cancel_scope.cancel()
    events = rounds * ROWS
    rates = [[events / drain.seconds for drain in drains] for drains in (alone, beside)]
    cpu = [[drain.cpu_seconds / events * 1e6 for drain in drains] for drains in (alone, beside)]
    return [
        Figure(name=f"drain of {events:,} events, nobody looks", unit="events/s", runs=rates[0]),
        Figure(name=f"… {VIEWERS:,} event streams, /metrics each second", unit="events/s", runs=rates[1]),
        Figure(name="looked at / nobody looks", unit="x", runs=ratios(rates[1], rates[0]), digits=2, at_least=0.95),
        Figure(name="CPU of the listener, nobody looks", unit="µs/event", runs=cpu[0], digits=1),
        Figure(name="… looked at", unit="µs/event", runs=cpu[1], digits=1),
        Figure(name="statuses that each stream was sent", unit="a second", runs=statuses, digits=2, at_least=0.9),
        Figure(name="the slowest scrape", unit="ms", runs=[1000 * scrape for scrape in scrapes]),
        Figure(name="peak memory that the streams add", unit="MiB", runs=[(peak.rss_bytes - before) / 2**20]),
    ]


async def _drain(ready: Rig, pid: int, *, rounds: int) -> Drain:
    """Change each row so often in one transaction, and wait until all of it is delivered."""
    async with ready.connection.transaction():
        for _ in range(rounds):
            await ready.connection.execute(f"UPDATE {CAPTURED}.item SET price = price + 1")  # noqa: S608
    began, cpu = time.perf_counter(), _cpu_seconds(pid)
    await ready.all_delivered()
    return Drain(seconds=time.perf_counter() - began, cpu_seconds=_cpu_seconds(pid) - cpu)


@asynccontextmanager
async def _scraping(address: str) -> AsyncIterator[list[float]]:
    """Scrapes for the length of a block; the list has how long each took."""
    took: list[float] = []

    async def scrape(client: aiohttp.ClientSession) -> None:
        while True:
            began = time.perf_counter()
            async with client.get("/metrics") as answer:
                assert answer.status == 200
                await answer.read()
            took.append(time.perf_counter() - began)
            await anyio.sleep(SCRAPE_SECONDS)

    async with aiohttp.ClientSession(f"http://{address}") as client, anyio.create_task_group() as tasks:
        tasks.start_soon(scrape, client)
        yield took
        tasks.cancel_scope.cancel()


def _cpu_seconds(pid: int) -> float:
    """What a process has used of processors, as Linux counts it, in hundredths of a second."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / 100


def _free_address() -> str:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{free.getsockname()[1]}"
