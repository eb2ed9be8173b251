"""``forwarder sinks``: the sinks that the database knows."""

from collections.abc import Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Annotated, Literal

import anyio
import msgspec
import typer
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from forwarder.cli.options import ConfigOption, LogFormatOption, database_url, settings
from forwarder.database.conflicts import past_conflicts
from forwarder.database.sessions import session
from forwarder.errors import Misconfigured
from forwarder.store.sink_status import SinkStatus, read_sinks, remove_sink

Action = Literal["list", "remove"]


def sinks(
    action: Annotated[Action, typer.Argument(help="What to do.")],
    name: Annotated[str | None, typer.Argument(help="The sink to remove.", show_default=False)] = None,
    discard: Annotated[
        bool, typer.Option("--discard", help="Remove it even if changes are not delivered to it.")
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="List them as one JSON object a line.")] = False,
    config: ConfigOption = None,
    log_format: LogFormatOption = None,
) -> None:
    """List the sinks with their backlogs, or remove one that is not used any more.

    The outbox keeps every change until it is delivered to every sink, so a sink that nobody serves makes it grow.

    Example: `forwarder sinks remove old-changes --discard`
    """
    if (action == "remove") != (name is not None):
        raise Misconfigured(
            "name the sink to remove: `forwarder sinks remove NAME`; `forwarder sinks list` takes no name"
        )
    url = database_url(settings(config, log_format))
    run = partial(_remove, url, name, discard=discard) if name is not None else partial(_list, url, as_json=json)
    anyio.run(run, backend_options={"use_uvloop": True})


async def _list(url: str, *, as_json: bool) -> None:
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


async def _remove(url: str, name: str, *, discard: bool) -> None:
    async with session(url, purpose="sinks") as connection:
        await past_conflicts(partial(remove_sink, connection, name, discard=discard))
    typer.echo(f"{name}: removed")


def _table(found: Sequence[SinkStatus]) -> Table:
    table = Table(box=SIMPLE_HEAD)
    for heading in ("sink", "last seq", "undelivered", "oldest", "dead letters", "leader"):
        table.add_column(heading, justify="left" if heading in ("sink", "leader") else "right")
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
    # Where a session of another role comes from is hidden.
    return f"{sink.leader_address} (pid {sink.leader_pid})" if sink.leader_address else f"pid {sink.leader_pid}"


def _age(at: datetime | None) -> str:
    return "" if at is None else f"{(datetime.now(UTC) - at).total_seconds():,.1f} s"
