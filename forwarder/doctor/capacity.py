"""Whether the shards of a stream can take what is captured. Pure."""

from __future__ import annotations

from math import ceil

from forwarder.config.sink_url import KinesisTarget
from forwarder.doctor.finding import Finding, note, ok, warning
from forwarder.doctor.load import Load
from forwarder.sinks.kinesis.stream_summary import StreamSummary

# What a shard takes: https://docs.aws.amazon.com/streams/latest/dev/service-sizes-and-limits.html
SHARD_RECORDS, SHARD_BYTES = 1000.0, float(1 << 20)
# What a record has beside the images of its row, near enough.
RECORD_BYTES = 300.0
# Keys never spread evenly, and a backlog is to be caught up with.
BUSY_PART = 0.7


def judge_capacity(load: Load | None, stream: StreamSummary, target: KinesisTarget) -> Finding:
    """``load``: what is captured, of all tables; None: it is not known."""
    if load is None or stream.open_shards is None:
        return note("shards", "not compared with the load, which is not known")
    bytes_per_second = load.bytes_per_second + RECORD_BYTES * load.changes_per_second
    records = 0.0 if target.aggregation == "kpl" else load.changes_per_second / SHARD_RECORDS
    needed = max(records, bytes_per_second / SHARD_BYTES)
    text = f"{load}: {needed / stream.open_shards:.0%} of what {stream.open_shards} open shards take"
    if needed <= BUSY_PART * stream.open_shards:
        return ok("shards", text)
    if stream.mode == "ON_DEMAND":
        return note(
            "shards", f"{text}; the stream is on demand and gets more by itself, up to twice what it had in 30 days"
        )
    return warning(
        "shards",
        text,
        remedy=f"aws kinesis update-shard-count to {ceil(needed / BUSY_PART)}, or aggregation=kpl, where many changes are of few keys",
    )
