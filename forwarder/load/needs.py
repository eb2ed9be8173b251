"""Looks up what it takes to make the images of a table's rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from forwarder.database.sessions import Connection
from forwarder.load.images import Needs


async def read_needs(connection: Connection, name: str, table_id: int, columns: Sequence[str]) -> Needs:
    """What it takes for a table or partition. ``name``: as SQL writes it, with its schema; ``columns``: the names of all, in their order.

    Raises:
        UndefinedObjectError, InvalidSchemaNameError (of asyncpg): there is no table with this name.
    """
    found = await connection.fetchrow(f"SELECT * FROM forwarder.image_needs(NULL::{name}, $1)", table_id)  # noqa: S608
    assert found is not None
    return Needs(
        is_plain=found["is_plain"],
        enums=found["enums"],
        strange_types=found["strange_types"],
        rules=_rules(found["rules"]),
        max_bytes=found["max_bytes"],
        columns=columns,
    )


def _rules(text: str | None) -> dict[str, Any] | None:
    if text is None:
        return None
    rules: dict[str, Any] = msgspec.json.decode(text)
    # Null: nothing is known of any column.
    return {**rules, "columns": rules["columns"] or {}}
