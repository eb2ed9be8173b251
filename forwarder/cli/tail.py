"""``forwarder tail``: shows what is in a stream or a file."""

import logging
import os
import signal
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from typing import Annotated

import anyio
import typer

from forwarder.capture.selection import Pattern
from forwarder.cli.options import SEQS, TIMES, ConfigOption, LogFormatOption, seq_of, settings, time_of
from forwarder.cli.tail_output import Output
from forwarder.cli.tail_selection import Selection
from forwarder.cli.terminal_text import safe
from forwarder.config.sink_url import FileTarget, KinesisTarget, parse
from forwarder.config.stream_template import stream_of
from forwarder.consumer.reading.file_reader import read_file
from forwarder.consumer.reading.start import Start
from forwarder.errors import Misconfigured, plain_errors
from forwarder.logs import Throttled

# How often a call that might work later is made in a row, where the end is waited for: for about a minute.
ATTEMPTS = 10
REPORT_SECONDS = 30.0

logger = logging.getLogger(__name__)


def tail(
    url: Annotated[str, typer.Argument(metavar="URL", hidden=True)],
    *,
    follow: Annotated[
        bool,
        typer.Option("--follow", help="Go on with what comes, until Ctrl-C; if not given, end with what is there now."),
    ] = False,
    start: Annotated[
        str,
        typer.Option(
            "--from",
            metavar="latest|oldest|TIME|SEQ",
            help="Where to begin: with what comes from now on, with the oldest record, at a time such as 2026-01-31T12:00:00Z (UTC if it"
            " names no zone), or with this seq.",
        ),
    ] = "oldest",
    key: Annotated[
        str | None,
        typer.Option(
            metavar="KEY",
            help="Only changes with this partition key, or these values of the primary key: 42, or eu,42.",
            show_default=False,
        ),
    ] = None,
    table: Annotated[
        list[str] | None,
        typer.Option(metavar="PATTERN", help="Only changes of these tables. Repeatable.", show_default=False),
    ] = None,
    count: Annotated[
        int | None, typer.Option(metavar="NUMBER", min=1, help="End after so many changes.", show_default=False)
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print each record's own JSON, one a line.")] = False,
    config: ConfigOption = None,
    log_format: LogFormatOption = None,
) -> None:
    """Show the changes in a stream or a file, a line each.

    URL is that of a sink: kinesis://STREAM?region=eu-west-1 with the options that say how to get there, or file:PATH. All shards are
    read, also those into which others are split while it runs. Records may be of any format, aggregated or compressed. Changes of one
    row come in their order; those that have come before are marked as repeats. At the end a summary goes to stderr.

    \b
    Example:
      forwarder tail 'kinesis://changes?region=eu-west-1' --table 'public.*'
      forwarder tail file:changes.jsonl --json --count 10
    """
    settings(config, log_format)
    target = parse(url).target
    if not isinstance(target, KinesisTarget | FileTarget):
        raise Misconfigured(f"URL {url!r} cannot be read; write kinesis://STREAM?region=eu-west-1 or file:PATH")
    if isinstance(target, KinesisTarget) and target.is_routed:
        one = stream_of(target.stream, schema="public", table="orders")
        raise Misconfigured(
            f"{target} is a stream for each table; name the one to read, such as kinesis://{one}?region=eu-west-1"
        )
    place = _place(start)
    if place == "latest" and not follow:
        raise Misconfigured(
            "--from latest shows what comes from now on: add --follow, or choose another place to begin"
        )
    selection = Selection(
        tables=[Pattern(pattern) for pattern in table or ()],
        key=key,
        first_seq=place if isinstance(place, int) else None,
        first_at=place if isinstance(place, datetime) and isinstance(target, FileTarget) else None,
    )
    begin: Start = "oldest" if isinstance(place, int) else place
    run = partial(_run, target, selection, start=begin, follow=follow, count=count, as_json=json)
    anyio.run(run, backend_options={"use_uvloop": True})


def _place(text: str) -> Start | int:
    if text in ("latest", "oldest"):
        return "latest" if text == "latest" else "oldest"
    if (seq := seq_of(text)) is not None:
        return seq
    time = time_of(text)
    if time is None:
        raise Misconfigured(f"--from {text!r} is neither {TIMES}, nor a seq, nor oldest or latest; {SEQS}")
    if time > datetime.now(UTC):
        raise Misconfigured(
            f"--from {text!r} is in the future; write --from latest --follow for what comes from now on"
        )
    return time


async def _run(
    target: KinesisTarget | FileTarget,
    selection: Selection,
    *,
    start: Start,
    follow: bool,
    count: int | None,
    as_json: bool,
) -> None:
    """Read until the end, until enough is shown, until a signal, or until nobody reads standard output any more."""
    with plain_errors():
        async with anyio.create_task_group() as tasks:
            output = Output(selection, as_json=as_json, count=count, stop=tasks.cancel_scope.cancel)
            tasks.start_soon(_stop_on_signal, tasks.cancel_scope)
            match target:
                case KinesisTarget():
                    await _read_stream(target, output, start=start, follow=follow)
                case FileTarget():
                    async for records in read_file(target.path, at_end=start == "latest", follow=follow):
                        output.take(records)
            tasks.cancel_scope.cancel()
    if output.is_broken:
        # What is left in the buffer of standard output would be written at exit, and fail again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    else:
        typer.echo(f"forwarder: {safe(output.summary())}", err=True)


async def _stop_on_signal(scope: anyio.CancelScope) -> None:
    with anyio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
        await anext(signals)
        scope.cancel()


async def _read_stream(target: KinesisTarget, output: Output, *, start: Start, follow: bool) -> None:
    # The AWS SDK takes most of a second.
    from forwarder.aws.kinesis_client import kinesis_client
    from forwarder.consumer.reading.kinesis_calls import READS_AT_ONCE, KinesisCalls
    from forwarder.consumer.reading.stream_reader import StreamReader

    async with kinesis_client(target, max_connections=READS_AT_ONCE, reads=True) as client:
        calls = KinesisCalls(client, target.stream, attempts=None if follow else ATTEMPTS, report=_reporter())
        reader = StreamReader(calls, start=start, follow=follow, deliver=output.take)
        try:
            await reader.run()
        finally:
            output.tally.shards = reader.shards


def _reporter() -> Callable[[str], None]:
    """A function that logs why the stream is waited for, every half minute at most."""
    occasional = Throttled(seconds=REPORT_SECONDS)

    def report(reason: str) -> None:
        if occasional.due("waiting"):
            logger.warning("the stream cannot be read for now", extra={"reason": reason})

    return report
