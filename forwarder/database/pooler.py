"""Finds out whether a pooler sits between us and PostgreSQL, and whether it lends our session to others too.

Most of what we need lives in a session: the leader's lock, LISTEN, settings, prepared statements. A pooler lends the server's sessions:

1. In session mode it lends a session for as long as a client is connected. That is as good as a session of our own.
2. In transaction mode it lends a session for one transaction. Our next transaction may find another session, and our lock and settings are
   then with the client that is lent the first one. So we refuse to run.
"""

from __future__ import annotations

import asyncpg

from forwarder.database.queries import query

# An idle pool lends the session that was returned last, or all in turn: then the first round tells. In a busy pool it is chance which one we get,
# and half of the rounds tell, at worst (measured: a pool of two, and one busy client).
ROUNDS = 30


async def is_direct(connection: asyncpg.Connection[asyncpg.Record], *, timeout_seconds: float) -> bool:
    """Whether there is no pooler in between.

    A client is told the number of its server process when it connects. A pooler has lent no session by then, and makes a number up (PgBouncer
    in all its modes, and pgcat).
    """
    return await _process(connection, timeout_seconds) == connection.get_server_pid()


async def lends_by_turns(
    connection: asyncpg.Connection[asyncpg.Record],
    other: asyncpg.Connection[asyncpg.Record],
    *,
    timeout_seconds: float,
) -> bool:
    """Whether both connections are lent the same session, or the first one several sessions. Nothing is left behind in them.

    ``timeout_seconds`` is for each question.
    """
    processes: set[int] = set()
    for _ in range(ROUNDS):
        # Twice: a pool of two that lends in turn would else give each of the two connections the same session in every round.
        processes.add(await _process(connection, timeout_seconds))
        processes.add(await _process(connection, timeout_seconds))
        if len(processes) > 1 or await _process(other, timeout_seconds) in processes:
            return True
    return False


async def _process(connection: asyncpg.Connection[asyncpg.Record], timeout_seconds: float) -> int:
    """The number of the server process that answers. By COPY: any other query would leave a prepared statement in a session of somebody else."""
    answer = bytearray()

    async def keep(data: bytes) -> None:
        answer.extend(data)

    await connection.copy_from_query(query("server_process"), output=keep, timeout=timeout_seconds)
    return int(answer)
