"""More rows in the captured table than item.sql makes, and statements that change many at once."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from bench.rig import CAPTURED
from forwarder.database.sessions import Connection, session

_FIRST_ID = 10_001
_ROWS_A_TRANSACTION = 10_000
_PATIENCE_SECONDS = 3600.0
_INSERT = f"""
    INSERT INTO {CAPTURED}.item
    SELECT id, 0, 0, id / 100.0, 'EUR', '2026-01-01 12:00:00+00', repeat('lorem ipsum ', 14)
    FROM generate_series($1::integer, $2) AS id
"""  # noqa: S608 - a constant
_UPDATE = f"UPDATE {CAPTURED}.item SET price = price + 1 WHERE id >= $1 AND id < $2"  # noqa: S608 - a constant


class Items:
    """The rows that a bench adds; nobody waits for the disk, so that a lot of them is soon there."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._next_id = _FIRST_ID

    @classmethod
    @asynccontextmanager
    async def of(cls, url: str) -> AsyncIterator[Items]:
        """On a session of their own for the length of a block: statements may take minutes."""
        async with session(url, purpose="bench items") as connection:
            await connection.execute("SET synchronous_commit = off; SET statement_timeout = 0")
            yield cls(connection)

    async def insert(self, rows: int, *, captured: bool = True) -> None:
        """Add so many, in transactions of 10,000; if not ``captured``, no trigger sees it."""
        await self._connection.execute(f"SET session_replication_role = {'origin' if captured else 'replica'}")
        for first in range(self._next_id, self._next_id + rows, _ROWS_A_TRANSACTION):
            last = min(first + _ROWS_A_TRANSACTION, self._next_id + rows) - 1
            await self._connection.execute(_INSERT, first, last)
        self._next_id += rows
        await self._connection.execute("SET session_replication_role = origin")

    async def update(self, rows: int) -> None:
        """Change the first so many of those that were added, in one statement."""
        await self._connection.execute(_UPDATE, _FIRST_ID, _FIRST_ID + rows, timeout=_PATIENCE_SECONDS)
