"""``forwarder replay``: send again what is retained."""

from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from typing import Annotated

import anyio
import typer

from forwarder.cli.options import MAX_SEQ, ConfigOption, LogFormatOption, database_url, settings
from forwarder.conflicts import past_conflicts
from forwarder.database import session
from forwarder.errors import Misconfigured
from forwarder.logs import Occasional
from forwarder.replay import Replay
from forwarder.selection import Pattern
from forwarder.table_replay import Progress

OLDEST = "oldest"
REPORT_SECONDS = 2.0

_SHORT = "the outbox no longer held all of these changes when their turn came, and what it did not hold is not sent again; see retention_seconds in [outbox]"


def replay(
    sink: Annotated[str, typer.Option(help="The sink to set back.")],
    start: Annotated[
        str,
        typer.Option(
            "--from",
            metavar="TIME|SEQ",
            help="A time such as 2026-01-31T12:00:00Z (UTC if it names no zone), a seq, or oldest.",
        ),
    ],
    table: Annotated[
        list[str] | None,
        typer.Option(metavar="PATTERN", help="Only the changes of these tables (repeatable).", show_default=False),
    ] = None,
    anew: Annotated[
        bool,
        typer.Option("--anew", help="With --table: begin again where the same was interrupted, instead of going on."),
    ] = False,
    config: ConfigOption = None,
    log_format: LogFormatOption = None,
) -> None:
    """Set a sink back to a time or a change that the outbox retains; `forwarder listen` goes on from there, at once if it runs.

    Records keep their ids and seqs, and arrive in order again. With **--table** the sink stays where it is, and the delivered
    changes of these tables are sent beside the new ones: behind later changes of their rows. That takes one short transaction after the
    other; if it is interrupted, the same command goes on, and sends nothing twice.

    Example: `forwarder replay --sink default --from 2026-01-31T12:00:00Z`
    """
    loaded = settings(config, log_format)
    patterns = [Pattern(pattern) for pattern in table or ()]
    if anew and not patterns:
        raise Misconfigured("--anew is for --table: without it all is sent again from --from on, every time")
    run = partial(_run, database_url(loaded), sink, _start(start), patterns, anew=anew)
    anyio.run(run, backend_options={"use_uvloop": True})


def _start(text: str) -> datetime | int | None:
    if text == OLDEST:
        return None
    if text.isdecimal() and int(text) <= MAX_SEQ:
        return int(text)
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        raise Misconfigured(
            f"--from {text!r} is neither a time such as 2026-01-31T12:00:00Z, nor a seq, nor oldest"
        ) from None
    return time if time.tzinfo else time.replace(tzinfo=UTC)


async def _run(url: str, sink: str, start: datetime | int | None, patterns: list[Pattern], *, anew: bool) -> None:
    async with session(url, purpose="replay") as connection:
        work = Replay(connection, sink=sink)
        if patterns:
            done = await work.send_tables(start, patterns, anew=anew, report=_reporter(sink))
            typer.echo(f"{sink}: {done.changes} changes from {done.seq} ({done.at}) on will be sent again")
            if done.is_short:
                typer.echo(f"forwarder: warning: {_SHORT}", err=True)
        else:
            done = await past_conflicts(partial(work.set_back, start))
            typer.echo(f"{sink}: set back to change {done.seq} of {done.at}")


def _reporter(sink: str) -> Callable[[Progress], None]:
    """Says now and then how far a replay has come."""
    occasional = Occasional(seconds=REPORT_SECONDS)
    is_first = True

    def report(progress: Progress) -> None:
        nonlocal is_first
        if is_first and progress.changes:
            text = f"{sink}: going on at change {progress.next_seq}, where the same was interrupted ({progress.changes} changes so far)"
            typer.echo(text, err=True)
        elif occasional.due("progress"):
            text = f"{sink}: at change {progress.next_seq} of {progress.last_seq} ({progress.changes} to be sent again so far)"
            typer.echo(text, err=True)
        is_first = False

    return report
