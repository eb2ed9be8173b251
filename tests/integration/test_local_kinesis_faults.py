"""What no other emulator does: the rates of the shards, scripted faults, states, and a reshard under writes."""

import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import anyio
import pytest
from aiobotocore.config import AioConfig
from aiobotocore.session import get_session
from botocore.exceptions import ClientError, ConnectionClosedError, HTTPClientError, ReadTimeoutError

from forwarder.local.kinesis import LocalKinesis, serve
from forwarder.local.kinesis.faults import (
    AnyFault,
    CommitLate,
    Delay,
    Drop,
    Error,
    FailRecords,
    Hang,
    LoseResponse,
    Refuse,
)
from tests.listening import command
from tests.waiting import eventually

FIRST, SECOND = "shardId-000000000000", "shardId-000000000001"
MIDDLE = str(2**127)
LIST_STREAMS = (
    b"POST / HTTP/1.1\r\nHost: local\r\nX-Amz-Target: Kinesis_20131202.ListStreams\r\nContent-Length: 2\r\n\r\n{}"
)


class Clock:
    """A clock that stands still until it is told otherwise."""

    def __init__(self) -> None:
        self.now = 1_767_000_000.0

    def __call__(self) -> float:
        return self.now


@asynccontextmanager
async def connected(url: str, *, read_timeout: float = 20.0) -> AsyncIterator[Any]:
    config = AioConfig(read_timeout=read_timeout, retries={"total_max_attempts": 1})
    async with get_session().create_client(
        "kinesis",
        endpoint_url=url,
        region_name="us-east-1",
        aws_access_key_id="any",
        aws_secret_access_key="any",
        config=config,
    ) as client:
        yield client


@asynccontextmanager
async def served(kinesis: LocalKinesis, *, shards: int = 1, read_timeout: float = 20.0) -> AsyncIterator[Any]:
    """A client of ``kinesis``, which has the stream ``orders``."""
    kinesis.create_stream("orders", shards=shards)
    async with serve(kinesis) as endpoint, connected(endpoint.url, read_timeout=read_timeout) as client:
        yield client


async def put(client: Any, *keys: str, data: bytes = b"x") -> dict[str, Any]:
    answer = await client.put_records(
        StreamName="orders", Records=[{"Data": data, "PartitionKey": key} for key in keys]
    )
    return dict(answer)


def stored_keys(kinesis: LocalKinesis, stream: str = "orders") -> list[str]:
    return [record.partition_key for record in kinesis.stream(stream).records()]


# Rates


async def test_the_thousand_and_first_record_of_a_second_is_throttled_with_the_words_of_aws() -> None:
    kinesis = LocalKinesis(clock=Clock())
    async with served(kinesis) as client:
        answers = [await put(client, *["key"] * 500) for _ in range(2)]
        third = await put(client, "key")
    assert [answer["FailedRecordCount"] for answer in answers] == [0, 0]
    assert third["Records"] == [
        {
            "ErrorCode": "ProvisionedThroughputExceededException",
            "ErrorMessage": f"Rate exceeded for shard {FIRST} in stream orders under account 000000000000.",
        }
    ]


async def test_a_full_shard_throttles_its_own_records_and_no_others() -> None:
    """Eight times 128 KiB and a byte of key exceed the mebibyte of the first shard; the second one has room."""
    eighth = {"Data": b"x" * 2**17, "PartitionKey": "k", "ExplicitHashKey": "0"}
    elsewhere = {"Data": b"y", "PartitionKey": "k", "ExplicitHashKey": MIDDLE}
    async with served(LocalKinesis(clock=Clock()), shards=2) as client:
        await client.put_records(StreamName="orders", Records=[eighth] * 5)
        answer = await client.put_records(StreamName="orders", Records=[*[eighth] * 3, elsewhere])
    assert [result.get("ShardId") for result in answer["Records"]] == [FIRST, FIRST, None, SECOND]
    assert answer["FailedRecordCount"] == 1


async def test_a_throttled_shard_takes_records_again_a_second_later() -> None:
    clock = Clock()
    async with served(LocalKinesis(clock=clock)) as client:
        for _ in range(2):
            await put(client, *["key"] * 500)
        clock.now += 1
        assert (await put(client, *["key"] * 500))["FailedRecordCount"] == 0


async def test_the_sixth_read_of_a_second_is_throttled() -> None:
    async with served(LocalKinesis(clock=Clock())) as client:
        start = await client.get_shard_iterator(StreamName="orders", ShardId=FIRST, ShardIteratorType="LATEST")
        for _ in range(5):
            await client.get_records(ShardIterator=start["ShardIterator"])
        with pytest.raises(ClientError, match="ProvisionedThroughputExceededException"):
            await client.get_records(ShardIterator=start["ShardIterator"])


async def test_without_limits_nothing_is_throttled() -> None:
    async with served(LocalKinesis(limits=False, clock=Clock())) as client:
        answers = [await put(client, *["key"] * 500) for _ in range(4)]
    assert [answer["FailedRecordCount"] for answer in answers] == [0, 0, 0, 0]


async def test_discarding_answers_as_usual_and_stores_nothing() -> None:
    kinesis = LocalKinesis(discard=True)
    async with served(kinesis) as client:
        first, second = [await put(client, "key") for _ in range(2)]
    assert int(first["Records"][0]["SequenceNumber"]) < int(second["Records"][0]["SequenceNumber"])
    assert stored_keys(kinesis) == []


# Faults


async def test_a_failed_record_is_not_stored_and_its_neighbours_are() -> None:
    kinesis = LocalKinesis(faults=[FailRecords(partition_keys=frozenset({"b"}))])
    async with served(kinesis) as client:
        answer = await put(client, "a", "b", "c")
    assert [result.get("ErrorCode") for result in answer["Records"]] == [None, "InternalFailure", None]
    assert stored_keys(kinesis) == ["a", "c"]


async def test_a_lost_response_is_stored() -> None:
    kinesis = LocalKinesis(faults=[LoseResponse(operation="PutRecords", times=1)])
    async with served(kinesis) as client:
        with pytest.raises(ConnectionClosedError):
            await put(client, "lost")
        await put(client, "answered")
    assert stored_keys(kinesis) == ["lost", "answered"]


async def test_a_dropped_request_is_not_stored() -> None:
    kinesis = LocalKinesis(faults=[Drop(operation="PutRecords", times=1)])
    async with served(kinesis) as client:
        with pytest.raises(ConnectionClosedError):
            await put(client, "dropped")
        await put(client, "answered")
    assert stored_keys(kinesis) == ["answered"]


async def test_a_late_commit_arrives_behind_what_was_sent_after_it() -> None:
    kinesis = LocalKinesis(faults=[CommitLate(operation="PutRecords", times=1, seconds=0.1)])
    async with served(kinesis) as client:
        with pytest.raises(ConnectionClosedError):
            await put(client, "late")
        await put(client, "sooner")
        with anyio.fail_after(10):
            records = await kinesis.wait_for_records(2, stream="orders")
    assert [record.partition_key for record in records] == ["sooner", "late"]


async def test_a_hanging_request_stores_nothing_and_never_answers() -> None:
    kinesis = LocalKinesis(faults=[Hang(operation="PutRecords", times=1)])
    async with served(kinesis, read_timeout=0.2) as client:
        with pytest.raises(ReadTimeoutError):
            await put(client, "hangs")
    assert stored_keys(kinesis) == []


async def test_serving_ends_although_a_request_hangs() -> None:
    hang = Hang()
    kinesis = LocalKinesis(faults=[hang])
    with anyio.fail_after(10):
        async with serve(kinesis) as endpoint:
            connection = await anyio.connect_tcp(endpoint.host, endpoint.port)
            await connection.send(LIST_STREAMS)
            await eventually(lambda: has_struck(kinesis, hang))
        with pytest.raises((anyio.EndOfStream, anyio.BrokenResourceError)):
            await connection.receive()
        await connection.aclose()


async def test_a_delayed_answer_is_stored_at_once() -> None:
    kinesis = LocalKinesis(faults=[Delay(operation="PutRecords", seconds=60)])
    async with served(kinesis, read_timeout=0.2) as client:
        with pytest.raises(ReadTimeoutError):
            await put(client, "slow")
    assert stored_keys(kinesis) == ["slow"]


@pytest.mark.parametrize(("code", "status"), [("InternalFailure", 500), ("ServiceUnavailable", 503)])
async def test_a_server_error_has_its_code_and_its_status(code: str, status: int) -> None:
    kinesis = LocalKinesis(faults=[Error(operation="PutRecords", error_code=code)])
    async with served(kinesis) as client:
        with pytest.raises(ClientError) as raised:
            await put(client, "key")
    assert raised.value.response["Error"]["Code"] == code
    assert raised.value.response["ResponseMetadata"]["HTTPStatusCode"] == status
    assert stored_keys(kinesis) == []


async def test_a_refusing_server_resets_every_connection_until_its_time_is_over() -> None:
    kinesis = LocalKinesis(faults=[Refuse(operation="PutRecords", times=1, seconds=0.3)])
    async with served(kinesis) as client:
        for _ in range(2):
            with pytest.raises((ConnectionClosedError, HTTPClientError)):
                await put(client, "refused")
        await eventually(lambda: is_served(client, "served"))
    assert stored_keys(kinesis) == ["served"]


async def test_faults_can_be_changed_over_http_while_serving() -> None:
    kinesis = LocalKinesis()
    kinesis.create_stream("orders")
    script = {"faults": [{"fault": "error", "error_code": "ServiceUnavailable"}]}
    async with serve(kinesis) as endpoint, connected(endpoint.url) as client, aiohttp.ClientSession() as session:
        async with session.put(f"{endpoint.url}/faults", json=script) as response:
            assert response.status == 204
        with pytest.raises(ClientError, match="ServiceUnavailable"):
            await put(client, "key")
        async with session.put(f"{endpoint.url}/faults", json={"faults": []}) as response:
            assert response.status == 204
        await put(client, "key")


async def test_a_bad_script_over_http_is_refused_and_the_old_one_stays() -> None:
    drop = Drop()
    kinesis = LocalKinesis(faults=[drop])
    script = {"faults": [{"fault": "explode"}]}
    async with (
        serve(kinesis) as endpoint,
        aiohttp.ClientSession() as session,
        session.put(f"{endpoint.url}/faults", json=script) as response,
    ):
        assert (response.status, "explode" in await response.text()) == (400, True)
    kinesis.faults.decide("PutRecords", stream="orders", partition_keys=[])
    assert kinesis.faults.struck(drop) == 1


# States and lineage


async def test_a_stream_takes_no_records_while_it_is_being_created() -> None:
    clock = Clock()
    kinesis = LocalKinesis(transition_seconds=10, clock=clock)
    async with served(kinesis) as client:
        with pytest.raises(ClientError, match="ResourceNotFoundException"):
            await put(client, "key")
        clock.now += 10
        assert (await put(client, "key"))["FailedRecordCount"] == 0


async def test_a_stream_that_is_updating_refuses_another_change_and_keeps_writing_to_the_parent() -> None:
    clock = Clock()
    kinesis = LocalKinesis(transition_seconds=10, clock=clock)
    async with served(kinesis) as client:
        clock.now += 10
        await client.split_shard(StreamName="orders", ShardToSplit=FIRST, NewStartingHashKey=MIDDLE)
        with pytest.raises(ClientError, match="not ACTIVE, instead in state UPDATING"):
            await client.update_shard_count(StreamName="orders", TargetShardCount=2, ScalingType="UNIFORM_SCALING")
        while_updating = (await put(client, "key"))["Records"][0]
        clock.now += 10
        afterwards = (await put(client, "key"))["Records"][0]
    assert while_updating["ShardId"] == FIRST
    assert afterwards["ShardId"] != FIRST
    assert int(afterwards["SequenceNumber"]) > int(while_updating["SequenceNumber"])


async def test_a_sixth_stream_in_creation_is_refused() -> None:
    async with served(LocalKinesis(transition_seconds=10, clock=Clock())) as client:
        for number in range(4):
            await client.create_stream(StreamName=f"more-{number}", ShardCount=1)
        with pytest.raises(ClientError, match="LimitExceededException"):
            await client.create_stream(StreamName="one-too-many", ShardCount=1)


async def test_an_iterator_expires_after_five_minutes() -> None:
    clock = Clock()
    async with served(LocalKinesis(clock=clock)) as client:
        start = await client.get_shard_iterator(StreamName="orders", ShardId=FIRST, ShardIteratorType="LATEST")
        clock.now += 301
        with pytest.raises(ClientError, match="tolerated delay of 300000 milliseconds"):
            await client.get_records(ShardIterator=start["ShardIterator"])


async def test_records_behind_the_tip_tell_by_how_much() -> None:
    clock = Clock()
    async with served(LocalKinesis(clock=clock)) as client:
        await put(client, "a", "b")
        clock.now += 5
        start = await client.get_shard_iterator(StreamName="orders", ShardId=FIRST, ShardIteratorType="TRIM_HORIZON")
        answer = await client.get_records(ShardIterator=start["ShardIterator"], Limit=1)
    assert answer["MillisBehindLatest"] == 5000


async def test_shards_can_be_listed_as_of_a_time() -> None:
    clock = Clock()
    async with served(LocalKinesis(clock=clock)) as client:
        clock.now += 100
        await client.split_shard(StreamName="orders", ShardToSplit=FIRST, NewStartingHashKey=MIDDLE)
        clock.now += 100
        found = {
            kind: await shard_numbers(client, {"Type": kind, **members})
            for kind, members in {
                "AT_TRIM_HORIZON": {},
                "FROM_TRIM_HORIZON": {},
                "AT_TIMESTAMP": {"Timestamp": clock.now - 150},
                "FROM_TIMESTAMP": {"Timestamp": clock.now - 50},
            }.items()
        }
    assert found == {
        "AT_TRIM_HORIZON": [0],
        "FROM_TRIM_HORIZON": [0, 1, 2],
        "AT_TIMESTAMP": [0],
        "FROM_TIMESTAMP": [1, 2],
    }


async def test_the_auto_distribution_spreads_one_key_over_all_shards() -> None:
    kinesis = LocalKinesis()
    async with served(kinesis) as client:
        await client.create_stream(StreamName="auto", StreamModeDetails={"StreamMode": "ON_DEMAND"})
        arn = kinesis.stream("auto").identity.arn
        await client.update_stream_record_distribution_strategy(StreamARN=arn, RecordDistributionStrategy="AUTO")
        answer = await client.put_records(StreamName="auto", Records=[{"Data": b"x", "PartitionKey": "same"}] * 8)
    assert len({result["ShardId"] for result in answer["Records"]}) == 4


async def test_the_auto_distribution_is_refused_for_a_provisioned_stream() -> None:
    kinesis = LocalKinesis()
    async with served(kinesis) as client:
        arn = kinesis.stream("orders").identity.arn
        with pytest.raises(ClientError, match="InvalidArgumentException"):
            await client.update_stream_record_distribution_strategy(StreamARN=arn, RecordDistributionStrategy="AUTO")


async def test_a_reshard_under_writes_loses_nothing_and_keeps_each_key_in_order() -> None:
    """A consumer that reads parents before their children sees each key in the order in which it was written."""
    kinesis = LocalKinesis(limits=False)
    async with served(kinesis, shards=2) as client, anyio.create_task_group() as writers:
        for writer in range(4):
            writers.start_soon(write_in_order, client, f"key-{writer}", 60)
        for target in (4, 3, 5, 3):
            await client.update_shard_count(StreamName="orders", TargetShardCount=target, ScalingType="UNIFORM_SCALING")
            await kinesis.wait_for_records(len(kinesis.stream("orders").records()) + 20, stream="orders")
    records = kinesis.stream("orders").records()
    for writer in range(4):
        written = [int(record.data) for record in records if record.partition_key == f"key-{writer}"]
        assert written == list(range(60))


# Protocol


async def test_an_unknown_operation_is_refused_by_name_of_its_type() -> None:
    async with serve(LocalKinesis()) as endpoint, aiohttp.ClientSession() as session:
        headers = {"X-Amz-Target": "Kinesis_20131202.PutEverything"}
        async with session.post(endpoint.url, data=b"{}", headers=headers) as response:
            assert (response.status, (await response.json(content_type=None))["__type"]) == (
                400,
                "UnknownOperationException",
            )


async def test_a_body_of_the_wrong_shape_is_a_serialization_error() -> None:
    async with serve(LocalKinesis()) as endpoint, aiohttp.ClientSession() as session:
        headers = {"X-Amz-Target": "Kinesis_20131202.PutRecords"}
        async with session.post(endpoint.url, data=b'{"Records": 1}', headers=headers) as response:
            assert (await response.json(content_type=None))["__type"] == "SerializationException"


# The command


async def test_the_command_says_where_it_listens_in_one_line_and_leaves_cleanly() -> None:
    program = [sys.executable, "-m", "forwarder", "local-kinesis", "--port", "0", "--stream", "orders"]
    async with await anyio.open_process(program, stderr=subprocess.STDOUT) as process:
        assert process.stdout is not None
        with anyio.fail_after(60):
            line = (await process.stdout.receive()).decode()
            url = line.split()[3]
            async with connected(url) as client:
                await put(client, "key")
            process.send_signal(signal.SIGTERM)
            assert await process.wait() == 0
    assert line == f"local kinesis on {url} streams=orders\n"


@pytest.mark.parametrize("script", ['{"faults": [{"fault": "explode"}]}', None])
async def test_the_command_names_a_bad_faults_file_in_one_line(tmp_path: Path, script: str | None) -> None:
    path = tmp_path / "faults.json"
    if script:
        path.write_text(script)
    arguments = ("local-kinesis", "--port", "0", "--faults", str(path))
    async with command(*arguments, env={}, directory=tmp_path / "run") as run:
        assert (await run.ends(), run.stdout) == (2, b"")
        assert run.stderr.count("\n") == 1
        assert str(path) in run.stderr


async def test_the_command_names_a_port_in_use_and_the_remedy(tmp_path: Path) -> None:
    async with serve(LocalKinesis()) as endpoint:
        arguments = ("local-kinesis", "--port", str(endpoint.port))
        async with command(*arguments, env={}, directory=tmp_path / "run") as run:
            assert await run.ends() == 2
            assert "is in use; choose another with --port" in run.stderr


async def write_in_order(client: Any, key: str, count: int) -> None:
    for number in range(count):
        await client.put_record(StreamName="orders", Data=str(number).encode(), PartitionKey=key)


async def shard_numbers(client: Any, shard_filter: dict[str, Any]) -> list[int]:
    answer = await client.list_shards(StreamName="orders", ShardFilter=shard_filter)
    return [int(shard["ShardId"].removeprefix("shardId-")) for shard in answer["Shards"]]


async def has_struck(kinesis: LocalKinesis, fault: AnyFault) -> bool:
    return kinesis.faults.struck(fault) > 0


async def is_served(client: Any, key: str) -> bool:
    try:
        await put(client, key)
    except (ConnectionClosedError, HTTPClientError):
        return False
    return True
