"""Tells which running PostgreSQL a session is connected to, since an address may lead to another one after a failover."""

from __future__ import annotations

from dataclasses import dataclass

from forwarder.database.access import DatabaseAddress
from forwarder.database.queries import query
from forwarder.database.sessions import Connection, database_errors, describe
from forwarder.errors import Unavailable


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """A running server that may be written to. Sessions whose servers are equal are on one and the same server."""

    # Given by initdb; every physical copy has the same.
    system_identifier: int
    # Another one after each promotion, and each restore to a point in time: there copies of a cluster part.
    timeline: int
    # Microseconds since 1970 by the server's clock. Tells apart copies of a disk that have the other two in common.
    started_at: int


async def max_prepared_transactions(connection: Connection) -> int:
    """How many prepared transactions the server keeps; 0: it refuses PREPARE TRANSACTION. It changes with a restart only.

    Raises:
        Unavailable: it does not answer.
    """
    with database_errors("cannot tell whether transactions can be prepared"):
        most: int = await connection.fetchval(query("max_prepared_transactions"))
    return most


async def database_name(connection: Connection) -> str:
    """The name of the database that a session is connected to.

    Raises:
        Unavailable: the server does not answer.
    """
    with database_errors("cannot tell the name of the database"):
        name: str = await connection.fetchval(query("database_name"))
    return name


async def server_of(connection: Connection, *, url: DatabaseAddress) -> Server:
    """The server of a session. It stays the same for as long as the session lives. ``url`` is for the error.

    Raises:
        Unavailable: it does not answer, or is a standby.
    """
    with database_errors("cannot tell which server this is"):
        row = await connection.fetchrow(query("server"))
    assert row is not None
    if row["timeline"] is None:
        raise Unavailable(f"PostgreSQL at {describe(url)} is a standby; connect to the primary, or promote it")
    return Server(**row)
