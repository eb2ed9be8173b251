"""The local Kinesis in CBOR, as AWS's SDKs for Java speak to it; botocore cannot. Whatever is asked twice is answered alike in both formats."""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, get_args

import aiohttp
import pytest

from forwarder.aws import cbor
from forwarder.local.kinesis import LocalKinesis, serve
from forwarder.local.kinesis.faults import Error, FailRecords
from forwarder.local.kinesis.operation_names import OperationName
from forwarder.local.kinesis.operations import TARGET_PREFIX

CBOR, JSON = "application/x-amz-cbor-1.1", "application/x-amz-json-1.1"
NOW = 1_700_000_000.25
STREAM = {"StreamName": "changes"}
ARN = "arn:aws:kinesis:us-east-1:000000000000:stream/changes"


class Client:
    """Calls operations in either format."""

    def __init__(self, session: aiohttp.ClientSession, url: str) -> None:
        self._session = session
        self._url = url
        # The operations that were called in CBOR.
        self.called: set[str] = set()

    async def send(self, operation: str, body: bytes, content_type: str = CBOR) -> tuple[int, str, bytes]:
        """Status, content type and body of the answer to any body."""
        headers = {"X-Amz-Target": f"{TARGET_PREFIX}{operation}", "Content-Type": content_type}
        async with self._session.post(self._url, data=body, headers=headers) as response:
            return response.status, response.content_type, await response.read()

    async def call(self, operation: OperationName, members: Mapping[str, Any] | None = None) -> Any:
        """What the stream answers in CBOR."""
        self.called.add(operation)
        status, content_type, answer = await self.send(operation, cbor.encode(members or {}))
        assert content_type == CBOR
        told = cbor.decode(answer) if answer else None
        assert status == 200, told
        return told

    async def call_both(self, operation: OperationName, members: Mapping[str, Any] | None = None) -> Any:
        """What it answers in CBOR, having made sure that it answers the same in JSON."""
        told = await self.call(operation, members)
        status, content_type, answer = await self.send(operation, json.dumps(members or {}).encode(), JSON)
        assert (status, content_type) == (200, JSON)
        assert _data_decoded(json.loads(answer)) == told
        return told


def _data_decoded(answer: Any) -> Any:
    for record in answer.get("Records", ()):
        record["Data"] = b64decode(record["Data"])
    return answer


@asynccontextmanager
async def client_of(kinesis: LocalKinesis) -> AsyncIterator[Client]:
    async with serve(kinesis) as endpoint, aiohttp.ClientSession() as session:
        yield Client(session, endpoint.url)


async def test_every_operation_is_there_in_cbor_and_what_it_tells_is_what_it_tells_in_json() -> None:
    async with client_of(LocalKinesis(clock=lambda: NOW)) as client:
        call, both = client.call, client.call_both
        assert await call("CreateStream", {**STREAM, "ShardCount": 2}) is None
        assert (await both("ListStreams"))["StreamNames"] == ["changes"]
        description = (await both("DescribeStream", STREAM))["StreamDescription"]
        assert description["StreamCreationTimestamp"] == NOW
        summary = (await both("DescribeStreamSummary", STREAM))["StreamDescriptionSummary"]
        assert summary["OpenShardCount"] == 2
        assert (await both("DescribeLimits"))["OpenShardCount"] == 2
        first, second = [shard["ShardId"] for shard in (await both("ListShards", STREAM))["Shards"]]

        put = await call("PutRecord", {**STREAM, "Data": b"\xff\x00", "PartitionKey": "ключ"})
        records = [{"Data": b"\xff" * number, "PartitionKey": "key"} for number in (0, 23, 24, 255, 256)]
        assert (await call("PutRecords", {**STREAM, "Records": records}))["FailedRecordCount"] == 0
        found = [record for shard in (first, second) for record in await read(client, shard)]
        assert sorted((record["PartitionKey"], record["Data"]) for record in found) == sorted(
            [("ключ", b"\xff\x00"), *[(record["PartitionKey"], record["Data"]) for record in records]]
        )
        assert {record["ApproximateArrivalTimestamp"] for record in found} == {NOW}
        assert put["ShardId"] in (first, second)

        await call("MergeShards", {**STREAM, "ShardToMerge": first, "AdjacentShardToMerge": second})
        merged = (await both("ListShards", {**STREAM, "ShardFilter": {"Type": "AT_LATEST"}}))["Shards"][0]["ShardId"]
        middle = str(1 << 127)
        await call("SplitShard", {**STREAM, "ShardToSplit": merged, "NewStartingHashKey": middle})
        assert (await call("UpdateShardCount", {**STREAM, "TargetShardCount": 4, "ScalingType": "UNIFORM_SCALING"}))[
            "TargetShardCount"
        ] == 4
        assert await call("UpdateMaxRecordSize", {"StreamARN": ARN, "MaxRecordSizeInKiB": 2048}) is None
        await call("UpdateStreamMode", {"StreamARN": ARN, "StreamModeDetails": {"StreamMode": "ON_DEMAND"}})
        await call("UpdateStreamRecordDistributionStrategy", {"StreamARN": ARN, "RecordDistributionStrategy": "AUTO"})

        resource = {"ResourceARN": ARN}
        await call("AddTagsToStream", {**STREAM, "Tags": {"a": "1", "b": "2"}})
        await call("TagResource", {**resource, "Tags": {"c": ""}})
        await call("RemoveTagsFromStream", {**STREAM, "TagKeys": ["a"]})
        await call("UntagResource", {**resource, "TagKeys": ["b"]})
        assert (await both("ListTagsForStream", STREAM))["Tags"] == [{"Key": "c", "Value": ""}]
        assert (await both("ListTagsForResource", resource))["Tags"] == [{"Key": "c", "Value": ""}]
        await call("PutResourcePolicy", {**resource, "Policy": "{}"})
        assert (await both("GetResourcePolicy", resource))["Policy"] == "{}"
        await call("DeleteResourcePolicy", resource)
        await call("IncreaseStreamRetentionPeriod", {**STREAM, "RetentionPeriodHours": 48})
        await call("DecreaseStreamRetentionPeriod", {**STREAM, "RetentionPeriodHours": 24})
        await both("DescribeAccountSettings")

        consumer = {"StreamARN": ARN, "ConsumerName": "reader"}
        reader = (await call("RegisterStreamConsumer", consumer))["Consumer"]["ConsumerARN"]
        assert (await both("DescribeStreamConsumer", consumer))["ConsumerDescription"]["ConsumerARN"] == reader
        assert len((await both("ListStreamConsumers", {"StreamARN": ARN}))["Consumers"]) == 1
        await call("DeregisterStreamConsumer", {"ConsumerARN": reader})
        assert await call("DeleteStream", STREAM) is None
    # What is subscribed to has its own tests: its answer is no body of CBOR.
    assert client.called == set(get_args(OperationName)) - {"SubscribeToShard"}


async def read(client: Client, shard: str) -> list[Any]:
    iterator = await client.call("GetShardIterator", {**STREAM, "ShardId": shard, "ShardIteratorType": "TRIM_HORIZON"})
    answer = await client.call_both("GetRecords", iterator)
    records: list[Any] = answer["Records"]
    return records


@pytest.mark.parametrize(("later", "count"), [(0.0, 1), (0.001, 0)])
async def test_a_time_in_a_request_counts_milliseconds_and_so_does_one_in_an_answer(later: float, count: int) -> None:
    async with client_of(LocalKinesis(clock=lambda: NOW)) as client:
        await client.call("CreateStream", {**STREAM, "ShardCount": 1})
        await client.call("PutRecord", {**STREAM, "Data": b"data", "PartitionKey": "key"})
        at = {"ShardIteratorType": "AT_TIMESTAMP", "Timestamp": NOW + later}
        iterator = await client.call("GetShardIterator", {**STREAM, "ShardId": "shardId-000000000000", **at})
        _, _, answer = await client.send("GetRecords", cbor.encode(iterator))
    assert len(cbor.decode(answer)["Records"]) == count
    # Tag 1, and an integer of eight bytes.
    assert (b"\xc1\x1b" + int(NOW * 1000).to_bytes(8) in answer) == bool(count)


async def test_a_refused_request_and_a_refused_record_are_told_in_cbor() -> None:
    kinesis = LocalKinesis(
        faults=[FailRecords(operation="PutRecords"), Error(operation="PutRecord", error_code="KMSDisabledException")]
    )
    kinesis.create_stream("changes")
    record: dict[str, Any] = {"Data": b"data", "PartitionKey": "key"}
    async with client_of(kinesis) as client:
        [result] = (await client.call("PutRecords", {**STREAM, "Records": [record]}))["Records"]
        refused = await client.send("PutRecord", cbor.encode({**STREAM, **record}))
        invalid = await client.send("PutRecord", cbor.encode({**STREAM, **record, "PartitionKey": ""}))
        unknown = await client.send("PutEverything", cbor.encode({}))
    assert result == {"ErrorCode": "InternalFailure", "ErrorMessage": "Internal service failure."}
    for (status, content_type, body), kind in (
        (refused, "KMSDisabledException"),
        (invalid, "KMSDisabledException"),
        (unknown, "UnknownOperationException"),
    ):
        assert (status, content_type, cbor.decode(body)["__type"]) == (400, CBOR, kind)
        assert isinstance(cbor.decode(body)["message"], str)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{}",
        cbor.encode([]),
        cbor.encode({"StreamName": 1, "Records": []}),
        cbor.encode({"Records": [{"Data": 1}]}),
        cbor.encode({"Records": [{"Data": b"data"}]})[:-1],
        b"\x9b\xff\xff\xff\xff\xff\xff\xff\xff",
    ],
)
async def test_a_body_of_the_wrong_shape_is_a_serialization_error_in_cbor_too(body: bytes) -> None:
    async with client_of(LocalKinesis()) as client:
        status, content_type, answer = await client.send("PutRecords", body)
    assert (status, content_type) == (400, CBOR)
    assert cbor.decode(answer)["__type"] == "SerializationException"


async def test_what_jackson_writes_is_read() -> None:
    """SDKs for Java write maps without a count, and data as byte strings; a null member is as good as none."""
    kinesis = LocalKinesis()
    kinesis.create_stream("changes")
    entry = b"\xbf" + cbor.text("Data") + cbor.encode(b"data") + cbor.text("PartitionKey") + cbor.text("key")
    entry += cbor.text("ExplicitHashKey") + cbor.encode(None) + b"\xff"
    body = (
        b"\xbf" + cbor.text("StreamName") + cbor.text("changes") + cbor.text("Records") + b"\x9f" + entry + b"\xff\xff"
    )
    async with client_of(kinesis) as client:
        status, _, answer = await client.send("PutRecords", body)
    assert (status, cbor.decode(answer)["FailedRecordCount"]) == (200, 0)
    assert kinesis.stream("changes").data() == [b"data"]


async def test_a_body_whose_type_is_not_known_is_taken_for_json() -> None:
    kinesis = LocalKinesis()
    kinesis.create_stream("changes")
    members = {**STREAM, "Records": [{"Data": b64encode(b"data").decode(), "PartitionKey": "key"}]}
    async with client_of(kinesis) as client:
        status, content_type, _ = await client.send("PutRecords", json.dumps(members).encode(), "text/plain")
    assert (status, content_type) == (200, JSON)
