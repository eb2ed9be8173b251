"""Captured tables for the tests."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from forwarder.database.sessions import Connection


async def capture(connection: Connection, table: str, *, before: str = "full") -> int:
    """Put our triggers on a table and return its id in the registry."""
    table_id: int = await connection.fetchval(
        "SELECT forwarder.install($1::text::regclass, $2, $3::jsonb)",
        table,
        before,
        await _key_columns(connection, table),
    )
    return table_id


async def _key_columns(connection: Connection, table: str) -> str:
    columns = await connection.fetch(
        """
        SELECT attribute.attnum, attribute.attname
        FROM pg_index AS index
        CROSS JOIN LATERAL unnest(index.indkey) WITH ORDINALITY AS key (attnum, place)
        JOIN pg_attribute AS attribute ON attribute.attrelid = index.indrelid AND attribute.attnum = key.attnum
        WHERE index.indrelid = $1::text::regclass AND index.indisprimary
        ORDER BY key.place
        """,
        table,
    )
    return json.dumps([{"attnum": attnum, "names": [name]} for attnum, name in columns])
