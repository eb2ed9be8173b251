"""What may sit between us and PostgreSQL: a pooler, which lends a few sessions of the server to many clients.

Most of what we do lives in a session: the leader's lock, LISTEN, settings, prepared statements. A pooler in session mode lends a
session for as long as a client is connected, which is as good as our own. One in transaction mode lends it for a transaction: the next
one finds another session, and our lock and settings are in the hands of whoever is lent the first.
"""

from __future__ import annotations

import asyncpg

from forwarder.database.queries import query

# An idle pool lends what was handed in last, or all in turn: the first round tells. In a busy one it is chance whom we get: at
# worst half of the rounds tell (measured: a pool of two, and one busy client).
ROUNDS = 30


async def is_direct(connection: asyncpg.Connection[asyncpg.Record], *, timeout_seconds: float) -> bool:
    """Whether nobody sits in between who lends sessions.

    Who connects is told the number of the server's process. A pooler has lent none by then and makes a number up (PgBouncer, in
    all its modes, as pgcat does).
    """
    return await _process(connection, timeout_seconds) == connection.get_server_pid()


async def lends_by_turns(
    connection: asyncpg.Connection[asyncpg.Record],
    other: asyncpg.Connection[asyncpg.Record],
    *,
    timeout_seconds: float,
) -> bool:
    """Whether a pooler lends the same session to both connections, or another one to the first from time to time.

    Each question may take so long. Nothing is left behind in the sessions.
    """
    processes: set[int] = set()
    for _ in range(ROUNDS):
        # Twice, or a pool of two that lends in turn would give each of us the same one again and again.
        processes.add(await _process(connection, timeout_seconds))
        processes.add(await _process(connection, timeout_seconds))
        if len(processes) > 1 or await _process(other, timeout_seconds) in processes:
            return True
    return False


async def _process(connection: asyncpg.Connection[asyncpg.Record], timeout_seconds: float) -> int:
    """The server's process that answers. By COPY: all else would leave a prepared statement in a session of somebody else."""
    answer = bytearray()

    async def keep(data: bytes) -> None:
        answer.extend(data)

    await connection.copy_from_query(query("server_process"), output=keep, timeout=timeout_seconds)
    return int(answer)
