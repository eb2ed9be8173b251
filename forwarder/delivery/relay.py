"""Carries records from memory to a sink: as many requests at once as is useful, order kept, nothing given up.

    offer ──► scheduled ──► in a request ──stored, or refused for good and set aside──► settled: the position may move
                  ▲              │
                  └───a pause────┘ not stored, or refused for good and its lane is to wait

``run`` begins requests as long as something may be sent, and each request is a task of its own. Everybody waits for one event,
``_changed``: whenever records arrive, are settled or may be offered again, all who wait look again.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from itertools import chain
from math import inf

import anyio
from anyio.abc import TaskGroup

from forwarder.delivery.buffer import Buffer, MemoryLimits
from forwarder.delivery.concurrency import Concurrency
from forwarder.delivery.destination import Destination
from forwarder.delivery.halted_lanes import HaltedLanes
from forwarder.delivery.linger import Linger
from forwarder.delivery.publisher import Publisher
from forwarder.delivery.retries import Retries
from forwarder.delivery.schedules.aggregates import part
from forwarder.delivery.tenure import Tenure
from forwarder.delivery.triage import triage
from forwarder.delivery.uploads import Uploads
from forwarder.errors import Vanished
from forwarder.health import ServiceState
from forwarder.metrics import SinkMetrics
from forwarder.outbox.delivered_ahead import Ahead
from forwarder.outbox.position import Position
from forwarder.records.packing import Packed
from forwarder.records.record import Record, data_bytes, whole
from forwarder.records.tally import PageCount, Tally

# The next request waits while those under way have so many bytes of data. Each is in memory up to three times: as record, body, and in a socket.
UNDER_WAY_BYTES = 16 << 20


class Relay:
    """The records in memory, the requests under way, and the position up to which everything is delivered."""

    def __init__(
        self,
        destination: Destination,
        tenure: Tenure,
        *,
        limits: MemoryLimits,
        state: ServiceState,
        metrics: SinkMetrics,
    ) -> None:
        self._sink, store = (sink := destination.sink), destination.object_store
        self._schedule = destination.schedule
        self._uploads = Uploads(store, state=state, metrics=metrics) if store else None
        self._quarantine, self._arrivals = tenure.quarantine, tenure.arrivals
        self._buffer = Buffer(self._schedule, position=tenure.position, quarantine=tenure.quarantine, limits=limits)
        metrics.watch(self)
        # Whether a page is being read, or waits for room.
        self._expects_page, self._changed = False, anyio.Event()
        self._linger, self._retries, self._halted_lanes = Linger(), Retries(), HaltedLanes(state)
        # How many requests are under way, and how many bytes of data are in them.
        self.in_flight = self._bytes_under_way = 0
        concurrency = self._concurrency = Concurrency(max_in_flight=sink.max_in_flight)
        self._publisher = Publisher(sink, lease=tenure.lease, concurrency=concurrency, state=state, metrics=metrics)

    @property
    def records(self) -> int:
        """How many records are in memory."""
        return self._buffer.records

    @property
    def bytes(self) -> int:
        """How many bytes of data are in memory. What is attached to records is not."""
        return self._buffer.bytes

    @property
    def waiting_for_barriers(self) -> int:
        """How many of the records in memory wait for a barrier of their table, or are one and wait."""
        return self._buffer.waiting_for_barriers

    @property
    def done(self) -> int:
        """How many records were in memory and are no more, since they were delivered or set aside."""
        return self._buffer.done

    def oldest_seconds(self) -> float:
        """How long the oldest page that is not delivered has been in memory."""
        return self._buffer.oldest_seconds(now=anyio.current_time())

    def hottest(self, count: int) -> Sequence[int]:
        """How many records the longest lanes hold, the longest first."""
        return self._schedule.hottest(count)

    async def room(self) -> None:
        """Wait until another page may be offered. It may overshoot the limits of memory; then the next one waits."""
        while self._has_enough or self._buffer.is_full:
            await self._changed.wait()

    def expect_page(self) -> None:
        """Know that a page is being read, or waits for room: a request that would be small may wait a moment for it."""
        self._expects_page = True

    @property
    def position(self) -> Position:
        """Every change up to here is delivered or set aside. Inside a page, it stands before the first that is not."""
        return self._buffer.position

    @property
    def ahead(self) -> Ahead | None:
        """What is delivered beyond the position."""
        return self._buffer.ahead

    def take_passed(self) -> Tally:
        """What the position has passed since the last call. Whoever saves the position stores it with it."""
        return self._buffer.take_passed()

    @property
    def progress(self) -> int:
        """Grows with each change that is delivered, and whenever else the position may have become worth saving again."""
        return self._buffer.progress

    def offer(self, packed: Packed, position: Position, *, count: PageCount | None = None, skipped: int = 0) -> None:
        """Take a page over. Once its records and all before them are delivered, ``position`` holds.

        ``count`` has the changes that the sink is for; ``skipped`` others, and those set aside, count as delivered. ``later`` is to ``follow``.
        """
        self._expects_page = False
        self._buffer.enter(packed, position, count=count, skipped=skipped, now=anyio.current_time())
        self.notify()

    async def offer_again(self, packed: Packed) -> None:
        """Take over dead letters, which the position passed long ago. Ask ``packed`` when each is delivered or set aside again."""
        self._buffer.enter_again(packed)
        self.notify()
        await self.follow(packed.later)

    def offer_read(self, packed: Packed) -> None:
        """Take over rows that a load has read, behind all that was offered. Ask ``packed`` when they are delivered."""
        self._buffer.enter_read(packed)
        self.notify()

    async def delivered(self, packed: Packed) -> None:
        """Wait until all of these are delivered or set aside."""
        while not packed.is_delivered:
            await self._changed.wait()

    async def follow(self, records: deque[Record]) -> None:
        """Take the records of a page, or of dead letters, out of ``later``, one after the other. A body is read when there is room for it.

        Raises:
            Unavailable: the database does not answer.
        """
        while records:
            record = records.popleft()
            if not record.body or await self._read(record):
                self._buffer.follow(record)
                self.notify()

    async def _read(self, record: Record) -> bool:
        """Read a record's body into its data; False if it is a dead letter that somebody has discarded, and so is not to be sent."""
        assert record.body is not None
        while not self._buffer.has_room_for_body:
            await self._changed.wait()
        try:
            record.data = await whole(record.body)
        except Vanished:
            self._buffer.drop(record)
            self.notify()
            return False
        record.body = None
        return True

    async def settled(self) -> None:
        """Wait until everything that was offered is delivered. The caller offers nothing meanwhile."""
        self._expects_page, self._buffer.is_draining = False, True
        while self.records:
            await self._changed.wait()

    async def moved_to(self, progress: int) -> None:
        """Wait until ``progress`` is at least this."""
        while self.progress < progress:
            await self._changed.wait()

    async def run(self) -> None:
        """Send until cancelled.

        Raises:
            Refused: the sink refuses everything, and waiting cannot mend it.
            Unavailable: the lease is over; what is under way may still arrive.
        """
        async with anyio.create_task_group() as tasks:
            if self._uploads:
                tasks.start_soon(self._uploads.run, self._attached)
            while True:
                # Before anything is looked at: what changes from here on is not missed by the wait below.
                changed = self._changed
                had_enough = self._has_enough
                if self._uploads:
                    self._uploads.add(self._schedule.take_unstored())
                if self._buffer.strand(now=anyio.current_time()):
                    self.notify()
                while self._may_send(anyio.current_time()) and (records := self._take()):
                    self._begin(tasks, records)
                if had_enough and not self._has_enough:
                    # Whoever waits in `room` may offer a page now.
                    self.notify()
                with anyio.move_on_after(self._idle_seconds(anyio.current_time())):
                    await changed.wait()

    def _begin(self, tasks: TaskGroup, records: Sequence[Record]) -> None:
        size = data_bytes(records)
        self.in_flight += 1
        self._bytes_under_way += size
        tasks.start_soon(self._send, tasks, records, size)

    @property
    def _has_enough(self) -> bool:
        """Whether the next requests can be filled without another page."""
        return self._buffer.has_enough(self._sink.max_records)

    def _may_send(self, now: float) -> bool:
        """Whether to begin another request now."""
        # While memory is full, no page comes before an answer does.
        waits_for_page = self._expects_page and self.in_flight and not self._buffer.is_full
        if self._is_busy or not waits_for_page:
            self._linger.end()
            return not self._is_busy
        return not self._linger.holds(ready=self._schedule.ready, enough=self._sink.max_records, now=now)

    @property
    def _is_busy(self) -> bool:
        """Whether as many requests are under way, or as many bytes, as may be."""
        return self.in_flight >= self._concurrency.limit or self._bytes_under_way >= UNDER_WAY_BYTES

    def _idle_seconds(self, now: float) -> float:
        """How long ``run`` may wait for a change before it looks again."""
        if self._is_busy:
            # Whatever becomes due cannot be sent before the next answer, and that ends the wait.
            return inf
        due = self._schedule.next_due()
        return max(0.0, min(inf if due is None else due, self._linger.until) - now)

    def _take(self) -> Sequence[Record]:
        return self._schedule.take(
            max_records=self._buffer.request_records(self._sink.max_records),
            max_bytes=self._sink.max_bytes,
            now=anyio.current_time(),
        )

    def _attached(self, record: Record) -> None:
        """Offer a record now that its attachment is stored; or settle it, if it still has one: then its dead letter was discarded."""
        if record.attachment is None:
            self._put_back([record])
        else:
            self._settle([record], unsettled=set())

    async def _send(self, tasks: TaskGroup, records: Sequence[Record], size: int) -> None:
        """Offer records, which have ``size`` bytes of data, and deal with each by what the sink has said of it."""
        began = anyio.current_time()
        rejections = await self._publisher.publish(records, in_flight=self.in_flight, size=size)
        self.in_flight -= 1
        self._bytes_under_way -= size
        sorted_out = triage(rejections)
        accepted, now = len(records) - len(rejections), anyio.current_time()
        refused = self._quarantine.admit(sorted_out.final, accepted=accepted, began=began, now=now)
        if refused:
            self._halted_lanes.refused(refused, are_heads=self._quarantine.halts_lanes)
        kept = chain(sorted_out.again, refused, sorted_out.divisible, *sorted_out.timed.values())
        self._settle(records, unsettled={id(record) for record in kept})
        for record in sorted_out.divisible:
            part(record)
        self._put_back(sorted_out.divisible)
        pauses = self._retries.pauses(sorted_out, refused=refused, offered=len(records), began=began, now=now)
        for seconds, waiting in pauses:
            tasks.start_soon(self._put_back_after, seconds, waiting)

    def _settle(self, records: Sequence[Record], *, unsettled: set[int]) -> None:
        self._buffer.settle(records, unsettled=unsettled)
        self._halted_lanes.settle(records, unsettled=unsettled)
        self._arrivals.look(now=anyio.current_time())
        self.notify()

    async def _put_back_after(self, seconds: float, records: Sequence[Record]) -> None:
        """Offer records again after a pause. Meanwhile each holds up its own lane, and no other."""
        await anyio.sleep(seconds)
        self._put_back(records)

    def _put_back(self, records: Sequence[Record]) -> None:
        self._schedule.put_back(records)
        self.notify()

    def notify(self) -> None:
        """Have `run` look again at what may be sent, and all who wait for a change at what has changed."""
        self._changed.set()
        self._changed = anyio.Event()
