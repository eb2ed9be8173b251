"""Opens the sink that a sink URL names. The module of a kind is imported when it is opened: the AWS SDK takes most of a second."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AsyncExitStack
from pathlib import Path

from forwarder.config.sink_url import FileTarget, KinesisTarget, StdoutTarget
from forwarder.delivery.destination import Destination, Routes
from forwarder.delivery.schedules.fifo import Fifo
from forwarder.metrics import SinkMetrics

# Makes, of one open sink, a destination with an empty schedule. Whoever begins to lead takes a new one: only then does
# the sink forget the schedule, and the records, of the one before.
NewDestination = Callable[[], Destination]


async def open_sink(
    stack: AsyncExitStack,
    target: KinesisTarget | StdoutTarget | FileTarget,
    *,
    max_in_flight: int,
    metrics: SinkMetrics,
    report: Callable[[str], None],
) -> NewDestination:
    """Open the sink, and have ``stack`` close it. ``report`` is told what is waited for.

    Raises:
        Misconfigured, Refused: waiting cannot mend it.
        Unavailable: what it needs does not answer, such as the source of the credentials.
    """
    match target:
        case KinesisTarget():
            return await _open_kinesis(stack, target, max_in_flight=max_in_flight, metrics=metrics, report=report)
        case StdoutTarget():
            from forwarder.sinks.pipe import stdout_sink

            stdout = await stack.enter_async_context(stdout_sink())
            return lambda: Destination(sink=stdout, schedule=Fifo())
        case FileTarget():
            from forwarder.sinks.file import file_sink

            file = await stack.enter_async_context(file_sink(Path(target.path)))
            return lambda: Destination(sink=file, schedule=Fifo())


async def _open_kinesis(
    stack: AsyncExitStack,
    target: KinesisTarget,
    *,
    max_in_flight: int,
    metrics: SinkMetrics,
    report: Callable[[str], None],
) -> NewDestination:
    from forwarder.sinks.claim_check import attachments_of

    takes_attachments = target.oversize.kind == "s3"
    bucket = await stack.enter_async_context(attachments_of(target)) if takes_attachments else None
    if target.is_routed:
        from forwarder.aws.kinesis_client import kinesis_client
        from forwarder.sinks.kinesis.routing import RoutedSink

        client = await stack.enter_async_context(kinesis_client(target, max_connections=max_in_flight))
        streams = RoutedSink(client, target, max_in_flight=max_in_flight, metrics=metrics, report=report)

        def routed_destination() -> Destination:
            schedule = streams.new_schedules()
            routes = Routes(streams=streams, schedule=schedule)
            return Destination(
                sink=streams, schedule=schedule, object_store=bucket, region=streams.region, routes=routes
            )

        return routed_destination
    from forwarder.sinks.kinesis.sink import kinesis_sink

    context = kinesis_sink(target, max_in_flight=max_in_flight, metrics=metrics, report=report)
    stream = await stack.enter_async_context(context)
    return lambda: Destination(sink=stream, schedule=stream.new_schedule(), object_store=bucket, region=stream.region)
