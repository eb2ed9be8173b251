"""What `forwarder load --status` shows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
import typer
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from forwarder.capture.catalog import read_named
from forwarder.capture.selection import Pattern
from forwarder.cli.load_follow import waiting_for_leader
from forwarder.cli.load_lines import outcome, taken_seconds, title
from forwarder.cli.load_targets import require_sinks
from forwarder.config.settings import SinkSettings
from forwarder.database.sessions import Connection
from forwarder.quantities import duration, size
from forwarder.store import load_requests
from forwarder.store.loads import Load, LoadState


async def show_status(
    patterns: Sequence[Pattern],
    known: Sequence[SinkSettings],
    names: Sequence[str],
    connection: Connection,
    *,
    as_json: bool,
) -> bool:
    """Print how the newest load of each of these tables stands; of all tables, if there are no patterns. Always True: to have looked is success.

    Raises:
        Misconfigured: there is no such sink.
        Refused: no captured table is like that.
    """
    await require_sinks(connection, known, names)
    table_ids = await read_named(connection, patterns) if patterns else None
    loads = await load_requests.find(connection, sinks=names or None, table_ids=table_ids)
    if as_json:
        for one in loads:
            typer.echo(msgspec.json.encode(_members(one)).decode())
        return True
    if loads:
        Console().print(_table(loads))
    for one in loads:
        if one.state is LoadState.FAILED:
            typer.echo(f"{title(one)}: {outcome(one)}")
    for sink in dict.fromkeys(one.sink for one in loads if one.state in (LoadState.WAITING, LoadState.RUNNING)):
        if line := await waiting_for_leader(connection, sink):
            typer.echo(line)
    typer.echo(f"loads: {len(loads)}")
    return True


def _members(load: Load) -> dict[str, Any]:
    """What is told of a load in JSON. Not its place, which has a key of a row in it."""
    return {
        "number": load.number,
        "sink": load.sink,
        "schema": load.schema,
        "table": load.name,
        "part": msgspec.Raw(load.part.encode()),
        "state": load.state,
        "rows": load.rows,
        "bytes": load.bytes,
        "estimated_rows": load.estimated_rows,
        "error": load.error,
        "requested_at": load.requested_at,
        "started_at": load.started_at,
        "updated_at": load.updated_at,
        "finished_at": load.finished_at,
    }


def _table(loads: Sequence[Load]) -> Table:
    table = Table(box=SIMPLE_HEAD)
    for heading in ("load", "sink", "table", "state", "rows", "of about", "bytes", "took"):
        table.add_column(heading, justify="left" if heading in ("sink", "table", "state") else "right", overflow="fold")
    for one in loads:
        table.add_row(
            str(one.number),
            one.sink,
            one.qualified_name,
            one.state,
            f"{one.rows:,}",
            "" if one.estimated_rows is None else f"{one.estimated_rows:,}",
            size(one.bytes),
            duration(taken_seconds(one)) if one.started_at else "",
        )
    return table
