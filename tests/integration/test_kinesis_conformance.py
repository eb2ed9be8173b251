"""What any Kinesis does, asked of our local Kinesis and of moto: the one keeps the other honest.

Where moto is known to differ from AWS, ``MOTO_DIFFERS`` says how; the test must then fail on moto, so that an entry that
is no longer true shows up.
"""

import logging
import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from hashlib import md5
from typing import Any

import pytest
from aiobotocore.config import AioConfig
from aiobotocore.session import get_session
from botocore.exceptions import ClientError
from moto.server import ThreadedMotoServer

from forwarder.local.kinesis import LocalKinesis, serve

# aiobotocore hands aiohttp its body as bytes, and aiohttp warns of any that exceed 1 MiB.
pytestmark = pytest.mark.filterwarnings("ignore:Sending a large body directly with raw bytes:ResourceWarning")

MOTO_DIFFERS = {
    "test_sequence_numbers_have_56_digits": "counts 1, 2, 3 in each shard",
    "test_an_empty_request_is_refused": "accepts 0 records",
    "test_an_empty_partition_key_is_refused": "accepts an empty key",
    "test_an_explicit_hash_key_beyond_the_hash_space_is_refused": "answers another type, InvalidArgument, without wording",
    "test_a_request_of_eight_mebibytes_is_accepted": "still has the limit of 5 MiB that AWS raised in October 2025",
    "test_a_raised_record_size_lets_larger_records_in": "answers HTTP 500 to UpdateMaxRecordSize",
    "test_a_summary_tells_the_record_size_and_on_demand_the_distribution": "does not know these members",
    "test_a_dry_run_stores_nothing": "ignores DryRun",
    "test_a_dry_run_of_many_stores_nothing": "ignores DryRun",
    "test_an_on_demand_stream_can_ignore_partition_keys": "does not know the operation",
    "test_a_split_parent_keeps_its_records_and_ends": "moves the records to the children, the parent never ends",
    "test_records_after_a_split_go_to_the_children": "keeps writing to the closed parent",
    "test_at_latest_lists_only_open_shards": "ignores ShardFilter",
    "test_after_shard_id_lists_what_follows": "ignores ShardFilter",
    "test_a_merged_child_names_both_parents_and_starts_empty": "moves the records of the parents to the child",
    "test_shards_that_do_not_touch_cannot_be_merged": "answers without wording",
    "test_more_than_double_the_shards_is_refused": "accepts any count",
    "test_an_explicit_hash_key_overrides_the_partition_key": "answers HTTP 500 at an edge of the hash space",
    "test_shards_are_listed_in_pages": "wants StreamName again with the NextToken, which AWS refuses",
    "test_tags_are_listed_in_pages": "begins the next page with the last tag of this one",
    "test_tags_are_those_of_the_resource_with_the_arn_of_the_stream": "answers HTTP 500 to TagResource",
    "test_a_stream_can_be_created_with_tags": "ignores Tags",
    "test_a_summary_counts_the_open_shards": "does not count the children of a split",
}


@pytest.fixture(scope="session")
def moto_url() -> Iterator[str]:
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(port=0)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture(params=["local", "moto"])
async def client(request: pytest.FixtureRequest) -> AsyncIterator[Any]:
    if request.param == "local":
        async with serve(LocalKinesis(limits=False)) as endpoint, connected(endpoint.url) as client:
            yield client
        return
    if reason := MOTO_DIFFERS.get(request.node.originalname):
        request.applymarker(pytest.mark.xfail(reason=f"moto {reason}", strict=True))
    async with connected(request.getfixturevalue("moto_url")) as client:
        yield client


@pytest.fixture
async def stream(client: Any) -> str:
    """A stream of two shards; its name is its own, since moto keeps one account for all tests."""
    name = f"orders-{uuid.uuid4()}"
    await client.create_stream(StreamName=name, ShardCount=2)
    return name


@asynccontextmanager
async def connected(url: str) -> AsyncIterator[Any]:
    config = AioConfig(parameter_validation=False, retries={"total_max_attempts": 1})
    async with get_session().create_client(
        "kinesis",
        endpoint_url=url,
        region_name="us-east-1",
        aws_access_key_id="any",
        aws_secret_access_key="any",
        config=config,
    ) as client:
        yield client


def entry(key: str, data: bytes = b"x", **members: str) -> dict[str, Any]:
    return {"Data": data, "PartitionKey": key, **members}


async def shards_of(client: Any, stream: str, **members: Any) -> list[dict[str, Any]]:
    answer = await client.list_shards(StreamName=stream, **members)
    return list(answer["Shards"])


async def iterator(client: Any, stream: str, shard_id: str, kind: str = "TRIM_HORIZON", **members: Any) -> str:
    answer = await client.get_shard_iterator(StreamName=stream, ShardId=shard_id, ShardIteratorType=kind, **members)
    return str(answer["ShardIterator"])


async def read(client: Any, stream: str, shard_id: str, kind: str = "TRIM_HORIZON", **members: Any) -> list[bytes]:
    """The data of the records from an iterator on."""
    answer = await client.get_records(ShardIterator=await iterator(client, stream, shard_id, kind, **members))
    return [record["Data"] for record in answer["Records"]]


@asynccontextmanager
async def refused(kind: str, wording: str = "") -> AsyncIterator[None]:
    with pytest.raises(ClientError) as raised:
        yield
    assert raised.value.response["Error"]["Code"] == kind
    assert wording in raised.value.response["Error"]["Message"]


async def put_three(client: Any, stream: str) -> tuple[str, list[str]]:
    """Three records of one key: their shard and their sequence numbers."""
    answers = [
        await client.put_record(StreamName=stream, Data=data, PartitionKey="key") for data in (b"one", b"two", b"three")
    ]
    return answers[0]["ShardId"], [answer["SequenceNumber"] for answer in answers]


async def split_in_half(client: Any, stream: str, shard_id: str) -> None:
    [shard] = [shard for shard in await shards_of(client, stream) if shard["ShardId"] == shard_id]
    middle = (int(shard["HashKeyRange"]["StartingHashKey"]) + int(shard["HashKeyRange"]["EndingHashKey"])) // 2
    await client.split_shard(StreamName=stream, ShardToSplit=shard_id, NewStartingHashKey=str(middle))


# Writing


async def test_a_key_goes_to_the_shard_that_holds_its_md5(client: Any, stream: str) -> None:
    keys = ["a", "b", "ключ", "k" * 256, *map(str, range(40))]
    answer = await client.put_records(StreamName=stream, Records=[entry(key) for key in keys])
    ranges = {shard["ShardId"]: shard["HashKeyRange"] for shard in await shards_of(client, stream)}
    for key, result in zip(keys, answer["Records"], strict=True):
        hash_key = int(md5(key.encode(), usedforsecurity=False).hexdigest(), 16)
        found = ranges[result["ShardId"]]
        assert int(found["StartingHashKey"]) <= hash_key <= int(found["EndingHashKey"])


async def test_an_explicit_hash_key_overrides_the_partition_key(client: Any, stream: str) -> None:
    edges = {"0": 0, str(2**127 - 1): 0, str(2**127): 1, str(2**128 - 1): 1}
    records = [entry("same", ExplicitHashKey=hash_key) for hash_key in edges]
    answer = await client.put_records(StreamName=stream, Records=records)
    found = [result["ShardId"] for result in answer["Records"]]
    assert found == [f"shardId-{number:012d}" for number in edges.values()]


async def test_a_stream_can_be_named_by_its_arn(client: Any, stream: str) -> None:
    summary = (await client.describe_stream_summary(StreamName=stream))["StreamDescriptionSummary"]
    arn = summary["StreamARN"]
    answer = await client.put_records(StreamARN=arn, Records=[entry("key")])
    assert answer["FailedRecordCount"] == 0
    assert (await client.describe_stream_summary(StreamARN=arn))["StreamDescriptionSummary"] == summary
    assert len((await client.list_shards(StreamARN=arn, ShardFilter={"Type": "AT_LATEST"}))["Shards"]) == 2


async def test_records_of_a_request_are_read_in_its_order_with_rising_sequence_numbers(
    client: Any, stream: str
) -> None:
    records = [entry("key", data=str(number).encode()) for number in range(100)]
    answer = await client.put_records(StreamName=stream, Records=records)
    numbers = [int(result["SequenceNumber"]) for result in answer["Records"]]
    assert numbers == sorted(set(numbers))
    assert await read(client, stream, answer["Records"][0]["ShardId"]) == [record["Data"] for record in records]


async def test_sequence_numbers_have_56_digits(client: Any, stream: str) -> None:
    _, numbers = await put_three(client, stream)
    assert [len(number) for number in numbers] == [56, 56, 56]


async def test_501_records_are_refused(client: Any, stream: str) -> None:
    async with refused("ValidationException", "Member must have length less than or equal to 500"):
        await client.put_records(StreamName=stream, Records=[entry("key")] * 501)


async def test_an_empty_request_is_refused(client: Any, stream: str) -> None:
    async with refused("ValidationException", "at 'records' failed to satisfy constraint"):
        await client.put_records(StreamName=stream, Records=[])


async def test_an_empty_partition_key_is_refused(client: Any, stream: str) -> None:
    async with refused("ValidationException", "partitionKey"):
        await client.put_record(StreamName=stream, Data=b"x", PartitionKey="")


async def test_a_partition_key_of_257_characters_is_refused(client: Any, stream: str) -> None:
    with pytest.raises(ClientError):
        await client.put_records(StreamName=stream, Records=[entry("k" * 257)])


async def test_a_record_counts_its_key_towards_its_size(client: Any, stream: str) -> None:
    fits = entry("key", data=b"x" * (2**20 - 3))
    await client.put_records(StreamName=stream, Records=[fits])
    async with refused("ValidationException", "less than or equal to 1048576"):
        await client.put_records(StreamName=stream, Records=[fits | {"PartitionKey": "keys"}])


async def test_an_explicit_hash_key_beyond_the_hash_space_is_refused(client: Any, stream: str) -> None:
    async with refused("InvalidArgumentException", "must be in the range: [0, 2^128-1]"):
        await client.put_record(StreamName=stream, Data=b"x", PartitionKey="key", ExplicitHashKey=str(2**128))


async def test_a_request_of_eight_mebibytes_is_accepted(client: Any, stream: str) -> None:
    records = [entry("key", data=b"x" * 2**19)] * 16
    answer = await client.put_records(StreamName=stream, Records=records)
    assert answer["FailedRecordCount"] == 0


async def test_a_request_above_ten_mebibytes_is_refused(client: Any, stream: str) -> None:
    async with refused("InvalidArgumentException", "Records size exceeds"):
        await client.put_records(StreamName=stream, Records=[entry("key", data=b"x" * 2**19)] * 20)


async def test_a_raised_record_size_lets_larger_records_in(client: Any, stream: str) -> None:
    arn = (await client.describe_stream_summary(StreamName=stream))["StreamDescriptionSummary"]["StreamARN"]
    await client.update_max_record_size(StreamARN=arn, MaxRecordSizeInKiB=10_240)
    await client.put_records(StreamName=stream, Records=[entry("key", data=b"x" * (9 * 2**20))])


async def test_a_dry_run_stores_nothing(client: Any, stream: str) -> None:
    async with refused("DryRunOperationException"):
        await client.put_record(StreamName=stream, Data=b"x", PartitionKey="key", DryRun=True)
    assert [await read(client, stream, shard["ShardId"]) for shard in await shards_of(client, stream)] == [[], []]


async def test_a_dry_run_of_many_stores_nothing(client: Any, stream: str) -> None:
    async with refused("DryRunOperationException"):
        await client.put_records(StreamName=stream, Records=[entry("one"), entry("two")], DryRun=True)
    assert [await read(client, stream, shard["ShardId"]) for shard in await shards_of(client, stream)] == [[], []]


async def test_an_unknown_stream_is_named_in_the_error(client: Any) -> None:
    async with refused("ResourceNotFoundException", "Stream nowhere under account "):
        await client.put_records(StreamName="nowhere", Records=[entry("key")])


# Reading


async def test_iterators_start_where_they_say(client: Any, stream: str) -> None:
    before = datetime.now(UTC) - timedelta(hours=1)
    shard_id, numbers = await put_three(client, stream)
    at = {"kind": "AT_SEQUENCE_NUMBER", "StartingSequenceNumber": numbers[1]}
    after = {"kind": "AFTER_SEQUENCE_NUMBER", "StartingSequenceNumber": numbers[1]}
    assert await read(client, stream, shard_id, "TRIM_HORIZON") == [b"one", b"two", b"three"]
    assert await read(client, stream, shard_id, **at) == [b"two", b"three"]
    assert await read(client, stream, shard_id, **after) == [b"three"]
    assert await read(client, stream, shard_id, "LATEST") == []
    assert await read(client, stream, shard_id, "AT_TIMESTAMP", Timestamp=before) == [b"one", b"two", b"three"]


async def test_a_latest_iterator_reads_what_comes_after_it(client: Any, stream: str) -> None:
    shard_id, _ = await put_three(client, stream)
    latest = await iterator(client, stream, shard_id, "LATEST")
    await client.put_record(StreamName=stream, Data=b"four", PartitionKey="key")
    answer = await client.get_records(ShardIterator=latest)
    assert [record["Data"] for record in answer["Records"]] == [b"four"]


async def test_a_limit_divides_a_read_into_pages(client: Any, stream: str) -> None:
    shard_id, _ = await put_three(client, stream)
    first = await client.get_records(ShardIterator=await iterator(client, stream, shard_id), Limit=2)
    second = await client.get_records(ShardIterator=first["NextShardIterator"], Limit=2)
    assert [len(first["Records"]), len(second["Records"])] == [2, 1]
    assert second["MillisBehindLatest"] == 0


async def test_a_record_brings_its_key_and_its_arrival(client: Any, stream: str) -> None:
    shard_id, numbers = await put_three(client, stream)
    answer = await client.get_records(ShardIterator=await iterator(client, stream, shard_id))
    record = answer["Records"][0]
    assert (record["PartitionKey"], record["SequenceNumber"]) == ("key", numbers[0])
    assert abs(record["ApproximateArrivalTimestamp"] - datetime.now(UTC)) < timedelta(minutes=1)


async def test_an_unknown_shard_is_named_with_its_stream(client: Any, stream: str) -> None:
    async with refused("ResourceNotFoundException", f"shardId-000000000009 in stream {stream}"):
        await iterator(client, stream, "shardId-000000000009")


# Streams


async def test_a_stream_is_described_shard_by_shard(client: Any, stream: str) -> None:
    description = (await client.describe_stream(StreamName=stream, Limit=1))["StreamDescription"]
    assert (description["StreamName"], description["StreamStatus"]) == (stream, "ACTIVE")
    assert (len(description["Shards"]), description["HasMoreShards"]) == (1, True)


async def test_a_summary_counts_the_open_shards(client: Any, stream: str) -> None:
    await split_in_half(client, stream, "shardId-000000000000")
    summary = (await client.describe_stream_summary(StreamName=stream))["StreamDescriptionSummary"]
    assert summary["OpenShardCount"] == 3
    assert summary["StreamModeDetails"] == {"StreamMode": "PROVISIONED"}


async def test_a_summary_tells_the_record_size_and_on_demand_the_distribution(client: Any, stream: str) -> None:
    summary = (await client.describe_stream_summary(StreamName=stream))["StreamDescriptionSummary"]
    assert summary["MaxRecordSizeInKiB"] == 1024
    assert "RecordDistributionStrategy" not in summary
    on_demand = {"StreamARN": summary["StreamARN"], "StreamModeDetails": {"StreamMode": "ON_DEMAND"}}
    await client.update_stream_mode(**on_demand)
    summary = (await client.describe_stream_summary(StreamName=stream))["StreamDescriptionSummary"]
    assert summary["RecordDistributionStrategy"] == "USER_PARTITION_KEY"


async def test_an_on_demand_stream_can_ignore_partition_keys(client: Any) -> None:
    name = f"on-demand-{uuid.uuid4()}"
    await client.create_stream(StreamName=name, StreamModeDetails={"StreamMode": "ON_DEMAND"})
    summary = (await client.describe_stream_summary(StreamName=name))["StreamDescriptionSummary"]
    await client.update_stream_record_distribution_strategy(
        StreamARN=summary["StreamARN"], RecordDistributionStrategy="AUTO"
    )
    summary = (await client.describe_stream_summary(StreamName=name))["StreamDescriptionSummary"]
    assert summary["RecordDistributionStrategy"] == "AUTO"
    answer = await client.put_records(StreamName=name, Records=[entry("same") for _ in range(8)])
    assert len({result["ShardId"] for result in answer["Records"]}) > 1


async def test_a_name_can_be_taken_only_once(client: Any, stream: str) -> None:
    async with refused("ResourceInUseException", stream):
        await client.create_stream(StreamName=stream, ShardCount=1)


async def test_a_deleted_stream_is_not_found(client: Any, stream: str) -> None:
    await client.delete_stream(StreamName=stream)
    async with refused("ResourceNotFoundException", f"Stream {stream} under account "):
        await client.describe_stream_summary(StreamName=stream)


async def test_streams_are_listed_after_a_name(client: Any, stream: str) -> None:
    await client.create_stream(StreamName=f"{stream}-next", ShardCount=1)
    answer = await client.list_streams(ExclusiveStartStreamName=stream)
    assert f"{stream}-next" in answer["StreamNames"]
    assert stream not in answer["StreamNames"]


async def test_an_on_demand_stream_starts_with_four_shards_and_cannot_be_rescaled_by_hand(client: Any) -> None:
    name = f"on-demand-{uuid.uuid4()}"
    await client.create_stream(StreamName=name, StreamModeDetails={"StreamMode": "ON_DEMAND"})
    assert len(await shards_of(client, name)) == 4
    async with refused("ValidationException", "is in On-Demand mode."):
        await client.update_shard_count(StreamName=name, TargetShardCount=8, ScalingType="UNIFORM_SCALING")


# Shards


async def test_shards_are_listed_in_pages(client: Any, stream: str) -> None:
    first = await client.list_shards(StreamName=stream, MaxResults=1)
    second = await client.list_shards(NextToken=first["NextToken"], MaxResults=1)
    pages = [[shard["ShardId"] for shard in page["Shards"]] for page in (first, second)]
    assert pages == [["shardId-000000000000"], ["shardId-000000000001"]]
    assert "NextToken" not in second


async def test_a_split_closes_the_parent_and_opens_two_children(client: Any, stream: str) -> None:
    await split_in_half(client, stream, "shardId-000000000000")
    parent, _, lower, upper = await shards_of(client, stream)
    assert "EndingSequenceNumber" in parent["SequenceNumberRange"]
    assert [lower["ParentShardId"], upper["ParentShardId"]] == [parent["ShardId"]] * 2
    assert lower["HashKeyRange"]["StartingHashKey"] == parent["HashKeyRange"]["StartingHashKey"]
    assert upper["HashKeyRange"]["EndingHashKey"] == parent["HashKeyRange"]["EndingHashKey"]


async def test_a_split_outside_the_shard_is_refused(client: Any, stream: str) -> None:
    async with refused("InvalidArgumentException", "is not both greater than one plus the shard's StartingHashKey"):
        await client.split_shard(
            StreamName=stream, ShardToSplit="shardId-000000000000", NewStartingHashKey=str(2**128 - 1)
        )


async def test_a_closed_shard_cannot_be_split_again(client: Any, stream: str) -> None:
    await split_in_half(client, stream, "shardId-000000000000")
    async with refused("InvalidArgumentException", "has already been merged or split"):
        await split_in_half(client, stream, "shardId-000000000000")


async def test_a_split_parent_keeps_its_records_and_ends(client: Any, stream: str) -> None:
    shard_id, _ = await put_three(client, stream)
    await split_in_half(client, stream, shard_id)
    answer = await client.get_records(ShardIterator=await iterator(client, stream, shard_id))
    assert [record["Data"] for record in answer["Records"]] == [b"one", b"two", b"three"]
    assert "NextShardIterator" not in answer
    assert [child["ParentShards"] for child in answer["ChildShards"]] == [[shard_id], [shard_id]]


async def test_records_after_a_split_go_to_the_children(client: Any, stream: str) -> None:
    shard_id, numbers = await put_three(client, stream)
    await split_in_half(client, stream, shard_id)
    answer = await client.put_record(StreamName=stream, Data=b"four", PartitionKey="key")
    assert answer["ShardId"] in {"shardId-000000000002", "shardId-000000000003"}
    assert int(answer["SequenceNumber"]) > int(numbers[-1])


async def test_at_latest_lists_only_open_shards(client: Any, stream: str) -> None:
    await split_in_half(client, stream, "shardId-000000000000")
    found = await shards_of(client, stream, ShardFilter={"Type": "AT_LATEST"})
    assert [shard["ShardId"] for shard in found] == [f"shardId-{number:012d}" for number in (1, 2, 3)]


async def test_after_shard_id_lists_what_follows(client: Any, stream: str) -> None:
    found = await shards_of(client, stream, ShardFilter={"Type": "AFTER_SHARD_ID", "ShardId": "shardId-000000000000"})
    assert [shard["ShardId"] for shard in found] == ["shardId-000000000001"]


async def test_a_merged_child_names_both_parents_and_starts_empty(client: Any, stream: str) -> None:
    await put_three(client, stream)
    await client.merge_shards(
        StreamName=stream, ShardToMerge="shardId-000000000000", AdjacentShardToMerge="shardId-000000000001"
    )
    child = (await shards_of(client, stream))[2]
    assert (child["ParentShardId"], child["AdjacentParentShardId"]) == ("shardId-000000000000", "shardId-000000000001")
    assert await read(client, stream, child["ShardId"]) == []


async def test_shards_that_do_not_touch_cannot_be_merged(client: Any, stream: str) -> None:
    await split_in_half(client, stream, "shardId-000000000000")
    async with refused("InvalidArgumentException", "are not an adjacent pair of shards eligible for merging"):
        await client.merge_shards(
            StreamName=stream, ShardToMerge="shardId-000000000002", AdjacentShardToMerge="shardId-000000000001"
        )


async def test_the_shard_count_can_be_doubled_and_halved(client: Any, stream: str) -> None:
    await client.update_shard_count(StreamName=stream, TargetShardCount=4, ScalingType="UNIFORM_SCALING")
    await client.update_shard_count(StreamName=stream, TargetShardCount=2, ScalingType="UNIFORM_SCALING")
    summary = (await client.describe_stream_summary(StreamName=stream))["StreamDescriptionSummary"]
    assert summary["OpenShardCount"] == 2


async def test_more_than_double_the_shards_is_refused(client: Any, stream: str) -> None:
    async with refused("LimitExceededException", "cannot scale up over double your current open shard count"):
        await client.update_shard_count(StreamName=stream, TargetShardCount=5, ScalingType="UNIFORM_SCALING")


# What is attached to a stream


async def arn_of(client: Any, stream: str) -> str:
    summary = await client.describe_stream_summary(StreamName=stream)
    return str(summary["StreamDescriptionSummary"]["StreamARN"])


async def test_tags_are_added_overwritten_listed_and_removed_by_name_of_the_stream(client: Any, stream: str) -> None:
    await client.add_tags_to_stream(StreamName=stream, Tags={"team": "orders", "env": "test", "cost:centre": ""})
    await client.add_tags_to_stream(StreamName=stream, Tags={"env": "prod"})
    await client.remove_tags_from_stream(StreamName=stream, TagKeys=["team", "never"])
    answer = await client.list_tags_for_stream(StreamName=stream)
    assert answer["Tags"] == [{"Key": "cost:centre", "Value": ""}, {"Key": "env", "Value": "prod"}]
    assert not answer["HasMoreTags"]


async def test_tags_are_those_of_the_resource_with_the_arn_of_the_stream(client: Any, stream: str) -> None:
    arn = await arn_of(client, stream)
    await client.tag_resource(ResourceARN=arn, Tags={"a": "1", "b": "2"})
    await client.untag_resource(ResourceARN=arn, TagKeys=["a"])
    assert (await client.list_tags_for_resource(ResourceARN=arn))["Tags"] == [{"Key": "b", "Value": "2"}]
    assert (await client.list_tags_for_stream(StreamName=stream))["Tags"] == [{"Key": "b", "Value": "2"}]


async def test_tags_are_listed_in_pages(client: Any, stream: str) -> None:
    await client.add_tags_to_stream(StreamName=stream, Tags={f"key-{number}": "" for number in range(5)})
    first = await client.list_tags_for_stream(StreamName=stream, Limit=3)
    last = first["Tags"][-1]["Key"]
    second = await client.list_tags_for_stream(StreamName=stream, Limit=3, ExclusiveStartTagKey=last)
    assert [tag["Key"] for tag in first["Tags"] + second["Tags"]] == [f"key-{number}" for number in range(5)]
    assert [first["HasMoreTags"], second["HasMoreTags"]] == [True, False]


async def test_a_stream_can_be_created_with_tags(client: Any) -> None:
    name = f"tagged-{uuid.uuid4()}"
    await client.create_stream(StreamName=name, ShardCount=1, Tags={"team": "orders"})
    assert (await client.list_tags_for_stream(StreamName=name))["Tags"] == [{"Key": "team", "Value": "orders"}]


async def test_a_policy_is_kept_until_it_is_deleted(client: Any, stream: str) -> None:
    arn = await arn_of(client, stream)
    policy = '{"Version": "2012-10-17", "Statement": []}'
    await client.put_resource_policy(ResourceARN=arn, Policy=policy)
    assert (await client.get_resource_policy(ResourceARN=arn))["Policy"] == policy
    await client.delete_resource_policy(ResourceARN=arn)
    assert (await client.get_resource_policy(ResourceARN=arn))["Policy"] == "{}"
    async with refused("ResourceNotFoundException", "No resource policy found"):
        await client.delete_resource_policy(ResourceARN=arn)


async def test_the_retention_period_is_raised_and_lowered_within_its_bounds(client: Any, stream: str) -> None:
    await client.increase_stream_retention_period(StreamName=stream, RetentionPeriodHours=168)
    async with refused("InvalidArgumentException", "Use DecreaseRetentionPeriod API."):
        await client.increase_stream_retention_period(StreamName=stream, RetentionPeriodHours=48)
    await client.decrease_stream_retention_period(StreamName=stream, RetentionPeriodHours=72)
    async with refused("InvalidArgumentException", "Use IncreaseRetentionPeriod API."):
        await client.decrease_stream_retention_period(StreamName=stream, RetentionPeriodHours=96)
    async with refused("InvalidArgumentException", "is too short."):
        await client.decrease_stream_retention_period(StreamName=stream, RetentionPeriodHours=23)
    async with refused("InvalidArgumentException", "is too long."):
        await client.increase_stream_retention_period(StreamName=stream, RetentionPeriodHours=8761)
    summary = await client.describe_stream_summary(StreamName=stream)
    assert summary["StreamDescriptionSummary"]["RetentionPeriodHours"] == 72
