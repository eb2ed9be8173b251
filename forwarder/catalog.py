"""Reads what is there: the tables of the database with our triggers on them, and the registry."""

from __future__ import annotations

import msgspec

from forwarder.database import Connection, errors_of
from forwarder.queries import query
from forwarder.tables import Registered, Table

_TABLE = msgspec.json.Decoder(Table)
_REGISTERED = msgspec.json.Decoder(Registered)


async def read_tables(connection: Connection) -> list[Table]:
    """Every table that can be captured, by schema and name.

    Raises:
        Refused, Unavailable: the database does not tell.
    """
    with errors_of("cannot read the tables of the database"):
        return [_TABLE.decode(row[0]) for row in await connection.fetch(query("candidates"))]


async def read_registry(connection: Connection) -> list[Registered]:
    """Every table that is or was captured, by id; none where the schema is missing.

    Raises:
        Refused, Unavailable: the database does not tell.
    """
    with errors_of("cannot read forwarder.captured_table"):
        if await connection.fetchval("SELECT to_regclass('forwarder.captured_table')") is None:
            return []
        return [_REGISTERED.decode(row[0]) for row in await connection.fetch(query("captured_tables"))]
