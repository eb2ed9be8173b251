"""The records of one shard. They are kept in columns, which take some 130 bytes a record beside its data."""

from array import array
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass

from forwarder.local.kinesis.protocol import Record
from forwarder.local.kinesis.sequence import Numbering

MAX_READ_BYTES = 10 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Slice:
    """What one read has found."""

    records: list[Record]
    # Bytes of their data and keys.
    size: int
    # Where the next read begins.
    next_position: int
    # How long ago the record there arrived; 0 at the end of the shard.
    millis_behind_latest: int


class ShardLog:
    """Appends records and reads them from a position; the first record is at position 0."""

    __slots__ = ("_arrived_millis", "_data", "_discard", "_numbering", "_partition_keys", "end")

    def __init__(self, numbering: Numbering, *, discard: bool) -> None:
        self.end = 0
        self._numbering = numbering
        self._discard = discard
        self._data: list[bytes] = []
        self._partition_keys: list[str] = []
        self._arrived_millis = array("q")

    def append(self, data: bytes, partition_key: str, *, now: float) -> str:
        """Store one record, or only count it, when records are discarded; its sequence number."""
        millis = int(now * 1000)
        if not self._discard:
            self._data.append(data)
            self._partition_keys.append(partition_key)
            self._arrived_millis.append(millis)
        self.end += 1
        return self._numbering.at(self.end, second=millis // 1000)

    def read(self, position: int, *, limit: int, now: float) -> Slice:
        """Read up to ``limit`` records, or 10 MiB, from ``position``; at least one if there is any."""
        records: list[Record] = []
        size = 0
        for current in range(position, min(position + limit, len(self._data))):
            size += len(self._data[current]) + len(self._partition_keys[current].encode())
            if records and size > MAX_READ_BYTES:
                size -= len(self._data[current]) + len(self._partition_keys[current].encode())
                break
            records.append(self._record(current))
        next_position = self.end if self._discard else position + len(records)
        return Slice(
            records=records,
            size=size,
            next_position=next_position,
            millis_behind_latest=self._behind(next_position, now),
        )

    def position_at(self, timestamp: float) -> int:
        """The position of the first record that arrived at ``timestamp`` or later."""
        return bisect_left(self._arrived_millis, int(timestamp * 1000))

    def number_before(self, position: int) -> str | None:
        """The sequence number of the record before ``position``, if it is kept."""
        if not 0 < position <= len(self._arrived_millis):
            return None
        return self._numbering.at(position, second=self._arrived_millis[position - 1] // 1000)

    def all_records(self) -> list[Record]:
        return [self._record(position) for position in range(len(self._data))]

    def all_data(self) -> Sequence[bytes]:
        """The data of all records; much cheaper than the records."""
        return self._data

    def _behind(self, position: int, now: float) -> int:
        if position >= len(self._arrived_millis):
            return 0
        return max(0, int(now * 1000) - self._arrived_millis[position])

    def _record(self, position: int) -> Record:
        millis = self._arrived_millis[position]
        return Record(
            sequence_number=self._numbering.at(position + 1, second=millis // 1000),
            approximate_arrival_timestamp=millis / 1000,
            data=self._data[position],
            partition_key=self._partition_keys[position],
            encryption_type="NONE",
        )
