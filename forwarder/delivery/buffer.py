"""The records of one sink in memory, and the position up to which everything is delivered. No I/O; time is an argument.

    page ──enter────────────────┬──nothing is in its way────────► scheduled ──take──► in a request ──settle──► delivered
    dead letters ──enter_again──┤                                    ▲  ▲                  │
                                └──a barrier is──► waiting ──release─┘  └────put_back──────┘

A record whose data must be read first comes after its page, or after the other letters, by ``follow``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Protocol

from forwarder.delivery.barriers import Barriers
from forwarder.delivery.progress import Frontier
from forwarder.delivery.quarantine import Quarantine
from forwarder.outbox.delivered_ahead import Ahead
from forwarder.outbox.position import Position
from forwarder.records.packing import Packed
from forwarder.records.record import Record, SetAside
from forwarder.records.tally import PageCount, Tally

# No page is taken while the records that may be sent now would fill this many requests. More would gain nothing, and cost: a record that
# is still in the processor's cache when it is sent takes a third of the time of one that is not.
READY_REQUESTS = 4

# When memory is full, the records that may be sent now are divided into this many requests, none of them of fewer records than that.
OVERLAPPING_REQUESTS = 2
LEAST_RECORDS = 100


class Schedule(Protocol):
    """Which records may be offered, and when: ``Lanes``, ``Unordered``, ``Fifo`` and ``Routed`` of ``forwarder.delivery.schedules``.

    Each record that is taken is given back once: to ``settle`` if it is delivered, to ``put_back`` if it is to be offered again.
    """

    # What is in memory, taken or not.
    records: int
    bytes: int

    @property
    def ready(self) -> int:
        """How many records may be taken now."""

    def hottest(self, count: int) -> Sequence[int]:
        """How many records the longest lanes hold, the longest first."""

    def extend(self, records: Sequence[Record]) -> None:
        """Append records."""

    def take(self, *, max_records: int, max_bytes: int, now: float) -> Sequence[Record]:
        """The records of the next request; none if ``next_due``, or what is given back, must be waited for."""

    def take_unstored(self) -> Sequence[Record]:
        """Records that may not be sent before their attachments are stored. They are given back like all that are taken."""

    def take_stranded(self, *, is_full: bool, now: float) -> Sequence[SetAside]:
        """Give up records that are to be set aside, since the stream they are for cannot be written to (``Routed``).

        They are forgotten, and their seqs are removed from their ``undelivered`` sets. ``is_full``: no room is left in memory.
        """

    def next_due(self) -> float | None:
        """When ``take`` may have more, even if nothing is given back; None: time alone changes nothing."""

    def settle(self, records: Sequence[Record]) -> None:
        """Forget records that are delivered, and remove their seqs from their ``undelivered`` sets."""

    def put_back(self, records: Sequence[Record]) -> None:
        """Have records offered again before what waits behind them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryLimits:
    """How many records of one sink, and how many bytes of their data, there should be in memory at most. A page may overshoot both."""

    max_events: int
    max_bytes: int


class Buffer:
    """Where each record waits until it is delivered."""

    def __init__(self, schedule: Schedule, *, position: Position, quarantine: Quarantine, limits: MemoryLimits) -> None:
        self.schedule = schedule
        self._quarantine = quarantine
        self._limits = limits
        # Whether nothing more is offered, and somebody waits until nothing is left.
        self.is_draining = False
        # How many records were in memory and are no more, since they were delivered or set aside.
        self.done = 0
        self._frontier = Frontier(position)
        self._barriers = Barriers()
        # Of dead letters that are sent again. Their place in the order is past: they and the changes of pages do not wait for each other.
        self._barriers_again = Barriers()

    @property
    def records(self) -> int:
        """How many records are in memory."""
        return self.schedule.records + self.waiting_for_barriers

    @property
    def bytes(self) -> int:
        """How many bytes of data are in memory. What is attached to records is not."""
        return self.schedule.bytes + self._barriers.bytes + self._barriers_again.bytes

    @property
    def waiting_for_barriers(self) -> int:
        """How many of the records in memory wait for a barrier of their table, or are one and wait."""
        return self._barriers.records + self._barriers_again.records

    @property
    def is_full(self) -> bool:
        """Whether no page should be added. The last one may have overshot the bounds."""
        return self.records >= self._limits.max_events or self.bytes >= self._limits.max_bytes

    def has_enough(self, most_records: int) -> bool:
        """Whether ``READY_REQUESTS`` requests of ``most_records`` records each can be filled without another page."""
        return self.schedule.ready >= READY_REQUESTS * most_records

    def request_records(self, most_records: int) -> int:
        """How many records the next request may hold; ``most_records`` is what the sink takes.

        If memory is full, no page comes before an answer does. One request for all that is ready would leave us idle until it is answered.
        Divided in two, one is encoded while the other is under way. Example: 300 records are ready, so the next request holds 150.
        """
        if not self.is_full:
            return most_records
        return min(most_records, max(LEAST_RECORDS, self.schedule.ready // OVERLAPPING_REQUESTS))

    @property
    def has_room_for_body(self) -> bool:
        """Whether the data of one more large record may be read.

        What waits for a barrier does not count: it may wait for this very record, and would then wait for ever.
        """
        return self.schedule.bytes < self._limits.max_bytes

    @property
    def position(self) -> Position:
        """Every change up to here is delivered or set aside. Inside a page, it stands before the first that is not."""
        return self._frontier.position

    @property
    def ahead(self) -> Ahead | None:
        """What is delivered beyond the position."""
        return self._frontier.ahead

    def take_passed(self) -> Tally:
        """The changes that the position has passed since this was called last."""
        return self._frontier.take_passed()

    @property
    def progress(self) -> int:
        """Grows with each change that is delivered, and whenever else the position may have become worth saving again."""
        return self._frontier.progress

    def oldest_seconds(self, *, now: float) -> float:
        """How long the oldest page that is not delivered has been in memory."""
        return self._frontier.oldest_seconds(now=now)

    def enter(self, packed: Packed, position: Position, *, count: PageCount | None, skipped: int, now: float) -> None:
        """Take a page over, except for its records of ``later``, which are to follow. ``skipped`` of its changes are not for the sink.

        ``count`` has those that are; None: none is counted.

        Once the page and all before it are delivered, ``position`` holds.
        """
        self._isolate(packed.aside)
        self._frontier.enter(packed, position, count=count, now=now)
        self._frontier.delivered(skipped + packed.untold)
        self.schedule.extend(self._barriers.admit(packed))

    def enter_again(self, packed: Packed) -> None:
        """Take over dead letters that are to be sent again. The position has passed them already."""
        for record in chain(packed.records, packed.later):
            record.was_set_aside = True
        self._isolate(packed.aside)
        self.schedule.extend(self._barriers_again.admit(packed))

    def enter_read(self, packed: Packed) -> None:
        """Take over rows that a load has read. They have a place among the changes of their table, but none in the position."""
        self._isolate(packed.aside)
        self.schedule.extend(self._barriers.admit(packed))

    def follow(self, record: Record) -> None:
        """Take over the next record of ``later``, of a page or of dead letters."""
        barriers = self._barriers_again if record.was_set_aside else self._barriers
        self.schedule.extend(barriers.follow(record))

    def drop(self, record: Record) -> None:
        """Count a record of ``later`` as delivered that is not to be sent any more."""
        record.undelivered.remove(record.seq)
        self._release()
        self._frontier.delivered(1)

    def settle(self, records: Sequence[Record], *, unsettled: set[int]) -> None:
        """Drop records that were taken and are delivered, and schedule what waited for them.

        ``unsettled``: the ``id()`` of those that are not delivered. Seqs would not do: a change and a dead letter made of it have the same.
        """
        before = self.schedule.records
        self.schedule.settle([record for record in records if id(record) not in unsettled] if unsettled else records)
        # Not the length of what was given: records take their followers along.
        settled = before - self.schedule.records
        self.done += settled
        self._release()
        self._frontier.delivered(settled)

    def strand(self, *, now: float) -> bool:
        """Set aside what the schedule gives up, and say whether that was anything."""
        has_stranded = False
        while changes := self.schedule.take_stranded(is_full=self.is_full or self.is_draining, now=now):
            has_stranded = True
            self._quarantine.strand(changes)
            self.done += len(changes)
            self._release()
            self._frontier.delivered(len(changes))
        return has_stranded

    def _isolate(self, changes: Sequence[SetAside]) -> None:
        self._quarantine.isolate(changes)
        self._frontier.delivered(len(changes))

    def _release(self) -> None:
        """Schedule what need not wait for a barrier any more."""
        for barriers in (self._barriers, self._barriers_again):
            self.schedule.extend(barriers.release())
