"""The writers: the sessions of an application that knows nothing of forwarder. They enter what they have committed in the ledger."""

from __future__ import annotations

import time
from collections.abc import Callable

import anyio
import asyncpg

from forwarder.database.sessions import Connection, database_errors
from forwarder.demo.ledger import Change, Commit, Ledger
from forwarder.demo.shop import Shop, Transaction

_WRITERS = 8
_LATE_INTERVAL_SECONDS = 2.0


class Writers:
    """Runs the shop's transactions against the database."""

    def __init__(self, url: str, *, shop: Shop, ledger: Ledger) -> None:
        self._url = url
        self._shop = shop
        self._ledger = ledger

    async def run(self, *, seconds: float, rate: float) -> None:
        """Write for ``seconds``, at most ``rate`` short transactions a second; returns when every transaction has ended."""
        with database_errors("the demo's writers"):
            opening = await self._connect()
            await self._write(opening, self._shop.opening())
            await opening.close()
        ends_at = anyio.current_time() + seconds
        async with anyio.create_task_group() as tasks:
            for _ in range(_WRITERS):
                tasks.start_soon(self._keep_writing, self._shop.next, _WRITERS / rate, ends_at)
            tasks.start_soon(self._keep_writing, self._shop.next_late, _LATE_INTERVAL_SECONDS, ends_at)

    async def _keep_writing(self, think_up: Callable[[], Transaction], interval: float, ends_at: float) -> None:
        with database_errors("the demo's writers"):
            connection = await self._connect()
            due_at = anyio.current_time()
            while due_at < ends_at:
                await self._write(connection, think_up())
                due_at = max(due_at + interval, anyio.current_time())
                await anyio.sleep_until(min(due_at, ends_at))
            await connection.close()

    async def _write(self, connection: Connection, transaction: Transaction) -> None:
        under_way = connection.transaction()
        await under_way.start()
        changes = await _execute(connection, transaction)
        if changes and transaction.commits:
            # Read before COMMIT is sent. Read after its answer, which may come late, latencies would look better than they are.
            at = time.time()
            await under_way.commit()
            self._ledger.commit(Commit(at=at, changes=changes, held=transaction.hold_seconds > 0))
        else:
            await under_way.rollback()
            self._ledger.roll_back(changes)

    async def _connect(self) -> Connection:
        return await asyncpg.connect(self._url, ssl=False, server_settings={"application_name": "shop"})


async def _execute(connection: Connection, transaction: Transaction) -> list[Change]:
    """Run the statements, up to the first that finds nothing to change; what they changed, as they return it."""
    changes: list[Change] = []
    for statement in transaction.statements:
        if statement is transaction.statements[-1]:
            await anyio.sleep(transaction.hold_seconds)
        rows = await connection.fetch(statement.sql, *statement.arguments)
        if not rows:
            break
        changes += [Change(row["table_name"], tuple(row["key"]), row["operation"], row["version"]) for row in rows]
    return changes
