"""``forwarder migrate``: brings the schema and the triggers in line with this version and the selected tables.

The modes share one path: what differs from what is wanted is found (a ``Difference``), and then done, shown, or printed as SQL. What stays
captured although it is not selected is asked about last, when all else is done and no lock is held.
"""

import sys
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Annotated, Literal, get_args

import anyio
import typer

from forwarder.capture import migrations, plan
from forwarder.capture.apply import Installation
from forwarder.capture.plan import Difference
from forwarder.capture.rights_due import Roles
from forwarder.capture.role import CaptureRole
from forwarder.capture.selection import Pattern, Rule
from forwarder.capture.table_rules import rules_of
from forwarder.capture.trigger_plan import Change, Keep, Remove
from forwarder.cli import migrate_lines
from forwarder.cli.options import ConfigOption, LogFormatOption, database_url, settings
from forwarder.config.settings import DatabaseSettings
from forwarder.config.wake import waking
from forwarder.database.conflicts import past_conflicts
from forwarder.database.read_only import require_writable
from forwarder.database.server_identity import max_prepared_transactions
from forwarder.database.sessions import Connection, database_errors, session
from forwarder.errors import Misconfigured, Refused

Mode = Literal["apply", "plan", "check", "sql"]
Ask = Callable[[Connection], Awaitable[Difference]]


def migrate(
    *,
    table: Annotated[
        list[str] | None,
        typer.Option(
            "--table",
            metavar="PATTERN",
            help="Capture these tables, besides those that are captured already: orders, sales.*. Repeatable; if not given, the settings"
            " name them.",
            show_default=False,
        ),
    ] = None,
    exclude: Annotated[
        list[str] | None,
        typer.Option(
            "--exclude", metavar="PATTERN", help="Leave these out of the selection. Repeatable.", show_default=False
        ),
    ] = None,
    remove: Annotated[
        bool,
        typer.Option("--remove", help="End the capture of tables that are not selected; else they are only listed."),
    ] = False,
    show_plan: Annotated[bool, typer.Option("--plan", help="Say what would be done, and do nothing.")] = False,
    check: Annotated[
        bool, typer.Option("--check", help="Like --plan; the exit status is 1 if there is anything to do.")
    ] = False,
    sql: Annotated[bool, typer.Option("--sql", help="Print the SQL that would be run, and run nothing.")] = False,
    runtime_role: Annotated[
        str | None,
        typer.Option(
            "--runtime-role",
            metavar="NAME",
            help="Grant this role what `forwarder listen` needs, which is less than this command needs.",
            show_default=False,
        ),
    ] = None,
    down: Annotated[
        bool,
        typer.Option(
            "--down", help="Remove all triggers, and schema forwarder. Refused while changes are not delivered."
        ),
    ] = False,
    discard_undelivered: Annotated[
        bool, typer.Option("--discard-undelivered", help="With --down: give up what is not delivered.")
    ] = False,
    config: ConfigOption = None,
    log_format: LogFormatOption = None,
) -> None:
    """Create or upgrade schema forwarder; capture tables.

    Tables are captured by triggers. It can be run again at any time, on a busy system and by two at once. It changes only what differs,
    and takes the lock of a table for an instant or not at all, so that writers do not queue behind it; it comes back to tables that were
    locked.

    What is captured stays captured, and is mended, whether it is selected or not. That ends by --remove, or if you say yes when
    asked on a terminal.

    A PATTERN is TABLE or SCHEMA.TABLE, where * and ? stand for anything; the schema is public if none is named, and case counts. A name
    that has a dot or a wildcard in it is put in double quotes: '"odd.schema".*'.

    \b
    Example:
      forwarder migrate --table 'public.*' --plan
      forwarder migrate --table 'public.*' --exclude 'public.audit_*'
    """
    mode = _mode(plan=show_plan, check=check, sql=sql)
    if down and (table or exclude or remove or runtime_role):
        raise Misconfigured("--down removes everything; leave out --table, --exclude, --remove and --runtime-role")
    if discard_undelivered and not down:
        raise Misconfigured("--discard-undelivered is only for --down; leave it out")
    loaded = settings(config, log_format)
    url = database_url(loaded)
    if down:
        _perform(url, plan.from_nothing, mode=mode, discard=discard_undelivered)
        return
    rules = rules_of(loaded.table)
    # The command line says which tables, the file says how.
    selected = [Rule(match=Pattern(pattern)) for pattern in table] if table else rules
    _require_selection(selected, exclude=exclude, remove=remove)
    ask = partial(
        plan.from_selection,
        rules=selected,
        described=rules,
        exclude=[Pattern(pattern) for pattern in exclude or ()],
        leaf_events=loaded.outbox.leaf_events,
        max_image_bytes=loaded.capture.max_image_bytes,
        auto_attach=loaded.capture.auto_attach,
        schema_events=loaded.capture.schema_events,
        roles=Roles(capture=loaded.database.capture_role, runtime=runtime_role),
    )
    left = _perform(url, partial(ask, remove=remove), mode=mode, listened=loaded.database)
    # Asked when all else is done and no lock is held, since the answer may take long.
    if left and mode == "apply" and _is_answered(f"Capture these {len(left)} no longer?"):
        _perform(url, partial(_removals_alone, ask, left), mode=mode)


def _mode(**flags: bool) -> Mode:
    chosen = [mode for mode in get_args(Mode) if flags.get(mode)]
    if len(chosen) > 1:
        raise Misconfigured(f"--{' and --'.join(chosen)} exclude each other; give one of them")
    return chosen[0] if chosen else "apply"


def _require_selection(selected: Sequence[Rule], *, exclude: Sequence[str] | None, remove: bool) -> None:
    if not selected and (remove or exclude):
        ends, leaves = "--remove ends what a selection does not name", "--exclude leaves tables out of a selection"
        raise Misconfigured(f"{ends if remove else leaves}, and there is none; add --table 'public.*'")


def _perform(
    url: str, ask: Ask, *, mode: Mode, discard: bool = False, listened: DatabaseSettings | None = None
) -> tuple[str, ...]:
    run = partial(_run, url, ask, mode=mode, discard=discard, listened=listened)
    return anyio.run(run, backend_options={"use_uvloop": True})


def _is_answered(question: str) -> bool:
    """Whether somebody at a terminal has said yes. Without a terminal nobody is asked."""
    return sys.stdin.isatty() and sys.stderr.isatty() and typer.confirm(question, err=True)


async def _removals_alone(
    ask: Callable[..., Awaitable[Difference]], agreed: Sequence[str], connection: Connection
) -> Difference:
    """The difference with its removals, if somebody has ``agreed`` to all of them.

    Raises:
        Refused: another table has been captured since the question was asked.
    """
    found = await ask(connection, remove=True)
    removals = {decision.table for decision in found.decisions if isinstance(decision, Remove)}
    if others := sorted(removals.difference(agreed)):
        raise Refused(f"{others[0]} is captured since the question was asked; nothing is removed: run it again")
    return found


async def _run(url: str, ask: Ask, *, mode: Mode, discard: bool, listened: DatabaseSettings | None) -> tuple[str, ...]:
    """Find the difference, and act on it by the mode.

    Args:
        listened: the settings by which `listen` will wait for changes, to be said first; None: not to be said.

    Returns:
        The tables that stay captured although the selection does not name them.
    """
    async with session(url, purpose="migrate") as connection:
        if listened and mode != "sql":
            await _tell_waking(connection, listened)
        if mode == "apply":
            await require_writable(connection, url)
            async with migrations.alone(connection):
                found = _told(await ask(connection))
                await _make(connection, found, discard=discard)
                return found.unnamed
        found = _told(await ask(connection))
        if mode == "sql":
            typer.echo(_guarded(found, discard=discard).script())
            for table in found.unnamed:
                typer.echo(f"forwarder: {migrate_lines.unnamed(table)}", err=True)
        else:
            _show(found, mode)
        return found.unnamed


async def _tell_waking(connection: Connection, database: DatabaseSettings) -> None:
    found = waking(
        database.wake,
        poll_interval_seconds=database.poll_interval_seconds,
        max_prepared_transactions=await max_prepared_transactions(connection),
    )
    typer.echo(f"wake: {found}")
    if found.warning:
        typer.echo(f"forwarder: warning: {found.warning}", err=True)


def _told(found: Difference) -> Difference:
    """The same difference, after its warnings were printed. They change neither what is done nor the exit status."""
    for warning in found.warnings:
        typer.echo(f"forwarder: warning: {warning}", err=True)
    return found


def _show(found: Difference, mode: Mode) -> None:
    """Print a line for each thing that would be done."""
    for mending in found.mending:
        typer.echo(migrate_lines.line(mending, would=True))
    for migration in found.pending:
        typer.echo(f"{migration}: would be applied")
    _tell_standing(found)
    for change in found.changes:
        typer.echo(migrate_lines.line(change, would=True))
    for option in migrate_lines.options(found):
        typer.echo(option)
    if found.drops_schema:
        typer.echo(f"schema forwarder: would be dropped, with {found.undelivered} undelivered changes")
    for role in found.roles:
        typer.echo(migrate_lines.farewell(role, would=True))
    typer.echo(migrate_lines.summary(found, would=True))
    if mode == "check" and found.exists:
        raise typer.Exit(1)


async def _make(connection: Connection, found: Difference, *, discard: bool) -> None:
    """Do all that is to be done, and print a line for each thing that is."""
    _guarded(found, discard=discard)
    installation = Installation(connection, _report)
    await installation.carry_out(found.mending)
    if found.pending:
        await migrations.apply(connection, report=lambda migration: typer.echo(f"{migration}: applied"))
    _tell_standing(found)
    await installation.carry_out(found.changes)
    if installation.failures:
        count = len(found.mending) + len(found.changes)
        raise Refused(f"{installation.failures} of {count} changes failed, as said above; mend it and run again")
    if found.drops_schema:
        await _drop_schema(connection, discard=discard)
    for role in found.roles:
        await _drop_role(connection, role)
    typer.echo(migrate_lines.summary(found))


async def _drop_schema(connection: Connection, *, discard: bool) -> None:
    """Drop the schema, unless something was captured between the first look and the removal of the last trigger."""

    async def drop() -> None:
        _guarded(await plan.from_nothing(connection), discard=discard)
        with database_errors("cannot drop schema forwarder"):
            await connection.execute(plan.DROP_SCHEMA)

    await past_conflicts(drop)
    typer.echo("schema forwarder: dropped")


async def _drop_role(connection: Connection, role: CaptureRole) -> None:
    if role.can_go:
        with database_errors(f"cannot drop role {role.name}"):
            await connection.execute(role.drop)
    typer.echo(migrate_lines.farewell(role))


def _guarded(found: Difference, *, discard: bool) -> Difference:
    if found.undelivered and not discard:
        to_whom = "to every sink" if found.has_sinks else "to any sink that is still there"
        raise Refused(
            f"{found.undelivered} changes are not delivered {to_whom}; deliver them by `forwarder listen --once`, or give"
            " them up by --discard-undelivered"
        )
    return found


def _tell_standing(found: Difference) -> None:
    """Print a line for each table that is left as it is, and for each whose capture --remove would end."""
    for decision in found.decisions:
        if isinstance(decision, Keep) and decision.table not in found.unnamed:
            typer.echo(f"{decision.table}: unchanged")
    for table in found.unnamed:
        typer.echo(migrate_lines.unnamed(table))


def _report(change: Change, *, problem: str | None = None) -> None:
    if problem is None:
        typer.echo(migrate_lines.line(change))
    else:
        typer.echo(f"forwarder: {change.table}: {problem}", err=True)
