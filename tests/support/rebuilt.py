"""A second database, which has nothing but what the records of a stream have told."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import asyncpg

from tests.support.consumer import Change, Consumer, Emptied

if TYPE_CHECKING:
    from forwarder.database.sessions import Connection


@dataclass(frozen=True, slots=True, kw_only=True)
class _Statements:
    """How a change is applied to one table."""

    has_key: bool
    # Of the row with the key $1 or, in a table without one, of one that is like the old image $1: whether it is like the old image $2.
    remove: str
    # The row of the new image $1. Its text is asked for, since there are values that PostgreSQL can make and not write.
    add: str


class Rebuilt:
    """Tables that have no rows before ``apply``. An image becomes a row by json_populate_record, which PostgreSQL has for that."""

    def __init__(self, connection: Connection) -> None:
        self.consumer = Consumer()
        # Changes whose old image is not what was held.
        self.surprises: list[Change] = []
        # Changes that json_populate_record makes no row of.
        self.refused: list[Change] = []
        self._connection = connection
        self._statements: dict[str, _Statements] = {}

    async def prepare(self) -> None:
        """Records of different keys come in no order, so what holds between rows does not hold at every moment: it is not checked."""
        for row in await self._connection.fetch(_CONSTRAINTS_BETWEEN_ROWS):
            await self._connection.execute(f"ALTER TABLE {row['table']} DROP CONSTRAINT {row['name']}")
        self._statements = {row["name"]: _statements(row) for row in await self._connection.fetch(_TABLES)}

    async def apply(self, stream: Iterable[bytes]) -> None:
        """Do what the records say, in the order in which they are read."""
        for data in stream:
            for change in self.consumer.read(data):
                await (self._empty(change) if isinstance(change, Emptied) else self._apply(change))

    async def _apply(self, change: Change) -> None:
        statements = self._statements[change.table]
        place = change.key if statements.has_key else change.before
        try:
            if place:
                is_alike = await self._connection.fetchval(statements.remove, place, change.before)
                if change.before and is_alike is False:
                    self.surprises.append(change)
            if change.after:
                await self._connection.execute(statements.add, change.after)
        except (asyncpg.DataError, asyncpg.DatatypeMismatchError):
            self.refused.append(change)

    async def _empty(self, emptied: Emptied) -> None:
        if not self._statements[emptied.table].has_key:
            table = await self._connection.fetchval("SELECT quote_ident($1)", emptied.partition or emptied.table)
            await self._connection.execute(f"DELETE FROM public.{table}")


_CONSTRAINTS_BETWEEN_ROWS = """
    SELECT conrelid::regclass::text AS table, quote_ident(conname) AS name
    FROM pg_constraint
    WHERE connamespace = 'public'::regnamespace AND contype IN ('f', 'u', 'x') AND conparentid = 0
"""

_TABLES = """
    SELECT
        relname AS name,
        'public.' || quote_ident(relname) AS table,
        ARRAY(
            SELECT quote_ident(attname) FROM pg_attribute
            WHERE attrelid = class.oid AND attnum > 0 AND NOT attisdropped AND attgenerated = ''
        ) AS columns,
        ARRAY(
            SELECT quote_ident(attname) FROM pg_index JOIN pg_attribute ON attrelid = indrelid AND attnum = ANY (indkey)
            WHERE indrelid = class.oid AND indisprimary
        ) AS key
    FROM pg_class AS class
    WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p') AND NOT relispartition
"""


def _statements(row: asyncpg.Record) -> _Statements:
    table, columns, key = row["table"], ", ".join(row["columns"]), ", ".join(row["key"])
    image = f"json_populate_record(NULL::{table}, ${{}}::json)"
    text = f"(SELECT told_row::text FROM {image} AS told_row)"
    if key:
        which = f"({', '.join(f'held_row.{name}' for name in row['key'])}) = (SELECT {key} FROM {image.format(1)})"
    else:
        which = f"(tableoid, ctid) = (SELECT tableoid, ctid FROM {table} AS a_row WHERE a_row::text = {text.format(1)} LIMIT 1)"
    return _Statements(
        has_key=bool(key),
        remove=f"DELETE FROM {table} AS held_row WHERE {which} RETURNING held_row::text = {text.format(2)}",
        add=(
            f"INSERT INTO {table} AS new_row ({columns}) OVERRIDING SYSTEM VALUE SELECT {columns} FROM {image.format(1)}"
            " RETURNING new_row::text"
        ),
    )
