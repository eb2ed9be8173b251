"""Warns of roles and databases whose settings keep triggers from firing: their changes are not captured, and nothing else shows it."""

from __future__ import annotations

from forwarder.database.queries import query
from forwarder.database.sessions import Connection, database_errors


async def muted_warnings(connection: Connection) -> tuple[str, ...]:
    """One line for each setting: for whom it holds, what follows, and the remedy.

    Raises:
        Refused, Unavailable: the database does not tell.
    """
    with database_errors("cannot read the settings of roles and databases"):
        rows = await connection.fetch(query("muted"))
    return tuple(
        f"session_replication_role is replica for {row['whom']}, so triggers do not fire there, and changes are not captured: {row['remedy']},"
        " unless it is meant so"
        for row in rows
    )
