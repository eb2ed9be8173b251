"""Takes the leadership of a sink, or stands by until it can be taken."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AsyncExitStack

import anyio

from forwarder.database import sessions
from forwarder.database.access import DatabaseAddress
from forwarder.database.lock_holders import Holder, holders_of_sink, usurpation
from forwarder.delivery.sink import Sink
from forwarder.errors import Refused
from forwarder.health import Phase, ServiceState
from forwarder.listen.leader_session import LeaderSession
from forwarder.listen.standby import Standby
from forwarder.metrics import SessionMetrics
from forwarder.outbox.survey import Survey
from forwarder.store.leadership import Leadership


async def lead(
    stack: AsyncExitStack,
    sink: Sink,
    *,
    name: str,
    database_url: DatabaseAddress,
    state: ServiceState,
    survey: Survey,
    metrics: SessionMetrics,
    stands_by: bool,
) -> LeaderSession:
    """Take the leader's lock of the sink of this name, or wait for it if we ``stands_by``. Returns the session that holds it.

    Raises:
        Refused: somebody else leads, and we are not to stand by.
        Unavailable: the database does not answer.
    """
    connection = await stack.enter_async_context(sessions.session(database_url, purpose="leader", metrics=metrics))
    leadership = Leadership(connection, sink=name)
    if not await leadership.take():
        if not stands_by:
            raise Refused(_occupied(name, await holders_of_sink(connection, name)))
        state.enter(Phase.STANDBY)
        standby = Standby(leadership, connection, sink=name, state=state, survey=survey)
        async with anyio.create_task_group() as tasks:
            # It may stand by for days. Whatever the sink's watch finds wrong, or sees mended, is to be known when it leads.
            tasks.start_soon(sink.watch, state)
            await standby.wait()
            tasks.cancel_scope.cancel()
    return LeaderSession(connection=connection)


def _occupied(sink: str, holders: Sequence[Holder]) -> str:
    if holders and not holders[0].leads:
        return usurpation(sink, holders)
    who = f": {holders[0]}" if holders else ""
    return f"another `forwarder listen` serves sink {sink!r}{who}; stop it first"
