"""The transaction in which a chunk is read."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

import anyio

from forwarder.database.sessions import ANSWER_SECONDS, Connection
from forwarder.errors import Unavailable


@asynccontextmanager
async def chunk_transaction(connection: Connection) -> AsyncIterator[None]:
    """A transaction with one snapshot for all of its statements, which only reads.

    A task that is cancelled inside it ends it first, so that the session can be used again at once.
    """
    transaction = connection.transaction(isolation="repeatable_read", readonly=True)
    # Its BEGIN, COMMIT and ROLLBACK are not cancelled: asyncpg would not know what has become of the transaction.
    with _uncancelled(connection):
        await transaction.start()
    try:
        yield
    except BaseException:
        with _uncancelled(connection):
            await transaction.rollback()
        raise
    with _uncancelled(connection):
        await transaction.commit()


@contextmanager
def _uncancelled(connection: Connection) -> Iterator[None]:
    """Wait for an answer even if the task is cancelled, but not for one that does not come: then the session is closed."""
    with anyio.move_on_after(ANSWER_SECONDS, shield=True) as waiting:
        yield
    if waiting.cancelled_caught:
        connection.terminate()
        raise Unavailable(f"PostgreSQL has not answered within {ANSWER_SECONDS:g} s")
