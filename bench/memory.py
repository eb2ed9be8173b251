"""How much memory a listener takes that finds a large backlog."""

from collections.abc import Sequence

from bench.figures import Figure
from bench.listener import listen_once
from bench.pgbench import produce
from bench.rig import Rig, rig
from bench.size import Size

_TARGET_MIB = 200
_ROWS = 10_000


async def measure(size: Size, runs: int) -> Sequence[Figure]:
    """Peak memory of `listen --once`: a tenth of the backlog is single-row transactions, the rest such of 10,000 rows."""
    async with rig() as ready, ready.sink() as sink_url:
        await produce(ready, size.memory_events // 10)
        await _update_all(ready, times=size.memory_events * 9 // 10 // _ROWS)
        events = await ready.connection.fetchval("SELECT count(*) FROM forwarder.outbox")
        peaks = []
        for _ in range(runs):
            await ready.rewind()
            peaks.append((await listen_once(ready, sink_url)).peak_rss_bytes)
    return [
        Figure(
            name=f"peak resident memory, {events:,} events",
            unit="MiB",
            runs=[peak / 2**20 for peak in peaks],
            at_most=_TARGET_MIB,
        ),
    ]


async def _update_all(ready: Rig, *, times: int) -> None:
    for _ in range(times):
        await ready.connection.execute("UPDATE captured.item SET price = price + 1")
