"""Reads the tables of the database with our triggers on them, and the registry ``forwarder.captured_table``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from forwarder.capture.selection import Pattern
from forwarder.capture.tables import Registered, Table
from forwarder.database.queries import query
from forwarder.database.sessions import ILLEGIBLE, Connection, database_errors
from forwarder.errors import Refused


class TableName(NamedTuple):
    """What a registered table is called now, or was called at the last migrate."""

    id: int
    schema: str
    name: str


_TABLE = msgspec.json.Decoder(Table)
_REGISTERED = msgspec.json.Decoder(Registered)
# Regular expressions of PostgreSQL: what they match is shown as question marks.
_NOTHING = r"(?!)"
_NOT_ASCII = r"[^\x01-\x7f]"


async def read_tables(connection: Connection) -> list[Table]:
    """Every table that can be captured, by schema and name.

    Raises:
        Refused, Unavailable: the database does not tell.
    """
    with database_errors("cannot read the tables of the database"):
        return [_TABLE.decode(text) for text in await _fetch(connection, "candidates")]


async def read_registry(connection: Connection) -> list[Registered]:
    """Every table that is or was captured, by id; none where the schema is missing.

    Raises:
        Refused, Unavailable: the database does not tell.
    """
    with database_errors("cannot read forwarder.captured_table"):
        if await connection.fetchval("SELECT to_regclass('forwarder.captured_table')") is None:
            return []
        return [_REGISTERED.decode(text) for text in await _fetch(connection, "captured_tables")]


async def read_named(connection: Connection, patterns: Sequence[Pattern]) -> list[int]:
    """The ids of the tables that are or were captured, and that a pattern names by their present name or that of the last migrate.

    Raises:
        Refused: there is none; or the database refuses to tell.
        Unavailable: the database does not answer.
    """
    registry = await read_registry(connection)
    with database_errors("cannot read the names of the captured tables"):
        rows = await connection.fetch(query("tables"), None)
    present = [TableName(row["id"], row["schema"], row["name"]) for row in rows]
    migrated = [TableName(row.id, row.schema, row.name) for row in registry]
    found = {name.id for name in (*present, *migrated) if any(pattern.matches(name) for pattern in patterns)}
    if not found:
        active = {row.id for row in registry if row.active}
        names = ", ".join(sorted(f"{name.schema}.{name.name}" for name in present if name.id in active))
        raise Refused(f"no captured table is like that; captured: {names or 'none'}")
    return sorted(found)


async def _fetch(connection: Connection, name: str) -> list[str]:
    """The JSON texts that a query returns. If a name cannot become UTF-8, all characters beyond ASCII are shown as question marks."""
    try:
        rows = await connection.fetch(query(name), _NOTHING)
    except ILLEGIBLE:
        rows = await connection.fetch(query(name), _NOT_ASCII)
    return [row[0] for row in rows]
