"""``forwarder sinks``: lists the sinks that the database knows, and removes one."""

from collections.abc import Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Annotated

import anyio
import msgspec
import typer
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from forwarder.cli.command import Command
from forwarder.cli.options import ConfigOption, LogFormatOption, database_url, settings
from forwarder.database.access import DatabaseAddress
from forwarder.database.conflicts import past_conflicts
from forwarder.database.sessions import session
from forwarder.store.sink_status import SinkStatus, read_sinks, remove_sink

app = typer.Typer(rich_markup_mode=None)


@app.callback()
def sinks() -> None:
    """List the sinks of this database, or remove one.

    The outbox keeps every change until each sink has it, so a sink that nobody serves makes the outbox grow.

    \b
    Example:
      forwarder sinks list
      forwarder sinks remove old-changes
    """


@app.command("list", cls=Command)
def list_sinks(
    *,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object a line.")] = False,
    config: ConfigOption = None,
    log_format: LogFormatOption = None,
) -> None:
    """Show where each sink stands, and who serves it.

    For each sink: the seq of the last change that is delivered, how many changes wait and for how long, how many dead letters there
    are, and which listener leads.

    \b
    Example:
      forwarder sinks list
    """
    url = database_url(settings(config, log_format))
    anyio.run(partial(_list, url, as_json=json), backend_options={"use_uvloop": True})


@app.command("remove", cls=Command)
def remove(
    name: Annotated[str, typer.Argument(metavar="NAME", hidden=True)],
    *,
    discard: Annotated[
        bool, typer.Option("--discard", help="Even if changes or dead letters wait for it; they are given up.")
    ] = False,
    config: ConfigOption = None,
    log_format: LogFormatOption = None,
) -> None:
    """Forget a sink, with its position and its dead letters.

    NAME is that of the sink in `forwarder sinks list`. It is refused while a listener serves it. What was delivered stays in the stream.
    A listener that is started for this name later begins as a new sink does: see `start` in [[sink]].

    \b
    Example:
      forwarder sinks remove old-changes --discard
    """
    url = database_url(settings(config, log_format))
    anyio.run(partial(_remove, url, name, discard=discard), backend_options={"use_uvloop": True})


async def _list(url: DatabaseAddress, *, as_json: bool) -> None:
    async with session(url, purpose="sinks") as connection:
        found = await read_sinks(connection)
    for sink in found:
        if sink.usurpation:
            typer.echo(f"forwarder: warning: {sink.usurpation}", err=True)
    if as_json:
        for sink in found:
            typer.echo(msgspec.json.encode(sink).decode())
        return
    if found:
        Console().print(_table(found))
    for sink in found:
        if sink.replay:
            typer.echo(
                f"{sink.name}: the {sink.replay}: {sink.replay.changes} changes so far. If it was interrupted, the same command goes on"
            )
    typer.echo(f"sinks: {len(found)}")


async def _remove(url: DatabaseAddress, name: str, *, discard: bool) -> None:
    async with session(url, purpose="sinks") as connection:
        await past_conflicts(partial(remove_sink, connection, name, discard=discard))
    typer.echo(f"{name}: removed")


def _table(found: Sequence[SinkStatus]) -> Table:
    table = Table(box=SIMPLE_HEAD)
    for heading in ("sink", "last seq", "undelivered", "oldest", "dead letters", "leader"):
        table.add_column(heading, justify="left" if heading in ("sink", "leader") else "right", overflow="fold")
    for sink in found:
        table.add_row(
            sink.name,
            str(sink.last_seq),
            f"{sink.undelivered:,}",
            _age(sink.oldest_undelivered_at),
            f"{sink.dead_letters:,}",
            _leader(sink),
        )
    return table


def _leader(sink: SinkStatus) -> str:
    if sink.usurpation:
        return "no listener"
    if sink.leader_pid is None:
        return "none"
    # PostgreSQL does not show where a session of another role comes from.
    return f"{sink.leader_address} (pid {sink.leader_pid})" if sink.leader_address else f"pid {sink.leader_pid}"


def _age(at: datetime | None) -> str:
    return "" if at is None else f"{(datetime.now(UTC) - at).total_seconds():,.1f} s"
