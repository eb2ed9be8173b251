"""How fast a table is loaded, beside how fast its rows can be read, and what that costs writers and changes."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Sequence
from contextlib import asynccontextmanager, nullcontext, suppress
from typing import TYPE_CHECKING

import anyio

from bench.arrivals import Arrivals
from bench.figures import Figure, quantile, ratios
from bench.latency import latencies
from bench.listener import cpu_of_children, listen_once
from bench.pgbench import CLIENTS, pgbench
from bench.processor import Sessions
from bench.rig import CAPTURED, SHARDS, STREAM, Rig, rig, sink_url
from bench.size import Size
from forwarder.database.sessions import session
from forwarder.errors import Refused
from forwarder.local.kinesis import serve

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from forwarder.database.sessions import Connection

PAGE_ROWS = 10_000
# Of the changes so many are to arrive within the time that is measured.
LATE = 0.99
# What is there already beside the rows of item.sql. Nobody captures it.
_FILL = f"""
    ALTER TABLE {CAPTURED}.item DISABLE TRIGGER USER;
    INSERT INTO {CAPTURED}.item
    SELECT id, 0, 0, id / 100.0, 'EUR', '2026-01-01 12:00:00+00', repeat('lorem ipsum ', 14)
    FROM generate_series(10001, $1) AS id;
    ALTER TABLE {CAPTURED}.item ENABLE TRIGGER USER;
    ANALYZE {CAPTURED}.item
"""  # noqa: S608


async def measure(size: Size, runs: int) -> Sequence[Figure]:
    """Rows a second of `listen --load-only`, of COPY, and of SELECT in pages; writers and changes with and without a load."""
    rates: dict[str, list[float]] = defaultdict(list)
    costs: dict[str, list[float]] = defaultdict(list)
    cpu: list[float] = []
    rows = size.load_rows
    async with rig() as ready:
        await ready.connection.execute(_FILL.replace("$1", str(rows)))
        async with ready.sink() as sink:
            # The sink has to be known before a load for it can be asked for.
            await listen_once(ready, sink)
            for _ in range(runs):
                seconds, cpu_seconds = await _load(ready, sink)
                rates["load"].append(rows / seconds)
                cpu.append(1e6 * cpu_seconds / rows)
                rates["copy"].append(rows / await _copy(ready.connection))
                rates["select"].append(rows / await _select(ready.connection))
                for name, loads in (("alone", False), ("beside", True)):
                    rate, cost = await _written(ready, sink, loads=loads, seconds=size.round_seconds)
                    rates[name].append(rate)
                    costs[name].append(cost)
        late = [await _late(ready, seconds=size.latency_seconds) for _ in range(runs)]
    load = rates["load"]
    return [
        Figure(name=f"load of {rows:,} rows", unit="rows/s", runs=load, at_least=60_000),
        Figure(name="… CPU of the listener, start-up not included", unit="µs/row", runs=cpu, digits=1),
        Figure(name="COPY TO STDOUT, read by asyncpg", unit="rows/s", runs=rates["copy"]),
        Figure(name="SELECT in pages, read by asyncpg", unit="rows/s", runs=rates["select"]),
        Figure(name="load / COPY", unit="x", runs=ratios(load, rates["copy"]), digits=2, at_least=0.15),
        Figure(name="load / SELECT in pages", unit="x", runs=ratios(load, rates["select"]), digits=2, at_least=0.25),
        Figure(name=f"{CLIENTS} writers on the table, no load", unit="transactions/s", runs=rates["alone"]),
        Figure(name="… beside a load", unit="transactions/s", runs=rates["beside"]),
        Figure(
            name="beside a load / no load",
            unit="x",
            runs=ratios(rates["beside"], rates["alone"]),
            digits=2,
            at_least=0.85,
        ),
        Figure(name="processor time of a transaction, no load", unit="µs", runs=costs["alone"]),
        Figure(name="… beside a load", unit="µs", runs=costs["beside"]),
        Figure(
            name="no load / beside a load",
            unit="x",
            runs=ratios(costs["alone"], costs["beside"]),
            digits=2,
            at_least=0.85,
        ),
        Figure(name=f"{LATE:.0%} of changes within, no load", unit="ms", runs=[alone for alone, _ in late], digits=1),
        Figure(name="… beside a load", unit="ms", runs=[beside for _, beside in late], digits=1),
        Figure(
            name="beside a load / no load",
            unit="x",
            runs=[beside / alone for alone, beside in late],
            digits=2,
            at_most=2.0,
        ),
    ]


async def _load(ready: Rig, sink: str) -> tuple[float, float]:
    """Seconds from the beginning of a load to its end, and of CPU that the listener took beside what one takes that has nothing to load."""
    started = cpu_of_children()
    async with ready.forwarder("listen", "--load-only", f"--sink={sink}") as listener:
        await listener.succeed()
    of_start = cpu_of_children() - started
    await _ask(ready)
    cpu_before = cpu_of_children()
    async with ready.forwarder("listen", "--load-only", f"--sink={sink}") as listener:
        await listener.succeed()
    seconds = await ready.connection.fetchval(
        "SELECT extract(epoch FROM finished_at - started_at)::float8 FROM forwarder.load ORDER BY number DESC LIMIT 1"
    )
    return seconds, cpu_of_children() - cpu_before - of_start


async def _ask(ready: Rig) -> None:
    async with ready.forwarder("load", f"{CAPTURED}.item", "--sink=default", "--restart", "--detach") as asking:
        await asking.succeed()


@asynccontextmanager
async def _loading(ready: Rig) -> AsyncIterator[None]:
    """One load after the other, for the length of a block."""

    async def go_on() -> None:
        while True:
            if not await ready.connection.fetchval("SELECT count(*) FROM forwarder.load WHERE finished_at IS NULL"):
                await _ask(ready)
            await anyio.sleep(0.2)

    await _ask(ready)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(go_on)
        yield
        tasks.cancel_scope.cancel()
    # There is nothing to be given up if the last one has ended by now.
    with suppress(Refused):
        async with ready.forwarder("load", "--cancel", f"{CAPTURED}.item") as cancelling:
            await cancelling.succeed()


async def _copy(connection: Connection) -> float:
    async def drop(_: bytes) -> None:
        pass

    began = time.perf_counter()
    await connection.copy_from_table("item", schema_name=CAPTURED, output=drop)
    return time.perf_counter() - began


async def _select(connection: Connection) -> float:
    began, last = time.perf_counter(), 0
    statement = f"SELECT * FROM {CAPTURED}.item WHERE id > $1 ORDER BY id LIMIT {PAGE_ROWS}"  # noqa: S608
    while rows := await connection.fetch(statement, last):
        last = rows[-1]["id"]
    return time.perf_counter() - began


async def _written(ready: Rig, sink: str, *, loads: bool, seconds: int) -> tuple[float, float]:
    """Transactions of the writers a second, and the microseconds of a processor that one has taken in PostgreSQL."""
    async with (
        ready.listener(sink),
        session(ready.url, purpose="bench processor") as connection,
        anyio.create_task_group() as tasks,
    ):
        await ready.all_delivered()
        sessions = Sessions(connection, program="pgbench")
        tasks.start_soon(sessions.watch)
        async with _loading(ready) if loads else nullcontext():
            rate = await pgbench(ready, f"--time={seconds}")
        tasks.cancel_scope.cancel()
    return rate, 1e6 * sessions.seconds / (rate * seconds)


async def _late(ready: Rig, *, seconds: int) -> tuple[float, float]:
    """Milliseconds within which nearly all changes arrive, without a load and beside one."""
    kinesis = Arrivals()
    kinesis.create_stream(STREAM, shards=SHARDS)
    async with serve(kinesis) as endpoint, ready.listener(sink_url(endpoint.url)):
        alone = quantile(await latencies(ready, kinesis, seconds=seconds), LATE)
        async with _loading(ready):
            beside = quantile(await latencies(ready, kinesis, seconds=seconds), LATE)
    return alone, beside
