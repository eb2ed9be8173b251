"""Where records go: each sink by its kind."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from pathlib import Path

import anyio

from forwarder.config import sink_url
from forwarder.config.settings import SinkSettings
from forwarder.config.sink_url import FileTarget, KinesisTarget, StdoutTarget
from forwarder.doctor.captured import Captured
from forwarder.doctor.finding import Finding, note, of_error, ok
from forwarder.doctor.guard import guarded, timed_out
from forwarder.doctor.report import Section
from forwarder.errors import Unavailable

# How long all looks at one sink may take together.
SINK_SECONDS = 25.0


async def examine_sink(sink: SinkSettings, captured: Captured, *, is_fast: bool) -> Section:
    """Look at one sink; with ``is_fast`` nothing is asked of AWS."""
    target = sink_url.parse(sink.url).target
    found: list[Finding] = []

    async def look() -> Iterable[Finding]:
        match target:
            case KinesisTarget() if is_fast:
                found.append(note("stream", f"{target.stream} is not asked, with --fast"))
            case KinesisTarget():
                await _look_at_kinesis(target, sink, captured, found)
            case FileTarget():
                found.extend(await guarded("file", partial(_look_at_file, target)))
            case StdoutTarget():
                found.append(ok("stdout", "records go to standard output"))
        return ()

    with anyio.move_on_after(SINK_SECONDS) as deadline:
        found += await guarded("sink", look)
    if deadline.cancelled_caught:
        found.append(timed_out("sink", SINK_SECONDS))
    return Section(area=f"sink {sink.name}", findings=found)


async def _look_at_file(target: FileTarget) -> Iterable[Finding]:
    from forwarder.sinks.file import FileSink

    await FileSink(Path(target.path)).prepare()
    return [ok("file", f"{target.path} can be written to")]


async def _look_at_kinesis(target: KinesisTarget, sink: SinkSettings, captured: Captured, found: list[Finding]) -> None:
    from forwarder.aws.kinesis_client import kinesis_client
    from forwarder.doctor.routed_streams import RoutedExamination, streams_of
    from forwarder.doctor.stream import StreamExamination

    async with kinesis_client(target, max_connections=2) as client:
        if target.is_routed:
            streams = None if captured.tables is None else streams_of(target, captured.tables, sink.tables)
            await RoutedExamination(client, target, streams).run(found)
        else:
            await StreamExamination(client, target, load=captured.load).run(found)
    if target.oversize.kind == "s3":
        found += await guarded("bucket", partial(_look_at_bucket, target))


async def _look_at_bucket(target: KinesisTarget) -> Iterable[Finding]:
    from forwarder.sinks.claim_check import attachments_of

    untold = "whether objects may be put there cannot be told without one"
    async with attachments_of(target) as bucket:
        try:
            await bucket.look()
        except Unavailable as error:
            return [
                note(
                    "bucket",
                    f"{of_error('bucket', error).text}; {untold}",
                    remedy="compare the policy of the role with the one that `forwarder ecs` prints",
                )
            ]
    return [ok("bucket", f"{target.oversize.bucket} is there; {untold}")]
