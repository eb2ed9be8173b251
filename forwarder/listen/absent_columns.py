"""Warns of tables that lack a column of which a sink's partition keys are made: their changes go by their primary keys.

1. At start, of all captured tables, in one line.
2. When a change comes without the column, once a table: it was dropped or renamed since, or the table's rules leave it out.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable

from forwarder.config.partition_key import KeyRule
from forwarder.database.queries import query
from forwarder.database.sessions import Connection, database_errors
from forwarder.events import CapturedTable
from forwarder.listen.table_filter import TableFilter

# So many tables are named in a line.
MOST_NAMED = 10

_REMEDY = "correct partition_key in the sink's URL, or the rule of the mapping file, or give these tables a sink of their own by `tables`"

logger = logging.getLogger(__name__)


class AbsentColumns:
    """What was told of one sink in one tenure."""

    def __init__(self, sink: str, rule: KeyRule, wants: TableFilter | None) -> None:
        """``wants`` tells which tables the sink is for; None: for all."""
        self._sink = sink
        self._columns = rule.row_columns
        self._wants = wants
        self._told: set[tuple[str, str]] = set()

    async def look(self, connection: Connection, tables: Iterable[CapturedTable]) -> None:
        """Warn of those of the tables that lack a column.

        Raises:
            Unavailable: the database does not answer.
        """
        wanted = {
            table.relation: table
            for table in tables
            if not table.is_of_events and (self._wants is None or self._wants(table))
        }
        if not self._columns or not wanted:
            return
        with database_errors("cannot look for the columns of the partition key"):
            rows = await connection.fetch(query("absent_columns"), list(wanted), list(self._columns))
        absent = {(wanted[row["relation"]].qualified_name, str(row["column_name"])) for row in rows}
        if absent:
            self._told |= absent
            self._warn(sorted(absent))

    def tell(self, table: CapturedTable, column: str) -> None:
        """Warn that a change of this table has come without this column, unless that was told."""
        absent = table.qualified_name, column
        if absent not in self._told:
            self._told.add(absent)
            self._warn([absent])

    def _warn(self, absent: list[tuple[str, str]]) -> None:
        named = ", ".join(f"{column} of {table}" for table, column in absent[:MOST_NAMED])
        more = f" and {len(absent) - MOST_NAMED} more" if len(absent) > MOST_NAMED else ""
        logger.warning(
            "columns of the partition key are missing: such changes go by their primary key",
            extra={"sink": self._sink, "columns": f"{named}{more}", "remedy": _REMEDY},
        )
