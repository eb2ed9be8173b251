"""``forwarder replay``: send again what is retained."""

from datetime import UTC, datetime
from functools import partial
from typing import Annotated

import anyio
import typer

from forwarder.cli.options import ConfigOption, LogFormatOption, database_url, settings
from forwarder.conflicts import past_conflicts
from forwarder.database import session
from forwarder.errors import Misconfigured
from forwarder.replay import Replay
from forwarder.selection import Pattern

OLDEST = "oldest"


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
    config: ConfigOption = None,
    log_format: LogFormatOption = None,
) -> None:
    """Set a sink back to a time or a change that the outbox retains; `forwarder listen` goes on from there, at once if it runs.

    Records keep their ids and seqs, and arrive in order again. With **--table** the sink stays where it is, and the delivered
    changes of these tables are sent beside the new ones: behind later changes of their rows.

    Example: `forwarder replay --sink default --from 2026-01-31T12:00:00Z`
    """
    loaded = settings(config, log_format)
    patterns = [Pattern(pattern) for pattern in table or ()]
    run = partial(_run, database_url(loaded), sink, _start(start), patterns)
    anyio.run(run, backend_options={"use_uvloop": True})


def _start(text: str) -> datetime | int | None:
    if text == OLDEST:
        return None
    if text.isdecimal():
        return int(text)
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        raise Misconfigured(
            f"--from {text!r} is neither a time such as 2026-01-31T12:00:00Z, nor a seq, nor oldest"
        ) from None
    return time if time.tzinfo else time.replace(tzinfo=UTC)


async def _run(url: str, sink: str, start: datetime | int | None, patterns: list[Pattern]) -> None:
    async with session(url, purpose="replay") as connection:
        work = Replay(connection, sink=sink)
        if patterns:
            done = await past_conflicts(partial(work.send_tables, start, patterns))
            typer.echo(f"{sink}: {done.changes} changes from {done.seq} ({done.at}) on will be sent again")
        else:
            done = await past_conflicts(partial(work.set_back, start))
            typer.echo(f"{sink}: set back to change {done.seq} of {done.at}")
