"""Tells the database that this process runs, and how its sinks are: for `forwarder status` and for the dashboards of other processes.

Delivery neither needs it nor waits for it. It is handed a session that is there for something else: the janitor's, or that of a listener that
stands by. A process that has neither, since it cannot reach its stream, say, opens one for a moment.
"""

from __future__ import annotations

import logging
import os
import platform
import secrets
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

import anyio
import asyncpg

from forwarder import __version__
from forwarder.database.access import DatabaseAddress
from forwarder.database.sessions import Connection, session
from forwarder.errors import ForwarderError, Refused, plain_errors
from forwarder.health import OutboxState, ServiceState
from forwarder.listen.sampler import Sampler
from forwarder.logs import Throttled
from forwarder.metrics import DoorbellMetrics, SessionMetrics
from forwarder.store.listeners import Announcement, Identity, Second, Standing, announce, withdraw

# From one announcement to the next, if nothing has changed that an operator would wait for.
EVERY_SECONDS = 5.0
# Nobody has handed over a session for so long: it opens one of its own.
LONELY_SECONDS = 8.0
# The pause after an attempt that has failed.
RETRY_SECONDS = 15.0
# How long the end of the process may wait until it is taken off the list.
WITHDRAW_SECONDS = 2.0
# Of a sink, so many warnings are told.
_MOST_WARNINGS = 20

logger = logging.getLogger(__name__)


class Announcer:
    """One process's announcements."""

    def __init__(
        self,
        database_url: DatabaseAddress,
        *,
        targets: Mapping[str, str],
        tables: Mapping[str, Sequence[str]],
        states: Mapping[str, ServiceState],
        outbox: OutboxState,
        sampler: Sampler,
        doorbell: DoorbellMetrics,
        session_metrics: SessionMetrics,
    ) -> None:
        """``targets``: by sink, where it sends, without secrets; ``tables``: the patterns of the tables that it is for."""
        self.identity = Identity(
            id=secrets.token_hex(8),
            host=platform.node(),
            pid=os.getpid(),
            version=__version__,
            started_at=datetime.now(UTC),
        )
        self._database_url = database_url
        self._targets = targets
        self._tables = tables
        self._states = states
        self._outbox = outbox
        self._sampler = sampler
        self._doorbell = doorbell
        self._session_metrics = session_metrics
        self._announced_at = 0.0
        # An attempt that has failed is not repeated before.
        self._due = 0.0
        # What an operator would wait for, as it was announced last.
        self._told: object = None
        self._is_known = False
        self._throttled = Throttled(seconds=300.0)

    def says(self) -> Announcement:
        """How this process is now."""
        return Announcement(
            sinks={name: self._standing(name, state) for name, state in self._states.items()},
            warnings=list(self._outbox.others)[:_MOST_WARNINGS],
            wake=self._doorbell.mode,
            rings_per_second=self._sampler.rings_per_second if self._doorbell.mode else None,
        )

    def points(self) -> Mapping[str, Sequence[Second]]:
        """A point a second of each sink that this process leads, the oldest first."""
        return self._sampler.points()

    async def run(self) -> None:
        """Look after the announcements until cancelled, and end them then."""
        self._announced_at = anyio.current_time()
        try:
            while True:
                await anyio.sleep(max(1.0, self._announced_at + LONELY_SECONDS - anyio.current_time()))
                if anyio.current_time() - self._announced_at >= LONELY_SECONDS and not await self._announce_alone():
                    await anyio.sleep(RETRY_SECONDS)
        finally:
            with anyio.move_on_after(WITHDRAW_SECONDS, shield=True):
                await self._withdraw()

    async def announce(self, connection: Connection) -> None:
        """Announce this process on a session that is there for something else, if that is due."""
        told, now = self._worth_telling(), anyio.current_time()
        if now < self._due or (now - self._announced_at < EVERY_SECONDS and told == self._told):
            return
        try:
            await announce(connection, self.identity, self.says())
        except ForwarderError as error:
            # If the session is lost, whoever has lent it notices that as well, and says so.
            if isinstance(error.__cause__, asyncpg.PostgresError) and self._throttled.due("refused"):
                logger.warning("`forwarder status` does not know how this listener is", extra={"reason": str(error)})
            self._due = anyio.current_time() + EVERY_SECONDS
            if not isinstance(error, Refused):
                return
        else:
            self._is_known = True
        self._told, self._announced_at = told, anyio.current_time()

    async def _announce_alone(self) -> bool:
        """Announce it on a session of its own, and say whether that has worked. What keeps it from that is logged by those who deliver."""
        try:
            with plain_errors():
                async with session(self._database_url, purpose="announcer", metrics=self._session_metrics) as own:
                    await self.announce(own)
        except ForwarderError:
            return False
        return anyio.current_time() - self._announced_at < LONELY_SECONDS

    async def _withdraw(self) -> None:
        if not self._is_known:
            return
        try:
            with plain_errors():
                async with session(self._database_url, purpose="announcer", metrics=self._session_metrics) as own:
                    await withdraw(own, self.identity)
        except ForwarderError:
            # It will be missed, and swept away.
            return

    def _worth_telling(self) -> object:
        return [(name, state.phase, state.reason) for name, state in self._states.items()]

    def _standing(self, name: str, state: ServiceState) -> Standing:
        warnings = [*state.stream_warnings, *([state.warning] if state.warning else [])]
        return Standing(
            target=self._targets[name],
            tables=self._tables[name],
            phase=state.phase.value,
            trouble=state.reason,
            warnings=warnings[:_MOST_WARNINGS],
            figures=self._sampler.figures(name) if state.leads else None,
        )
