"""``forwarder replay``: has a sink sent again what the outbox still has."""

from datetime import datetime
from functools import partial
from typing import Annotated

import anyio
import typer

from forwarder.capture.selection import Pattern
from forwarder.cli.options import SEQS, TIMES, ConfigOption, LogFormatOption, database_url, seq_of, settings, time_of
from forwarder.cli.progress import Bars, Count, QuietOption
from forwarder.database.access import DatabaseAddress
from forwarder.database.conflicts import past_conflicts
from forwarder.database.sessions import session
from forwarder.errors import Misconfigured
from forwarder.store.replay import Replay
from forwarder.store.replay_progress import Progress

OLDEST = "oldest"

_SHORT = (
    "the outbox may not have held all of these changes any more when their turn came; what it did not hold is not sent again; see"
    " retention_seconds in [outbox]"
)


def replay(
    *,
    sink: Annotated[str, typer.Option(metavar="NAME", help="The sink, as `forwarder sinks list` shows it.")],
    start: Annotated[
        str,
        typer.Option(
            "--from",
            metavar="TIME|SEQ|oldest",
            help="Where to begin: a time such as 2026-01-31T12:00:00Z (UTC if it names no zone), the seq of a change, or the oldest one"
            " there is.",
        ),
    ],
    table: Annotated[
        list[str] | None,
        typer.Option(metavar="PATTERN", help="Only the changes of these tables. Repeatable.", show_default=False),
    ] = None,
    anew: Annotated[
        bool, typer.Option("--anew", help="With --table: begin again, where an interrupted one would go on.")
    ] = False,
    quiet: QuietOption = False,
    config: ConfigOption = None,
    log_format: LogFormatOption = None,
) -> None:
    """Send again what the outbox still has.

    The sink is set back to a time or a change, and `forwarder listen` goes on from there, at once if it runs. Records have the ids and
    seqs that they had, and those of one key come in order again.

    With --table the sink stays where it is. What it has had of these tables is sent again beside what is new, and so arrives behind
    later changes of the same rows. If that is interrupted, the same command goes on, and sends nothing twice.

    \b
    Example:
      forwarder replay --sink default --from oldest
      forwarder replay --sink default --from oldest --table 'public.*'
    """
    loaded = settings(config, log_format)
    patterns = [Pattern(pattern) for pattern in table or ()]
    if anew and not patterns:
        raise Misconfigured("--anew is for --table: without it all is sent again from --from on, every time")
    run = partial(_run, database_url(loaded), sink, _start(start), patterns, anew=anew, quiet=quiet)
    anyio.run(run, backend_options={"use_uvloop": True})


def _start(text: str) -> datetime | int | None:
    if text == OLDEST:
        return None
    seq = seq_of(text)
    if seq is not None:
        return seq
    time = time_of(text)
    if time is None:
        raise Misconfigured(f"--from {text!r} is neither {TIMES}, nor a seq, nor oldest; {SEQS}")
    return time


async def _run(
    url: DatabaseAddress, sink: str, start: datetime | int | None, patterns: list[Pattern], *, anew: bool, quiet: bool
) -> None:
    async with session(url, purpose="replay") as connection:
        work = Replay(connection, sink=sink)
        if patterns:
            bars, bar = Bars(quiet=quiet), Count(sink, unit="seqs looked at")
            bars.add(bar)
            async with bars.shown():
                sent = await work.send_tables(start, patterns, anew=anew, report=_Reporter(sink, bar).report)
            typer.echo(f"{sink}: {sent.changes} changes from {sent.first_seq} ({sent.first_at}) on will be sent again")
            if sent.is_short:
                typer.echo(f"forwarder: warning: {_SHORT}", err=True)
        else:
            done = await past_conflicts(partial(work.set_back, start))
            typer.echo(f"{sink}: set back to change {done.seq} of {done.at}")


class _Reporter:
    """Says how far a replay has come, by a bar; and once, in a line, that it goes on where an earlier one was interrupted."""

    def __init__(self, sink: str, bar: Count) -> None:
        self._sink = sink
        self._bar = bar
        self._is_first = True

    def report(self, progress: Progress) -> None:
        if self._is_first and progress.changes:
            typer.echo(f"{self._sink}: {_going_on(progress)}", err=True)
        self._is_first = False
        self._bar.total = progress.last_seq - progress.first_seq + 1
        self._bar.done = progress.at_seq - progress.first_seq
        self._bar.note = f"{progress.changes:,} to be sent again"


def _going_on(progress: Progress) -> str:
    """The message that an interrupted replay is continued, and what that means."""
    lost = " What is left is not all retained any more." if progress.is_cut else ""
    return (
        f"going on at change {progress.at_seq}, where the same was interrupted ({progress.changes} changes so far).{lost} It was begun at"
        f" {progress.begun_at:%Y-%m-%d %H:%M:%S} UTC; what was delivered since is no part of it. To begin again, with that: --anew"
    )
