"""Has PostgreSQL read the conditions of rows before any table is touched: whether ``abc`` is a number, only the column's type knows."""

from __future__ import annotations

import asyncpg

from forwarder.capture.conditions import enclosed
from forwarder.capture.options import Settled
from forwarder.capture.tables import Table
from forwarder.config.table_mappings.table_mappings import TableMappings
from forwarder.database.queries import query
from forwarder.database.quoting import identifier
from forwarder.database.sessions import LOCK_TIMEOUT_MS, Connection, database_errors
from forwarder.errors import Misconfigured

# What PostgreSQL says of a condition that is none for rows of these types.
_NO_CONDITION = (asyncpg.DataError, asyncpg.SyntaxOrAccessError, asyncpg.FeatureNotSupportedError)
# What says nothing of the condition: somebody has the table locked, or its triggers will be made by a role that may do more.
_UNKNOWN = (asyncpg.LockNotAvailableError, asyncpg.InsufficientPrivilegeError)


async def require_condition(
    connection: Connection, table: Table, settled: Settled, mappings: TableMappings | None
) -> None:
    """See that PostgreSQL takes ``where`` of a selected table, be it the filters of a mapping file or that of a ``[[table]]``.

    Raises:
        Misconfigured: it does not.
        Unavailable: the database does not answer.
    """
    where = settled.options.where
    if not where:
        return
    with database_errors(f"cannot read the types of the columns of {table.quoted}"):
        problem = await _problem(connection, table, where)
    if problem is None:
        return
    origin = settled.origins.get("where")
    if mappings and origin == mappings.source:
        rule = mappings.selecting(table.schema, table.name)
        raise Misconfigured(
            f"{mappings.source}: rule-id {rule.rule_id} cannot filter {table.quoted}: {problem}; write values of the column's type"
        )
    by = f" of [[table]] {origin!r}" if origin else ""
    raise Misconfigured(f"where{by} is no condition for rows of {table.quoted}: {problem}; correct it")


async def _problem(connection: Connection, table: Table, where: str) -> str | None:
    """Why a condition is none; None: it is one.

    First for a row of the same types, since whoever names the table itself waits for those who have locked it. What is wrong for that one may
    be right for a row of the table: a function may take the whole row, or the condition a system column.
    """
    # In a transaction, so that a pooler keeps to one server. With the search path by which conditions of triggers are read.
    async with connection.transaction():
        await connection.execute(f"SET LOCAL lock_timeout = '{LOCK_TIMEOUT_MS}ms'; SET LOCAL search_path = pg_catalog")
        columns = await connection.fetch(query("column_types"), table.relation)
        row = ", ".join(f"NULL::{column['type']} AS {identifier(column['name'])}" for column in columns)
        problem = await _said(connection, f"(SELECT {row})", where)
        return problem and await _said(connection, table.quoted, where)


async def _said(connection: Connection, rows: str, where: str) -> str | None:
    """What PostgreSQL says against a condition on NEW, one of these ``rows``; None: nothing, or it could not look.

    Beside NEW there is another row of the same columns, as there is OLD in a trigger: a name without NEW before it is ambiguous.
    """
    statement = f'SELECT FROM {rows} AS new CROSS JOIN {rows} AS "another row" WHERE {enclosed(where)}'
    try:
        async with connection.transaction():
            await connection.prepare(statement)
    except _UNKNOWN:
        return None
    except _NO_CONDITION as error:
        # Without the hint, which is about casts.
        return " ".join(str(error.args[0]).split())
    return None
