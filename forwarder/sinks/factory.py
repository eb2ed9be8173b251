"""Opens the sink that a sink URL names. The module of a kind is imported when it is opened: the AWS SDK takes most of a second."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from forwarder.config.sink_url import FileTarget, KinesisTarget, StdoutTarget
from forwarder.delivery.buffer import Schedule
from forwarder.delivery.schedules.fifo import Line
from forwarder.delivery.sink import Sink
from forwarder.metrics import SinkMetrics

if TYPE_CHECKING:
    from forwarder.sinks.claim_check import Attachments


@dataclass(frozen=True, slots=True, kw_only=True)
class Outlet:
    """An open sink, and what belongs to it."""

    sink: Sink
    # Makes an empty schedule: what says which records may be sent next, so that they arrive in order.
    new_schedule: Callable[[], Schedule]
    # Where records go that are too large for the sink; None: nowhere.
    attachments: Attachments | None = None


async def open_sink(
    stack: AsyncExitStack,
    target: KinesisTarget | StdoutTarget | FileTarget,
    *,
    max_in_flight: int,
    metrics: SinkMetrics,
    report: Callable[[str], None],
) -> Outlet:
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

            return Outlet(sink=await stack.enter_async_context(stdout_sink()), new_schedule=Line)
        case FileTarget():
            from forwarder.sinks.file import file_sink

            return Outlet(sink=await stack.enter_async_context(file_sink(Path(target.path))), new_schedule=Line)


async def _open_kinesis(
    stack: AsyncExitStack,
    target: KinesisTarget,
    *,
    max_in_flight: int,
    metrics: SinkMetrics,
    report: Callable[[str], None],
) -> Outlet:
    from forwarder.sinks.claim_check import attachments_of
    from forwarder.sinks.kinesis.sink import kinesis_sink

    context = kinesis_sink(target, max_in_flight=max_in_flight, metrics=metrics, report=report)
    sink = await stack.enter_async_context(context)
    takes_attachments = target.oversize.kind == "s3"
    attachments = await stack.enter_async_context(attachments_of(target)) if takes_attachments else None
    return Outlet(sink=sink, new_schedule=sink.new_schedule, attachments=attachments)
