"""``forwarder replay``: send again what is retained."""

from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from typing import Annotated

import anyio
import typer

from forwarder.capture.selection import Pattern
from forwarder.cli.options import SEQS, ConfigOption, LogFormatOption, database_url, seq_of, settings
from forwarder.database.conflicts import past_conflicts
from forwarder.database.sessions import session
from forwarder.errors import Misconfigured
from forwarder.logs import Throttled
from forwarder.store.replay import Replay
from forwarder.store.replay_progress import Progress

OLDEST = "oldest"
REPORT_SECONDS = 2.0

_SHORT = (
    "the outbox may not have held all of these changes any more when their turn came; what it did not hold is not sent again; see"
    " retention_seconds in [outbox]"
)


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
        typer.Option("--anew", help="With --table: give up what was interrupted, and begin again instead of going on."),
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
    seq = seq_of(text)
    if seq is not None:
        return seq
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        raise Misconfigured(
            f"--from {text!r} is neither a time such as 2026-01-31T12:00:00Z, nor a seq, nor oldest; {SEQS}"
        ) from None
    return time if time.tzinfo else time.replace(tzinfo=UTC)


async def _run(url: str, sink: str, start: datetime | int | None, patterns: list[Pattern], *, anew: bool) -> None:
    async with session(url, purpose="replay") as connection:
        work = Replay(connection, sink=sink)
        if patterns:
            sent = await work.send_tables(start, patterns, anew=anew, report=_reporter(sink))
            typer.echo(f"{sink}: {sent.changes} changes from {sent.first_seq} ({sent.first_at}) on will be sent again")
            if sent.is_short:
                typer.echo(f"forwarder: warning: {_SHORT}", err=True)
        else:
            done = await past_conflicts(partial(work.set_back, start))
            typer.echo(f"{sink}: set back to change {done.seq} of {done.at}")


def _reporter(sink: str) -> Callable[[Progress], None]:
    """Says now and then how far a replay has come."""
    occasional = Throttled(seconds=REPORT_SECONDS)
    is_first = True

    def report(progress: Progress) -> None:
        nonlocal is_first
        if is_first and progress.changes:
            typer.echo(f"{sink}: {_going_on(progress)}", err=True)
        elif occasional.due("progress"):
            text = f"{sink}: at change {progress.at_seq} of {progress.last_seq} ({progress.changes} to be sent again so far)"
            typer.echo(text, err=True)
        is_first = False

    return report


def _going_on(progress: Progress) -> str:
    """That this is not a new one, and what that means."""
    lost = " What is left is not all retained any more." if progress.is_cut else ""
    return (
        f"going on at change {progress.at_seq}, where the same was interrupted ({progress.changes} changes so far).{lost} It was begun at"
        f" {progress.begun_at:%Y-%m-%d %H:%M:%S} UTC; what was delivered since is no part of it. To begin again, with that: --anew"
    )
