"""The doorbell: NOTIFY without its price.

Every commit that has called NOTIFY takes one lock of the whole instance, so writers should call it only while the listener
sleeps. An advisory lock tells them: a writer that gets it shared does not ring, a writer that is refused rings.

    AWAKE ──nothing left, lock granted──► ARMED ──one more look finds nothing──► ASLEEP
      ▲ └─refused: a writer who will        │ finds something                      │ a notification, or the poll interval
      │   not ring is in flight: wait       │                                      │
      │   a few ms, look, ask again         │                                      │
      └──────────── the lock is released ◄──┴──────────────────────────────────────┘

No wake-up is lost. A writer that did not ring holds the shared lock until its transaction is over, and PostgreSQL makes a
commit visible before it releases its locks: what such writers did is visible to the look between the grant and the sleep.
Every later writer is refused, and rings. Locks do not depend on snapshots, so writers in REPEATABLE READ are covered.
"""

from __future__ import annotations

from typing import Any

import anyio

from forwarder.database.queries import query
from forwarder.database.sessions import ANSWER_SECONDS, DOORBELL_LOCK, LOCK_CLASS, Connection, database_errors
from forwarder.errors import Refused

CHANNEL = "forwarder"
SELF_TEST_SECONDS = 5.0


class Doorbell:
    """The listener's end of the doorbell, on a connection that does nothing else at the same time."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._rung = anyio.Event()

    async def install(self) -> None:
        """LISTEN, and prove it by ringing ourselves.

        Raises:
            Refused: the notification does not come back: a pooler in transaction mode sits in between.
            Unavailable: the connection is lost.
        """
        with database_errors("cannot listen for notifications"):
            await self._connection.add_listener(CHANNEL, self._on_news)
            self._connection.add_termination_listener(self._on_news)
            await self._connection.execute(query("ring"))
        with anyio.move_on_after(SELF_TEST_SECONDS):
            await self._rung.wait()
            return
        raise Refused(
            "notifications do not reach this connection; connect to PostgreSQL directly instead of through a pooler in "
            "transaction mode, which would give the leader's lock to others as well"
        )

    async def arm(self) -> bool:
        """Ask for the lock. True: from now on every writer rings. False: a writer that will not ring is in flight."""
        self._rung = anyio.Event()
        with database_errors("cannot arm the doorbell"):
            armed: bool = await self._connection.fetchval(
                query("arm"), LOCK_CLASS, DOORBELL_LOCK, timeout=ANSWER_SECONDS
            )
        return armed

    async def disarm(self) -> None:
        """Release the lock: writers need not ring any more."""
        with database_errors("cannot disarm the doorbell"):
            await self._connection.fetchval(query("disarm"), LOCK_CLASS, DOORBELL_LOCK, timeout=ANSWER_SECONDS)

    async def wait(self, seconds: float) -> None:
        """Sleep until a writer rings or the connection is lost, at most so long. The next request tells which."""
        with anyio.move_on_after(seconds):
            await self._rung.wait()

    def _on_news(self, *_: Any) -> None:
        self._rung.set()
