"""What a listener makes of one statement that updated five million rows."""

from collections.abc import Sequence

from bench.catch_up import SMALL_EVENTS, CaughtUp, catch_up, catch_up_in_two, figures
from bench.figures import Figure
from bench.items import Items
from bench.rig import SHARDS, STREAM, rig, sink_url
from bench.size import Size
from bench.tally import Tally
from forwarder.local.kinesis import serve


async def measure(size: Size, runs: int) -> Sequence[Figure]:
    """It is compared with a statement that updated fewer."""
    name = f"a transaction of {size.giant_rows:,} events"
    return figures(name, [await _run(size.giant_rows) for _ in range(runs)])


async def _run(rows: int) -> CaughtUp:
    tally = Tally()
    tally.create_stream(STREAM, shards=SHARDS)
    async with rig() as ready, serve(tally) as endpoint, Items.of(ready.url) as items:
        url = sink_url(endpoint.url)
        await items.insert(rows, captured=False)
        await items.update(SMALL_EVENTS)
        small = await catch_up(ready, tally, url)
        await items.update(rows)
        return await catch_up_in_two(ready, tally, url, events=rows, small=small)
