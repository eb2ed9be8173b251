"""What the sinks of one process share for reading: the reader's and the doorbell's connection, and the feed that they fill.

An ``Inflow`` is these connections with what hangs on them. The ``Source`` opens one for the first sink that leads and closes it behind the
last, so a process that leads nothing does not keep the doorbell armed: only one listener can.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import NamedTuple

import anyio
from anyio.abc import TaskGroup, TaskStatus

from forwarder.config.settings import Settings
from forwarder.config.wake import Waking, waking
from forwarder.database import sessions
from forwarder.database.access import DatabaseAddress
from forwarder.database.server_identity import Server, max_prepared_transactions, server_of
from forwarder.database.sessions import Connection, database_errors
from forwarder.errors import ForwarderError, Unavailable
from forwarder.metrics import Metrics
from forwarder.outbox.doorbell import Doorbell
from forwarder.outbox.feed import Feed
from forwarder.outbox.head_reader import HeadReader
from forwarder.outbox.janitor import Janitor
from forwarder.outbox.pages import Outbox
from forwarder.outbox.position import Position
from forwarder.outbox.registry import Registry

# From one look for renamed tables to the next; a rename shows in the records after so long at most.
NAMES_SECONDS = 30.0
# However many sinks share page_bytes, a page may have this many: smaller pages cost more statements than they spare memory.
LEAST_PAGE_BYTES = 1 << 20

logger = logging.getLogger(__name__)


class Whereabouts(NamedTuple):
    """The server that sessions have reached, and the history that its database is in."""

    server: Server
    history_stamp: str


class Inflow:
    """What sinks read from while the connections hold: the outbox, the feed, and the head reader that fills it."""

    def __init__(
        self, outbox: Outbox, head: Position, *, shared: bool, registry: Registry, where: Whereabouts, waking: Waking
    ) -> None:
        """``shared``: more than one sink will read from it."""
        self.outbox = outbox
        self.waking = waking
        self.registry = registry
        self.where = where
        self.feed = Feed(head, shared=shared)
        self.head_reader = HeadReader(outbox, self.feed)
        self.users = 0
        self.scope = anyio.CancelScope()


class Source:
    """Opens an inflow for the first sink that leads, shares it with the others, and closes it behind the last."""

    def __init__(
        self,
        tasks: TaskGroup,
        settings: Settings,
        janitor: Janitor,
        *,
        database_url: DatabaseAddress,
        sinks: int,
        with_columns: bool,
        once: bool,
        metrics: Metrics,
    ) -> None:
        """``sinks``: how many will read from it; ``with_columns``: the format of one of them asks for the types of columns.

        ``once``: the head of the feed stays where the outbox ended when the inflow was opened.
        """
        self._tasks = tasks
        self._settings = settings
        self._janitor = janitor
        self._database_url = database_url
        self._sinks = sinks
        self._with_columns = with_columns
        self._once = once
        self._metrics = metrics
        self._opening = anyio.Lock()
        self._inflow: Inflow | None = None

    @asynccontextmanager
    async def joined(self, server: Server, *, history_stamp: str) -> AsyncIterator[Inflow]:
        """The inflow for the length of a block, for a leader whose position is on this server, in this history.

        Snapshots and seqs mean something else on another server, or before a dump was restored. So if the inflow there is was opened
        for another server or history, it ends: the sinks that read from it get ``Unavailable`` and connect anew.

        Raises:
            Refused: waiting cannot mend it.
            Unavailable: the database does not answer, the address leads to another server by now, or a dump was restored since.
        """
        where = Whereabouts(server, history_stamp)
        async with self._opening:
            if self._inflow and self._inflow.where != where:
                self._inflow.feed.fail(
                    Unavailable("another server has taken the database over, or a dump was restored")
                )
                self._end(self._inflow)
            inflow = self._inflow or await self._tasks.start(self._run, where)
            inflow.users += 1
        try:
            yield inflow
        finally:
            inflow.users -= 1
            if not inflow.users:
                self._end(inflow)

    async def _run(self, where: Whereabouts, *, task_status: TaskStatus[Inflow]) -> None:
        """Fill a feed until nobody reads along any more, or a connection is lost."""
        async with AsyncExitStack() as stack:
            reader = await self._connect(stack, where.server, purpose="reader")
            waking = await self._waking(reader)
            # LISTEN comes before the first look at the outbox, so that no change falls between the two.
            doorbell = (
                await self._doorbell(stack, where.server) if waking.wake == "doorbell" and not self._once else None
            )
            inflow = self._inflow = await self._open(reader, where, waking)
            self._metrics.doorbell.mode = waking.wake
            try:
                with inflow.scope:
                    task_status.started(inflow)
                    await self._serve(inflow, doorbell)
            finally:
                self._end(inflow)

    async def _serve(self, inflow: Inflow, doorbell: Doorbell | None) -> None:
        """Fill the feed, and tidy behind it, until cancelled or a connection is lost."""
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._janitor.run)
            tasks.start_soon(_keep_names, inflow.outbox)
            try:
                await self._fill(inflow, doorbell)
            except ForwarderError as error:
                inflow.feed.fail(error)
            tasks.cancel_scope.cancel()

    async def _fill(self, inflow: Inflow, doorbell: Doorbell | None) -> None:
        interval_seconds = inflow.waking.interval_seconds
        if self._once:
            await anyio.sleep_forever()
        elif doorbell:
            await inflow.head_reader.listen(doorbell, poll_interval_seconds=interval_seconds)
        else:
            await inflow.head_reader.poll(interval_seconds=interval_seconds)

    def _end(self, inflow: Inflow) -> None:
        if self._inflow is inflow:
            self._inflow = self._metrics.doorbell.mode = None
        inflow.scope.cancel()

    async def _waking(self, reader: Connection) -> Waking:
        """How to wait for changes on this server."""
        settings = self._settings.database
        return waking(
            settings.wake,
            poll_interval_seconds=settings.poll_interval_seconds,
            max_prepared_transactions=await max_prepared_transactions(reader),
        )

    async def _doorbell(self, stack: AsyncExitStack, server: Server) -> Doorbell:
        doorbell = Doorbell(await self._connect(stack, server, purpose="doorbell"), self._metrics.doorbell)
        await doorbell.install()
        return doorbell

    async def _open(self, reader: Connection, where: Whereabouts, waking: Waking) -> Inflow:
        registry = Registry(with_columns=self._with_columns)
        with database_errors("cannot read the registry of captured tables"):
            await registry.refresh(reader)
        listen = self._settings.listen
        outbox = Outbox(
            reader,
            anyio.Lock(),
            registry=registry,
            history_stamp=where.history_stamp,
            page_rows=listen.page_rows,
            # Sinks that are stuck in different places each have pages of their own in memory, so they divide the bytes.
            page_bytes=max(min(listen.page_bytes, LEAST_PAGE_BYTES), listen.page_bytes // self._sinks),
            metrics=self._metrics.outbox,
        )
        head = await outbox.here()
        return Inflow(outbox, head, shared=self._sinks > 1, registry=registry, where=where, waking=waking)

    async def _connect(self, stack: AsyncExitStack, server: Server, *, purpose: str) -> Connection:
        connection = await stack.enter_async_context(
            sessions.session(self._database_url, purpose=purpose, metrics=self._metrics.sessions)
        )
        if await server_of(connection, url=self._database_url) != server:
            raise Unavailable(
                f"the sessions of leader and {purpose} reached two servers: a failover is under way, or the address in"
                " FORWARDER_DATABASE_URL has several"
            )
        return connection


async def _keep_names(outbox: Outbox) -> None:
    """Look for renamed tables now and then, until cancelled. A lost connection does not end it: the head reader notices that."""
    while True:
        await anyio.sleep(NAMES_SECONDS)
        try:
            await outbox.look_up_names()
        except ForwarderError as error:
            logger.warning("cannot look for renamed tables; trying again", extra={"reason": str(error)})
