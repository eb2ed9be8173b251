"""From a database through the real commands into a stream, and from that into another database."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import anyio

from tests.databases import Database, connected
from tests.listening import CREDENTIALS, STREAM, Command, Operator, Served, command
from tests.support.consumer import at_different_speeds, seq_of
from tests.support.rebuilt import Rebuilt
from tests.support.rows import Comparison, compare
from tests.waiting import eventually

Workload = Callable[[], Coroutine[Any, Any, None]]


class Pipeline:
    """The tables of ``database`` are created in ``copy`` too, which is told nothing else but what the stream has."""

    def __init__(self, database: Database, copy: Database, served: Served, directory: Path) -> None:
        self.database = database
        self._copy = copy
        self._served = served
        self._directory = directory
        self._env = {**CREDENTIALS, "FORWARDER_DATABASE_URL": database.url, "FORWARDER_SINK": served.sink}
        self._operator = Operator(self._env, directory)
        self._listeners = 0

    async def create(self, *statements: str) -> None:
        """Create tables, in both databases."""
        for each in (self.database, self._copy):
            async with connected(each.url) as owner:
                for statement in statements:
                    await owner.execute(statement)

    async def migrate(self, *options: str) -> str:
        return await self._operator.says("migrate", *options)

    async def deliver(self, first: Workload, second: Workload) -> None:
        """Deliver what both halves of a workload change. In the middle of the second the listener is killed, and another one started."""
        async with self._listening() as listener, AsyncExitStack() as stack:
            await first()
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(second)
                await self._more_is_delivered()
                await listener.kill()
                await stack.enter_async_context(self._listening())
            await self._all_is_delivered()

    async def tells(self, text: bytes) -> None:
        """Wait until there is a record that has this."""

        async def is_told() -> bool:
            return any(text in data for data in self._served.data())

        await eventually(is_told, within_seconds=60)

    async def rebuild(self) -> Rebuilt:
        """Fill the other database with what the stream has."""
        stream = self._served.kinesis.stream(STREAM)
        shards = [[record.data for record in stream.records(shard.shard_id)] for shard in stream.shards]
        async with connected(self._copy.superuser_url) as connection:
            rebuilt = Rebuilt(connection)
            await rebuilt.prepare()
            await rebuilt.apply(at_different_speeds(shards, seed=1))
        return rebuilt

    async def compare(self) -> Comparison:
        """The database with the other one."""
        async with connected(self.database.superuser_url) as ours, connected(self._copy.superuser_url) as theirs:
            return await compare(ours, theirs)

    @asynccontextmanager
    async def _listening(self) -> AsyncIterator[Command]:
        self._listeners += 1
        directory = self._directory / f"listen{self._listeners}"
        async with command("listen", env=self._env, directory=directory) as listener:
            await listener.says("listening")
            yield listener

    async def _more_is_delivered(self) -> None:
        records = len(self._served.data())

        async def is_delivered() -> bool:
            return len(self._served.data()) > records

        await eventually(is_delivered)

    async def _all_is_delivered(self) -> None:
        """The outbox is asked for nothing but numbers, and only here."""
        async with connected(self.database.url) as owner:
            captured = {seq for (seq,) in await owner.fetch("SELECT seq FROM forwarder.outbox")}

        async def is_delivered() -> bool:
            return captured <= {seq_of(data) for data in self._served.data()}

        await eventually(is_delivered, within_seconds=60)
