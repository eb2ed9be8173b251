"""Where each sink stands, kept in ``forwarder.sink``."""

from __future__ import annotations

from forwarder.cursor import Batch, Position, Snapshot
from forwarder.database import ANSWER_SECONDS, Connection, errors_of
from forwarder.errors import Refused
from forwarder.queries import query


class Positions:
    """One sink's stored position. Losing its last write costs repeats only, so no commit waits for the disk."""

    def __init__(self, connection: Connection, *, sink: str) -> None:
        self._connection = connection
        self._sink = sink

    async def load(self) -> Position:
        """The stored position; a new sink begins at the oldest retained change.

        Raises:
            Refused: the schema is missing, or the position was saved in another cluster's history.
            Unavailable: the database does not answer.
        """
        with errors_of(f"cannot read the position of sink {self._sink!r}"):
            await self._connection.execute("SET synchronous_commit = off")
            await self._connection.execute(query("create_sink"), self._sink)
            row = await self._connection.fetchrow(query("load_position"), self._sink)
        assert row is not None
        if row["foreign_history"]:
            raise Refused(
                f"the position of sink {self._sink!r} was saved in another database cluster, or in a later state of this "
                'one (a restore?), so what it has delivered cannot be told; see docs/operations.md, "After a restore"'
            )
        batch = row["batch"] and Batch(
            snapshot=Snapshot(*row["batch"]),
            floor_seq=row["batch_floor_seq"],
            ceiling_seq=row["batch_ceiling_seq"],
            last_seq=row["batch_last_seq"],
        )
        return Position(
            delivered=Snapshot(*row["delivered"]), floor_seq=row["floor_seq"], batch=batch, last_seq=row["last_seq"]
        )

    async def save(self, position: Position) -> int:
        """Store the position after what was delivered.

        Returns:
            A floor for snapshots taken from now on: no transaction that they count as not yet begun has a lower seq.

        Raises:
            Unavailable: the database does not answer; the position stored before still holds.
        """
        batch = position.batch
        with errors_of(f"cannot save the position of sink {self._sink!r}"):
            floor_seq: int = await self._connection.fetchval(
                query("save_position"),
                self._sink,
                position.delivered,
                position.floor_seq,
                batch and batch.snapshot,
                batch and batch.floor_seq,
                batch and batch.ceiling_seq,
                batch and batch.last_seq,
                position.last_seq,
                timeout=ANSWER_SECONDS,
            )
        return floor_seq
