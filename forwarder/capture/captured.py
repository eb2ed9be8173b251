"""Finds the captured tables that patterns name, and says why one names none."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from forwarder.capture.catalog import TableName, read_registry, read_tables
from forwarder.capture.selection import Pattern, Rule
from forwarder.database.queries import query
from forwarder.database.sessions import Connection, database_errors
from forwarder.errors import Refused


async def read_captured(connection: Connection, patterns: Sequence[Pattern]) -> list[TableName]:
    """The tables that are captured now, and that a pattern names by their present name, in order of their ids.

    Raises:
        Misconfigured: a pattern names no table at all.
        Refused: a pattern names only tables that are not captured, or partitions; or the database refuses to tell.
        Unavailable: the database does not answer.
    """
    registry = await read_registry(connection)
    with database_errors("cannot read the names of the captured tables"):
        rows = await connection.fetch(query("tables"), None)
    active = {row.id: row.relation for row in registry if row.active}
    captured = [TableName(row["id"], row["schema"], row["name"]) for row in rows if row["id"] in active]
    for pattern in patterns:
        if not any(map(pattern.matches, captured)):
            raise await _nothing_captured(connection, pattern, {active[name.id]: name for name in captured})
    return sorted(name for name in captured if any(pattern.matches(name) for pattern in patterns))


async def _nothing_captured(connection: Connection, pattern: Pattern, captured: Mapping[int, TableName]) -> Refused:
    tables = await read_tables(connection)
    Rule(match=pattern).require_match(tables)
    found = next(table for table in tables if pattern.matches(table))
    name = f"{found.schema}.{found.name}"
    for ancestor in found.ancestors:
        if root := captured.get(ancestor):
            return Refused(f"{name} is a partition of {root.schema}.{root.name}; name that table")
    return Refused(f"{name} is not captured; run `forwarder migrate --table '{pattern.text}'` first")
