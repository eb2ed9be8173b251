"""Has PostgreSQL read the values of source filters, before any table is touched: whether ``abc`` is a number, only the column's type knows."""

from __future__ import annotations

from collections.abc import Iterable

import asyncpg

from forwarder.capture.filter_conditions import condition
from forwarder.capture.tables import Table
from forwarder.config.table_mappings.table_mappings import TableMappings
from forwarder.database.queries import query
from forwarder.database.quoting import identifier
from forwarder.database.sessions import Connection, database_errors
from forwarder.errors import Misconfigured


async def require_values(connection: Connection, mappings: TableMappings, tables: Iterable[Table]) -> None:
    """See that the filters of these selected tables compare each column with values of its type.

    Raises:
        Misconfigured: one does not.
        Unavailable: the database does not answer.
    """
    for table in tables:
        rule = mappings.selecting(table.schema, table.name)
        if not rule.filters:
            continue
        try:
            with database_errors(f"cannot read the types of the columns of {table.quoted}"):
                await _parse(connection, table, condition(rule.filters))
        except Misconfigured as error:
            raise Misconfigured(
                f"{mappings.source}: rule-id {rule.rule_id} cannot filter {table.quoted}: {error}"
            ) from None


async def _parse(connection: Connection, table: Table, where: str) -> None:
    """Have the condition parsed for a row of these types. The table itself is not named: that would wait for whoever has locked it."""
    columns = await connection.fetch(query("column_types"), table.relation)
    row = ", ".join(f"NULL::{column['type']} AS {identifier(column['name'])}" for column in columns)
    try:
        # In a transaction, so that a pooler keeps to one server.
        async with connection.transaction():
            await connection.prepare(f"SELECT FROM (SELECT {row}) AS new WHERE {where}")
    except (asyncpg.DataError, asyncpg.SyntaxOrAccessError) as error:
        # Without the hint, which is about casts.
        said = " ".join(str(error.args[0]).split())
        raise Misconfigured(f"{said}; write values of the column's type") from None
