"""What a reader makes of answers that a local Kinesis does not give."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from forwarder.consumer.reading.kinesis_calls import KinesisCalls
from forwarder.consumer.reading.stored_record import StoredRecord
from forwarder.consumer.reading.stream_reader import StreamReader


class NeverEnding(KinesisCalls):
    """A stream of two shards, of which the second one is the child of the first. No answer ever lacks a next iterator, as with moto."""

    def __init__(self) -> None:
        """There is no client to be asked."""

    async def list_shards(self) -> list[Mapping[str, Any]]:
        return [
            {"ShardId": "parent", "SequenceNumberRange": {"StartingSequenceNumber": "1", "EndingSequenceNumber": "2"}},
            {"ShardId": "child", "ParentShardId": "parent", "SequenceNumberRange": {"StartingSequenceNumber": "3"}},
        ]

    async def iterator(self, shard: str, position: Mapping[str, Any]) -> str | None:
        return shard

    async def get_records(self, iterator: str) -> Mapping[str, Any] | None:
        record = {"Data": iterator.encode(), "SequenceNumber": "1", "PartitionKey": "k"}
        return {"Records": [record], "NextShardIterator": iterator, "MillisBehindLatest": 0}


async def test_children_of_a_shard_are_read_though_no_answer_says_that_it_has_ended() -> None:
    read: list[StoredRecord] = []
    await StreamReader(NeverEnding(), start="oldest", follow=False, deliver=read.extend).run()
    assert [record.data for record in read] == [b"parent", b"child"]
