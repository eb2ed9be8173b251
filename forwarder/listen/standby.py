"""A listener that waits to lead one sink: asks for the lock every second, watches whoever has it, and measures the outbox meanwhile."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

import anyio
import asyncpg

from forwarder.database.lock_holders import Holder, holders_of_sink
from forwarder.database.queries import query
from forwarder.database.sessions import ANSWER_SECONDS, Connection, database_errors
from forwarder.errors import ForwarderError
from forwarder.health import ServiceState
from forwarder.listen.leader_watch import LastSave, LeaderWatch, Verdict
from forwarder.logs import Throttled
from forwarder.outbox.survey import Survey
from forwarder.store.leadership import Leadership

RETRY_SECONDS = 1.0
# Less often: looking who holds a lock costs the more the more locks there are in the whole instance.
LOOK_SECONDS = 2.5

_LED = "standing by: another listener leads"
_HELD = "standing by: another session has the leader's lock"
_USURPED = "no listener leads: a stranger has the leader's lock"

logger = logging.getLogger(__name__)


class Standby:
    """Stands by for one sink, on the session that is to lead it. Whatever it sees, or cannot see, it leads as soon as it gets the lock."""

    def __init__(
        self, leadership: Leadership, connection: Connection, *, sink: str, state: ServiceState, survey: Survey
    ) -> None:
        self._leadership = leadership
        self._connection = connection
        self._sink = sink
        self._state = state
        self._survey = survey
        self._watch = LeaderWatch(sink)
        self._look_due = 0.0
        # What was logged last, and of which pid.
        self._told: tuple[str, int | None] | None = None
        self._occasional = Throttled(seconds=300.0)

    async def wait(self) -> None:
        """Try every second until the lock is ours. A statement that waits for a lock would hold back vacuum for as long as it waits.

        Raises:
            Unavailable: the session is lost.
        """
        try:
            while True:
                await self._look()
                await self._measure()
                await anyio.sleep(RETRY_SECONDS)
                if await self._leadership.take():
                    return
        finally:
            self._state.usurpation = self._state.warning = None

    async def _look(self) -> None:
        """Look who has the lock, and say so if that should not be.

        Raises:
            Unavailable: the session is lost.
        """
        if anyio.current_time() < self._look_due:
            return
        self._look_due = anyio.current_time() + LOOK_SECONDS
        holders = await holders_of_sink(self._connection, self._sink)
        verdict = self._watch.look(
            holders,
            await self._last_save(),
            has_backlog=self._survey.has_backlog(self._sink),
            now=anyio.current_time(),
        )
        self._state.usurpation, self._state.warning = verdict.usurpation, verdict.warning
        if holders:
            self._tell(holders[0], verdict)

    async def _measure(self) -> None:
        with self._tolerance("the outbox is not measured; trying again"):
            try:
                await self._survey.renew(self._connection)
            except (ForwarderError, asyncpg.PostgresError):
                self._survey.forget()
                raise

    async def _last_save(self) -> LastSave | None:
        row = None
        with (
            self._tolerance("cannot see whether the leader saves; trying again"),
            database_errors("cannot read forwarder.sink"),
        ):
            row = await self._connection.fetchrow(query("last_save"), self._sink, timeout=ANSWER_SECONDS)
        return LastSave(**row) if row else None

    @contextmanager
    def _tolerance(self, complaint: str) -> Iterator[None]:
        """Log what fails, from time to time, and go on. If the session is lost, the next try to lead will tell."""
        try:
            yield
        except (ForwarderError, asyncpg.PostgresError) as error:
            if self._occasional.due(complaint):
                logger.warning(complaint, extra={"sink": self._sink, "reason": str(error)})

    def _tell(self, holder: Holder, verdict: Verdict) -> None:
        facts = {"sink": self._sink, **holder.facts}
        if verdict.usurpation:
            event, level, facts = _USURPED, logging.ERROR, {**facts, "what": verdict.usurpation}
        else:
            event, level = _LED if holder.leads else _HELD, logging.INFO
        is_due = level == logging.ERROR and self._occasional.due(event)
        if is_due or self._told != (event, holder.pid):
            self._told = event, holder.pid
            logger.log(level, event, extra=facts)
        if verdict.warning and self._occasional.due("stuck"):
            logger.warning("the leader does not get on", extra={**facts, "what": verdict.warning})
