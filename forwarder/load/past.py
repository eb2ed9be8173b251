"""What a load has to know of the time before it."""

from __future__ import annotations

from collections.abc import Sequence

from forwarder.database.queries import query
from forwarder.database.sessions import Connection, database_errors
from forwarder.outbox.position import Snapshot


async def now(connection: Connection) -> tuple[Snapshot, int]:
    """A snapshot of now, and the time, in microseconds since 2000-01-01 UTC.

    Raises:
        Unavailable: the database does not answer.
    """
    with database_errors("cannot take a snapshot"):
        row = await connection.fetchrow(query("load_now"))
    assert row is not None
    return Snapshot(*row["snapshot"]), row["at"]


async def truncations(connection: Connection, table_id: int, *, since_seq: int) -> Sequence[tuple[int, int]]:
    """The last TRUNCATE of a table, and of each of its partitions, that the outbox has beyond a seq: the oids, and its seq.

    Raises:
        Unavailable: the database does not answer.
    """
    with database_errors("cannot look for truncations"):
        return [
            (row["relation"], row["seq"])
            for row in await connection.fetch(query("load_truncations"), table_id, since_seq)
        ]
