"""Where each sink stands, kept in ``forwarder.sink``."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import Literal

import asyncpg
import msgspec

from forwarder.database.queries import query
from forwarder.database.sessions import ANSWER_SECONDS, Connection, database_errors
from forwarder.errors import Deposed
from forwarder.outbox.delivered_ahead import Ahead, decode
from forwarder.outbox.floors import read_floor
from forwarder.outbox.position import NOTHING, Batch, Numbered, Position, Snapshot
from forwarder.records.record import SetAside
from forwarder.records.tally import Tally
from forwarder.store import dead_letters
from forwarder.store.statistics import tally_json

Start = Literal["now", "oldest"]

logger = logging.getLogger(__name__)


class Newcomers:
    """Remembers since when a process has been creating sinks. All of them count as new together.

    The first sink of a database begins with the oldest change, and one that is added later with now. Without this, the second of two new
    sinks in one configuration would count as added to the first.
    """

    def __init__(self) -> None:
        self._since: int | None = None

    async def since(self, connection: Connection) -> int:
        """When the first of them was found missing, by the database's clock."""
        if self._since is None:
            now: int = await connection.fetchval(query("clock"))
            self._since = self._since or now
        return self._since


class Positions:
    """One sink's stored position. If a crash forgets the last write, changes are repeated and none is lost, so no commit waits for the disk."""

    def __init__(
        self,
        connection: Connection,
        *,
        sink: str,
        history_stamp: str = "",
        newcomers: Newcomers | None = None,
        tell_lost: Callable[[int], None] = lambda _: None,
    ) -> None:
        """``history_stamp`` is that of ``forwarder.store.history.History``.

        ``tell_lost`` is called with how many of the changes that were set aside could not be stored, since they are gone.
        """
        self._connection = connection
        self._sink = sink
        self._history_stamp = history_stamp
        self._newcomers = newcomers or Newcomers()
        self._tell_lost = tell_lost
        # Rises with each load. A position is saved only in the epoch in which it was loaded.
        self._epoch = 0
        # What was delivered beyond the position that was loaded.
        self.ahead: Ahead | None = None

    @property
    def epoch(self) -> int:
        """The epoch in which the position was loaded."""
        return self._epoch

    async def load(self, *, start: Start | None = None) -> Position:
        """The stored position. From now on only whoever has loaded it last can save one.

        1. A sink that is known goes on from its position.
        2. A new sink is created, and begins as ``start`` says. If that is None, the first sink of a database begins with the oldest change, since
           nobody has delivered anything yet, and one that is added later begins with now.
        3. If the position was saved in another cluster or database (this one was restored from a dump, was copied, or took over in a
           Blue/Green switch), its snapshots mean nothing here: what is retained after the last delivered seq is sent again.

        Raises:
            Refused: the schema is missing or older than this program, or we have not all the rights that saving a position needs.
            Unavailable: the database does not answer.
        """
        with database_errors(f"cannot read the position of sink {self._sink!r}"):
            await self._connection.execute("SET synchronous_commit = off")
            await self._connection.execute(query("may_count"), self._sink)
            row = await self._load()
            if row is None:
                since = await self._newcomers.since(self._connection)
                # First the floor, then the snapshot, which the statement takes: a floor holds only for later snapshots.
                floor_seq = await read_floor(self._connection)
                await self._connection.execute(query("create_sink"), self._sink, start, floor_seq, since)
                row = await self._load()
            assert row is not None
            self._epoch = row["epoch"]
            position = position_of(row)
            if row["foreign_history"]:
                return await self._adopt(position)
            self.ahead = decode(row["ahead"]) if row["ahead"] else None
            return position

    async def save(
        self,
        position: Position,
        *,
        aside: Sequence[SetAside] = (),
        ahead: Ahead | None = None,
        tally: Tally | None = None,
        system_identifier: int | None = None,
    ) -> int:
        """Store the position, and in the same transaction the changes that were set aside before it and what was delivered beyond it.

        ``tally`` has the changes that this position has passed and the one that was saved before has not.
        ``system_identifier`` is that of this cluster, where the position was adopted from another one.

        Returns:
            A floor for snapshots that are taken from now on (``floors.py``).

        Raises:
            Unavailable: the database does not answer, or somebody else leads the sink, has set it back, removed or restored it;
                what is stored holds.
        """
        with database_errors(f"cannot save the position of sink {self._sink!r}"):
            if not aside and not ahead:
                return await self._save(position, tally, system_identifier)
            async with self._connection.transaction():
                # The position comes first, for three reasons: a floor can be read only before the transaction has written anything; the
                # update tells whether we still lead; and `forwarder replay` locks the sink and its letters in this order too.
                floor_seq = await self._save(position, tally, system_identifier)
                if aside:
                    await self._keep(aside)
                if ahead:
                    await self._connection.execute(
                        query("save_ahead"), self._sink, self._epoch, self._history_stamp, ahead.encode()
                    )
            return floor_seq

    async def keep(self, aside: Sequence[SetAside]) -> None:
        """Store some of the changes that were set aside, before a later ``save`` stores the position after them.

        Raises:
            Unavailable: as ``save`` does.
        """
        with database_errors(f"cannot keep dead letters of sink {self._sink!r}"):
            async with self._connection.transaction():
                epoch = await self._connection.fetchval(query("hold_epoch"), self._sink, timeout=ANSWER_SECONDS)
                if epoch != self._epoch:
                    raise deposed(self._sink)
                await self._keep(aside)

    async def prove(self) -> None:
        """Make sure that the session answers, and that the position is still ours to move.

        Raises:
            Unavailable: one of the two is not so.
        """
        with database_errors("cannot prove the leadership"):
            epoch = await self._connection.fetchval(query("epoch"), self._sink, timeout=ANSWER_SECONDS)
        if epoch != self._epoch:
            raise deposed(self._sink)

    async def _load(self) -> asyncpg.Record | None:
        return await self._connection.fetchrow(query("load_position"), self._sink, self._history_stamp)

    async def _keep(self, aside: Sequence[SetAside]) -> None:
        if lost := await dead_letters.keep(self._connection, aside, sink=self._sink):
            self._tell_lost(lost)

    async def _save(self, position: Position, tally: Tally | None, system_identifier: int | None) -> int:
        batch = position.batch
        floor_seq: int | None = await self._connection.fetchval(
            query("save_position"),
            self._sink,
            position.delivered,
            position.floor_seq,
            batch and batch.snapshot,
            batch and batch.floor_seq,
            batch and batch.ceiling_seq,
            batch and batch.last_seq,
            batch and msgspec.json.encode(batch.numbered).decode(),
            position.last_seq,
            system_identifier,
            self._epoch,
            tally_json(tally),
            timeout=ANSWER_SECONDS,
        )
        if floor_seq is None:
            raise deposed(self._sink)
        return floor_seq

    async def _adopt(self, foreign: Position) -> Position:
        """Turn the position of another cluster or database into one of this one, and save it. It passes over nothing that was not delivered:

        1. Changes that came along in the dump have kept their transaction ids, so the foreign snapshot still tells which of them are
           delivered. One with a low seq, whose transaction was in flight at the last save, is not: everything is sent again from there.
        2. Changes that were written here have seqs above all of those, and are sent. Where the seqs began anew instead,
           ``history.identify`` has set the last delivered seq to 0, and everything is sent.
        """
        # First the floor, then the snapshot: a floor holds only for later snapshots.
        floor_seq = await read_floor(self._connection)
        row = await self._connection.fetchrow(query("present"))
        assert row is not None
        first_seq = await first_undelivered(self._connection, foreign)
        after_seq = foreign.last_seq if first_seq is None else min(foreign.last_seq, first_seq - 1)
        position = Position.resending(
            Snapshot(*row["snapshot"]), after_seq=after_seq, floor_seq=floor_seq, ceiling_seq=row["last_seq"]
        )
        await self.save(position, system_identifier=row["system_identifier"])
        logger.warning(
            "the database is not the one this sink knew: sending again what is retained after the last delivered seq",
            extra={"sink": self._sink, "after_seq": after_seq, "up_to_seq": row["last_seq"]},
        )
        return position


def deposed(sink: str) -> Deposed:
    """The error of a leader that may not write any more, since the sink is in another epoch."""
    return Deposed(f"somebody else leads sink {sink!r} now, has set it back or removed it, or a dump was restored")


async def first_undelivered(connection: Connection, position: Position) -> int | None:
    """The lowest seq of the changes that a position does not see; None if there is none."""
    batch = position.batch
    seq: int | None = await connection.fetchval(
        query("first_undelivered"),
        position.delivered,
        position.floor_seq,
        batch and batch.snapshot,
        batch and batch.floor_seq,
        batch and batch.last_seq,
    )
    return seq


def position_of(row: asyncpg.Record) -> Position:
    """The position in a row of ``forwarder.sink``."""
    batch = row["batch"] and Batch(
        snapshot=Snapshot(*row["batch"]),
        floor_seq=row["batch_floor_seq"],
        ceiling_seq=row["batch_ceiling_seq"],
        last_seq=row["batch_last_seq"],
        numbered=msgspec.json.decode(row["batch_numbered"] or "[]", type=Numbered),
    )
    delivered = Snapshot(*row["delivered"])
    # Earlier releases gave a sink that is set back a floor beside a snapshot that sees nothing. It would pass over transactions that were
    # running then, so it counts as 0.
    floor_seq = 0 if delivered == NOTHING else row["floor_seq"]
    return Position(delivered=delivered, floor_seq=floor_seq, batch=batch, last_seq=row["last_seq"])
