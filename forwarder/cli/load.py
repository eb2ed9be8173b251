"""``forwarder load``: has rows sent that tables have already, and says how far that has come."""

import signal
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import Annotated, Any

import anyio
import msgspec
import typer

from forwarder.capture.captured import read_captured
from forwarder.capture.catalog import read_named
from forwarder.capture.selection import Pattern
from forwarder.cli.load_follow import LoadFollower, waiting_for_leader
from forwarder.cli.load_lines import title
from forwarder.cli.load_status import show_status
from forwarder.cli.load_targets import require_sinks, tables_by_sink
from forwarder.cli.options import ConfigOption, LogFormatOption, database_url, settings
from forwarder.cli.progress import Bars, QuietOption
from forwarder.config.settings import SinkSettings
from forwarder.config.texts import unsound
from forwarder.database.access import DatabaseAddress
from forwarder.database.conflicts import past_conflicts
from forwarder.database.sessions import Connection, session
from forwarder.errors import Misconfigured, Refused, TableBusy, plain_errors
from forwarder.load.part import Part
from forwarder.load.reader import ChunkReader
from forwarder.store import load_requests
from forwarder.store.loads import Load

INTERRUPTED = 130

_GO_ON = "forwarder: the loads go on without this command; `forwarder load --status` shows them, --cancel gives them up"

Change = Callable[..., Awaitable[Sequence[Load]]]


def load(
    table: Annotated[list[str] | None, typer.Argument(metavar="TABLE", hidden=True)] = None,
    *,
    sink: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="Only for this sink; repeatable. If not given: for each sink that the settings name, or that the database knows if they name none,"
            " and that is for the table.",
            show_default=False,
        ),
    ] = None,
    where: Annotated[
        str | None, typer.Option(metavar="SQL", help="Only rows that meet this condition.", show_default=False)
    ] = None,
    columns: Annotated[
        str | None,
        typer.Option(metavar="A,B,…", help="Only these columns, and those of the key.", show_default=False),
    ] = None,
    order_by: Annotated[
        str | None,
        typer.Option(
            metavar="COLUMN[>=VALUE]",
            help="Read by this column, from the value on, where by default the key is. It needs an index.",
            show_default=False,
        ),
    ] = None,
    limit: Annotated[
        int | None, typer.Option(metavar="ROWS", min=1, help="So many rows at most.", show_default=False)
    ] = None,
    restart: Annotated[
        bool, typer.Option("--restart", help="Give up a load of the table that is under way, and begin anew.")
    ] = False,
    detach: Annotated[bool, typer.Option("--detach", help="Do not wait until it is done.")] = False,
    pause: Annotated[bool, typer.Option("--pause", help="Have the loads of these tables wait.")] = False,
    resume: Annotated[bool, typer.Option("--resume", help="Have paused loads go on where they are.")] = False,
    cancel: Annotated[
        bool, typer.Option("--cancel", help="Give up the loads of these tables, failed ones too.")
    ] = False,
    status: Annotated[
        bool, typer.Option("--status", help="Show the last load of these tables, or of all if none is named.")
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="With --status: print one JSON object a line.")] = False,
    quiet: QuietOption = False,
    config: ConfigOption = None,
    log_format: LogFormatOption = None,
) -> None:
    """Send the rows that tables have already, while changes flow.

    TABLE is the name of a captured table, or a glob such as 'sales.*'. Each row arrives as a record of kind read, in its place among
    the changes of the row. `forwarder listen` does the work, in small chunks; this command asks for it, and shows how far it has
    come. Ctrl-C ends this command alone. Exit status: 0 all rows are sent; 1 a load failed or was cancelled.

    \b
    Example:
      forwarder load orders
      forwarder load 'sales.*' --sink archive --detach
      forwarder load orders --where 'id > 500' --columns id,total
      forwarder load --status
      forwarder load orders --pause
    """
    part = {"where": where, "columns": _columns(columns), "order_by": order_by, "limit": limit}
    part = {name: value for name, value in part.items() if value is not None}
    actions = {"--pause": pause, "--resume": resume, "--cancel": cancel, "--status": status}
    _require_sense(
        [name for name, is_given in actions.items() if is_given],
        {**{f"--{name.replace('_', '-')}": True for name in part}, "--restart": restart, "--detach": detach},
        as_json=json,
        tables=table or (),
    )
    if problem := unsound(
        {"TABLE": table or [], "--sink": sink or [], **{f"--{name}": text for name, text in part.items()}}
    ):
        raise Misconfigured(problem)
    loaded = settings(config, log_format)
    patterns, sinks = [Pattern(text) for text in table or ()], sink or []
    work: Callable[[Connection], Awaitable[bool]]
    if status:
        work = partial(show_status, patterns, loaded.sink, sinks, as_json=json)
    elif change := next(
        (one for one, is_given in ((_PAUSE, pause), (_RESUME, resume), (_CANCEL, cancel)) if is_given), None
    ):
        work = partial(_change, patterns, loaded.sink, sinks, change)
    else:
        work = partial(
            _load,
            patterns,
            loaded.sink,
            sinks,
            part,
            url=database_url(loaded),
            restart=restart,
            detach=detach,
            quiet=quiet,
        )
    if not anyio.run(partial(_run, database_url(loaded), work), backend_options={"use_uvloop": True}):
        raise typer.Exit(1)


def _columns(text: str | None) -> list[str] | None:
    if text is None:
        return None
    names = [name.strip() for name in text.split(",")]
    if not all(names):
        raise Misconfigured(f"--columns {text!r} has an empty name; write them as id,total")
    return names


def _require_sense(
    actions: Sequence[str], of_loading: Mapping[str, bool], *, as_json: bool, tables: Sequence[str]
) -> None:
    """See that these options go together.

    Raises:
        Misconfigured: they do not.
    """
    if len(actions) > 1:
        raise Misconfigured(f"{actions[0]} and {actions[1]} exclude each other; give one of them")
    if actions and (other := next((name for name, is_given in of_loading.items() if is_given), None)):
        raise Misconfigured(f"{other} is for a new load; leave it out, or {actions[0]}")
    if as_json and actions != ["--status"]:
        raise Misconfigured("--json is for --status")
    if not tables and actions != ["--status"]:
        raise Misconfigured(
            "no table is named: give a TABLE, or a glob such as 'public.*'. See `forwarder load --help`"
        )


async def _run(url: DatabaseAddress, work: Callable[[Connection], Awaitable[bool]]) -> bool:
    async with session(url, purpose="load") as connection:
        return await work(connection)


# Asking for loads.


async def _load(
    patterns: Sequence[Pattern],
    known: Sequence[SinkSettings],
    names: Sequence[str],
    part: Mapping[str, Any],
    connection: Connection,
    *,
    url: DatabaseAddress,
    restart: bool,
    detach: bool,
    quiet: bool,
) -> bool:
    tables = await read_captured(connection, patterns)
    wanted = await tables_by_sink(connection, known, tables, names=names)
    await _require_readable(url, {table_id for table_ids in wanted.values() for table_id in table_ids}, part)
    loads = await past_conflicts(partial(_request, connection, wanted, part, restart=restart))
    if not detach:
        return await _follow(connection, loads, quiet=quiet)
    for one in loads:
        typer.echo(f"{title(one)}: load {one.number} is waiting")
    for sink in wanted:
        if line := await waiting_for_leader(connection, sink):
            typer.echo(line, err=True)
    return True


async def _require_readable(url: DatabaseAddress, table_ids: Collection[int], part: Mapping[str, Any]) -> None:
    """See that this part of each table can be read, as the listener would find out later.

    Raises:
        LoadFailed: one cannot.
    """
    async with session(url, purpose="load") as connection:
        reader = ChunkReader(connection)
        for table_id in sorted(table_ids):
            # Somebody has it locked: nothing is known to be wrong with it.
            with suppress(TableBusy):
                await reader.plan(table_id, msgspec.convert(part, Part))


async def _request(
    connection: Connection, wanted: Mapping[str, Sequence[int]], part: Mapping[str, Any], *, restart: bool
) -> Sequence[Load]:
    text = msgspec.json.encode(part).decode()
    async with connection.transaction():
        return [
            load
            for sink, table_ids in wanted.items()
            for load in await load_requests.request(
                connection, sinks=[sink], table_ids=table_ids, part=text, restart=restart
            )
        ]


async def _follow(connection: Connection, loads: Sequence[Load], *, quiet: bool) -> bool:
    """Show how they get on. Whether all have finished; False: one has not. A signal ends this and leaves them as they are."""
    signals: list[int] = []
    finished: list[bool] = []
    with plain_errors():
        async with anyio.create_task_group() as tasks:

            async def stop_on_signal() -> None:
                with anyio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as received:
                    signals.append(await anext(received))
                    tasks.cancel_scope.cancel()

            tasks.start_soon(stop_on_signal)
            finished.append(await LoadFollower(connection, loads, Bars(quiet=quiet)).follow())
            tasks.cancel_scope.cancel()
    if signals and not finished:
        typer.echo(_GO_ON, err=True)
        raise typer.Exit(INTERRUPTED)
    return all(finished)


# What is done to loads that there are.

_PAUSE = ("paused", "nothing to pause: no load of {} is waiting or running", load_requests.pause)
_RESUME = ("goes on", "nothing to resume: no load of {} is paused", load_requests.resume)
_CANCEL = ("cancelled", "nothing to cancel: no load of {} is under way or has failed", load_requests.cancel)


async def _change(
    patterns: Sequence[Pattern],
    known: Sequence[SinkSettings],
    names: Sequence[str],
    change: tuple[str, str, Change],
    connection: Connection,
) -> bool:
    done, nothing, act = change
    await require_sinks(connection, known, names)
    table_ids = await read_named(connection, patterns)
    loads = await past_conflicts(partial(act, connection, sinks=names or None, table_ids=table_ids))
    if not loads:
        shown = ", ".join(pattern.text for pattern in patterns)
        for_sinks = f" for sink {', '.join(names)}" if names else ""
        raise Refused(f"{nothing.format(shown)}{for_sinks}; `forwarder load --status` shows the loads there are")
    for one in loads:
        typer.echo(f"{title(one)}: {done} at {one.rows:,} rows")
    return True
