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
from dataclasses import dataclass, field, replace

import anyio
import msgspec
from anyio.abc import ObjectReceiveStream, ObjectSendStream

from forwarder.config.settings import LoadSettings
from forwarder.database.sessions import Connection
from forwarder.delivery.quarantine import Quarantine
from forwarder.delivery.relay import Relay
from forwarder.errors import LoadFailed
from forwarder.events import CapturedTable, Event
from forwarder.listen.checkpoints import Checkpoints
from forwarder.listen.intake import Intake
from forwarder.listen.leader_session import LeaderSession
from forwarder.listen.record_maker import RecordMaker
from forwarder.load import past
from forwarder.load.chunk import Chunk, Place, ReadRow
from forwarder.load.floors import SeqFloors, Truncations
from forwarder.load.pacing import ChunkSize, RateLimit
from forwarder.load.part import Part
from forwarder.load.reader import ChunkReader
from forwarder.load.row_events import began, finished, row_event
from forwarder.load.table_plan import TablePlan
from forwarder.load.window import Window
from forwarder.outbox.keys import ReadKey
from forwarder.outbox.position import Snapshot
from forwarder.outbox.source import Inflow
from forwarder.records.packing import Packed
from forwarder.store.loads import Load, Loads

# So many rows are handed to the relay at once, and so many such portions may be under way: a change waits behind no more than these.
PORTION_ROWS = 500
MOST_PORTIONS = 3
# From one look at whether the sink is late to the next.
LATE_SECONDS = 0.05

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadingParts:
    """What all loads of one sink share while this process leads it."""

    # The leader's own, on which the loads are saved.
    session: LeaderSession
    loads: Loads
    settings: LoadSettings
    inflow: Inflow
    intake: Intake
    relay: Relay
    maker: RecordMaker
    checkpoints: Checkpoints
    quarantine: Quarantine
    row_rate: RateLimit
    byte_rate: RateLimit
    floors: SeqFloors = field(default_factory=SeqFloors)


class _Overtaken(Exception):
    """A chunk cannot be told any more, since the table has changed: it is to be read again."""


class TableLoad:
    """One load, from where it stands to its end, unless somebody pauses or cancels it."""

    def __init__(self, parts: LoadingParts, load: Load, connection: Connection) -> None:
        """``connection`` is for this load alone."""
        self._parts = parts
        self._load = load
        self._connection = connection
        self._reader = ChunkReader(connection)
        self._size = ChunkSize(seconds=parts.settings.chunk_seconds)
        self._begun = load.begun
        # The windows of chunks that are being read or sent, in order.
        self._open: deque[Window] = deque()
        self._rows = load.rows
        self._bytes = load.bytes
        self._place = msgspec.json.decode(load.place, type=Place) if load.place else None

    async def run(self) -> bool:
        """Send the rows that are left. False: somebody has paused it or given it up meanwhile.

        Raises:
            LoadFailed: it cannot go on; why, in one line.
            Unavailable: the database does not answer.
            Oversized: a row is too large for the sink, and the policy is to stop.
        """
        plan = await self._plan()
        self._truncations = Truncations((await self._table())[0])
        self._parts.intake.show(self._truncations)
        try:
            return (self._begun is not None or await self._begin(plan)) and await self._send_rows(plan)
        finally:
            self._parts.intake.hide(self._truncations)

    async def _send_rows(self, plan: TablePlan) -> bool:
        """Send the rows that are left, whatever has to be read again. False: the load is not ours any more."""
        await self._recall_truncations()
        while True:
            try:
                return await self._send_chunks(plan)
            except _Overtaken:
                self._size.overtaken()
                plan = await self._plan()

    async def _recall_truncations(self) -> None:
        """Learn of every TRUNCATE that came before we were shown any, and that the present floor is below."""
        snapshot, _ = await past.now(self._connection)
        await self._catch_up(snapshot)
        since = self._parts.floors.below(snapshot)
        for relation, seq in await past.truncations(self._connection, self._load.table_id, since_seq=since):
            table, _ = await self._table()
            self._truncations.note(await self._parts.inflow.outbox.partition(table, relation), seq)

    async def _begin(self, plan: TablePlan) -> bool:
        """Tell the sink that the load begins, in its place among the changes, and save with which snapshot that was.

        False: the load is not ours any more.
        """
        snapshot, at = await past.now(self._connection)
        await self._catch_up(snapshot)
        while True:
            async with self._parts.intake.turn:
                position = self._parts.intake.taken
                # Inside a batch, what was taken is not what any snapshot sees.
                if position.batch is None:
                    table, _ = await self._table()
                    seq = self._parts.floors.below(position.delivered)
                    mark = began(self._load.number, begun=position.delivered, table=table, seq=seq, at=at)
                    packed = await self._offer([mark])
                    break
            await self._parts.intake.moved()
        await self._parts.relay.delivered(packed)
        self._begun = position.delivered
        async with self._parts.session.turn:
            return await self._parts.loads.begin(self._load, begun=self._begun, estimated_rows=plan.estimated_rows)

    async def _send_chunks(self, plan: TablePlan) -> bool:
        """Send chunks up to the end of the table, and save that it is done. False: the load is not ours any more.

        Raises:
            _Overtaken: a chunk has to be read again.
        """
        into, out_of = anyio.create_memory_object_stream[tuple[Window, Chunk]](0)
        overtaken: _Overtaken | None = None
        is_finished = False
        try:
            async with into, out_of, anyio.create_task_group() as tasks:
                tasks.start_soon(self._read_ahead, plan, into)
                try:
                    is_finished = await self._send_all(out_of)
                except _Overtaken as error:
                    overtaken = error
                tasks.cancel_scope.cancel()
        finally:
            while self._open:
                self._parts.intake.hide(self._open.popleft())
        if overtaken:
            raise overtaken
        return is_finished

    async def _read_ahead(self, plan: TablePlan, into: ObjectSendStream[tuple[Window, Chunk]]) -> None:
        """Read one chunk after the other, each while the one before it is being sent."""
        assert self._begun
        place, is_begun = self._place, False
        while place or not is_begun:
            table, read_key = await self._table()
            window = Window(
                table=table,
                read_key=read_key if table.key_columns else None,
                tells_new_rows=plan.tells_new_rows,
                tells_old_rows=plan.tells_old_rows,
            )
            # Before the chunk's snapshot is taken, and until the chunk is sent. By then the window of the next one is open too.
            self._open.append(window)
            self._parts.intake.show(window)
            rows, most_bytes = self._size.rows, self._parts.settings.chunk_bytes
            chunk = await self._reader.read(plan, place, rows=rows, bytes=most_bytes, begun=self._begun)
            self._size.took(chunk.seconds, rows=len(chunk.rows))
            await into.send((window, chunk))
            place, is_begun = chunk.place, True

    async def _send_all(self, out_of: ObjectReceiveStream[tuple[Window, Chunk]]) -> bool:
        while True:
            window, chunk = await out_of.receive()
            await self._send(window, chunk)
            self._parts.intake.hide(self._open.popleft())
            self._rows += len(chunk.rows)
            self._bytes += chunk.bytes
            if chunk.place is None:
                return await self._finish(chunk)
            if not await self._advance(chunk.place):
                return False

    async def _send(self, window: Window, chunk: Chunk) -> None:
        """Send the rows of a chunk that have not changed since, and wait until they are delivered.

        Raises:
            _Overtaken: it cannot be told any more.
        """
        parts, under_way = self._parts, deque[Packed]()
        await self._catch_up(chunk.snapshot)
        for first in range(0, len(chunk.rows), PORTION_ROWS):
            rows = chunk.rows[first : first + PORTION_ROWS]
            await self._give_way()
            while len(under_way) >= MOST_PORTIONS:
                await parts.relay.delivered(under_way.popleft())
            async with parts.intake.turn:
                if window.is_void(chunk.snapshot):
                    raise _Overtaken
                is_left = window.left(chunk.snapshot, [row.after or row.key for row in rows])
                left = [row for row, is_left in zip(rows, is_left, strict=True) if is_left]
                under_way.append(await self._offer(await self._events(left, chunk)))
            await self._keep_the_rate(rows)
        for packed in under_way:
            await parts.relay.delivered(packed)
        if parts.quarantine.holds_any:
            # Else, if we stopped now, rows that were set aside would be nowhere.
            await parts.checkpoints.save()

    async def _finish(self, chunk: Chunk) -> bool:
        """Tell the sink that all rows were read, and save that. False: the load is not ours any more."""
        table, _ = await self._table()
        seq = self._parts.floors.below(chunk.snapshot)
        async with self._parts.intake.turn:
            packed = await self._offer(
                [finished(self._load.number, rows=self._rows, table=table, seq=seq, at=chunk.at)]
            )
        await self._parts.relay.delivered(packed)
        async with self._parts.session.turn:
            return await self._parts.loads.finish(self._load, rows=self._rows, bytes=self._bytes)

    async def _advance(self, place: Place) -> bool:
        """Save how far the load has come. False: it is not ours any more."""
        text = msgspec.json.encode(place).decode()
        async with self._parts.session.turn:
            is_ours = await self._parts.loads.advance(self._load, place=text, rows=self._rows, bytes=self._bytes)
        self._load, self._place = replace(self._load, place=text), place
        return is_ours

    async def _plan(self) -> TablePlan:
        return await self._reader.plan(self._load.table_id, msgspec.json.decode(self._load.part, type=Part))

    async def _table(self) -> tuple[CapturedTable, ReadKey]:
        """The table as the registry has it now."""
        if found := await self._parts.inflow.outbox.table(self._load.table_id):
            return found
        raise LoadFailed(
            f"{self._load.qualified_name} is not captured any more; run forwarder migrate, then forwarder load --restart"
        )

    async def _catch_up(self, snapshot: Snapshot) -> None:
        """Wait until the sink has taken every change that a snapshot sees. The doorbell may not ring for what it sees beyond the head."""
        intake = self._parts.intake
        if snapshot.is_after(intake.taken.delivered):
            await self._parts.inflow.head_reader.look()
        await intake.reaches(snapshot)
        self._parts.floors.note(intake.taken)

    async def _events(self, rows: Sequence[ReadRow], chunk: Chunk) -> Sequence[Event]:
        table, read_key = await self._table()
        floor_seq = self._parts.floors.below(chunk.snapshot)
        outbox = self._parts.inflow.outbox
        partitions = {relation: await outbox.partition(table, relation) for relation in {row.relation for row in rows}}
        seqs = {name: max(floor_seq, self._truncations.last_of(name)) for name in partitions.values()}
        events = [
            row_event(
                row,
                load=self._load.number,
                table=table,
                partition=partitions[row.relation],
                read_key=read_key,
                seq=seqs[partitions[row.relation]],
                at=chunk.at,
            )
            for row in rows
        ]
        await outbox.learn_columns(events)
        return events

    async def _offer(self, events: Sequence[Event]) -> Packed:
        """Hand events to the relay, behind all that it has of the table. The caller has the intake's turn."""
        packed = await self._parts.maker.records(events, any_stored=False)
        self._parts.relay.offer_read(packed)
        return packed

    async def _give_way(self) -> None:
        """Wait while changes are late, and until there is room for rows."""
        most_seconds = self._parts.settings.yield_seconds
        while self._parts.relay.oldest_seconds() > most_seconds or self._parts.intake.behind_seconds() > most_seconds:  # noqa: ASYNC110 - of time
            await anyio.sleep(LATE_SECONDS)
        await self._parts.relay.room()

    async def _keep_the_rate(self, rows: Sequence[ReadRow]) -> None:
        now, size = anyio.current_time(), sum(len(row.after or "") for row in rows)
        await anyio.sleep(
            max(
                self._parts.row_rate.wait_seconds(len(rows), now=now),
                self._parts.byte_rate.wait_seconds(size, now=now),
            )
        )
