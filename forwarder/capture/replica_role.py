"""Who was told, by a setting, that triggers do not fire: what they change is not captured, and nothing else would show that."""

from __future__ import annotations

from forwarder.database.queries import query
from forwarder.database.sessions import Connection, database_errors


async def muted_warnings(connection: Connection) -> tuple[str, ...]:
    """One line for each setting: for whom it is made, what follows, and the remedy.

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
