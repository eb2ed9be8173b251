"""Sends what was set aside while its stream could not be written to, before anything newer of its tables goes there.

A stream is parked meanwhile (``forwarder.delivery.schedules.routed``): newer changes become letters too. Example:

1. The stream of orders can be written to again. There are 4,500 letters.
2. Of these the first 2,000 are sent, and the next 2,000, oldest first. Meanwhile 30 changes come, and become letters.
3. The last batch is not full: the stream is held, so that changes wait in memory. The letters so far are stored, and the last 530 are sent.
4. No letter is left: the changes in memory go into the stream, and those that come.

If the last batch is being sent when memory becomes full, the stream is parked again, and what was held becomes letters: so from 2. again.
A stream that a renamed table has come to is held at first (``forwarder.listen.table_moves``), and goes through 3. and 4. in the same way.

Letters of these tables that are to be sent again for another reason, as by ``forwarder replay --table``, are sent among them, in one order.

If the stream is lost on the way, all goes on from the letters that are left; so it does after a crash.
"""

from __future__ import annotations

import logging
from collections.abc import Collection

import anyio

from forwarder.delivery.destination import Routes
from forwarder.delivery.relay import Relay
from forwarder.events import CapturedTable
from forwarder.listen.checkpoints import Checkpoints
from forwarder.listen.leader_session import LeaderSession
from forwarder.listen.resending import Resending
from forwarder.listen.table_filter import TableFilter
from forwarder.listen.table_moves import TableMoves
from forwarder.outbox.position import Position
from forwarder.outbox.source import Inflow
from forwarder.store import stranded
from forwarder.store.dead_letters import BATCH_LETTERS

INTERVAL_SECONDS = 1.0

logger = logging.getLogger(__name__)


class Revival:
    """Brings back the streams of one sink, each by itself."""

    def __init__(
        self,
        session: LeaderSession,
        routes: Routes,
        *,
        sink: str,
        inflow: Inflow,
        wants: TableFilter | None,
        moves: TableMoves,
        relay: Relay,
        resending: Resending,
        checkpoints: Checkpoints,
    ) -> None:
        """``wants`` tells which tables the sink is for; None: for all."""
        self._session = session
        self._streams, self._schedule = routes.streams, routes.schedule
        self._sink = sink
        self._inflow = inflow
        self._wants = wants or (lambda _: True)
        self._moves = moves
        self._relay = relay
        self._resending = resending
        self._checkpoints = checkpoints

    async def prepare(self, position: Position) -> None:
        """Have the streams of all captured tables looked for, and park those that have letters. ``position``: where the sink stands.

        Raises:
            Unavailable: the database does not answer.
        """
        self._streams.expect(table for table in self._tables if self._wants(table) and not table.is_of_events)
        with_letters = await self._park()
        self._moves.expect_letters_of(with_letters)
        async with self._session.turn:
            beyond = await stranded.beyond(self._session.connection, position, sink=self._sink, table_ids=with_letters)
        if beyond:
            self._moves.await_taken(beyond)
            # The doorbell may not ring for what the snapshot sees beyond the head.
            await self._inflow.head_reader.look()

    async def run(self) -> None:
        """Bring back what can be brought back, until cancelled.

        Raises:
            Unavailable: the session is lost.
        """
        async with anyio.create_task_group() as tasks:
            while True:
                await self._park()
                for stream in self._schedule.revivable:
                    if not self._resending.turn(stream).locked():
                        tasks.start_soon(self._revive, stream)
                await anyio.sleep(INTERVAL_SECONDS)

    async def round(self) -> None:
        """Bring back every stream that can be written to again, and wait until they are."""
        await self._park()
        async with anyio.create_task_group() as tasks:
            for stream in self._schedule.revivable:
                tasks.start_soon(self._revive, stream)

    async def _revive(self, stream: str) -> None:
        after_seq = letters = 0
        async with self._resending.turn(stream):
            while self._may_revive(stream):
                is_held = self._schedule.is_held(stream)
                # What was set aside so far is not a letter before it is stored. If a stop cancelled us while it is, the save at the end would not
                # have it any more.
                with anyio.CancelScope(shield=True):
                    await self._checkpoints.save()
                async with self._session.turn:
                    seqs = await stranded.waiting(
                        self._session.connection,
                        sink=self._sink,
                        table_ids=self._moves.tables_of(stream),
                        after_seq=after_seq,
                    )
                # In between it may have been parked, since memory was full, and then what was held is set aside, and no letter yet.
                is_held = is_held and self._schedule.is_held(stream)
                if is_held and not seqs and not after_seq:
                    self._schedule.release(stream)
                    self._relay.notify()
                    logger.info(
                        "what was set aside for the stream is sent", extra={"stream": stream, "letters": letters}
                    )
                    return
                is_last = len(seqs) < BATCH_LETTERS
                if is_last:
                    self._schedule.hold(stream)
                before = self._schedule.letters_stranded
                after_seq = await self._resending.send(seqs, stream=stream) if seqs else 0
                letters += len(seqs)
                if is_last or self._schedule.letters_stranded != before:
                    # Once more from the first one. Either some are letters again: they are the oldest, and later ones must not go before them.
                    # Or one that was being offered when others were set aside may have become a letter after them.
                    after_seq = 0
                # A table that was renamed meanwhile has its letters sent to another stream.
                self._note_tables()

    def _may_revive(self, stream: str) -> bool:
        return (
            not self._schedule.is_open(stream)
            and self._streams.objection(stream) is None
            and self._moves.may_revive(stream)
        )

    async def _park(self) -> Collection[int]:
        """Park the streams that are open although their tables have letters. Returns the ids of these tables."""
        async with self._session.turn:
            with_letters = await stranded.tables(self._session.connection, sink=self._sink)
        self._note_tables()
        for table in self._tables:
            if table.id in with_letters:
                self._moves.note([table])
                if self._schedule.is_open(stream := self._streams.stream_of(table)):
                    self._schedule.park(stream)
        return with_letters

    def _note_tables(self) -> None:
        tables = [table for table in self._tables if self._moves.knows(table) or self._wants(table)]
        self._moves.note(tables)
        self._streams.leave_all_but(tables)

    @property
    def _tables(self) -> list[CapturedTable]:
        return [table for table, _ in self._inflow.registry.tables.values()]
