"""Sends the rows that tables have already, as ``forwarder load`` and ``load = "initial"`` ask for: a few tables at a time."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import anyio
from anyio.abc import TaskGroup

from forwarder.config.settings import Settings, SinkSettings
from forwarder.database.access import DatabaseAddress
from forwarder.database.sessions import Connection, session
from forwarder.errors import ForwarderError, Rewritten, Unavailable, plain_errors
from forwarder.events import CapturedTable
from forwarder.listen.initial_loads import initial_tables
from forwarder.listen.leader_session import LeaderSession
from forwarder.listen.load_channel import LoadChannel
from forwarder.listen.load_report import LoadReport
from forwarder.listen.stored_load import StoredLoad
from forwarder.listen.table_load import TableLoad
from forwarder.logs import Throttled
from forwarder.metrics import SessionMetrics
from forwarder.store.loads import Load, Loads
from forwarder.store.positions import Positions

# From one look for loads to the next.
LOOK_SECONDS = 1.0
# A load that the database has interrupted is tried again after so long.
RETRY_SECONDS = 2.0

# From captured tables to the ids of some of them.
ChooseTables = Callable[[Iterable[CapturedTable]], list[int]]

logger = logging.getLogger(__name__)


def loader(
    settings: Settings,
    session: LeaderSession,
    positions: Positions,
    channel: LoadChannel,
    *,
    database_url: DatabaseAddress,
    session_metrics: SessionMetrics,
    sink: SinkSettings,
    report: LoadReport,
) -> Loader:
    """What does the loads of this sink. ``positions`` are those of the leader's ``session``."""
    return Loader(
        channel,
        loads=Loads(session.connection, sink=sink.name, epoch=positions.epoch, report=report),
        session=session,
        database_url=database_url,
        session_metrics=session_metrics,
        initial_tables=initial_tables(settings.table, sink.tables),
    )


@dataclass(frozen=True, slots=True)
class _Running:
    """A load that runs: of which table, and what ends it."""

    table_id: int
    scope: anyio.CancelScope = field(default_factory=anyio.CancelScope)


class Loader:
    """Does the loads of one sink, each on a session of its own."""

    def __init__(
        self,
        channel: LoadChannel,
        *,
        loads: Loads,
        session: LeaderSession,
        database_url: DatabaseAddress,
        session_metrics: SessionMetrics,
        initial_tables: ChooseTables,
    ) -> None:
        """``loads`` are on the leader's ``session``.

        ``initial_tables`` chooses, among the captured tables, those of which the settings want the rows to be loaded once.
        """
        self._channel = channel
        self._loads = loads
        self._session = session
        self._database_url = database_url
        self._session_metrics = session_metrics
        self._initial_tables = initial_tables
        # The tables that have had, or get, their first load, by id.
        self._asked: set[int] = set()
        # The loads that run, by number.
        self._running: dict[int, _Running] = {}
        self._ended = anyio.Event()
        self._is_idle = anyio.Event()
        self._complaints = Throttled(seconds=60.0)

    async def run(self) -> None:
        """Do what is asked for, until cancelled.

        Raises:
            Unavailable: the leader's session is lost.
        """
        async with anyio.create_task_group() as tasks:
            while True:
                due = await self._due()
                if not due and not self._running:
                    self._is_idle.set()
                self._stop_all_but({load.number for load in due})
                self._start(tasks, due)
                with anyio.move_on_after(LOOK_SECONDS):
                    await self._ended.wait()

    async def idle(self) -> None:
        """Wait until there was nothing left to do."""
        await self._is_idle.wait()

    def _stop_all_but(self, numbers: set[int]) -> None:
        """Stop the loads that somebody has paused or given up."""
        for number, running in self._running.items():
            if number not in numbers:
                running.scope.cancel()

    def _start(self, tasks: TaskGroup, due: Sequence[Load]) -> None:
        self._ended = anyio.Event()
        for load in due:
            # Of one table, one at a time: what a load that is being stopped has handed over comes before the beginning of the next one.
            busy = {running.table_id for running in self._running.values()}
            if len(self._running) < self._channel.settings.parallel and load.table_id not in busy:
                running = self._running[load.number] = _Running(load.table_id)
                tasks.start_soon(self._do, load, running.scope)

    async def _due(self) -> Sequence[Load]:
        tables = [table for table, _ in self._channel.inflow.registry.tables.values()]
        wanted = set(self._initial_tables(tables)) - self._asked
        async with self._session.turn:
            if wanted:
                # A table that is being loaded for another reason is asked for again later.
                self._asked |= await self._loads.request_initial(wanted)
            return await self._loads.due()

    async def _do(self, load: Load, scope: anyio.CancelScope) -> None:
        try:
            with scope:
                await self._try(load)
            if scope.cancelled_caught:
                logger.info("load stopped: somebody has paused it or given it up", extra=_facts(load))
        finally:
            del self._running[load.number]
            self._ended.set()

    def _load(self, load: Load, connection: Connection) -> TableLoad:
        return TableLoad(StoredLoad(load, self._loads, self._session), self._channel, connection)

    async def _try(self, load: Load) -> None:
        facts = _facts(load)
        logger.info("load goes on" if load.begun else "load begins", extra=facts)
        try:
            with plain_errors():
                async with session(self._database_url, purpose="load", metrics=self._session_metrics) as connection:
                    is_finished = await self._load(load, connection).run()
            logger.info(
                "load finished" if is_finished else "load stopped: somebody has paused it or given it up", extra=facts
            )
        except Unavailable as error:
            # If it is the leader's session that is lost, others notice, and end the tenure.
            if self._complaints.due(str(error)):
                logger.warning("load interrupted, trying again", extra={**facts, "reason": str(error)})
            await anyio.sleep(RETRY_SECONDS)
        except Rewritten as error:
            logger.warning("load begins anew", extra={**facts, "reason": str(error)})
            with anyio.CancelScope(shield=True):
                async with self._session.turn:
                    await self._loads.begin_anew(load)
        except ForwarderError as error:
            await self._fail(load, str(error))
        except Exception as error:  # noqa: BLE001 - whatever it is, changes and other loads must not end with it
            await self._fail(load, f"it has come to an unforeseen end, {_place(error)}; please report this")

    async def _fail(self, load: Load, reason: str) -> None:
        with anyio.CancelScope(shield=True):
            async with self._session.turn:
                await self._loads.fail(load, reason)
        logger.error("load failed", extra={**_facts(load), "reason": reason})


def _facts(load: Load) -> Mapping[str, object]:
    return {"sink": load.sink, "table": load.qualified_name, "load": load.number}


def _place(error: BaseException) -> str:
    """What kind of error it is, and where it was raised. Not its words, which may quote a row."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    trace = error.__traceback__
    while trace and trace.tb_next:
        trace = trace.tb_next
    return f"{type(error).__name__}{f' at {trace.tb_frame.f_code.co_name}, line {trace.tb_lineno}' if trace else ''}"
