"""The dead letters of changes whose stream could not be written to: those with the code ``no-stream``."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from forwarder.database.queries import query
from forwarder.database.sessions import Connection, database_errors
from forwarder.outbox.position import Position, Snapshot
from forwarder.store.dead_letters import BATCH_LETTERS


async def tables(connection: Connection, *, sink: str) -> Collection[int]:
    """The ids of the tables that have such letters.

    Raises:
        Unavailable: the database does not answer.
    """
    with database_errors("cannot read the dead letters"):
        return {table_id for (table_id,) in await connection.fetch(query("stranded_tables"), sink)}


async def beyond(
    connection: Connection, position: Position, *, sink: str, table_ids: Collection[int]
) -> Snapshot | None:
    """A snapshot that sees all such letters of these tables, if some of them may be beyond a position; None: the position has passed them all.

    Raises:
        Unavailable: the database does not answer.
    """
    with database_errors("cannot read the dead letters"):
        newest = await connection.fetch(query("newest_stranded"), sink, list(table_ids))
    # Of a transaction that was open when the position's snapshot was taken, an older letter may be beyond it although the newest is not.
    if newest and (position.furthest.running or not all(position.sees(row["txid"], row["seq"]) for row in newest)):
        return Snapshot(*newest[0]["snapshot"])
    return None


async def waiting(connection: Connection, *, sink: str, table_ids: Collection[int], after_seq: int) -> Sequence[int]:
    """The next letters of these tables after a seq, ``BATCH_LETTERS`` at most: such ones, and those that are to be sent again for another reason.

    Raises:
        Unavailable: the database does not answer.
    """
    with database_errors("cannot read the dead letters"):
        rows = await connection.fetch(query("waiting_seqs"), sink, list(table_ids), after_seq, BATCH_LETTERS)
    return [seq for (seq,) in rows]
