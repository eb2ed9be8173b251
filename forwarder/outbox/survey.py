"""Measures the outbox for metrics, health checks and warnings: its size, how long each sink's changes have been waiting, and what is amiss.

Whoever has a session to spare does it: the janitor of a listener that leads, after each of its rounds, or else a listener that stands by. The one
thing that it writes: where a table is not captured any more, or is again, a gap is put into the outbox (``look_at_triggers``).
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Sequence

import anyio

from forwarder.capture import uncaptured
from forwarder.capture.column_warnings import column_warnings
from forwarder.capture.replica_role import muted_warnings
from forwarder.capture.role import read_capture_roles
from forwarder.capture.uncaptured import LOOK_SECONDS, look_at_triggers, seconds_to_next_look
from forwarder.config.settings import OutboxSettings
from forwarder.database.clock import DatabaseClock
from forwarder.database.queries import query
from forwarder.database.sessions import ANSWER_SECONDS, Connection, database_errors
from forwarder.errors import ForwarderError
from forwarder.health import OutboxState
from forwarder.logs import Throttled
from forwarder.metrics import OutboxMetrics
from forwarder.outbox.backlog_warnings import Backlog, warnings
from forwarder.outbox.intruders import intruder_warnings
from forwarder.outbox.ring import Leaf, Ring

# A measurement counts as new for this long. Longer than a round of the janitor, so that no other session measures beside it.
FRESH_SECONDS = 3.0
# From one look at who holds the doorbell's lock to the next. It costs the more the more locks there are in the instance: 80 ms with 50,000.
INTRUDERS_SECONDS = 30.0
# From one look at the roles of the trigger functions, and at whose triggers do not fire, to the next. They seldom change.
ROLE_SECONDS = 60.0

logger = logging.getLogger(__name__)


class _Warnings:
    """Warnings of one kind, and when to look for them again."""

    __slots__ = ("due", "lines")

    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        """Withdraw them, and look again at the next opportunity."""
        self.lines: Sequence[str] = ()
        self.due = 0.0

    def is_due(self, *, every_seconds: float) -> bool:
        """Whether to look now. If so, the next look is due in so many seconds."""
        now = anyio.current_time()
        if now < self.due:
            return False
        self.due = now + every_seconds
        return True


class Survey:
    """One process's knowledge of the outbox: for its metrics, its health checks, and those of its sinks that stand by."""

    def __init__(self, *, settings: OutboxSettings, state: OutboxState, metrics: OutboxMetrics) -> None:
        self._settings = settings
        self._state = state
        self._metrics = metrics
        self._throttled = Throttled(seconds=300.0)
        self.clock = DatabaseClock(tell_ahead=metrics.clock_ahead)
        # Is handed the session of whoever is about to measure.
        self._guest: Callable[[Connection], Awaitable[None]] | None = None
        # When the next measurement is due.
        self._due = 0.0
        # By sink, what was waiting for it, and when that was measured.
        self._backlogs: dict[str, Backlog] = {}
        self.measured_at = 0.0
        self._intruders = _Warnings()
        self._roles = _Warnings()
        self._uncaptured = _Warnings()
        # Why it is not known whether all tables are captured.
        self._unseen: Sequence[str] = ()

    def invite(self, guest: Callable[[Connection], Awaitable[None]]) -> None:
        """Have this called with a session every few seconds, as long as there is one. It raises nothing but the loss of the session."""
        self._guest = guest

    def has_backlog(self, sink: str) -> bool:
        """Whether a change was waiting for this sink when the outbox was measured last."""
        backlog = self._backlogs.get(sink)
        return backlog is not None and backlog.waiting_seconds is not None

    def backlog(self, sink: str) -> Backlog | None:
        """What was waiting for this sink at ``measured_at``; None: it is not known."""
        return self._backlogs.get(sink)

    async def renew(self, connection: Connection) -> None:
        """Measure, unless somebody has done so a moment ago.

        Raises:
            Refused: the schema is older than this program, or not ours to read.
            Unavailable: the database does not answer.
        """
        if self._guest:
            await self._guest(connection)
        if anyio.current_time() < self._due:
            return
        # Set before the measurement, so that whoever asks meanwhile does not measure too.
        self._due = anyio.current_time() + FRESH_SECONDS
        with database_errors("cannot measure the outbox"), anyio.fail_after(ANSWER_SECONDS):
            is_paused: bool = await connection.fetchval(query("is_paused"))
            await self._measure(connection, outbox_bytes=(await read_ring(connection)).bytes, is_paused=is_paused)

    async def measure(
        self, connection: Connection, *, outbox_bytes: int, is_paused: bool, more: Sequence[str] = ()
    ) -> None:
        """Measure all but the two facts that the caller knows already, and report everything, with ``more`` warnings of the caller."""
        if self._guest:
            await self._guest(connection)
        await self._measure(connection, outbox_bytes=outbox_bytes, is_paused=is_paused, more=more)

    async def _measure(
        self, connection: Connection, *, outbox_bytes: int, is_paused: bool, more: Sequence[str] = ()
    ) -> None:
        await self.clock.ask(connection)
        backlogs = [Backlog(**row) for row in await connection.fetch(query("backlogs"))]
        if self._intruders.is_due(every_seconds=INTRUDERS_SECONDS):
            self._intruders.lines = await intruder_warnings(connection)
        if self._roles.is_due(every_seconds=ROLE_SECONDS):
            roles = await read_capture_roles(connection)
            self._roles.lines = (
                *roles.warnings(),
                *await muted_warnings(connection),
                *await column_warnings(connection),
            )
        if self._uncaptured.is_due(every_seconds=LOOK_SECONDS):
            await self._look_at_triggers(connection)
        self._due = anyio.current_time() + FRESH_SECONDS
        self._backlogs, self.measured_at = {backlog.sink: backlog for backlog in backlogs}, anyio.current_time()
        self._report(backlogs, outbox_bytes=outbox_bytes, is_paused=is_paused, more=more)

    def forget(self) -> None:
        """The outbox could not be measured: withdraw warnings and figures, since nobody would notice when they are not true any more."""
        self._backlogs, self._unseen = {}, ()
        for warnings_of_a_kind in (self._intruders, self._roles, self._uncaptured):
            warnings_of_a_kind.forget()
        self._state.warnings = self._state.others = ()
        self._metrics.forget()

    async def _look_at_triggers(self, connection: Connection) -> None:
        """Find tables that are not captured any more. If this fails, a warning says so, and the rest of the measurement goes on.

        Raises:
            ForwarderError: the session is lost.
        """
        began = anyio.current_time()
        self._uncaptured.lines, self._unseen = (), ()
        try:
            found = await look_at_triggers(connection)
        except ForwarderError as error:
            if connection.is_closed():
                raise
            self._unseen = (f"it is not known whether all tables are captured: {error}",)
            return
        now = anyio.current_time()
        self._uncaptured.due = now + seconds_to_next_look(now - began)
        self._metrics.uncaptured(len({f"{table}" for table in found if table.flaw != "truncate"}))
        self._uncaptured.lines = uncaptured.warnings(found)

    def _report(self, backlogs: Sequence[Backlog], *, outbox_bytes: int, is_paused: bool, more: Sequence[str]) -> None:
        limits = self._settings
        self._metrics.measured(outbox_bytes, is_paused=is_paused)
        self._metrics.waiting(backlogs)
        passed = warnings(
            backlogs,
            outbox_bytes=outbox_bytes,
            warn_bytes=limits.warn_bytes,
            warn_age_seconds=limits.warn_age_seconds,
            is_paused=is_paused,
        )
        missed, intruders = self._uncaptured.lines, self._intruders.lines
        self._state.others = (*self._unseen, *more, *intruders, *self._roles.lines)
        self._state.warnings = (*missed, *passed, *self._state.others)
        self._log("changes are not captured", missed)
        self._log("triggers are not looked at; trying again", self._unseen)
        self._log("a limit of the outbox is passed", passed)
        self._log("a stranger holds the doorbell", intruders)

    def _log(self, event: str, lines: Sequence[str]) -> None:
        if lines and self._throttled.due(event):
            for line in lines:
                logger.warning(event, extra={"what": line})


async def read_ring(connection: Connection) -> Ring:
    """Read the leaves as they are now."""
    head = await connection.fetchrow(query("head"))
    assert head is not None
    leaves = [Leaf(**row) for row in await connection.fetch(query("leaves"))]
    return Ring(leaves=leaves, **head)
