"""What makes a sink that is delivered to slow: a stream that throttles, or one key that changes faster than it can be sent. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from forwarder.status.document import Live, Sink, Trouble

# A sink that is no later than that keeps up, whatever it waits for.
_LATE_SECONDS = 5.0
# From this part of the records on that were refused, or that wait behind one key, that is what it is late for.
_REFUSED_PART = 0.1
_LANE_PART = 0.5
# From this part on as good as nothing is delivered.
_ALL_PART = 0.9
# Shorter lanes are gone within a second.
_LONG_LANE = 500
# From this part of the refusals on one shard of several stands out.
_HOT_PART = 0.7
_SPREAD = "a hot key: give the sink another partition_key, or aggregation=kpl; more shards do not help"
_GROW = "give the stream more shards, or make it on-demand (ForwarderThrottled in docs/operations.md)"
_PACK = (
    "let what waits behind a key travel with it, by aggregation=kpl in the sink's URL, or give it a finer partition_key"
)


def pressure_troubles(sinks: Sequence[Sink]) -> Iterator[Trouble]:
    """Of each sink that is late, what it is late for, as far as its leader's figures of the last minute tell."""
    for sink in sinks:
        if sink.live and sink.state == "delivering" and (sink.lag_seconds or 0.0) >= _LATE_SECONDS:
            yield from _throttling(sink, sink.live)
            yield from _hot_lane(sink, sink.live)


def _throttling(sink: Sink, live: Live) -> Iterator[Trouble]:
    refused = sum(shard.throttles for shard in live.shards)
    part = refused / (refused + 60.0 * live.delivered_per_second) if refused else 0.0
    if part < _REFUSED_PART:
        return
    worst = max(live.shards, key=lambda shard: shard.throttles)
    is_hot = len(live.shards) > 1 and worst.throttles >= _HOT_PART * refused
    place = f", nearly all on {worst.name}" if is_hot else ""
    yield Trouble(
        text=f"the stream of sink {sink.name!r} has throttled {refused:,} records in the last minute{place}",
        remedy=_SPREAD if is_hot else _GROW,
        is_urgent=part >= _ALL_PART and sink.seconds_left is None,
    )


def _hot_lane(sink: Sink, live: Live) -> Iterator[Trouble]:
    longest = max(live.hot_lanes, default=0)
    # The two are not counted at the same moment.
    held = max(live.memory_records, longest)
    if longest >= _LONG_LANE and longest >= _LANE_PART * held:
        part = f"all {held:,}" if longest == held else f"{longest:,} of the {held:,}"
        yield Trouble(
            text=f"{part} records that sink {sink.name!r} has in memory wait behind one key, one after the other",
            remedy=_PACK,
        )
