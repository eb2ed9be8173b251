"""Sends what was set aside while its stream could not be written to, before anything newer of its tables goes there.

A stream is parked meanwhile (``forwarder.delivery.schedules.routed``): newer changes become letters too. Example:

1. The stream of orders can be written to again. There are 2,500 letters.
2. Of these the first 1,000 are sent, and the next 1,000, oldest first. Meanwhile 30 changes come, and become letters.
3. The last portion is not full: the stream is held, so that changes wait in memory. The letters so far are stored, and the last 530 are sent.
4. No letter is left: the changes in memory go into the stream, and those that come.

If the last portion is being sent when memory becomes full, the stream is parked again, and what was held becomes letters: so from 2. again.
A stream that a renamed table has come to is held at first (``forwarder.listen.table_moves``), and goes through 3. and 4. in the same way.

If the stream is lost on the way, all goes on from the letters that are left; so it does after a crash.
"""

from __future__ import annotations

import logging

import anyio

from forwarder.delivery.destination import Routes
from forwarder.delivery.relay import Relay
from forwarder.delivery.schedules.routed import NO_STREAM
from forwarder.events import CapturedTable
from forwarder.listen.checkpoints import Checkpoints
from forwarder.listen.leader_session import LeaderSession
from forwarder.listen.redelivery import Redelivery
from forwarder.listen.table_filter import TableFilter
from forwarder.listen.table_moves import TableMoves
from forwarder.outbox.registry import Registry
from forwarder.store import stranded
from forwarder.store.stranded import PORTION

INTERVAL_SECONDS = 1.0

logger = logging.getLogger(__name__)


class Revival:
    """Brings back the streams of one sink, one after the other."""

    def __init__(
        self,
        session: LeaderSession,
        routes: Routes,
        *,
        sink: str,
        registry: Registry,
        wants: TableFilter | None,
        moves: TableMoves,
        relay: Relay,
        redelivery: Redelivery,
        checkpoints: Checkpoints,
    ) -> None:
        """``wants`` tells which tables the sink is for; None: for all."""
        self._session = session
        self._streams, self._schedule = routes.streams, routes.schedule
        self._sink = sink
        self._registry = registry
        self._wants = wants or (lambda _: True)
        self._moves = moves
        self._relay = relay
        self._redelivery = redelivery
        self._checkpoints = checkpoints
        self._turn = anyio.Lock()

    async def prepare(self) -> None:
        """Have the streams of all captured tables looked for, and park those that have letters.

        Raises:
            Unavailable: the database does not answer.
        """
        self._streams.expect(table for table in self._tables if self._wants(table) and not table.is_of_events)
        async with self._session.turn:
            with_letters = await stranded.tables(self._session.connection, sink=self._sink, code=NO_STREAM)
        self._note_tables()
        for table in self._tables:
            if table.id in with_letters:
                self._moves.note([table])
                self._schedule.park(self._streams.stream_of(table))
        self._moves.expect_letters_of(with_letters)

    async def run(self) -> None:
        """Bring back what can be brought back, until cancelled.

        Raises:
            Unavailable: the session is lost.
        """
        while True:
            await self.round()
            await anyio.sleep(INTERVAL_SECONDS)

    async def round(self) -> None:
        """Bring back every stream that can be written to again."""
        async with self._turn:
            self._note_tables()
            for stream in self._schedule.revivable:
                await self._revive(stream)

    async def _revive(self, stream: str) -> None:
        after_seq = letters = 0
        while self._streams.objection(stream) is None and self._moves.may_revive(stream):
            table_ids = self._moves.tables_of(stream)
            is_held = self._schedule.is_held(stream)
            # What was set aside so far is not a letter before it is stored.
            await self._checkpoints.save()
            async with self._session.turn:
                asked = await stranded.ask(
                    self._session.connection, sink=self._sink, code=NO_STREAM, table_ids=table_ids, after_seq=after_seq
                )
            # In between it may have been parked, since memory was full, and then what was held is set aside, and no letter yet.
            is_held = is_held and self._schedule.is_held(stream)
            if is_held and not asked.letters and not after_seq:
                self._schedule.release(stream)
                self._relay.notify()
                logger.info("what was set aside for the stream is sent", extra={"stream": stream, "letters": letters})
                return
            letters += asked.letters
            after_seq = asked.last_seq
            if asked.letters < PORTION:
                # Once more from the first one: one that was being offered when others were set aside may have become a letter after them.
                after_seq = 0
                self._schedule.hold(stream)
            before = self._schedule.letters_stranded
            await self._redelivery.round()
            if self._schedule.letters_stranded != before:
                # Some of these are letters again: they are the oldest, and later ones must not go before them.
                after_seq = 0
            # A table that was renamed meanwhile has its letters sent to another stream.
            self._note_tables()

    def _note_tables(self) -> None:
        tables = [table for table in self._tables if self._moves.knows(table) or self._wants(table)]
        self._moves.note(tables)
        self._streams.leave_all_but(tables)

    @property
    def _tables(self) -> list[CapturedTable]:
        return [table for table, _ in self._registry.tables.values()]
