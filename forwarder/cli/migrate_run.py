"""Carries out ``forwarder migrate``: asks what differs from what is wanted, and does it, shows it, or prints it as SQL."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Literal

import typer

from forwarder.capture import migrations, plan
from forwarder.capture.apply import Installation
from forwarder.capture.known_columns import keep_columns
from forwarder.capture.migrations import Migration
from forwarder.capture.plan import Difference
from forwarder.capture.role import CaptureRole
from forwarder.capture.trigger_plan import Change, Keep
from forwarder.cli import migrate_lines
from forwarder.cli.progress import Bars, Count
from forwarder.cli.terminal_text import safe
from forwarder.config.database import DatabaseSettings
from forwarder.config.wake import waking
from forwarder.database.access import DatabaseAddress
from forwarder.database.conflicts import past_conflicts
from forwarder.database.read_only import require_writable
from forwarder.database.server_identity import max_prepared_transactions
from forwarder.database.sessions import Connection, database_errors, session
from forwarder.errors import Misconfigured, Refused

Mode = Literal["apply", "plan", "check", "sql"]
Ask = Callable[[Connection], Awaitable[Difference]]


async def carry_out(
    url: DatabaseAddress, ask: Ask, *, mode: Mode, discard: bool, listened: DatabaseSettings | None, quiet: bool
) -> tuple[str, ...]:
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
                await _make(connection, found, discard=discard, quiet=quiet)
                return found.unnamed
        found = _told(await ask(connection))
        if mode == "sql":
            typer.echo(_guarded(found, discard=discard).script())
            for table in found.unnamed:
                _say(f"forwarder: {migrate_lines.unnamed(table)}", err=True)
        else:
            _show(found)
        _tell_unfit(found)
        if found.unfit:
            raise Misconfigured(migrate_lines.unfit(found))
        if mode == "check" and found.exists:
            raise typer.Exit(1)
        return found.unnamed


def _say(line: str, *, err: bool = False) -> None:
    """Print a line. Whoever may create a table may have given it any name, with line breaks and escape sequences in it."""
    typer.echo(safe(line), err=err)


async def _tell_waking(connection: Connection, database: DatabaseSettings) -> None:
    found = waking(
        database.wake,
        poll_interval_seconds=database.poll_interval_seconds,
        max_prepared_transactions=await max_prepared_transactions(connection),
    )
    _say(f"wake: {found}")
    if found.warning:
        _say(f"forwarder: warning: {found.warning}", err=True)


def _told(found: Difference) -> Difference:
    """The same difference, after its warnings were printed. They change neither what is done nor the exit status."""
    for warning in found.warnings:
        _say(f"forwarder: warning: {warning}", err=True)
    return found


def _show(found: Difference) -> None:
    """Print a line for each thing that would be done."""
    for mending in found.mending:
        _say(migrate_lines.line(mending, would=True))
    for migration in found.pending:
        _say(f"{migration}: would be applied")
    _tell_standing(found)
    for change in found.changes:
        _say(migrate_lines.line(change, would=True))
    for option in migrate_lines.options(found):
        _say(option)
    if found.drops_schema:
        _say(f"schema forwarder: would be dropped, with {found.undelivered} undelivered changes")
    for role in found.roles:
        _say(migrate_lines.farewell(role, would=True))
    _say(migrate_lines.summary(found, would=True))


async def _make(connection: Connection, found: Difference, *, discard: bool, quiet: bool) -> None:
    """Do all that is to be done, and print a line for each thing that is."""
    _guarded(found, discard=discard)
    progress = _Progress(changes=len(found.mending) + len(found.changes), migrations=len(found.pending), quiet=quiet)
    installation = Installation(connection, progress.report, tell_waiting=progress.tell_waiting)
    async with progress.bars.shown():
        await installation.carry_out(found.mending)
        if found.pending:
            await migrations.apply(connection, report=progress.report_migration)
        _tell_standing(found)
        await installation.carry_out(found.changes)
        await keep_columns(connection)
    _tell_unfit(found)
    if installation.failures:
        count = len(found.mending) + len(found.changes)
        raise Refused(f"{installation.failures} of {count} changes failed, as said above; mend it and run again")
    if found.unfit:
        raise Misconfigured(migrate_lines.unfit(found))
    if found.drops_schema:
        await _drop_schema(connection, discard=discard)
    for role in found.roles:
        await _drop_role(connection, role)
    _say(migrate_lines.summary(found))


async def _drop_schema(connection: Connection, *, discard: bool) -> None:
    """Drop the schema, unless something was captured between the first look and the removal of the last trigger."""

    async def drop() -> None:
        _guarded(await plan.from_nothing(connection), discard=discard)
        with database_errors("cannot drop schema forwarder"):
            await connection.execute(plan.DROP_SCHEMA)

    await past_conflicts(drop)
    _say("schema forwarder: dropped")


async def _drop_role(connection: Connection, role: CaptureRole) -> None:
    if role.can_go:
        with database_errors(f"cannot drop role {role.name}"):
            await connection.execute(role.drop)
    _say(migrate_lines.farewell(role))


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
            _say(f"{decision.table}: unchanged")
    for table in found.unnamed:
        _say(migrate_lines.unnamed(table))


def _tell_unfit(found: Difference) -> None:
    for table, problem in found.unfit.items():
        _say(f"forwarder: {table}: {problem}", err=True)


class _Progress:
    """Prints a line for each thing that is done, and shows how many of how many that are."""

    def __init__(self, *, changes: int, migrations: int, quiet: bool) -> None:
        self.bars = Bars(quiet=quiet)
        self._migrations = Count("schema", unit="migrations", total=migrations)
        self._changes = Count("tables", unit="changes", total=changes)
        for bar in (self._migrations, self._changes):
            if bar.total:
                self.bars.add(bar)

    def report(self, change: Change, *, problem: str | None = None) -> None:
        self._changes.done += 1
        self._changes.note = ""
        if problem is None:
            _say(migrate_lines.line(change))
        else:
            _say(f"forwarder: {change.table}: {problem}", err=True)

    def report_migration(self, migration: Migration) -> None:
        self._migrations.done += 1
        _say(f"{migration}: applied")

    def tell_waiting(self, table: str, holder: str) -> None:
        self._changes.note = f"{table} is locked by {holder}" if holder else f"{table} is locked"
