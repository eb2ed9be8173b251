"""What has to be known of a table or partition to read its rows, looked up once and again when it has changed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import asyncpg
import msgspec

from forwarder.database.queries import query
from forwarder.database.quoting import identifier
from forwarder.database.sessions import Connection
from forwarder.errors import LoadFailed
from forwarder.load.access import require_access
from forwarder.load.chunk_query import ChunkQuery
from forwarder.load.images import Needs
from forwarder.load.key_column import KeyColumn
from forwarder.load.needs import read_needs
from forwarder.load.part import OrderBy
from forwarder.load.table_plan import TablePlan

_COLUMN = msgspec.json.Decoder(KeyColumn)
_COLUMNS = msgspec.json.Decoder(tuple[KeyColumn, ...])


class Changed(Exception):
    """A table or partition is not what it was a moment ago. Reaction: look it up again."""


@dataclass(slots=True, kw_only=True)
class Relation:
    """A table or partition, as it was when it was looked up; ``stamp`` is another one as soon as it is not."""

    stamp: str
    query: ChunkQuery
    # How many bytes the largest image had that was read; None: nothing was.
    largest_bytes: int | None = None

    @property
    def name(self) -> str:
        """As SQL writes it, with its schema."""
        return self.query.name


async def look_up(connection: Connection, plan: TablePlan, oid: int) -> Relation | None:
    """Learn how to read a table or partition; None: it is gone, or captured no longer as a part of this table.

    Raises:
        LoadFailed: it cannot be read.
        Changed: it was altered while it was looked up.
    """
    order = plan.part.order
    found = await connection.fetchrow(
        query("load_relation"), oid, plan.table_id, list(plan.key), order.column if order else None
    )
    if found is None:
        return None
    await require_access(connection, found)
    name: str = found["quoted"]
    paging = _COLUMNS.decode(found["key_paging"]) if plan.key and found["key_paging"] else ()
    if plan.key and not paging:
        raise LoadFailed(
            f"{name} has no index to read it by its key ({', '.join(plan.key)}); create a unique index on these columns"
        )
    key = {column.name: column for column in paging}
    of_index = [column.name for column in paging]
    if order:
        paging = _ordered(found, name, order, paging)
    if hazard := next((column for column in paging if column.has_checks), None):
        raise LoadFailed(f"{name} cannot be read by column {hazard.name}: a domain within its type has a check")
    needs = await _needs(connection, plan, name, found["columns"])
    return Relation(
        stamp=found["stamp"],
        query=ChunkQuery(
            name=name,
            relation=oid,
            needs=needs,
            key=tuple(key[column] for column in plan.key),
            paging=paging,
            is_index_order=[column.name for column in paging] == of_index,
            conditions=[condition for condition in (found["condition"], plan.part.where) if condition],
            least=order.least if order else None,
            is_careful=not needs.is_plain,
        ),
    )


def _ordered(found: asyncpg.Record, name: str, order: OrderBy, paging: Sequence[KeyColumn]) -> tuple[KeyColumn, ...]:
    column = order.column
    if column not in found["columns"]:
        raise LoadFailed(f"order by {column}: {name} has no such column")
    if not paging:
        raise LoadFailed(f"order by {column}: {name} has no key, so that its rows cannot be told apart; load all of it")
    if found["order_paging"] is None:
        raise LoadFailed(
            f"order by {column}: {name} has no index that begins with it; CREATE INDEX CONCURRENTLY ON {name} ({identifier(column)})"
        )
    if found["order_may_be_null"] and order.least is None:
        raise LoadFailed(f"order by {column}: it may be null in {name}; write {column}>=VALUE, or make it NOT NULL")
    first = _COLUMN.decode(found["order_paging"])
    return (first, *(other for other in paging if other.name != column))


async def _needs(connection: Connection, plan: TablePlan, name: str, columns: Sequence[str]) -> Needs:
    try:
        needs = await read_needs(connection, name, plan.table_id, columns)
    except (asyncpg.UndefinedObjectError, asyncpg.InvalidSchemaNameError) as error:
        # Renamed or dropped.
        raise Changed from error
    chosen = plan.part.columns
    return needs if chosen is None else needs.of_columns(chosen, plan.key)
