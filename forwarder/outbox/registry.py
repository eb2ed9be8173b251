"""The captured tables, as ``forwarder.captured_table`` has them, and for each a function that reads the key out of a row's image."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, TypeAlias

import asyncpg
import msgspec

from forwarder.database.queries import query
from forwarder.database.sessions import Connection
from forwarder.errors import Refused
from forwarder.events import CapturedTable, Column
from forwarder.outbox.keys import ReadKey, key_reader

# seq, txid, at, table_id, relation, op, before, after, fault, context, extra and image_bytes, in this order.
Row: TypeAlias = "asyncpg.Record | tuple[Any, ...]"


class _KeyColumn(msgspec.Struct):
    attnum: int
    names: tuple[str, ...]


_COLUMNS = msgspec.json.Decoder(tuple[Column, ...])
_KEY_COLUMNS = msgspec.json.Decoder(tuple[_KeyColumn, ...])
# Places in a row.
_TABLE_ID, _RELATION = 3, 4


class Registry:
    """A copy of the registry in memory. It is read again when a row names a table that it lacks, and now and then for new names."""

    def __init__(self, *, with_columns: bool = False) -> None:
        """``with_columns``: the tables are to have their columns and the types of these."""
        self.with_columns = with_columns
        # By id, each table and what reads the key out of an image of one of its rows.
        self.tables: dict[int, tuple[CapturedTable, ReadKey]] = {}
        # Schema and name of each table or partition, by oid; None for one that was dropped.
        self._places: dict[int, tuple[str, str] | None] = {}
        # Of each table or partition, by oid: what was another text if it had been renamed since it was looked up.
        self._stamps: dict[int, str] = {}

    async def refresh(self, connection: Connection, table_ids: Collection[int] | None = None) -> None:
        """Read the present names of these tables, or of all, and every name that their key columns have had."""
        chosen = None if table_ids is None else list(table_ids)
        await connection.execute(query("refresh_keys"), chosen)
        columns = await _columns(connection, chosen) if self.with_columns else {}
        for row in await connection.fetch(query("tables"), chosen):
            self._learn(_table(row, self._with_untyped(row["id"], columns.get(row["id"], ()))))
        if table_ids is None:
            # Partitions are left out, so that `learn` asks for their names again.
            self._places = {table.relation: (table.schema, table.name) for table, _ in self.tables.values()}

    async def renew(self, connection: Connection, stamps: Collection[tuple[int, int, str]]) -> None:
        """Look up anew what was renamed. Of each table or partition: the id of its table, its oid, and its stamp (``drain.sql``)."""
        changed = [(id, relation, stamp) for id, relation, stamp in stamps if self._stamps.get(relation) != stamp]
        if not changed:
            return
        for _, relation, stamp in changed:
            self._stamps[relation] = stamp
            self._places.pop(relation, None)
        await self.refresh(connection, {id for id, _, _ in changed})

    def _with_untyped(self, id: int, columns: tuple[Column, ...]) -> tuple[Column, ...]:
        """These columns of a table, and behind them those that ``learn_columns`` has found in images alone."""
        names = {column.name for column in columns}
        known, _ = self.tables.get(id, (None, None))
        return columns + tuple(
            column for column in (known.columns if known else ()) if column.type is None and column.name not in names
        )

    def _learn(self, table: CapturedTable) -> None:
        """A table of which nothing has changed stays the same object: tables are compared by identity, and what follows from one is cached."""
        known, _ = self.tables.get(table.id, (None, None))
        if known is None or msgspec.structs.astuple(known) != msgspec.structs.astuple(table):
            self.tables[table.id] = table, key_reader(table)
        self._places[table.relation] = table.schema, table.name

    async def learn(self, connection: Connection, rows: Sequence[Row]) -> None:
        """Make sure that every table and partition that rows of the outbox name can be looked up.

        Raises:
            Refused: a row names a table that the registry has not.
        """
        table_ids = {row[_TABLE_ID] for row in rows}
        if not self.tables.keys() >= table_ids:
            await self.refresh(connection)
            for table_id in table_ids - self.tables.keys():
                raise Refused(
                    f"the outbox holds changes of table {table_id}, which forwarder.captured_table does not know; "
                    "restore that row from a backup, or correct its id"
                )
        for relation in {row[_RELATION] for row in rows} - self._places.keys():
            place = await connection.fetchrow(query("relation_name"), relation)
            self._places[relation] = (place["schema"], place["name"]) if place else None

    async def learn_columns(self, connection: Connection, unknown: Mapping[int, Collection[str]]) -> None:
        """Look up columns that images have and these tables, by their ids, have not. What is not found is kept as a column of no known type."""
        await self.refresh(connection, unknown.keys())
        for id, names in unknown.items():
            table, read_key = self.tables[id]
            known = {column.name for column in table.columns}
            lost = tuple(Column(name, is_gone=True) for name in sorted(names) if name not in known)
            if lost:
                self.tables[id] = msgspec.structs.replace(table, columns=table.columns + lost), read_key

    def partition(self, table: CapturedTable, relation: int) -> str | None:
        """The name of the partition with this oid.

        None if it was dropped since, or if this is the oid of the table itself: one that was created anew has another than the registry says.
        """
        place = self._places[relation]
        return None if place is None or place == (table.schema, table.name) else place[1]


async def _columns(connection: Connection, table_ids: Sequence[int] | None) -> Mapping[int, tuple[Column, ...]]:
    """The columns of these tables, or of all, by their ids, and what they were before. What is new of them is kept in the database."""
    return {id: _COLUMNS.decode(columns) for id, columns in await connection.fetch(query("columns"), table_ids)}


def _table(row: asyncpg.Record, columns: tuple[Column, ...]) -> CapturedTable:
    migrated_as = row["migrated_schema"], row["migrated_name"]
    return CapturedTable(
        id=row["id"],
        relation=row["relation"],
        schema=row["schema"],
        name=row["name"],
        key_columns=tuple(column.names for column in _KEY_COLUMNS.decode(row["key_columns"])),
        before_image=row["before_image"],
        columns=columns,
        migrated_as=None if migrated_as == (row["schema"], row["name"]) else migrated_as,
        is_live=row["is_live"],
    )
