"""Carries records from memory to a sink: as many requests at once as is useful, order kept, nothing given up."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Protocol

import anyio
from anyio.abc import TaskGroup

from forwarder.backoff import delay_seconds
from forwarder.concurrency import Concurrency
from forwarder.cursor import Position
from forwarder.errors import Invalid, Unavailable
from forwarder.events import Record, SetAside
from forwarder.logs import Occasional
from forwarder.packing import Packed
from forwarder.quarantine import Quarantine, Rejection
from forwarder.state import ServiceState

RETRY_FIRST_SECONDS = 0.05
RETRY_MAX_SECONDS = 2.0
# The sink is well, and refuses single records: a shard that is at its limit for a moment, most likely.
REJECTED_MAX_SECONDS = 0.25
# A record that is refused for good, and whose lane waits for somebody to mend it. Each try costs its request a search.
REFUSED_RETRY_SECONDS = 10.0

logger = logging.getLogger(__name__)


class Sink(Protocol):
    """The far side.

    A sink stores each record it does not reject, keeps it for good, and may store a record twice. It promises nothing about
    the order of the records of one request; the relay never offers it two that must be kept in order.
    """

    # The most that one request may carry, and how many requests may be under way.
    max_records: int
    max_bytes: int
    max_in_flight: int

    @property
    def max_record_bytes(self) -> int:
        """The most that one record may hold now, data and partition key together."""

    async def prepare(self) -> None:
        """Wait until the sink can be written to, and learn its limits.

        Raises:
            Refused: waiting cannot mend it.
        """

    async def publish(self, records: Sequence[Record]) -> Sequence[Rejection]:
        """Offer records, all in one request.

        Raises:
            Invalid: one of them is refused for what it is, nobody says which; none is stored.
            Unavailable: any part of them may have been stored; offer all of them again.
            Refused: waiting cannot mend it.
        """


class Schedule(Protocol):
    """Which records may be offered, and when: ``forwarder.lanes.Lanes`` or ``forwarder.line.Line``."""

    records: int
    bytes: int

    def extend(self, records: Sequence[Record]) -> None: ...
    def take(self, *, max_records: int, max_bytes: int, now: float) -> Sequence[Record]: ...
    def next_due(self) -> float | None: ...
    def settle(self, records: Sequence[Record]) -> None: ...
    def put_back(self, records: Sequence[Record]) -> None: ...


@dataclass(slots=True, kw_only=True)
class _Page:
    """A page that is not delivered, or that waits for one before it."""

    undelivered: set[int]
    first_seq: int
    last_seq: int
    # What holds once the page and all before it are delivered.
    position: Position
    attached_bytes: int


class Relay:
    """The records in memory, the requests under way, and the position up to which everything is delivered."""

    def __init__(
        self,
        sink: Sink,
        schedule: Schedule,
        *,
        position: Position,
        state: ServiceState,
        quarantine: Quarantine,
        max_events: int,
        max_bytes: int,
    ) -> None:
        self._sink = sink
        self._schedule = schedule
        self._state = state
        self._max_events = max_events
        self._max_bytes = max_bytes
        self._quarantine = quarantine
        # Every change up to here is delivered, the whole of the last page that is done.
        self._position = position
        # Grows whenever the position may have become worth saving again; a later snapshot alone is not worth it.
        self.progress = 0
        self._pages: deque[_Page] = deque()
        self._attached_bytes = 0
        self._in_flight = 0
        self._concurrency = Concurrency(max_in_flight=sink.max_in_flight)
        # Set and replaced whenever a record arrives, is delivered or may be offered again.
        self._changed = anyio.Event()
        self._complaints = Occasional(seconds=10.0)

    async def room(self) -> None:
        """Wait until another page may be read. It may overshoot the bounds; the next one waits then."""
        while (
            self._schedule.records >= self._max_events or self._schedule.bytes + self._attached_bytes >= self._max_bytes
        ):
            await self._changed.wait()

    @property
    def position(self) -> Position:
        """Every change up to here is delivered. Inside a page, it stands before the first change that is not."""
        if not self._pages:
            return self._position
        page = self._pages[0]
        before_seq = min(page.undelivered)
        if before_seq == page.first_seq:
            return self._position
        return self._position.within(page.position, before_seq=before_seq, ceiling_seq=page.last_seq)

    def offer(self, packed: Packed, position: Position) -> None:
        """Take a page over. Once its records and all before them are delivered, ``position`` holds.

        It passes over what the page has set aside.
        """
        records = packed.records
        self._isolate(packed.aside)
        if self._pages and not records:
            self._pages[-1].position = position
        else:
            first_seq, last_seq = (records[0].seq, records[-1].seq) if records else (0, 0)
            page = _Page(
                undelivered=packed.undelivered,
                first_seq=first_seq,
                last_seq=last_seq,
                position=position,
                attached_bytes=packed.attached_bytes,
            )
            self._attached_bytes += packed.attached_bytes
            self._pages.append(page)
        self._schedule.extend(records)
        self._advance()
        self._notify()

    async def deliver_again(self, packed: Packed) -> None:
        """Deliver what was set aside before, and wait for it. The position passed over it long ago.

        Each change is delivered then, or set aside again.
        """
        self._isolate(packed.aside)
        self._schedule.extend(packed.records)
        self._notify()
        while packed.undelivered:
            await self._changed.wait()

    def _isolate(self, changes: Sequence[SetAside]) -> None:
        self._quarantine.isolate(changes)
        self.progress += len(changes)

    async def settled(self) -> None:
        """Wait until everything that was offered is delivered."""
        while self._schedule.records:
            await self._changed.wait()

    async def moved_from(self, progress: int) -> None:
        """Wait until the position has become worth saving since this progress."""
        while self.progress == progress:
            await self._changed.wait()

    async def run(self) -> None:
        """Send until cancelled.

        Raises:
            Refused: the sink refuses a record for good.
        """
        async with anyio.create_task_group() as tasks:
            while True:
                changed = self._changed
                while self._in_flight < self._concurrency.limit and (records := self._take()):
                    self._in_flight += 1
                    tasks.start_soon(self._send, tasks, records)
                due = self._schedule.next_due()
                with anyio.move_on_after(None if due is None else max(0.0, due - anyio.current_time())):
                    await changed.wait()

    def _take(self) -> Sequence[Record]:
        return self._schedule.take(
            max_records=self._sink.max_records, max_bytes=self._sink.max_bytes, now=anyio.current_time()
        )

    async def _send(self, tasks: TaskGroup, records: Sequence[Record]) -> None:
        rejections = await self._publish(records)
        self._in_flight -= 1
        again = [rejection.record for rejection in rejections if not rejection.is_final]
        halted = self._quarantine.admit(
            [rejection for rejection in rejections if rejection.is_final], accepted=len(records) - len(rejections)
        )
        unsettled = {record.seq for record in chain(again, halted)}
        self._schedule.settle([record for record in records if record.seq not in unsettled] if unsettled else records)
        self.progress += len(records) - len(unsettled)
        self._advance()
        self._notify()
        if halted:
            self._state.trouble = "the sink refuses records for good; see the log, and `forwarder dead-letters --help`"
            tasks.start_soon(self._put_back_after, REFUSED_RETRY_SECONDS, halted)
        for record in again:
            record.attempts += 1
        # A record that is new to rejection need not wait as long as an old hand. But if all were rejected, the sink itself
        # is in trouble, and they keep their order, which a line relies on.
        if len(again) == len(records):
            tasks.start_soon(self._retry, again, RETRY_MAX_SECONDS)
            return
        for group in _by_attempts(again):
            tasks.start_soon(self._retry, group, REJECTED_MAX_SECONDS)

    async def _publish(self, records: Sequence[Record]) -> Sequence[Rejection]:
        """Offer the records in one request; if that is refused for one of them, in smaller ones until it is found."""
        began = anyio.current_time()
        try:
            rejections = await self._sink.publish(records)
        except Invalid as error:
            if len(records) == 1:
                return [Rejection(record=records[0], code=error.code, reason=str(error), is_final=True)]
            middle = len(records) // 2
            return [*await self._publish(records[:middle]), *await self._publish(records[middle:])]
        except Unavailable as error:
            self._concurrency.failed()
            self._state.trouble = str(error)
            if self._complaints.due("unavailable"):
                logger.warning("sink unavailable, trying again", extra={"reason": str(error), "records": len(records)})
            return [Rejection(record=record, code="Unavailable") for record in records]
        seconds = anyio.current_time() - began
        self._concurrency.finished(seconds, in_flight=self._in_flight, rejected=len(rejections), records=len(records))
        if self._state.trouble and len(rejections) < len(records):
            self._state.trouble = None
            logger.info("sink answers again")
        for code in {rejection.code for rejection in rejections}:
            if self._complaints.due(code):
                logger.warning("records rejected, trying again", extra={"code": code, "records": len(rejections)})
        return rejections

    async def _retry(self, records: Sequence[Record], max_seconds: float) -> None:
        attempts = max(record.attempts for record in records)
        seconds = delay_seconds(attempts, first_seconds=RETRY_FIRST_SECONDS, max_seconds=max_seconds)
        await self._put_back_after(seconds, records)

    async def _put_back_after(self, seconds: float, records: Sequence[Record]) -> None:
        """Offer the records again after a pause; meanwhile each holds up its own lane, and no other."""
        await anyio.sleep(seconds)
        self._schedule.put_back(records)
        self._notify()

    def _advance(self) -> None:
        while self._pages and not self._pages[0].undelivered:
            page = self._pages.popleft()
            self._attached_bytes -= page.attached_bytes
            batch_is_done = self._position.batch is not None and page.position.batch is None
            self.progress += batch_is_done
            self._position = page.position

    def _notify(self) -> None:
        self._changed.set()
        self._changed = anyio.Event()


def _by_attempts(records: Sequence[Record]) -> Iterable[Sequence[Record]]:
    groups: dict[int, list[Record]] = {}
    for record in records:
        groups.setdefault(record.attempts, []).append(record)
    return groups.values()
