"""Reads one shard from a given place on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from forwarder.consumer.reading.kinesis_calls import KinesisCalls
from forwarder.consumer.reading.start import Start
from forwarder.consumer.reading.stored_record import StoredRecord


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """What one call has read. ``children`` are the shards that go on where this one was closed; None: there is more to come here."""

    records: Sequence[StoredRecord]
    is_at_end: bool
    children: Sequence[Mapping[str, Any]] | None = None


class ShardReader:
    """Where a reader of one shard is. An iterator that has expired, since it was not used for five minutes, is replaced."""

    def __init__(self, calls: KinesisCalls, shard: str, *, start: Start) -> None:
        self._calls = calls
        self._shard = shard
        self._position = _position(start)
        self._iterator: str | None = None

    async def read(self) -> Page:
        """The next records.

        Raises:
            Refused, Unavailable: as ``KinesisCalls``.
        """
        answer = None
        while answer is None:
            iterator = self._iterator or await self._next_iterator()
            if iterator is None:
                return Page(records=(), is_at_end=True, children=())
            answer = await self._calls.get_records(iterator)
            self._iterator = answer.get("NextShardIterator") if answer else None
        records = [self._record(found) for found in answer["Records"]]
        if records:
            self._position = {
                "ShardIteratorType": "AFTER_SEQUENCE_NUMBER",
                "StartingSequenceNumber": records[-1].sequence_number,
            }
        return Page(
            records=records,
            is_at_end=not answer.get("MillisBehindLatest"),
            children=None if self._iterator else answer.get("ChildShards") or (),
        )

    async def _next_iterator(self) -> str | None:
        asked_at = datetime.now(UTC)
        iterator = await self._calls.iterator(self._shard, self._position)
        if self._position["ShardIteratorType"] == "LATEST":
            # Should it expire before the first record, what has come meanwhile is not to be passed over.
            self._position = _position(asked_at)
        return iterator

    def _record(self, found: Mapping[str, Any]) -> StoredRecord:
        arrived_at = found.get("ApproximateArrivalTimestamp")
        return StoredRecord(
            data=found["Data"],
            partition_key=found.get("PartitionKey"),
            arrived_at=arrived_at.astimezone(UTC) if arrived_at else None,
            sequence_number=found["SequenceNumber"],
            shard=self._shard,
        )


def _position(start: Start) -> dict[str, Any]:
    match start:
        case "oldest":
            return {"ShardIteratorType": "TRIM_HORIZON"}
        case "latest":
            return {"ShardIteratorType": "LATEST"}
        case time:
            return {"ShardIteratorType": "AT_TIMESTAMP", "Timestamp": time}
