"""Works out what a load reads of a table, and whether it can."""

from __future__ import annotations

import asyncpg
import msgspec

from forwarder.database.queries import query
from forwarder.database.quoting import identifier, literal
from forwarder.database.sessions import Connection
from forwarder.errors import LoadFailed
from forwarder.load.access import require_access
from forwarder.load.part import Part
from forwarder.load.relations import Changed
from forwarder.load.table_plan import TablePlan

_CAPTURE_IT = "capture it first: `forwarder migrate --table`"


async def plan_table(connection: Connection, table_id: int, part: Part) -> TablePlan:
    """Work out what is to be read of a captured table.

    Raises:
        LoadFailed: there is no such table, or the part does not fit it.
        Changed: it was altered meanwhile.
    """
    found = await connection.fetchrow(query("load_table"), table_id)
    if found is None:
        raise LoadFailed(f"table {table_id} is not captured; {_CAPTURE_IT}")
    name = f"{found['schema']}.{found['name']}"
    _require_rows(name, found, part)
    await require_access(connection, found)
    return TablePlan(
        table_id=table_id,
        schema=found["schema"],
        name=found["name"],
        relation=found["relation"],
        is_partitioned=found["is_partitioned"],
        part=part,
        key=tuple(found["key_names"]),
        tells_old_rows=found["tells_old_rows"],
        tells_new_rows=found["tells_new_rows"],
        estimated_rows=await _estimate(connection, table_id, found, part),
    )


def _require_rows(name: str, found: asyncpg.Record, part: Part) -> None:
    if found["relation"] is None:
        raise LoadFailed(f"{name} is gone, or has lost our trigger; {_CAPTURE_IT}")
    if found["is_outbox"]:
        raise LoadFailed(f"{name} is an outbox of events (outbox = true): its rows were told when they were inserted")
    if len(found["key_names"]) < found["key_length"]:
        raise LoadFailed(f"{name} has lost a column of its key; run `forwarder migrate`")
    if not found["key_names"]:
        for option, given in (("order by", part.order_by), ("columns", part.columns)):
            if given:
                raise LoadFailed(f"{option}: {name} has no key; give it a primary key, or load all of it")
    if part.order and part.order.column not in found["key_names"] and not found["tells_new_rows"]:
        # An update may move a row behind what was read already. It would never be told whole.
        raise LoadFailed(
            f'order by {part.order.column}: updates of {name} do not tell whole rows; set after = "full", or load by the key'
        )


async def _estimate(connection: Connection, table_id: int, found: asyncpg.Record, part: Part) -> int:
    """How many rows there are to be read. No row is looked at, but the conditions are parsed, and the columns of the part."""
    order = part.order
    least = [f"NEW.{identifier(order.column)} >= {literal(order.least)}"] if order and order.least is not None else []
    conditions = [condition for condition in (found["condition"], part.where, *least) if condition]
    where = " AND ".join(f"({condition}\n)" for condition in conditions) or "true"
    named = [*(part.columns or ()), *([order.column] if order else [])]
    columns = ", ".join(f"NEW.{identifier(column)}" for column in named)
    only = "" if found["is_partitioned"] else "ONLY"
    try:
        text = await connection.fetchval(
            f"EXPLAIN (FORMAT JSON) SELECT {columns} FROM {only} {found['quoted']} AS new WHERE {where}"  # noqa: S608
        )
    except (
        asyncpg.SyntaxOrAccessError,
        asyncpg.InvalidSchemaNameError,
        asyncpg.DataError,
        asyncpg.FeatureNotSupportedError,
    ) as error:
        present = await connection.fetchrow(query("load_table"), table_id)
        if present is None or present["quoted"] != found["quoted"]:
            raise Changed from error
        said = " ".join(str(error.args[0]).split())
        raise LoadFailed(f"{found['quoted']}: {said}; correct the condition, the columns or the order") from None
    rows: int = msgspec.json.decode(text)[0]["Plan"]["Plan Rows"]
    return rows if part.limit is None else min(rows, part.limit)
