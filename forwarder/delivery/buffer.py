"""The records of one sink in memory, and the position up to which everything is delivered. No I/O; time is an argument.

offered page ──enter──► waiting for a barrier ──release──► scheduled ──take──► under way ──settle──► delivered
                 └───────────────────────────────────────────▲   ▲                │
                                                              │   └───put_back─────┘
dead letter ────enter_again──────────────────────────────────┘
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from forwarder.delivery.barriers import Barriers
from forwarder.delivery.progress import Frontier
from forwarder.delivery.quarantine import Quarantine
from forwarder.outbox.delivered_ahead import Ahead
from forwarder.outbox.position import Position
from forwarder.records.packing import Packed
from forwarder.records.record import Record, SetAside

# As long as this many requests can be filled from memory, no page is taken. Records that a processor's cache still holds cost
# a third of what they cost that it has to fetch. So memory is for lanes that wait, not for what could be sent at once.
READY_REQUESTS = 4

# Into how many requests lanes are divided that fill the memory, if none becomes smaller than this; smaller ones cost too much.
OVERLAPPING_REQUESTS = 2
LEAST_RECORDS = 100


class Schedule(Protocol):
    """Which records may be offered, and when: ``Lanes``, ``Unordered`` and ``Fifo`` of ``forwarder.delivery.schedules``."""

    records: int
    bytes: int

    @property
    def ready(self) -> int: ...
    def hottest(self, count: int) -> Sequence[int]: ...
    def extend(self, records: Sequence[Record]) -> None: ...
    def take(self, *, max_records: int, max_bytes: int, now: float) -> Sequence[Record]: ...
    def take_unstored(self) -> Sequence[Record]: ...
    def next_due(self) -> float | None: ...
    def settle(self, records: Sequence[Record]) -> None: ...
    def put_back(self, records: Sequence[Record]) -> None: ...


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
        self._frontier = Frontier(position)
        self._barriers = Barriers()
        # What was set aside before waits for nothing that is delivered meanwhile, and nothing of that for it.
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
        """Whether the next requests, of so many records each, can be filled without another page."""
        return self.schedule.ready >= READY_REQUESTS * most_records

    def request_records(self, most_records: int) -> int:
        """How many records the next request may hold; ``most_records`` is what the sink takes.

        If memory is full and little is ready, lanes wait for their answers, and an answer takes the longer the more there is to
        answer. So they travel in several requests: while one is under way, another is being encoded or read.
        """
        if not self.is_full:
            return most_records
        return min(most_records, max(LEAST_RECORDS, self.schedule.ready // OVERLAPPING_REQUESTS))

    @property
    def has_room_for_body(self) -> bool:
        """Whether the data of one more large record may be read. What waits for a barrier does not count: it may wait for this one."""
        return self.schedule.bytes < self._limits.max_bytes

    @property
    def position(self) -> Position:
        """Every change up to here is delivered or set aside. Inside a page, it stands before the first that is not."""
        return self._frontier.position

    @property
    def ahead(self) -> Ahead | None:
        """What is delivered beyond the position."""
        return self._frontier.ahead

    @property
    def progress(self) -> int:
        """Grows with each change that is delivered, and whenever else the position may have become worth saving again."""
        return self._frontier.progress

    def oldest_seconds(self, *, now: float) -> float:
        """How long the oldest page that is not delivered has been in memory."""
        return self._frontier.oldest_seconds(now=now)

    def enter(self, packed: Packed, position: Position, *, skipped: int, now: float) -> None:
        """Take a page over, but for what it has for ``later``; ``skipped`` of its changes are not for the sink."""
        self._isolate(packed.aside)
        self._frontier.enter(packed, position, now=now)
        self._frontier.delivered(skipped)
        self.schedule.extend(self._barriers.admit(packed))

    def enter_again(self, packed: Packed) -> None:
        """Take over what was set aside before. The position has passed over it."""
        self._isolate(packed.aside)
        self.schedule.extend(self._barriers_again.admit(packed))

    def follow(self, record: Record, *, was_set_aside: bool) -> None:
        """Take over the next record of those that something taken over has for ``later``."""
        barriers = self._barriers_again if was_set_aside else self._barriers
        self.schedule.extend(barriers.follow(record))

    def drop(self, record: Record) -> None:
        """Give up a record that was not taken over yet: there is nothing any more that it would tell."""
        record.undelivered.remove(record.seq)
        self._release()
        self._frontier.delivered(1)

    def settle(self, records: Sequence[Record], *, unsettled: set[int]) -> None:
        """Drop what is delivered of records that were taken, and let go what waited for it.

        ``unsettled`` are ids of objects: a change and a dead letter that was made of it have one seq.
        """
        self.schedule.settle([record for record in records if id(record) not in unsettled] if unsettled else records)
        self._release()
        self._frontier.delivered(len(records) - len(unsettled))

    def _isolate(self, changes: Sequence[SetAside]) -> None:
        self._quarantine.isolate(changes)
        self._frontier.delivered(len(changes))

    def _release(self) -> None:
        """Let what waited for a barrier go, now that something is delivered."""
        for barriers in (self._barriers, self._barriers_again):
            self.schedule.extend(barriers.release())
