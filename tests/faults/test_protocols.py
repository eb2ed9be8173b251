"""The sink beside endpoints that take CBOR, that do not, and that cannot tell.

``server`` takes both. What it refuses of CBOR, it refuses as such endpoints do: moto, LocalStack, kinesalite, a gateway.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Iterator
from contextlib import AbstractAsyncContextManager

import anyio
import pytest
from aiobotocore.session import get_session
from moto.server import ThreadedMotoServer

from forwarder.config.sink_url import KinesisTarget, Protocol
from forwarder.errors import Invalid, Unavailable
from forwarder.metrics import Metrics
from forwarder.records.record import Record
from forwarder.sinks.kinesis import protocol_choice, wire_cbor, wire_json
from forwarder.sinks.kinesis.sink import KinesisSink, kinesis_sink
from tests.listening import CREDENTIALS, OPERATOR
from tests.support.misbehaving import Answer, ByContent, Misbehaving, TooLargeAbove, answer, misbehaving

CBOR, JSON = wire_cbor.CONTENT_TYPE, wire_json.CONTENT_TYPE
SAYS_SO = "the endpoint takes no CBOR"

# How endpoints refuse CBOR.
REFUSALS = [
    # moto: it reads the body as JSON.
    Answer(status=500, body=b"<!doctype html><title>500 Internal Server Error</title>"),
    # kinesalite before 1.11.
    Answer(status=404, body=b"<UnknownOperationException/>\n"),
    Answer(status=400, body=b'{"__type":"UnknownOperationException"}'),
    Answer(status=400, body=b'{"__type":"SerializationException","message":"no JSON"}'),
    Answer(status=400, body=b'{"__type":"ValidationException","message":"Value null at \'streamName\'"}'),
    answer({"__type": "SerializationException"}, status=400),
    answer({"__type": "ValidationException"}, status=400),
    Answer(status=415),
    Answer(status=406, body=b"<html>"),
    # What it has not understood it has not stored either.
    Answer(body=b"{}"),
    Answer(body=b'{"FailedRecordCount":0,"Records":[]}'),
    Answer(body=b"OK"),
    Answer(),
]


@pytest.fixture(autouse=True)
def credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)


@pytest.fixture
async def server() -> AsyncIterator[Misbehaving]:
    async with misbehaving() as server:
        yield server


def sink_of(url: str, protocol: Protocol = "auto") -> AbstractAsyncContextManager[KinesisSink]:
    target = KinesisTarget(stream="changes", region="us-east-1", endpoint_url=url, protocol=protocol)
    return kinesis_sink(target, max_in_flight=4, metrics=Metrics().sink("default"))


def records(count: int = 2, *, size: int = 10) -> list[Record]:
    return [Record(seq, f"key {seq}", b"x" * size, {seq}) for seq in range(count)]


def refusing_cbor(refusal: Answer) -> ByContent:
    return ByContent(choose=lambda request: refusal if request.is_cbor else None)


def formats(server: Misbehaving) -> list[str]:
    """The formats of the requests so far."""
    return [request.headers["content-type"] for request in server.asked("PutRecords")]


def times_told(caplog: pytest.LogCaptureFixture) -> int:
    return sum(SAYS_SO in record.message for record in caplog.records)


async def test_an_endpoint_that_takes_cbor_is_never_sent_json(
    server: Misbehaving, caplog: pytest.LogCaptureFixture
) -> None:
    async with sink_of(server.url) as sink:
        await sink.prepare()
        for _ in range(3):
            assert not await sink.publish(records())
    assert formats(server) == [CBOR] * 3
    assert server.records == [("key 0", b"x" * 10), ("key 1", b"x" * 10)] * 3
    assert not times_told(caplog)


@pytest.mark.parametrize("refusal", REFUSALS, ids=lambda refusal: f"{refusal.status} {refusal.body or refusal.content}")
async def test_an_endpoint_that_takes_json_alone_is_sent_json_and_nothing_is_lost_or_set_aside_or_tried_again(
    server: Misbehaving, caplog: pytest.LogCaptureFixture, refusal: Answer
) -> None:
    caplog.set_level(logging.INFO)
    server.always("PutRecords", refusing_cbor(refusal))
    async with sink_of(server.url) as sink:
        await sink.prepare()
        for _ in range(5):
            assert not await sink.publish(records())
    assert formats(server) == [CBOR, *[JSON] * 5]
    assert server.stored == ["key 0", "key 1"] * 5
    assert times_told(caplog) == 1


async def test_requests_at_once_are_told_of_once(server: Misbehaving, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    server.always("PutRecords", refusing_cbor(REFUSALS[0]))
    async with sink_of(server.url) as sink:
        await sink.prepare()
        async with anyio.create_task_group() as tasks:
            for _ in range(4):
                tasks.start_soon(sink.publish, records())
    assert len(server.stored) == 8
    assert times_told(caplog) == 1


async def test_cbor_is_tried_again_and_stays_when_it_is_taken(
    server: Misbehaving, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    monkeypatch.setattr(protocol_choice, "FIRST_SECONDS", 0.0)
    server.next("PutRecords", *[refusing_cbor(REFUSALS[0])] * 4)
    async with sink_of(server.url) as sink:
        await sink.prepare()
        for _ in range(4):
            assert not await sink.publish(records())
    assert formats(server) == [CBOR, JSON, CBOR, JSON, CBOR, CBOR]
    assert times_told(caplog) == 1


@pytest.mark.parametrize(
    "failure",
    [
        Answer(status=503, body=b"<html>"),
        Answer(status=502),
        Answer(status=403, body=b"<html>"),
        Answer(body=b"<html>log in</html>"),
        answer({"__type": "InternalFailure"}, status=500),
        answer({"__type": "ProvisionedThroughputExceededException"}, status=400),
        answer({"__type": "ExpiredTokenException"}, status=400),
    ],
)
@pytest.mark.parametrize("is_proved", [False, True])
async def test_a_start_or_an_hour_in_which_everything_fails_does_not_lead_to_json(
    server: Misbehaving, failure: Answer, *, is_proved: bool
) -> None:
    async with sink_of(server.url) as sink:
        await sink.prepare()
        if is_proved:
            assert not await sink.publish(records())
        server.always("PutRecords", failure)
        for _ in range(3):
            with pytest.raises(Unavailable):
                await sink.publish(records())
        server.behave()
        before = len(formats(server))
        assert not await sink.publish(records())
    assert formats(server)[before:] == [CBOR]


async def test_throttled_records_are_no_reason_for_json(server: Misbehaving) -> None:
    throttle = {"ErrorCode": "ProvisionedThroughputExceededException", "ErrorMessage": "Rate exceeded"}
    server.next("PutRecords", answer({"FailedRecordCount": 2, "Records": [throttle, throttle]}))
    async with sink_of(server.url) as sink:
        await sink.prepare()
        assert len(await sink.publish(records())) == 2
        assert not await sink.publish(records())
    assert formats(server) == [CBOR, CBOR]


@pytest.mark.parametrize("is_proved", [False, True])
async def test_a_record_that_is_refused_in_cbor_is_refused_once_json_says_so_too_or_cbor_is_proved(
    server: Misbehaving, *, is_proved: bool
) -> None:
    async with sink_of(server.url) as sink:
        await sink.prepare()
        if is_proved:
            assert not await sink.publish(records())
        before = len(formats(server))
        server.always("PutRecords", answer({"__type": "ValidationException", "message": "no"}, status=400))
        with pytest.raises(Invalid, match="ValidationException: no"):
            await sink.publish(records())
        assert formats(server)[before:] == ([CBOR] if is_proved else [CBOR, JSON])
        server.behave()
        before = len(formats(server))
        assert not await sink.publish(records())
    assert formats(server)[before:] == [CBOR]


async def test_an_endpoint_that_is_replaced_by_one_without_cbor_is_found_by_the_next_request(
    server: Misbehaving,
) -> None:
    async with sink_of(server.url) as sink:
        await sink.prepare()
        assert not await sink.publish(records())
        server.always("PutRecords", refusing_cbor(Answer(status=415)))
        for _ in range(3):
            assert not await sink.publish(records())
    assert formats(server) == [CBOR, CBOR, JSON, JSON, JSON]


@pytest.mark.parametrize("refusal", [REFUSALS[0], REFUSALS[3], REFUSALS[5], Answer(body=b"{}")])
async def test_where_cbor_is_asked_for_there_is_no_json_and_no_record_is_refused_for_it(
    server: Misbehaving, refusal: Answer
) -> None:
    server.always("PutRecords", refusing_cbor(refusal))
    async with sink_of(server.url, "cbor") as sink:
        await sink.prepare()
        for _ in range(3):
            with pytest.raises(Unavailable):
                await sink.publish(records())
    assert formats(server) == [CBOR] * 3


async def test_where_json_is_asked_for_there_is_no_cbor(server: Misbehaving) -> None:
    async with sink_of(server.url, "json") as sink:
        await sink.prepare()
        assert not await sink.publish(records())
    assert formats(server) == [JSON]


@pytest.mark.parametrize("protocol", ["cbor", "json"])
@pytest.mark.parametrize("size", [10, 1 << 20])
async def test_a_body_of_any_size_has_a_length(server: Misbehaving, protocol: Protocol, size: int) -> None:
    async with sink_of(server.url, protocol) as sink:
        await sink.prepare()
        offered = records(3, size=size)
        offered[0].followers = [Record(9, "key 0", b"y" * size, {9})]
        assert not await sink.publish(offered)
    [request] = server.asked("PutRecords")
    assert int(request.headers["content-length"]) == len(request.body)
    assert "transfer-encoding" not in request.headers
    assert server.stored == ["key 0", "key 1", "key 2"]


async def test_the_limit_of_a_gateway_is_compared_with_the_bodies_that_are_sent(server: Misbehaving) -> None:
    """In JSON this record would be too large for it."""
    server.always("PutRecords", TooLargeAbove(size=11_000))
    async with sink_of(server.url) as sink:
        await sink.prepare()
        assert not await sink.publish(records(1, size=10_000))
        assert len(await sink.publish(records(2, size=10_000))) == 2
        assert sink._put.body_bytes(records(1, size=10_000)) < 10_100
    assert formats(server) == [CBOR, CBOR]


@pytest.fixture(scope="module")
def moto_url() -> Iterator[str]:
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(port=0)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


async def test_moto_gets_json(moto_url: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    async with get_session().create_client(
        "kinesis", region_name="us-east-1", endpoint_url=moto_url, **OPERATOR
    ) as client:
        await client.create_stream(StreamName="changes", ShardCount=1)
        async with sink_of(moto_url) as sink:
            await sink.prepare()
            for _ in range(2):
                assert not await sink.publish(records())
        [shard] = (await client.list_shards(StreamName="changes"))["Shards"]
        iterator = await client.get_shard_iterator(
            StreamName="changes", ShardId=shard["ShardId"], ShardIteratorType="TRIM_HORIZON"
        )
        found = await client.get_records(ShardIterator=iterator["ShardIterator"])
    assert [record["PartitionKey"] for record in found["Records"]] == ["key 0", "key 1"] * 2
    assert times_told(caplog) == 1
