"""Order for a sink that stores the records of a request in their order, all or nothing: a queue, and one request at a time. Pure."""

from collections import deque
from collections.abc import Sequence

from forwarder.records.record import Record, SetAside


class Fifo:
    """The records in memory, in order of arrival. While records are offered, no others are: all of them come back or are settled first."""

    __slots__ = ("_offered", "_ready", "bytes", "records")

    def __init__(self) -> None:
        self._ready: deque[Record] = deque()
        self._offered = 0
        # How many records are in memory, offered or not, and how many bytes of data they have.
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
        """Offer the first records, as many as one request may carry, but at least one, whatever its size; none while others are offered."""
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
        """All records, since there is one lane."""
        return (self.records,)[:count]

    def take_unstored(self) -> Sequence[Record]:
        """None: a sink that takes records of any size has no attachments."""
        return ()

    def take_stranded(self, *, is_full: bool, now: float) -> Sequence[SetAside]:
        """None: there is but one stream."""
        return ()

    def next_due(self) -> None:
        """None: nothing here becomes ready by the passing of time."""

    def settle(self, records: Sequence[Record]) -> None:
        """Forget offered records that are delivered."""
        self._offered -= len(records)
        self.records -= len(records)
        self.bytes -= sum(len(record.data) for record in records)
        for record in records:
            record.undelivered.remove(record.seq)

    def put_back(self, records: Sequence[Record]) -> None:
        """Put offered records, in their order, back at the front."""
        self._offered -= len(records)
        self._ready.extendleft(reversed(records))
