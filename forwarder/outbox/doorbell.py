"""The doorbell: how writers wake a listener that sleeps, and pay nothing while it is awake.

Every commit that has called NOTIFY takes one lock of the whole instance, so commits that notify are serial. Writers should notify
only while the listener sleeps. An advisory lock tells them: the trigger asks for it shared. If it is granted, the writer does not ring and
holds it to the end of its transaction; if it is refused, since the listener holds it exclusively, the writer rings.

    AWAKE ──nothing left, lock granted──► ARMED ──one more look finds nothing──► ASLEEP
      ▲ └─refused: a writer that will       │ finds something                      │ a notification, or the poll interval
      │   not ring is in flight: wait       │                                      │
      │   a few ms, look, ask again         │                                      │
      └──────────── the lock is released ◄──┴──────────────────────────────────────┘

No wake-up is lost:

1. A writer that did not ring holds the shared lock until its transaction is over. PostgreSQL makes a commit visible before it releases
   the locks. So once the listener is granted the lock, the look that follows sees what such writers did.
2. Every later writer is refused, and rings.

Locks do not depend on snapshots, so both hold for writers in REPEATABLE READ. ``head_reader.py`` goes from state to state, and
docs/design/doorbell.md has all of them.
"""

from __future__ import annotations

from typing import Any

import anyio

from forwarder.database.queries import query
from forwarder.database.sessions import ANSWER_SECONDS, DOORBELL_LOCK, LOCK_CLASS, Connection, database_errors
from forwarder.errors import Refused
from forwarder.metrics import DoorbellMetrics

CHANNEL = "forwarder"
SELF_TEST_SECONDS = 5.0


class Doorbell:
    """The listener's end of the doorbell, on a connection that does nothing else at the same time."""

    def __init__(self, connection: Connection, metrics: DoorbellMetrics) -> None:
        self._connection = connection
        self._metrics = metrics
        self._rung = anyio.Event()
        # The first notification is our own.
        self._is_tested = False

    async def install(self) -> None:
        """LISTEN, and prove that notifications arrive by sending one.

        Raises:
            Refused: the notification does not come back: a pooler in transaction mode sits in between.
            Unavailable: the connection is lost.
        """
        with database_errors("cannot listen for notifications"):
            await self._connection.add_listener(CHANNEL, self._on_notification)
            self._connection.add_termination_listener(self._on_loss)
            await self._connection.execute(query("ring"))
        with anyio.move_on_after(SELF_TEST_SECONDS):
            await self._rung.wait()
            self._is_tested = True
            return
        raise Refused(
            "notifications do not reach this connection; connect to PostgreSQL directly instead of through a pooler in "
            "transaction mode, which would give the leader's lock to others as well"
        )

    async def arm(self) -> bool:
        """Ask for the lock. True: from now on every writer rings. False: a writer that will not ring may be in flight."""
        self._rung = anyio.Event()
        with database_errors("cannot arm the doorbell"):
            armed: bool = await self._connection.fetchval(
                query("arm"), LOCK_CLASS, DOORBELL_LOCK, timeout=ANSWER_SECONDS
            )
        self._metrics.asked(is_armed=armed)
        return armed

    async def disarm(self) -> None:
        """Release the lock: writers need not ring any more."""
        with database_errors("cannot disarm the doorbell"):
            await self._connection.fetchval(query("disarm"), LOCK_CLASS, DOORBELL_LOCK, timeout=ANSWER_SECONDS)
        self._metrics.disarmed()

    async def wait(self, seconds: float) -> None:
        """Sleep until a writer rings or the connection is lost, at most so long. If it was lost, the next request fails."""
        with anyio.move_on_after(seconds):
            await self._rung.wait()
        self._metrics.woke(by_ring=self._rung.is_set())

    def _on_notification(self, *_: Any) -> None:
        if self._is_tested:
            self._metrics.rung()
        self._rung.set()

    def _on_loss(self, *_: Any) -> None:
        self._metrics.disarmed()
        self._rung.set()
