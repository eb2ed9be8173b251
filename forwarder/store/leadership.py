"""One leader a sink: of all the listeners that may run, one reads and sends."""

from __future__ import annotations

from forwarder.database.queries import query
from forwarder.database.sessions import ANSWER_SECONDS, LEADER_LOCK_CLASS, Connection, database_errors

# A leader asks the server something every few seconds. One that is silent for this long is frozen or cut off, or its machine is gone: then
# the server ends its session, which frees the lock. It has to be longer than the lease (15 s), by more than a request takes to be sent.
SILENCE_SECONDS = 20.0


class Leadership:
    """A lock on a sink, held as long as its session lives. The server ends the session when nothing is asked for ``SILENCE_SECONDS``."""

    def __init__(self, connection: Connection, *, sink: str) -> None:
        self._connection = connection
        self._sink = sink

    async def take(self) -> bool:
        """Take the lock if nobody has it."""
        with database_errors("cannot ask for the leadership"):
            taken: bool = await self._connection.fetchval(
                query("lead"), LEADER_LOCK_CLASS, self._sink, f"{SILENCE_SECONDS * 1000:.0f}ms", timeout=ANSWER_SECONDS
            )
        return taken
