"""Sends the rows that one table has already to one sink, chunk by chunk, while its changes flow.

Two tasks, beside the intake:

1. reading ahead: opens a window, and reads a chunk with a snapshot of its own, S2. Meanwhile the intake takes changes as ever, and shows them to the
   window.
2. sending: waits until the intake has taken all that S2 sees; then hands rows to the relay, a few at a time, without those that the window has
   seen changed in a transaction that S2 does not see.

So of each row all changes that S2 sees come first, then the row as S2 saw it, then its later changes; docs/design/load.md says more.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Sequence
from dataclasses import replace

import anyio
from anyio.abc import ObjectReceiveStream, ObjectSendStream

from forwarder.database.sessions import Connection
from forwarder.errors import LoadFailed, plain_errors
from forwarder.events import Event
from forwarder.listen.load_channel import LoadChannel
from forwarder.listen.stored_load import StoredLoad
from forwarder.load import past
from forwarder.load.chunk import Chunk, ReadRow
from forwarder.load.floors import Truncations
from forwarder.load.pacing import ChunkSize
from forwarder.load.reader import ChunkReader
from forwarder.load.row_events import began, finished, row_events
from forwarder.load.table_plan import TablePlan
from forwarder.load.window import Window
from forwarder.records.packing import Packed

# From one look at whether the sink is late to the next.
LATE_SECONDS = 0.05

logger = logging.getLogger(__name__)


class _Overtaken(Exception):
    """A chunk cannot be told any more, since the table has changed."""


class TableLoad:
    """One load, from where it stands to its end, unless somebody pauses or cancels it."""

    def __init__(self, stored: StoredLoad, channel: LoadChannel, connection: Connection) -> None:
        """``connection`` is for this load alone."""
        self._stored = stored
        self._load = stored.load
        self._channel = channel
        self._connection = connection
        self._reader = ChunkReader(connection, restraint=channel)
        self._size = ChunkSize(seconds=channel.settings.chunk_seconds)
        # The windows of chunks that are being read or sent, in order.
        self._open: deque[Window] = deque()

    async def run(self) -> bool:
        """Send the rows that are left. False: somebody has paused it or given it up meanwhile.

        Raises:
            LoadFailed: it cannot go on; why, in one line.
            Unavailable: the database does not answer, or a stream cannot be written to.
            Oversized: a row is too large for the sink, and the policy is to stop.
        """
        plan = await self._plan()
        self._truncations = Truncations((await self._channel.table(self._load))[0])
        self._channel.intake.show(self._truncations)
        try:
            return (self._stored.begun is not None or await self._begin(plan)) and await self._send_rows(plan)
        finally:
            self._channel.intake.hide(self._truncations)

    async def _send_rows(self, plan: TablePlan) -> bool:
        """Send the rows that are left, whatever has to be read again. False: the load is not ours any more."""
        await self._recall_truncations()
        while True:
            try:
                return await self._send_chunks(plan)
            except _Overtaken:
                self._size.overtaken()
                plan = await self._plan()
            except LoadFailed:
                # Where a key column was renamed, the plan is another one now. Where the table was dropped, there is none, and this says so.
                renewed = await self._plan()
                if replace(renewed, estimated_rows=plan.estimated_rows) == plan:
                    raise
                plan = renewed

    async def _recall_truncations(self) -> None:
        """Learn of every TRUNCATE that came before we were shown any, and that the present floor is below."""
        snapshot, _ = await past.now(self._connection)
        await self._channel.catch_up(snapshot)
        since = self._channel.floors.below(snapshot)
        for relation, seq in await past.truncations(self._connection, self._load.table_id, since_seq=since):
            table, _ = await self._channel.table(self._load)
            self._truncations.note(await self._channel.inflow.outbox.partition(table, relation), seq)

    async def _begin(self, plan: TablePlan) -> bool:
        """Tell the sink that the load begins, in its place among the changes, and save with which snapshot that was.

        False: the load is not ours any more.
        """
        channel = self._channel
        snapshot, at = await past.now(self._connection)
        await channel.catch_up(snapshot)
        table, _ = await channel.table(self._load)
        dropped, packed = channel.dropped(self._load), None
        while packed is None:
            await channel.give_way_to_halted(table)
            async with channel.intake.turn:
                position = channel.intake.taken
                # Inside a batch, what was taken is not what any snapshot sees.
                if position.batch is None:
                    seq = channel.floors.below(position.delivered)
                    packed = await channel.offer(
                        [began(self._load.number, begun=position.delivered, table=table, seq=seq, at=at)]
                    )
            if packed is None:
                await channel.intake.moved()
        await channel.delivered([packed], self._load, dropped_before=dropped)
        return await self._stored.begin(position.delivered, estimated_rows=plan.estimated_rows)

    async def _send_chunks(self, plan: TablePlan) -> bool:
        """Send chunks up to the end of the table, and save that it is done. False: the load is not ours any more.

        Raises:
            _Overtaken: a chunk has to be read again.
        """
        into, out_of = anyio.create_memory_object_stream[tuple[Window, Chunk]](0)
        overtaken: _Overtaken | None = None
        is_finished = False
        try:
            with plain_errors():
                async with into, out_of, anyio.create_task_group() as tasks:
                    tasks.start_soon(self._read_ahead, plan, into)
                    try:
                        is_finished = await self._send_all(out_of)
                    except _Overtaken as error:
                        overtaken = error
                    tasks.cancel_scope.cancel()
        finally:
            while self._open:
                self._channel.intake.hide(self._open.popleft())
        if overtaken:
            raise overtaken
        return is_finished

    async def _read_ahead(self, plan: TablePlan, into: ObjectSendStream[tuple[Window, Chunk]]) -> None:
        """Read one chunk after the other, each while the one before it is being sent."""
        begun = self._stored.begun
        assert begun is not None
        place, read, is_begun = self._stored.place, self._stored.rows, False
        while place or not is_begun:
            table, read_key = await self._channel.table(self._load)
            window = Window(
                table=table,
                read_key=read_key if table.key_columns else None,
                tells_new_rows=plan.tells_new_rows,
                tells_old_rows=plan.tells_old_rows,
            )
            # Before the chunk's snapshot is taken, and until the chunk is sent. By then the window of the next one is open too.
            self._open.append(window)
            self._channel.intake.show(window)
            rows = self._size.rows if plan.part.limit is None else min(self._size.rows, plan.part.limit - read)
            most_bytes = self._channel.settings.chunk_bytes
            chunk = await self._reader.read(plan, place, rows=rows, bytes=most_bytes, begun=begun)
            self._size.took(chunk.seconds, rows=len(chunk.rows))
            read += len(chunk.rows)
            if read == plan.part.limit:
                chunk = replace(chunk, place=None)
            await into.send((window, chunk))
            place, is_begun = chunk.place, True

    async def _send_all(self, out_of: ObjectReceiveStream[tuple[Window, Chunk]]) -> bool:
        while True:
            window, chunk = await out_of.receive()
            await self._send(window, chunk)
            self._channel.intake.hide(self._open.popleft())
            self._stored.count(chunk)
            if chunk.place is None:
                return await self._finish(chunk)
            if not await self._stored.advance(chunk.place):
                return False

    async def _send(self, window: Window, chunk: Chunk) -> None:
        """Send the rows of a chunk that have not changed since, and wait until they are delivered.

        Raises:
            _Overtaken: it cannot be told any more.
        """
        channel, under_way = self._channel, deque[Packed]()
        dropped = channel.dropped(self._load)
        await channel.catch_up(chunk.snapshot)
        await self._require_keys(window, chunk)
        first = 0
        while first < len(chunk.rows):
            await channel.give_way()
            began, portions = anyio.current_time(), channel.portions
            rows = chunk.rows[first : first + portions.rows]
            first += len(rows)
            while len(under_way) >= portions.under_way:
                await channel.delivered([under_way.popleft()], self._load, dropped_before=dropped)
            async with channel.intake.turn:
                if window.is_void(chunk.snapshot):
                    raise _Overtaken
                left = window.left(chunk.snapshot, await self._events(rows, chunk))
                under_way.append(await channel.offer(left))
            worked_seconds = anyio.current_time() - began
            await channel.keep_the_rate(rows=len(rows), bytes=sum([len(row.after) for row in rows if row.after]))
            await channel.rest(worked_seconds=worked_seconds)
        await channel.delivered(under_way, self._load, dropped_before=dropped)

    async def _require_keys(self, window: Window, chunk: Chunk) -> None:
        """See that the keys of the rows can be read. If a key column was renamed since the registry was read, the chunk is read again.

        Raises:
            _Overtaken: it was.
            LoadFailed: the rows have no such key.
        """
        image = next((row.after for row in chunk.rows if row.after), None)
        if window.read_key is None or image is None or window.read_key(image) is not None:
            return
        await self._channel.inflow.outbox.look_up_names()
        table, _ = await self._channel.table(self._load)
        if table is not window.table:
            raise _Overtaken
        raise LoadFailed(
            f"{self._load.qualified_name} has lost a column of its key; run `forwarder migrate`, then load it again"
        )

    async def _finish(self, chunk: Chunk) -> bool:
        """Tell the sink that all rows were read, and save that. False: the load is not ours any more."""
        channel = self._channel
        table, _ = await channel.table(self._load)
        mark = finished(
            self._load.number,
            rows=self._stored.rows,
            table=table,
            seq=channel.floors.below(chunk.snapshot),
            at=chunk.at,
        )
        dropped = channel.dropped(self._load)
        await channel.give_way_to_halted(table)
        if not await self._stored.runs():
            return False
        async with channel.intake.turn:
            packed = await channel.offer([mark])
        await channel.delivered([packed], self._load, dropped_before=dropped)
        return await self._stored.finish()

    async def _plan(self) -> TablePlan:
        await self._channel.inflow.outbox.look_up_names()
        return await self._reader.plan(self._load.table_id, self._stored.part)

    async def _events(self, rows: Sequence[ReadRow], chunk: Chunk) -> Sequence[Event]:
        if not rows:
            return ()
        table, read_key = await self._channel.table(self._load)
        outbox = self._channel.inflow.outbox
        # All rows of a chunk are of one table or partition.
        partition = await outbox.partition(table, rows[0].relation)
        events = row_events(
            rows,
            load=self._load.number,
            table=table,
            partition=partition,
            read_key=read_key,
            seq=max(self._channel.floors.below(chunk.snapshot), self._truncations.last_of(partition)),
            at=chunk.at,
            begun=self._stored.begun,
        )
        await outbox.learn_columns(events)
        return events
