"""``forwarder migrate``: the schema, and the triggers of the selected tables."""

from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Annotated, Literal, get_args

import anyio
import typer

from forwarder import difference, migrations
from forwarder.capture_role import CaptureRole
from forwarder.cli.options import ConfigOption, LogFormatOption, database_url, settings
from forwarder.config import DatabaseSettings, Settings
from forwarder.conflicts import past_conflicts
from forwarder.database import CONNECT_TO_PRIMARY, Connection, describe, errors_of, session
from forwarder.definitions import Redefine
from forwarder.difference import Difference
from forwarder.errors import Misconfigured, Refused
from forwarder.image_limit import LimitImages
from forwarder.installation import Installation
from forwarder.layout import LayOut
from forwarder.protection import Roles
from forwarder.queries import query
from forwarder.rights import Rights
from forwarder.selection import Pattern, Rule
from forwarder.server import max_prepared_transactions
from forwarder.triggers import Change, Decision, Forget, Install, Keep, Record, Remove
from forwarder.waking import waking

Mode = Literal["apply", "plan", "check", "sql"]
Ask = Callable[[Connection], Awaitable[Difference]]


def migrate(
    table: Annotated[
        list[str] | None,
        typer.Option(
            "--table",
            metavar="PATTERN",
            help="Capture these tables, such as orders, sales.* or '\"odd.schema\".*' (repeatable); else \\[\\[table]].",
            show_default=False,
        ),
    ] = None,
    exclude: Annotated[
        list[str] | None,
        typer.Option("--exclude", metavar="PATTERN", help="But never these (repeatable).", show_default=False),
    ] = None,
    show_plan: Annotated[bool, typer.Option("--plan", help="Say what would change; change nothing.")] = False,
    check: Annotated[bool, typer.Option("--check", help="Like --plan; exit 1 if something would change.")] = False,
    sql: Annotated[bool, typer.Option("--sql", help="Print what would be run; change nothing.")] = False,
    runtime_role: Annotated[
        str | None,
        typer.Option(
            "--runtime-role",
            metavar="NAME",
            help="Let this role run `forwarder listen`; it need not own anything (docs/roles.md).",
            show_default=False,
        ),
    ] = None,
    down: Annotated[
        bool,
        typer.Option("--down", help="Remove all triggers and schema forwarder; refused while changes are undelivered."),
    ] = False,
    discard_undelivered: Annotated[
        bool, typer.Option("--discard-undelivered", help="With --down: undelivered changes may be lost.")
    ] = False,
    config: ConfigOption = None,
    log_format: LogFormatOption = None,
) -> None:
    """Create or upgrade schema forwarder, and capture exactly the selected tables.

    Safe to run again, at the same time, and on a busy system: it touches only what differs, never lets writers queue for
    long, and comes back to tables that are locked. Without a selection, what is captured stays so and is mended.

    Example: `forwarder migrate --table 'public.*' --exclude 'public.audit_*' --plan`
    """
    mode = _mode(plan=show_plan, check=check, sql=sql)
    if down and (table or exclude or runtime_role):
        raise Misconfigured("--down removes everything; leave out --table, --exclude and --runtime-role")
    if discard_undelivered and not down:
        raise Misconfigured("--discard-undelivered is only for --down; leave it out")
    flags = {"table": [{"match": pattern} for pattern in table]} if table else {}
    loaded = settings(config, log_format, **flags)
    ask: Ask = difference.from_nothing
    if not down:
        ask = partial(
            difference.from_selection,
            rules=_rules(loaded),
            exclude=_exclusions(loaded, exclude),
            leaf_events=loaded.outbox.leaf_events,
            max_image_bytes=loaded.capture.max_image_bytes,
            roles=Roles(capture=loaded.database.capture_role, runtime=runtime_role),
        )
    run = partial(
        _run,
        database_url(loaded),
        ask,
        mode=mode,
        discard=discard_undelivered,
        listened=None if down else loaded.database,
    )
    anyio.run(run, backend_options={"use_uvloop": True})


def _mode(**flags: bool) -> Mode:
    chosen = [mode for mode in get_args(Mode) if flags.get(mode)]
    if len(chosen) > 1:
        raise Misconfigured(f"--{' and --'.join(chosen)} exclude each other; give one of them")
    return chosen[0] if chosen else "apply"


def _rules(loaded: Settings) -> list[Rule]:
    return [
        Rule(match=Pattern(rule.match), exclude=tuple(map(Pattern, rule.exclude)), before=rule.before)
        for rule in loaded.table
    ]


def _exclusions(loaded: Settings, exclude: Sequence[str] | None) -> list[Pattern]:
    if exclude and not loaded.table:
        raise Misconfigured("--exclude leaves tables out of a selection, and there is none; add --table 'public.*'")
    return [Pattern(pattern) for pattern in exclude or ()]


async def _run(url: str, ask: Ask, *, mode: Mode, discard: bool, listened: DatabaseSettings | None) -> None:
    """``listened``: how changes will be waited for, where any are captured."""
    async with session(url, purpose="migrate") as connection:
        if listened and mode != "sql":
            await _tell_waking(connection, listened)
        if mode == "apply":
            await _require_writable(connection, url)
            async with migrations.alone(connection):
                await _make(connection, _told(await ask(connection)), discard=discard)
        elif mode == "sql":
            typer.echo(_guarded(_told(await ask(connection)), discard=discard).script())
        else:
            _show(_told(await ask(connection)), mode)


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
    """The same, after its warnings are said; they change neither what is done nor the exit status."""
    for warning in found.warnings:
        typer.echo(f"forwarder: warning: {warning}", err=True)
    return found


async def _require_writable(connection: Connection, url: str) -> None:
    with errors_of("cannot tell whether the database may be written to"):
        found = await connection.fetchrow(query("read_only"))
    assert found is not None
    if found["is_standby"]:
        raise Refused(f"PostgreSQL at {describe(url)} is read-only; {CONNECT_TO_PRIMARY}")
    if found["is_default"]:
        raise Refused(
            f"PostgreSQL at {describe(url)} is read-only: somebody has set default_transaction_read_only for this database or role;"
            " set it to off, or run again when it is"
        )


def _show(found: Difference, mode: Mode) -> None:
    """A line for each thing that would be done."""
    for change in found.mending:
        typer.echo(_line(change, would=True))
    for migration in found.pending:
        typer.echo(f"{migration}: would be applied")
    for decision in found.decisions:
        typer.echo(_line(decision, would=True))
    if found.drops_schema:
        typer.echo(f"schema forwarder: would be dropped, with {found.undelivered} undelivered changes")
    if found.role:
        typer.echo(_farewell(found.role, would=True))
    typer.echo(_summary(found, would=True))
    if mode == "check" and found.exists:
        raise typer.Exit(1)


async def _make(connection: Connection, found: Difference, *, discard: bool) -> None:
    """Do it, with a line for each thing done."""
    _guarded(found, discard=discard)
    installation = Installation(connection, _report)
    await installation.carry_out(found.mending)
    if found.pending:
        await migrations.apply(connection, report=lambda migration: typer.echo(f"{migration}: applied"))
    for decision in found.decisions:
        if isinstance(decision, Keep):
            typer.echo(_line(decision))
    await installation.carry_out(found.changes)
    if installation.failures:
        count = len(found.mending) + len(found.changes)
        raise Refused(f"{installation.failures} of {count} changes failed, as said above; mend it and run again")
    if found.drops_schema:
        await _drop_schema(connection, discard=discard)
    if found.role:
        await _drop_role(connection, found.role)
    typer.echo(_summary(found))


async def _drop_schema(connection: Connection, *, discard: bool) -> None:
    """Drop it, unless something was captured between the first look and the removal of the last trigger."""

    async def drop() -> None:
        _guarded(await difference.from_nothing(connection), discard=discard)
        with errors_of("cannot drop schema forwarder"):
            await connection.execute(difference.DROP_SCHEMA)

    await past_conflicts(drop)
    typer.echo("schema forwarder: dropped")


async def _drop_role(connection: Connection, role: CaptureRole) -> None:
    if role.can_go:
        with errors_of(f"cannot drop role {role.name}"):
            await connection.execute(role.drop)
    typer.echo(_farewell(role))


def _farewell(role: CaptureRole, *, would: bool = False) -> str:
    if role.can_go:
        return f"role {role.name}: {'would be ' if would else ''}dropped"
    return f"role {role.name}: kept; where nothing needs it any more, an administrator can run: {role.drop}"


def _guarded(found: Difference, *, discard: bool) -> Difference:
    if found.undelivered and not discard:
        raise Refused(
            f"{found.undelivered} changes are not delivered to every sink; deliver them by `forwarder listen --once`, or give"
            " them up by --discard-undelivered"
        )
    return found


def _report(change: Change, *, problem: str | None = None) -> None:
    if problem is None:
        typer.echo(_line(change))
    else:
        typer.echo(f"forwarder: {change.table}: {problem}", err=True)


def _line(decision: Decision, *, would: bool = False) -> str:
    if isinstance(decision, Keep):
        return f"{decision.table}: unchanged"
    to_be = "would be " if would else ""
    if isinstance(decision, Redefine):
        return f"{decision.table}: {to_be}defined anew ({', '.join(decision.reasons)})"
    if isinstance(decision, Rights):
        return f"{decision.table}: {_settlement(decision, to_be=to_be)}"
    if isinstance(decision, LayOut):
        return (
            f"{decision.table}: {to_be}laid out anew (events a leaf: {decision.found_events} -> {decision.leaf_events})"
        )
    if isinstance(decision, LimitImages):
        return f"{decision.table}: {to_be}limited (bytes of images: {decision.found_bytes} -> {decision.max_bytes})"
    return f"{decision.table}: capture {to_be}{_participle(decision)}"


def _settlement(change: Rights, *, to_be: str) -> str:
    roles = ", ".join(change.roles)
    match change.part:
        case "owner":
            return f"what others own {to_be}given to its owner {roles}"
        case "capture":
            return f"{to_be}entrusted to role {roles}, which may only fill the outbox"
        case "partitions":
            return f"{to_be}granted to {roles}, for the partitions of their tables"
        case "runtime":
            return f"rights that `forwarder listen` needs {to_be}granted to {roles}"
        case "close":
            return f"rights that others should not have {to_be}revoked from {roles}"
        case "clear":
            return f"triggers, rules, policies or foreign keys that are not ours {to_be}dropped from its tables (of {roles})"


def _participle(change: Install | Record | Remove | Forget) -> str:
    match change:
        case Install(registered_id=None):
            return "installed"
        case Install(reasons=reasons):
            return f"corrected ({', '.join(reasons)})"
        case Record(reasons=reasons):
            return f"registered anew ({', '.join(reasons)})"
        case Remove():
            return "removed"
        case Forget():
            return "ended (the table is gone, or captured through its parent)"


def _summary(found: Difference, *, would: bool = False) -> str:
    to = "to be " if would else ""
    tables = [decision for decision in found.decisions if not isinstance(decision, Rights)]
    unchanged = sum(isinstance(decision, Keep) for decision in tables)
    counts = f"migrations {to}applied: {len(found.pending)}, tables {to}changed: {len(tables) - unchanged}, unchanged: {unchanged}"
    return f"{counts}; {found.remark}" if found.remark else counts
