"""Floors: below them, no change is left that a later snapshot counts as not yet begun. docs/design/cursor.md says why."""

from __future__ import annotations

from forwarder.database.queries import query
from forwarder.database.sessions import Connection


async def read_floor(connection: Connection) -> int:
    """A floor for every snapshot that is taken from now on. (Saving a position brings one too, by the same SQL function.)

    Raises:
        RuntimeError: a transaction is open. A floor holds only for snapshots taken after the end of the one that it was read in.
    """
    if connection.is_in_transaction():
        raise RuntimeError("a floor is read in a transaction of its own, and one is open already")
    floor_seq: int = await connection.fetchval(query("floor"))
    return floor_seq
