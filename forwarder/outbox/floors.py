"""Reads floors. A floor is a seq: no transaction that a later snapshot counts as not yet begun has a change with a seq of at most that.

So whoever looks for what such a snapshot does not see need not look at lower seqs. docs/design/cursor.md says why a floor is true.
"""

from __future__ import annotations

from forwarder.database.queries import query
from forwarder.database.sessions import Connection


async def read_floor(connection: Connection) -> int:
    """A floor for every snapshot that is taken from now on. (Saving a position returns one too, by the same SQL function.)

    Raises:
        RuntimeError: a transaction is open. A floor holds only for snapshots that are taken after its own transaction has ended.
    """
    if connection.is_in_transaction():
        raise RuntimeError("a floor is read in a transaction of its own, and one is open already")
    floor_seq: int = await connection.fetchval(query("floor"))
    return floor_seq
