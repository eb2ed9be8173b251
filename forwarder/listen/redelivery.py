"""Has dead letters sent again that an operator has asked for.

Of a sink with a stream for each table, those of a stream that is open. ``forwarder.listen.revival`` sends those of the others, since they have a
place among what was set aside for want of the stream.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping

import anyio

from forwarder.delivery.destination import Routes
from forwarder.listen.leader_session import LeaderSession
from forwarder.listen.resending import Resending
from forwarder.listen.table_moves import TableMoves
from forwarder.outbox.registry import Registry
from forwarder.store import dead_letters

INTERVAL_SECONDS = 5.0


class Redelivery:
    """Looks for such letters every few seconds."""

    def __init__(
        self,
        session: LeaderSession,
        *,
        sink: str,
        registry: Registry,
        resending: Resending,
        routes: Routes | None = None,
        moves: TableMoves | None = None,
    ) -> None:
        """``routes`` and ``moves``: None if the sink has but one stream."""
        self._session = session
        self._sink = sink
        self._registry = registry
        self._resending = resending
        self._routes = routes
        self._moves = moves
        self._first_round = anyio.Event()

    async def run(self) -> None:
        """Send what is to be sent again, until cancelled.

        Raises:
            Unavailable: the session is lost.
        """
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._begin)
            while True:
                await anyio.sleep(INTERVAL_SECONDS)
                # The one before may be under way as long as a lane is halted. Streams that it is busy with are passed over.
                tasks.start_soon(self._round)

    async def first_round(self) -> None:
        """Wait until all letters are sent that were due at the beginning."""
        await self._first_round.wait()

    async def _begin(self) -> None:
        await self._round()
        self._first_round.set()

    async def _round(self) -> None:
        """Send all that is to be sent again now, and wait until each is delivered or set aside again."""
        async with anyio.create_task_group() as tasks:
            for stream, table_ids in (await self._streams()).items():
                if not self._resending.turn(stream).locked():
                    tasks.start_soon(self._send_all, stream, table_ids)

    async def _send_all(self, stream: str, table_ids: Collection[int] | None) -> None:
        # Each batch begins after the one before. From 0 on, it would have to pass over the rows of all letters that were sent and
        # deleted, for as long as vacuum cannot remove them.
        after_seq = 0
        async with self._resending.turn(stream):
            while self._is_open(stream):
                async with self._session.turn:
                    seqs = await dead_letters.due_seqs(
                        self._session.connection, sink=self._sink, after_seq=after_seq, table_ids=table_ids
                    )
                if not seqs:
                    return
                after_seq = await self._resending.send(seqs, stream=stream)
                if not after_seq:
                    return

    def _is_open(self, stream: str) -> bool:
        routes = self._routes
        return routes is None or (routes.schedule.is_open(stream) and routes.streams.objection(stream) is None)

    async def _streams(self) -> Mapping[str, Collection[int] | None]:
        """The streams that letters may have to be sent to, and of each the ids of its tables; None: of all tables."""
        if self._routes is None or self._moves is None:
            return {"": None}
        async with self._session.turn:
            table_ids = await dead_letters.due_tables(self._session.connection, sink=self._sink)
            if not self._registry.tables.keys() >= set(table_ids):
                await self._registry.refresh(self._session.connection)
        tables = [self._registry.tables[id][0] for id in table_ids if id in self._registry.tables]
        # One that was renamed has its new stream held first, if it was noted under its old name.
        self._moves.note(tables)
        self._routes.streams.expect(tables)
        of_stream: defaultdict[str, set[int]] = defaultdict(set)
        for table in tables:
            of_stream[self._routes.streams.stream_of(table)].add(table.id)
        return of_stream
