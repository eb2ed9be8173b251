"""Order for a sink that stores its records in the order of the request, all or nothing: a queue. Pure."""

from collections import deque
from collections.abc import Sequence

from forwarder.records.record import Record


class Fifo:
    """The records in memory, in order of arrival. One request at a time: what is offered comes back or is settled first."""

    __slots__ = ("_offered", "_ready", "bytes", "records")

    def __init__(self) -> None:
        self._ready: deque[Record] = deque()
        self._offered = 0
        # What is in memory, offered or not.
        self.records = 0
        self.bytes = 0

    @property
    def ready(self) -> int:
        """How many may be offered now."""
        return 0 if self._offered else len(self._ready)

    def extend(self, records: Sequence[Record]) -> None:
        """Append records."""
        self._ready.extend(records)
        self.records += len(records)
        self.bytes += sum(len(record.data) for record in records)

    def take(self, *, max_records: int, max_bytes: int, now: float) -> Sequence[Record]:
        """Offer the first records, as many as one request may carry; none while others are offered."""
        if self._offered:
            return ()
        offered: list[Record] = []
        room = max_bytes
        while self._ready and len(offered) < max_records:
            record = self._ready[0]
            room -= record.body.size if record.body else len(record.data)
            if room < 0 and offered:
                break
            offered.append(self._ready.popleft())
        self._offered = len(offered)
        return offered

    def hottest(self, count: int) -> Sequence[int]:
        """It is one lane."""
        return (self.records,)[:count]

    def take_unstored(self) -> Sequence[Record]:
        """Nothing is attached to what may be of any size."""
        return ()

    def next_due(self) -> None:
        """Nothing here becomes ready by the mere passing of time."""

    def settle(self, records: Sequence[Record]) -> None:
        """Drop offered records that are delivered."""
        self._offered -= len(records)
        self.records -= len(records)
        self.bytes -= sum(len(record.data) for record in records)
        for record in records:
            record.undelivered.remove(record.seq)

    def put_back(self, records: Sequence[Record]) -> None:
        """Return offered records to the front."""
        self._offered -= len(records)
        self._ready.extendleft(reversed(records))
