"""Waits until a sink has delivered every change of a table that a snapshot sees."""

from __future__ import annotations

import anyio

from forwarder.database.queries import query
from forwarder.database.sessions import Connection, database_errors
from forwarder.errors import Refused
from forwarder.outbox.position import Snapshot

LOOK_AGAIN_SECONDS = 0.2
# A sink that has changes to deliver and has not moved for so long is not served, or stands still.
PATIENCE_SECONDS = 30.0


class Delivery:
    """What a sink has delivered of one table, by its stored position."""

    def __init__(self, connection: Connection, *, sink: str, table_id: int) -> None:
        self._connection = connection
        self._sink = sink
        self._table_id = table_id

    async def reaches(self, snapshot: Snapshot) -> None:
        """Return when the changes are delivered, or set aside.

        Raises:
            Refused: they are not, and nothing moves.
            Unavailable: the database does not answer.
        """
        place, waited = "", 0.0
        while (found := await self._place(snapshot)) and found[1]:
            if found[0] != place:
                place, waited = found[0], 0.0
            if waited >= PATIENCE_SECONDS:
                raise Refused(
                    f"sink {self._sink!r} has not delivered changes that the table has, and does not move; see to it that `forwarder listen`"
                    " runs and delivers (`forwarder sinks list`), and run it again"
                )
            await anyio.sleep(LOOK_AGAIN_SECONDS)
            waited += LOOK_AGAIN_SECONDS

    async def _place(self, snapshot: Snapshot) -> tuple[str, bool] | None:
        """A text that changes when the sink moves, and whether it has something to deliver still; None: no such sink."""
        with database_errors(f"cannot read the position of sink {self._sink!r}"):
            row = await self._connection.fetchrow(query("delivered_up_to"), self._sink, self._table_id, snapshot)
        return None if row is None else (row["place"], row["is_waiting"])
