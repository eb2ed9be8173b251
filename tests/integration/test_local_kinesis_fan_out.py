"""Consumers with a throughput of their own: they are registered, and sent the records of a shard as they come."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from typing import Any

import anyio
import pytest
from aiobotocore.config import AioConfig
from aiobotocore.session import get_session
from botocore.eventstream import EventStreamBuffer
from botocore.exceptions import ClientError

from forwarder.aws import cbor
from forwarder.local.kinesis import LocalKinesis, event_stream, serve
from forwarder.local.kinesis.operations import TARGET_PREFIX
from tests.listening import OPERATOR
from tests.support import http2

SHARD = "shardId-000000000000"
MIDDLE = str(2**127)
ONCE = AioConfig(retries={"total_max_attempts": 1})
ARN = "arn:aws:kinesis:us-east-1:000000000000:stream/orders"


class Clock:
    """A clock that stands still until it is told otherwise."""

    def __init__(self) -> None:
        self.now = 1_767_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def kinesis(clock: Clock) -> LocalKinesis:
    kinesis = LocalKinesis(clock=clock)
    kinesis.create_stream("orders")
    return kinesis


@pytest.fixture
async def client(kinesis: LocalKinesis) -> AsyncIterator[Any]:
    with anyio.fail_after(30):
        async with (
            serve(kinesis) as endpoint,
            get_session().create_client(
                "kinesis", region_name="us-east-1", endpoint_url=endpoint.url, config=ONCE, **OPERATOR
            ) as client,
        ):
            yield client


async def register(client: Any, name: str = "reader", **members: Any) -> str:
    answer = await client.register_stream_consumer(StreamARN=ARN, ConsumerName=name, **members)
    return str(answer["Consumer"]["ConsumerARN"])


@asynccontextmanager
async def subscribed(client: Any, consumer: str, **position: Any) -> AsyncIterator[AsyncIterator[Any]]:
    """The events of a subscription, by botocore, which speaks HTTP/1.1."""
    at = position or {"Type": "TRIM_HORIZON"}
    answer = await client.subscribe_to_shard(ConsumerARN=consumer, ShardId=SHARD, StartingPosition=at)
    stream = answer["EventStream"]
    async with aclosing(event["SubscribeToShardEvent"] async for event in stream) as events:
        yield events
    stream.close()


async def put(client: Any, *data: bytes) -> None:
    for each in data:
        await client.put_record(StreamName="orders", Data=each, PartitionKey="key")


async def with_records(events: AsyncIterator[Any]) -> Any:
    while not (event := await anext(events))["Records"]:
        pass
    return event


async def test_a_consumer_is_registered_described_listed_and_deregistered(client: Any, clock: Clock) -> None:
    arn = await register(client, Tags={"team": "orders"})
    assert arn == f"{ARN}/consumer/reader:{int(clock.now)}"
    await register(client, "another")
    by_arn = (await client.describe_stream_consumer(ConsumerARN=arn))["ConsumerDescription"]
    by_name = (await client.describe_stream_consumer(StreamARN=ARN, ConsumerName="reader"))["ConsumerDescription"]
    assert by_arn == by_name
    assert (by_arn["ConsumerStatus"], by_arn["StreamARN"]) == ("ACTIVE", ARN)
    first = await client.list_stream_consumers(StreamARN=ARN, MaxResults=1)
    second = await client.list_stream_consumers(StreamARN=ARN, NextToken=first["NextToken"])
    names = [consumer["ConsumerName"] for page in (first, second) for consumer in page["Consumers"]]
    assert names == ["another", "reader"]
    assert (await client.list_tags_for_resource(ResourceARN=arn))["Tags"] == [{"Key": "team", "Value": "orders"}]
    summary = (await client.describe_stream_summary(StreamName="orders"))["StreamDescriptionSummary"]
    assert summary["ConsumerCount"] == 2
    await client.deregister_stream_consumer(ConsumerARN=arn)
    with pytest.raises(ClientError, match=r"ResourceNotFoundException.*Consumer reader"):
        await client.describe_stream_consumer(ConsumerARN=arn)


async def test_a_name_is_taken_once_and_the_twenty_first_consumer_is_refused(client: Any) -> None:
    await register(client)
    with pytest.raises(ClientError, match="ResourceInUseException"):
        await register(client)
    for number in range(19):
        await register(client, f"reader-{number}")
    with pytest.raises(ClientError, match=r"LimitExceededException.*more than 20 consumers"):
        await register(client, "one-too-many")


async def test_records_are_sent_as_they_come_and_read_on_from_where_an_event_says(client: Any) -> None:
    await put(client, b"one")
    consumer = await register(client)
    async with subscribed(client, consumer) as events:
        first = await anext(events)
        await put(client, b"two")
        second = await with_records(events)
    assert [record["Data"] for event in (first, second) for record in event["Records"]] == [b"one", b"two"]
    assert second["MillisBehindLatest"] == 0
    other = await register(client, "other")
    at = {"Type": "AFTER_SEQUENCE_NUMBER", "SequenceNumber": first["ContinuationSequenceNumber"]}
    async with subscribed(client, other, **at) as events:
        assert [record["Data"] for record in (await anext(events))["Records"]] == [b"two"]


async def test_a_subscription_at_the_tip_says_at_once_where_it_is(client: Any) -> None:
    await put(client, b"before")
    async with subscribed(client, await register(client), Type="LATEST") as events:
        first = await anext(events)
        await put(client, b"after")
        second = await with_records(events)
    assert first["Records"] == []
    assert first["ContinuationSequenceNumber"]
    assert [record["Data"] for record in second["Records"]] == [b"after"]


async def test_the_last_event_of_a_closed_shard_names_its_children(client: Any) -> None:
    consumer = await register(client)
    async with subscribed(client, consumer) as events:
        await anext(events)
        await put(client, b"one")
        await client.split_shard(StreamName="orders", ShardToSplit=SHARD, NewStartingHashKey=MIDDLE)
        following = [event async for event in events]
    assert [record["Data"] for event in following for record in event["Records"]] == [b"one"]
    assert [child["ParentShards"] for child in following[-1]["ChildShards"]] == [[SHARD], [SHARD]]
    assert "ContinuationSequenceNumber" not in following[-1]


async def test_a_subscription_ends_after_five_minutes(client: Any, clock: Clock) -> None:
    async with subscribed(client, await register(client)) as events:
        await anext(events)
        clock.now += 300
        await put(client, b"too late")
        assert [event async for event in events] == []


async def test_the_same_consumer_takes_its_subscription_over_but_not_within_five_seconds(
    client: Any, clock: Clock
) -> None:
    consumer = await register(client)
    async with subscribed(client, consumer) as events:
        await anext(events)
        with pytest.raises(ClientError, match="ResourceInUseException"):
            async with subscribed(client, consumer):
                pass
        clock.now += 5
        async with subscribed(client, consumer) as others:
            assert await anext(others)
            with pytest.raises(ClientError, match="ResourceInUseException"):
                await anext(events)


@pytest.mark.parametrize("way", ["consumer", "stream"])
async def test_a_subscription_ends_with_its_consumer_and_with_its_stream(client: Any, way: str) -> None:
    consumer = await register(client)
    async with subscribed(client, consumer) as events:
        await anext(events)
        if way == "consumer":
            await client.deregister_stream_consumer(ConsumerARN=consumer)
        else:
            with pytest.raises(ClientError, match=r"ResourceInUseException.*EnforceConsumerDeletion"):
                await client.delete_stream(StreamName="orders")
            await client.delete_stream(StreamName="orders", EnforceConsumerDeletion=True)
        with pytest.raises(ClientError, match="ResourceNotFoundException"):
            await anext(events)


async def test_over_http2_one_connection_has_a_subscription_and_requests_in_cbor(kinesis: LocalKinesis) -> None:
    """As SDKs for Java do it, and with them the KCL."""
    with anyio.fail_after(30):
        async with serve(kinesis) as endpoint, http2.connected(endpoint) as client:

            async def begin(operation: str, members: dict[str, Any]) -> int:
                headers = {"x-amz-target": f"{TARGET_PREFIX}{operation}", "content-type": "application/x-amz-cbor-1.1"}
                return await client.send(cbor.encode(members), headers)

            answer = await client.answer(
                await begin("RegisterStreamConsumer", {"StreamARN": ARN, "ConsumerName": "kcl"})
            )
            consumer = cbor.decode(bytes(answer.body))["Consumer"]["ConsumerARN"]
            members = {"ConsumerARN": consumer, "ShardId": SHARD, "StartingPosition": {"Type": "TRIM_HORIZON"}}
            number = await begin("SubscribeToShard", members)
            await client.answer(
                await begin("PutRecord", {"StreamName": "orders", "Data": b"data", "PartitionKey": "key"})
            )
            buffer, read = EventStreamBuffer(), 0
            found: list[Any] = []
            while not (found and found[-1]["Records"]):
                await client.receive()
                body = bytes(client.answers[number].body)
                buffer.add_data(body[read:])
                read = len(body)
                payloads = [m.payload for m in buffer if m.headers[":event-type"] == "SubscribeToShardEvent"]
                found += [cbor.decode(payload) for payload in payloads]
            await client.reset(number)
            assert client.answers[number].headers["content-type"] == event_stream.CONTENT_TYPE
    assert [record["Data"] for record in found[-1]["Records"]] == [b"data"]
