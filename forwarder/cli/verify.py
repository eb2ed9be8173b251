"""``forwarder verify``: compares the rows of a table with what the records of a sink say, or with a consumer's copy."""

from datetime import UTC, datetime
from functools import partial
from typing import Annotated

import anyio
import typer

from forwarder.cli.options import TIMES, ConfigOption, LogFormatOption, database_url, settings, time_of
from forwarder.cli.progress import QuietOption
from forwarder.cli.verify_copy import verify_copy
from forwarder.cli.verify_lines import Lines
from forwarder.cli.verify_outcome import Outcome
from forwarder.cli.verify_records import RecordsRequest, verify_records
from forwarder.cli.verify_request import Request
from forwarder.config.settings import Settings, SinkSettings
from forwarder.config.sink_url import parse
from forwarder.config.suggestions import nearest
from forwarder.config.table_mappings.file import load_mappings
from forwarder.consumer.reading.start import Start
from forwarder.errors import ForwarderError, Misconfigured
from forwarder.verify.recorded_table import ReadSink

# As `diff` has them.
DIFFERENT, FAILED = 1, 2


def verify(
    table: Annotated[str, typer.Argument(metavar="TABLE", hidden=True)],
    *,
    sink: Annotated[
        str | None,
        typer.Option(
            metavar="NAME|[NAME=]URL",
            help="The sink whose records are read; if not given, the only one of the settings.",
            show_default=False,
        ),
    ] = None,
    start: Annotated[
        str,
        typer.Option(
            "--from",
            metavar="oldest|TIME",
            help="Where to begin to read: with the oldest record, or at a time such as 2026-01-31T12:00:00Z.",
        ),
    ] = "oldest",
    complete: Annotated[
        bool,
        typer.Option(
            "--complete", help="The records tell of every row, so one without any is missing, however old it is."
        ),
    ] = False,
    against: Annotated[
        str | None,
        typer.Option(
            metavar="URL",
            help="Compare with a table in this database, postgresql://…, and not with records.",
            show_default=False,
        ),
    ] = None,
    against_table: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Its name there; if not given, the same as here.", show_default=False),
    ] = None,
    key: Annotated[
        list[str] | None,
        typer.Option(metavar="KEY", help="Only the row with this key: 42, or eu,42. Repeatable.", show_default=False),
    ] = None,
    limit: Annotated[
        int, typer.Option(metavar="NUMBER", min=0, help="Show so many differences; the others are counted.")
    ] = 20,
    values: Annotated[
        bool, typer.Option("--values", help="Show the values that differ, which may be anything that rows hold.")
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object a line, the last one a summary.")] = False,
    quiet: QuietOption = False,
    config: ConfigOption = None,
    log_format: LogFormatOption = None,
) -> None:
    """Compare a table with what its records say.

    Reads the stream or the file of a sink, works out the last state of each row of TABLE, and compares the table with that, while
    both go on changing. A line for each row that differs: missing (no record tells of it), stale (the last record is not what the
    table has) or extra (the table has no such row), its key, and the columns. Exit status: 0 the same; 1 different; 2 it failed.

    \b
    Example:
      forwarder verify public.orders
      forwarder verify public.orders --sink file:changes.jsonl --json
    """
    try:
        differs = _verify(
            table,
            sink=sink,
            start=start,
            complete=complete,
            against=against,
            against_table=against_table,
            keys=key or [],
            quiet=quiet,
            lines=Lines(limit=limit, values=values, as_json=json),
            loaded=settings(config, log_format, **_flags(sink)),
        )
    except ForwarderError as error:
        error.exit_code = FAILED
        raise
    if differs:
        raise typer.Exit(DIFFERENT)


def _verify(
    table: str,
    *,
    sink: str | None,
    start: str,
    complete: bool,
    against: str | None,
    against_table: str | None,
    keys: list[str],
    quiet: bool,
    lines: Lines,
    loaded: Settings,
) -> bool:
    """Do what is asked for. Returns whether there are differences."""
    request = Request(table=table, keys=keys, keeps_rows=lines.values, tell=lines.tell, quiet=quiet)
    url = database_url(loaded)
    if against is not None:
        if sink is not None or start != "oldest" or complete:
            raise Misconfigured("--against reads no records; leave out --sink, --from and --complete")
        if not against.startswith(("postgresql://", "postgres://")):
            raise Misconfigured("--against is no URL of PostgreSQL; write postgresql://USER@HOST/DATABASE")
        run = partial(verify_copy, url, request, against=against, against_table=against_table or table)
    elif against_table is not None:
        raise Misconfigured("--against-table is the name of a table in another database; add --against URL")
    else:
        of = _records(loaded, sink, start=_start(start), is_complete=complete)
        run = partial(verify_records, url, request, of)
    outcome: Outcome = anyio.run(run, backend_options={"use_uvloop": True})
    lines.end(outcome)
    return outcome.tally.differences > 0


def _flags(sink: str | None) -> dict[str, list[str]]:
    """What the settings take for a sink that is named by its URL."""
    return {"sink": [sink]} if sink is not None and _is_url(sink) else {}


def _is_url(sink: str) -> bool:
    return ":" in sink


def _records(loaded: Settings, name: str | None, *, start: Start, is_complete: bool) -> RecordsRequest:
    found = _sink(loaded.sink, name)
    sink = ReadSink(settings=found, url=parse(found.url), mappings=load_mappings(loaded.table_mappings))
    is_by_url = name is not None and _is_url(name)
    return RecordsRequest(sink=sink, start=start, is_complete=is_complete, is_by_url=is_by_url)


def _sink(sinks: list[SinkSettings], name: str | None) -> SinkSettings:
    by_name = {sink.name: sink for sink in sinks}
    if name is not None and not _is_url(name):
        if name not in by_name:
            raise Misconfigured(f"--sink {name!r} is in no settings; {nearest(name, tuple(by_name) or ('NAME=URL',))}")
        return by_name[name]
    if len(sinks) != 1:
        known = f"one of {', '.join(by_name)}" if sinks else "a sink"
        raise Misconfigured(f"name {known} by --sink NAME, or by its URL, such as kinesis://STREAM?region=eu-west-1")
    return sinks[0]


def _start(text: str) -> Start:
    if text == "oldest":
        return "oldest"
    time = time_of(text)
    if time is None:
        raise Misconfigured(f"--from {text!r} is neither oldest nor {TIMES}")
    if time > datetime.now(UTC):
        raise Misconfigured(f"--from {text!r} is in the future; write a time that has passed, or oldest")
    return time
