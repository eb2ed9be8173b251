"""Order per key while many requests are in flight. Pure: no clock, no I/O, O(1) work a record.

PutRecords is not atomic: it can refuse one record and store a later one of the same key. So the records of one partition key
form a lane, and a lane has at most one record that is offered and not settled; its next waits. Lanes do not wait for each
other.

    waiting ──heads its lane──► ready ──take──► offered ──settle──► gone; the next of the lane heads it
                                  ▲                │
                                  └────put_back────┘

A lane exists as long as it has a head. The head is ready or offered; whatever is behind it is reachable only through the
lane, which gives up its next record when the head is settled, and not before. That is the whole proof of the rule.
"""

from collections import deque
from collections.abc import Sequence

from forwarder.events import Record


class Lanes:
    """The records in memory, by partition key."""

    __slots__ = ("_behind", "_ready", "bytes", "records")

    def __init__(self) -> None:
        # By key of every lane: what waits behind its head, in order; None as long as nothing ever did.
        self._behind: dict[str, deque[Record] | None] = {}
        # Heads of lanes, none of them offered, in the order they became ready.
        self._ready: deque[Record] = deque()
        # What is in memory: waiting, ready or offered.
        self.records = 0
        self.bytes = 0

    @property
    def ready(self) -> int:
        """How many records could be offered now."""
        return len(self._ready)

    def extend(self, records: Sequence[Record]) -> None:
        """Append records, each at the end of its lane."""
        lanes, ready = self._behind, self._ready
        for record in records:
            key = record.partition_key
            if key not in lanes:
                lanes[key] = None
                ready.append(record)
            elif (behind := lanes[key]) is None:
                lanes[key] = deque((record,))
            else:
                behind.append(record)
        self.records += len(records)
        self.bytes += sum([len(record.data) for record in records])

    def take(self, *, max_records: int, max_bytes: int) -> Sequence[Record]:
        """Offer ready records, the longest ready first, as many as one request may carry; at least one if any is ready.

        ``max_bytes`` counts data and partition keys, as Kinesis does.
        """
        ready = self._ready
        offered: list[Record] = []
        room = max_bytes
        while ready and len(offered) < max_records:
            record = ready[0]
            room -= len(record.data) + len(record.partition_key.encode())
            if room < 0 and offered:
                break
            offered.append(ready.popleft())
        return offered

    def settle(self, records: Sequence[Record]) -> None:
        """Drop offered records that are delivered; the next of each lane becomes ready."""
        lanes, ready = self._behind, self._ready
        for record in records:
            if behind := lanes[record.partition_key]:
                ready.append(behind.popleft())
            else:
                del lanes[record.partition_key]
            record.undelivered.remove(record.seq)
        self.records -= len(records)
        self.bytes -= sum([len(record.data) for record in records])

    def put_back(self, records: Sequence[Record]) -> None:
        """Make offered records, which were not delivered, ready again, each still at the head of its lane."""
        self._ready.extend(records)
