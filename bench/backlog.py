"""What a listener makes of ten million events that have gathered while none ran."""

from collections.abc import Sequence

from bench.catch_up import SMALL_EVENTS, CaughtUp, catch_up, catch_up_in_two, figures
from bench.figures import Figure
from bench.items import Items
from bench.rig import SHARDS, STREAM, rig, sink_url
from bench.size import Size
from bench.tally import Tally
from forwarder.local.kinesis import serve


async def measure(size: Size, runs: int) -> Sequence[Figure]:
    """The backlog is inserted rows, in transactions of 10,000."""
    return figures(f"{size.backlog_events:,} events", [await _run(size.backlog_events) for _ in range(runs)])


async def _run(events: int) -> CaughtUp:
    tally = Tally()
    tally.create_stream(STREAM, shards=SHARDS)
    async with rig() as ready, serve(tally) as endpoint, Items.of(ready.url) as items:
        url = sink_url(endpoint.url)
        await items.insert(SMALL_EVENTS)
        small = await catch_up(ready, tally, url)
        await items.insert(events)
        return await catch_up_in_two(ready, tally, url, events=events, small=small)
