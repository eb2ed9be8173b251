"""An outbox from which a consumer deletes: what the ring is measured against."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import anyio

from bench.arrivals import send_of
from bench.pgbench import Send
from bench.rig import Rig
from forwarder.database.sessions import Connection, session

_SCHEMA = Path(__file__).with_name("classic.sql").read_text()
_ROWS = 500
_POLL_SECONDS = 0.005
_TAKE = """
    DELETE FROM classic.outbox
    WHERE id = ANY (ARRAY(SELECT id FROM classic.outbox ORDER BY id LIMIT $1))
    RETURNING after
"""


class Classic:
    """Its consumer. ``arrivals`` says when each update had come out of it: deleted, and that committed."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self.arrivals: dict[Send, float] = {}

    async def run(self) -> None:
        """Take what there is, a batch at a time, until cancelled; rest only when that was no full batch."""
        while True:
            rows = await self._connection.fetch(_TAKE, _ROWS)
            now = time.time()
            for (after,) in rows:
                self.arrivals[send_of(after)] = now
            if len(rows) < _ROWS:
                await anyio.sleep(_POLL_SECONDS)


@asynccontextmanager
async def classic(rig: Rig) -> AsyncIterator[Classic]:
    """Feed a classic outbox from the rig's captured table, and empty it, for the length of a block.

    Its consumer has it easy: it sends what it takes nowhere, and its commits wait for no disk.
    """
    await rig.connection.execute(_SCHEMA)
    async with session(rig.url, purpose="bench classic") as connection, anyio.create_task_group() as tasks:
        await connection.execute("SET synchronous_commit = off")
        consumer = Classic(connection)
        tasks.start_soon(consumer.run)
        yield consumer
        tasks.cancel_scope.cancel()
