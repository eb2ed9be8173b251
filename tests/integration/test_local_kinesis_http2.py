"""The local Kinesis over HTTP/2: many requests on one connection, and clients that are slow, large, rude or gone."""

from __future__ import annotations

import asyncio
from base64 import b64encode
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from typing import Any

import aiohttp
import anyio
import pytest
from h2.errors import ErrorCodes

from forwarder.local.kinesis import Endpoint, LocalKinesis, serve
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
from tests.support.http2 import Client, connected
from tests.waiting import eventually

CUT = (anyio.EndOfStream, anyio.BrokenResourceError, ConnectionError)
MEBIBYTE = 1 << 20


def kinesis_of(*faults: AnyFault) -> LocalKinesis:
    kinesis = LocalKinesis(limits=False, faults=faults)
    kinesis.create_stream("orders")
    return kinesis


@asynccontextmanager
async def client_of(kinesis: LocalKinesis, **options: int) -> AsyncIterator[Client]:
    with anyio.fail_after(60):
        async with serve(kinesis) as endpoint, connected(endpoint, **options) as client:
            yield client


def records(*keys: str, data: bytes = b"x") -> dict[str, Any]:
    encoded = b64encode(data).decode()
    return {"StreamName": "orders", "Records": [{"Data": encoded, "PartitionKey": key} for key in keys]}


def stored_keys(kinesis: LocalKinesis) -> list[str]:
    return [record.partition_key for record in kinesis.stream("orders").records()]


async def start(client: Client) -> dict[str, Any]:
    """An iterator at the begin of the stream's only shard."""
    shard = {"StreamName": "orders", "ShardId": "shardId-000000000000", "ShardIteratorType": "TRIM_HORIZON"}
    return dict(await client.call("GetShardIterator", shard))


async def struck(kinesis: LocalKinesis, fault: AnyFault) -> None:
    async def has_struck() -> bool:
        return kinesis.faults.struck(fault) > 0

    await eventually(has_struck)


async def test_both_protocols_are_spoken_on_one_port_whatever_comes_first_in_pieces() -> None:
    kinesis = kinesis_of()
    async with serve(kinesis) as endpoint, aiohttp.ClientSession() as session:
        async with connected(endpoint) as client:
            await client.call("PutRecords", records("http2"))
        headers = {"X-Amz-Target": "Kinesis_20131202.PutRecords"}
        async with session.post(endpoint.url, json=records("http1"), headers=headers) as response:
            assert response.status == 200
        for first, second in (("P", "OST"), ("PR", "I * HTTP/2.0")):
            async with await anyio.connect_tcp(endpoint.host, endpoint.port) as stream:
                await stream.send(first.encode())
                await anyio.wait_all_tasks_blocked()
                await stream.send(f"{second} / HTTP/1.1\r\nContent-Length: 0\r\n\r\n".encode())
                assert (await stream.receive()).startswith(b"HTTP/1.")
    assert stored_keys(kinesis) == ["http2", "http1"]


async def test_an_offer_to_go_over_to_http2_is_answered_in_http1() -> None:
    """As RFC 9113 lets a server do; whoever offers it, such as Java's own client, goes on in HTTP/1.1."""
    headers = {"X-Amz-Target": "Kinesis_20131202.ListStreams", "Connection": "Upgrade, HTTP2-Settings"}
    headers |= {"Upgrade": "h2c", "HTTP2-Settings": "AAMAAABkAAQCAAAAAAIAAAAA"}
    async with (
        serve(kinesis_of()) as endpoint,
        aiohttp.ClientSession() as session,
        session.post(endpoint.url, data=b"{}", headers=headers) as response,
    ):
        assert (await response.json(content_type=None))["StreamNames"] == ["orders"]


async def test_a_request_that_hangs_holds_up_no_other_of_its_connection() -> None:
    kinesis = kinesis_of(Hang(operation="DescribeLimits"), Delay(operation="ListStreams", seconds=0.2))
    async with client_of(kinesis) as client:
        hanging = await client.begin("DescribeLimits")
        later, sooner = [await client.begin(operation) for operation in ("ListStreams", "ListShards")]
        assert (await client.answer(sooner)).status == 400
        assert not client.answers[later].has_ended
        assert (await client.answer(later)).content["StreamNames"] == ["orders"]
    assert not client.answers[hanging].has_ended


async def test_ten_mebibytes_go_in_and_come_out() -> None:
    data = b"x" * (MEBIBYTE - 1)
    async with client_of(kinesis_of()) as client:
        assert (await client.call("PutRecords", records(*"0123456789", data=data)))["FailedRecordCount"] == 0
        found = (await client.call("GetRecords", await start(client)))["Records"]
    assert [record["PartitionKey"] for record in found] == list("0123456789")


async def test_an_answer_waits_for_a_slow_client_and_others_do_not() -> None:
    kinesis = kinesis_of()
    async with client_of(kinesis, window=1000) as client:
        await client.call("PutRecords", records("key", data=bytes(MEBIBYTE // 2)))
        slow = await client.begin("GetRecords", await start(client))
        for _ in range(3):
            assert (await client.call("ListStreams"))["StreamNames"] == ["orders"]
        assert len(client.answers[slow].body) == 1000
        await client.take(slow, 1)
        assert (await client.call("ListStreams"))["StreamNames"] == ["orders"]
        assert len(client.answers[slow].body) == 1001
        await client.take(slow, MEBIBYTE)
        assert len((await client.answer(slow)).content["Records"]) == 1


async def test_a_client_may_say_that_it_begins_no_more_and_still_wait_for_its_answers() -> None:
    """As Node does with the first headers of every answer."""
    async with client_of(kinesis_of(Delay(operation="ListStreams", seconds=0.1)), window=10) as client:
        number = await client.begin("ListStreams")
        await client.leave()
        while not client.answers[number].body:
            await client.receive()
        await client.take(number, 1000)
        assert (await client.answer(number)).content["StreamNames"] == ["orders"]
        with pytest.raises(CUT):
            await client.receive()


async def test_a_request_taken_back_ends_and_the_connection_goes_on() -> None:
    hang = Hang(operation="PutRecords", times=1)
    kinesis = kinesis_of(hang)
    async with client_of(kinesis, window=1000) as client:
        hanging = await client.begin("PutRecords", records("hanging"))
        await struck(kinesis, hang)
        await client.reset(hanging)
        await client.call("PutRecords", records("large", data=bytes(MEBIBYTE // 2)))
        reading = await client.begin("GetRecords", await start(client))
        while not client.answers[reading].body:
            await client.receive()
        await client.reset(reading)
        await client.call("PutRecords", records("after"))
    assert stored_keys(kinesis) == ["large", "after"]


async def test_a_client_that_is_gone_leaves_nothing_behind() -> None:
    hang = Hang(operation="DescribeLimits")
    kinesis = kinesis_of(hang)
    async with serve(kinesis) as endpoint:
        before = asyncio.all_tasks()
        async with connected(endpoint, window=1000) as client:
            await client.begin("DescribeLimits")
            await client.call("PutRecords", records("key", data=bytes(MEBIBYTE // 2)))
            reading = await client.begin("GetRecords", await start(client))
            while not client.answers[reading].body:
                await client.receive()
            assert len(asyncio.all_tasks() - before) == 2

        async def has_ended() -> bool:
            return asyncio.all_tasks() == before

        await eventually(has_ended)


async def test_the_server_says_goodbye_when_it_stops_and_answers_what_it_can() -> None:
    kinesis = kinesis_of(Hang(operation="DescribeLimits"), Delay(operation="ListStreams", seconds=0.01))
    with anyio.fail_after(10):
        async with AsyncExitStack() as open_connections:
            async with serve(kinesis) as endpoint:
                client = await open_connections.enter_async_context(connected(endpoint))
                hanging = await client.begin("DescribeLimits")
                answered = await client.begin("ListStreams")
                await client.call("ListShards", {"StreamName": "orders"})
            with pytest.raises(CUT):
                await client.listen()
    assert client.goodbye == ErrorCodes.NO_ERROR
    assert [client.answers[number].has_ended for number in (hanging, answered)] == [False, True]


@pytest.mark.parametrize("headers", [{}, {"content-length": str(3 * MEBIBYTE)}])
async def test_a_body_that_is_too_large_is_refused_before_all_of_it_has_come(
    monkeypatch: pytest.MonkeyPatch, headers: dict[str, str]
) -> None:
    monkeypatch.setattr("forwarder.local.kinesis.http2.MAX_BODY_BYTES", 2 * MEBIBYTE)
    async with client_of(kinesis_of()) as client:
        number = await client.send(bytes(3 * MEBIBYTE), headers)
        assert (await client.answer(number)).status == 413
        assert (await client.call("ListStreams"))["StreamNames"] == ["orders"]


async def test_a_chunked_body_that_is_too_large_is_refused_in_http1_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("forwarder.local.kinesis.http1.MAX_BODY_BYTES", MEBIBYTE)

    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(33):
            yield bytes(2**15)

    async with (
        serve(kinesis_of()) as endpoint,
        aiohttp.ClientSession() as session,
        session.post(endpoint.url, data=chunks()) as response,
    ):
        assert response.status == 413


async def test_headers_beyond_the_limit_end_the_connection_with_a_reason() -> None:
    headers = {f"x-{number}": "x" for number in range(2000)}
    async with client_of(kinesis_of()) as client:
        with pytest.raises(CUT):
            await client.answer(await client.send(b"", headers))
    assert client.goodbye == ErrorCodes.ENHANCE_YOUR_CALM


async def test_bytes_that_are_no_frames_end_the_connection_with_a_reason() -> None:
    async with client_of(kinesis_of()) as client:
        await client.babble(b"\0\0\1\6\0\0\0\0\0x")
        with pytest.raises(CUT):
            await client.listen()
    assert client.goodbye == ErrorCodes.FRAME_SIZE_ERROR


# Faults


async def test_records_and_requests_fail_as_scripted() -> None:
    kinesis = kinesis_of(FailRecords(times=1), Error(operation="ListStreams", error_code="ServiceUnavailable"))
    async with client_of(kinesis) as client:
        result = await client.call("PutRecords", records("failed", "stored"))
        refused = await client.answer(await client.begin("ListStreams"))
    assert [record.get("ErrorCode") for record in result["Records"]] == ["InternalFailure", None]
    assert (refused.status, refused.content["__type"]) == (503, "ServiceUnavailable")
    assert stored_keys(kinesis) == ["stored"]


@pytest.mark.parametrize(
    ("fault", "stored"),
    [
        (Drop(operation="PutRecords", times=1), ["after"]),
        (LoseResponse(operation="PutRecords", times=1), ["cut", "after"]),
        (CommitLate(operation="PutRecords", times=1, seconds=0.1), ["after", "cut"]),
    ],
)
async def test_a_cut_ends_the_connection_with_all_that_is_under_way(fault: AnyFault, stored: list[str]) -> None:
    kinesis = kinesis_of(fault, Hang(operation="DescribeLimits"))
    with anyio.fail_after(20):
        async with serve(kinesis) as endpoint:
            async with connected(endpoint) as client:
                await client.begin("DescribeLimits")
                with pytest.raises(CUT):
                    await client.call("PutRecords", records("cut"))
            async with connected(endpoint) as client:
                await client.call("PutRecords", records("after"))
            await kinesis.wait_for_records(len(stored), stream="orders")
    assert stored_keys(kinesis) == stored


async def test_a_refusing_server_resets_connections_of_either_protocol() -> None:
    kinesis = kinesis_of(Refuse(operation="ListStreams", times=1, seconds=0.2))
    with anyio.fail_after(20):
        async with serve(kinesis) as endpoint:
            async with connected(endpoint) as other, connected(endpoint) as client:
                await other.call("DescribeLimits")
                with pytest.raises(CUT):
                    await client.call("ListStreams")
                with pytest.raises(CUT):
                    await other.call("DescribeLimits")
            with pytest.raises(CUT):
                async with connected(endpoint) as client:
                    await client.call("DescribeLimits")
            await eventually(partial(is_served, endpoint))


async def test_faults_are_changed_over_http2() -> None:
    kinesis = kinesis_of()
    async with client_of(kinesis) as client:
        script = b'{"faults": [{"fault": "error", "error_code": "ServiceUnavailable"}]}'
        assert (await client.answer(await client.send(script, {}, method="PUT", path="/faults"))).status == 204
        assert (await client.answer(await client.begin("ListStreams"))).status == 503


async def is_served(endpoint: Endpoint) -> bool:
    try:
        async with connected(endpoint) as client:
            return bool(await client.call("ListStreams"))
    except CUT:
        return False
