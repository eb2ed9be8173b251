"""Captures tables that come later, while a listener leads: ``[capture] auto_attach``.

Where there are event triggers, a table is captured from its creation, and little is left to do here. What a look finds otherwise, it captures by the
same statements as `forwarder migrate`, if the listener's role owns schema ``forwarder``; else by ``forwarder.attach_by_rules()``, which does what the
rules say that are in the database, and leaves alone what has to be worked out for each table (rules about columns, say).

A table that may yet become a partition of a captured one, or the other way round, is left alone too: PostgreSQL refuses to attach a table that is
captured by itself.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any

import anyio

from forwarder.capture.apply import Installation
from forwarder.capture.catalog import read_registry, read_tables
from forwarder.capture.mapped_keys import require_mapped_key
from forwarder.capture.mapping_rule import mappings_of
from forwarder.capture.options import settle
from forwarder.capture.rights_due import Roles, protection
from forwarder.capture.selection import choose
from forwarder.capture.table_rules import rules_of
from forwarder.capture.tables import Registered, Table
from forwarder.capture.trigger_plan import Change, Forget, Install, plan
from forwarder.capture.uncaptured import LOOK_SECONDS, REMEDY, seconds_to_next_look
from forwarder.config.settings import Settings
from forwarder.config.table_mappings.table_mappings import TableMappings
from forwarder.database.queries import query
from forwarder.database.sessions import LOCK_CLASS, MIGRATION_LOCK, Connection, database_errors
from forwarder.errors import Conflict, ForwarderError, Misconfigured, Refused, Unavailable
from forwarder.logs import Throttled

logger = logging.getLogger(__name__)

# How long a statement of ours waits for a table that is locked. While it waits, writers queue behind it.
_LOCK_TIMEOUT = "SET LOCAL lock_timeout = '100ms'"
# After so many tables, the next ones wait for the next round of the janitor, which has other things to do.
_MOST_AT_ONCE = 50
# Of more tables that are not captured, the warnings say how many.
_MAX_LINES = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A table that is not captured. ``relation`` is its oid, ``ancestors`` are those of the tables that it is a partition of."""

    relation: int
    schema: str
    name: str
    is_partitioned: bool
    ancestors: Sequence[int]

    def __str__(self) -> str:
        return f"{self.schema}.{self.name}"


class NewTables:
    """What one listener does about them."""

    def __init__(self, settings: Settings, mappings: TableMappings | None = None) -> None:
        """Take the settings, and the mappings of the file that they name.

        Raises:
            Misconfigured: a pattern of a [[table]] is malformed.
        """
        self._rules = rules_of(settings.table, mappings) if settings.capture.auto_attach else []
        self._roles = Roles(capture=settings.database.capture_role)
        self._throttled = Throttled(seconds=300.0)
        self._due = 0.0
        self._last_id: int | None = None
        # Of each table that is selected and not captured, why.
        self._problems: dict[str, str] = {}
        # How many tables this look has captured.
        self._captured = 0
        self.warnings: Sequence[str] = ()

    def forget(self) -> None:
        """Look again at the next opportunity."""
        self._due = 0.0
        self.warnings = ()

    async def look(self, connection: Connection) -> None:
        """Look for new tables if it is time to. What goes wrong is in ``warnings`` afterwards.

        Raises:
            ForwarderError: the session is lost.
        """
        began = anyio.current_time()
        if began < self._due:
            return
        self._due = began + LOOK_SECONDS
        self._problems, self._captured = {}, 0
        try:
            async with _beside_no_migrate(connection) as is_alone:
                if is_alone:
                    await self._look(connection)
        except ForwarderError as error:
            if connection.is_closed():
                raise
            self._problems = {}
            self.warnings = (f"it is not known whether there are new tables to capture: {error}",)
        else:
            self.warnings = tuple(_lines(self._problems))
            now = anyio.current_time()
            self._due = now if self._captured >= _MOST_AT_ONCE else now + seconds_to_next_look(now - began)
        if self.warnings and self._throttled.due("warnings"):
            for line in self.warnings:
                logger.warning("a new table is not captured", extra={"what": line})

    async def _look(self, connection: Connection) -> None:
        if self._rules:
            await self._capture(connection)
        with database_errors("cannot tell how tables have changed"):
            await _briefly(connection, "SELECT forwarder.tell_schemas()")

    async def _capture(self, connection: Connection) -> None:
        with database_errors("cannot look for new tables"):
            for id, name in await connection.fetch(query("lately_attached"), self._last_id):
                self._last_id = id
                if name:
                    logger.info("captured since it was created", extra={"table": name})
            found = [Found(**row) for row in await connection.fetch(query("attachable"))]
        selected = {table.relation: table for table in found if any(rule.applies(table) for rule in self._rules)}
        # A partition is captured with its table.
        if roots := [table for table in selected.values() if selected.keys().isdisjoint(table.ancestors)]:
            await self._attach(connection, roots)
        await self._complete_partitions(connection)

    async def _attach(self, connection: Connection, selected: Sequence[Found]) -> None:
        """Capture these tables, as far as this role may, and note why not."""
        with database_errors("cannot read whose schema forwarder is"):
            is_owner = await connection.fetchval(
                "SELECT pg_has_role(relowner, 'USAGE') FROM pg_class WHERE oid = 'forwarder.captured_table'::regclass"
            )
        tables = await read_tables(connection) if is_owner else []
        registry = await read_registry(connection) if is_owner else []
        chosen = self._chosen(tables)
        for found in selected:
            if self._captured >= _MOST_AT_ONCE:
                return
            with database_errors("cannot look for new tables"):
                twin = await connection.fetchval("SELECT forwarder.twin_of($1)", found.relation)
            if twin:
                self._problems[f"{found}"] = (
                    f"it has the columns of {twin}, and one of them may become a partition of the other; if it will not, run"
                    f" `forwarder migrate --table {found}`; or exclude it in its [[table]]"
                )
            elif column := await self._covered_elsewhere(connection, found):
                self._problems[f"{found}"] = (
                    f"it has column {column}, which the rules of another table cover: say in a [[table]] of its own what its columns are to be,"
                    f" `columns = {{}}` if they are all to be sent, and {REMEDY}"
                )
            elif not is_owner:
                await self._attach_by_rules(connection, found)
            elif table := chosen.get(found.relation):
                if found.is_partitioned:
                    await self._grant_partitions(connection, table)
                await self._install(connection, table, tables, registry)

    async def _covered_elsewhere(self, connection: Connection, found: Found) -> str | None:
        """A column that rules of another table cover, while none of this one says anything of its columns: it may be a copy of that table."""
        try:
            if "columns" in settle(found, self._rules, None).origins:
                return None
        except Misconfigured:
            # The attempt to capture it will say so.
            return None
        with database_errors("cannot look for new tables"):
            column: str | None = await connection.fetchval("SELECT forwarder.covered_elsewhere($1)", found.relation)
        return column

    def _chosen(self, tables: Sequence[Table]) -> dict[int, Table]:
        """Those that the rules choose, by oid. A rule that matches nothing yet is none."""
        rules = [rule for rule in self._rules if any(rule.match.matches(table) for table in tables)]
        return {table.relation: table for table in choose(tables, rules)}

    async def _grant_partitions(self, connection: Connection, table: Table) -> None:
        """Let the owner of a partitioned table go on creating partitions, which get our triggers."""
        rights = await protection(connection, self._roles, tables=[table.relation], is_pending=False)
        due = [right for right in rights.changes if right.part == "partitions"]
        await Installation(connection, self._report, patience_seconds=0).carry_out(due)

    async def _install(
        self, connection: Connection, table: Table, tables: Sequence[Table], registry: Sequence[Registered]
    ) -> None:
        """Capture a table as `forwarder migrate` does."""
        try:
            options = settle(table, self._rules, None).options
            if mappings := mappings_of(self._rules):
                require_mapped_key(table, options, mappings)
            rows = _about(table, registry)
            decisions = plan([*_of(rows, tables), table], rows, {table.relation: options}, prune=False)
        except (Misconfigured, Refused) as error:
            self._problems[table.quoted] = f"{error}"
            return
        changes: list[Change] = []
        for decision in decisions:
            # A table that had its name and was dropped is forgotten first.
            if isinstance(decision, Forget):
                changes.append(decision)
            elif isinstance(decision, Install):
                changes.append(replace(decision, tells_beginning=True))
        await Installation(connection, self._report, patience_seconds=0).carry_out(changes)

    def _report(self, change: Change, *, problem: str | None = None) -> None:
        if problem is not None:
            self._problems[change.table] = problem
        elif isinstance(change, Install):
            self._tell(change.table)

    async def _attach_by_rules(self, connection: Connection, found: Found) -> None:
        """Capture a table by what the database knows of the rules."""
        try:
            with database_errors("it is not captured"):
                captured_id: int | None = await _briefly(
                    connection, "SELECT forwarder.attach_by_rules($1)", found.relation
                )
        except (Refused, Unavailable, Conflict) as error:
            if connection.is_closed():
                raise
            self._problems[f"{found}"] = f"{error}"
            return
        if captured_id is None:
            self._problems[f"{found}"] = f"its rules have to be worked out by the owner of schema forwarder; {REMEDY}"
        else:
            # Not since it was created.
            self._last_id = captured_id
            self._tell(f"{found}")

    def _tell(self, table: str) -> None:
        self._captured += 1
        logger.info("captured from now on", extra={"table": table})

    async def _complete_partitions(self, connection: Connection) -> None:
        with database_errors("cannot look for new partitions"):
            partitions = await connection.fetch(query("incomplete_partitions"))
        refused: list[str] = []
        for relation, name in partitions:
            try:
                with database_errors(f"cannot capture a TRUNCATE of {name} alone"):
                    await _briefly(connection, "SELECT forwarder.complete_partition($1)", relation)
            except (Refused, Unavailable, Conflict) as error:
                if connection.is_closed():
                    raise
                refused.append(f"{error}")
        if refused and self._throttled.due("partitions"):
            logger.info(
                "partitions lack their trigger for TRUNCATE", extra={"count": len(refused), "first": refused[0]}
            )


def _about(table: Table, registry: Sequence[Registered]) -> list[Registered]:
    """What the registry has of this table, and of others that had its name or its oid."""
    name = (table.schema, table.name)
    return [
        row
        for row in registry
        if row.id == table.captured_id or row.relation == table.relation or (row.schema, row.name) == name
    ]


def _of(rows: Sequence[Registered], tables: Sequence[Table]) -> list[Table]:
    """The captured tables that these rows are of, under whatever names."""
    ids = {row.id for row in rows}
    return [table for table in tables if table.captured_id in ids] if ids else []


@asynccontextmanager
async def _beside_no_migrate(connection: Connection) -> AsyncIterator[bool]:
    """Whether nobody runs `forwarder migrate` on the database; if so, nobody does until the end of the block."""
    with database_errors("cannot look for new tables"):
        is_alone = await connection.fetchval("SELECT pg_try_advisory_lock($1, $2)", LOCK_CLASS, MIGRATION_LOCK)
    try:
        yield is_alone
    finally:
        if is_alone and not connection.is_closed():
            with database_errors("cannot look for new tables"):
                await connection.execute("SELECT pg_advisory_unlock($1, $2)", LOCK_CLASS, MIGRATION_LOCK)


async def _briefly(connection: Connection, statement: str, *parameters: object) -> Any:
    """What a statement returns that gives up soon where it would have to wait for a lock."""
    async with connection.transaction():
        await connection.execute(_LOCK_TIMEOUT)
        return await connection.fetchval(statement, *parameters)


def _lines(problems: dict[str, str]) -> Iterator[str]:
    for table in list(problems)[:_MAX_LINES]:
        yield f"new table {table} is not captured: {problems[table]}"
    if (more := len(problems) - _MAX_LINES) > 0:
        yield f"{more} more new tables are not captured"
