"""A stream that misbehaves costs its own requests, for a bounded time, and tells why; it ends no process and loses no change."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import anyio
import anyio.lowlevel
import psutil
import pytest

from forwarder.aws import call
from forwarder.config.sink_url import KinesisTarget, Oversize, Protocol
from forwarder.delivery.concurrency import Concurrency
from forwarder.delivery.lease import Lease
from forwarder.delivery.publisher import Publisher
from forwarder.delivery.triage import triage
from forwarder.delivery.uptime import uptime_seconds
from forwarder.errors import ForwarderError, Refused, Unavailable
from forwarder.health import ServiceState
from forwarder.metrics import Metrics
from forwarder.records.record import Attachment, Record
from forwarder.sinks.claim_check import PART_BYTES, attachments_of
from forwarder.sinks.kinesis import put_records
from forwarder.sinks.kinesis.sink import KinesisSink, kinesis_sink
from tests.cases import each_value_once
from tests.certificates import self_signed
from tests.large import Whole
from tests.listening import CREDENTIALS
from tests.support.misbehaving import (
    ANY,
    SHARD,
    Answer,
    Behaviour,
    ByContent,
    Drip,
    Flood,
    Misbehaving,
    Request,
    Silence,
    StopReading,
    TooLargeAbove,
    answer,
    misbehaving,
    redirect,
)
from tests.waiting import eventually

# Without a deadline these tests would not end.
PATIENCE_SECONDS = 20
THROTTLE = {
    "ErrorCode": "ProvisionedThroughputExceededException",
    "ErrorMessage": "Rate exceeded for shard shardId-000000000000 in stream changes under account 1.",
}
ODD_BODIES = [
    b"[]",
    b'"no"',
    b"17",
    b"null",
    b'{"__type": 17}',
    b'{"__type": null}',
    b'{"__type": {"a": 1}, "message": []}',
    b"<html>",
    b"\xff\xfe",
    b"",
    b"[" * 20_000 + b"]" * 20_000,
    b'{"Records":' + b"[" * 20_000,
    b'{"Records": [{"ErrorCode": "\xff"}]}',
]


@pytest.fixture(autouse=True)
def credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)


@pytest.fixture
async def server() -> AsyncIterator[Misbehaving]:
    async with misbehaving() as server:
        yield server


def sink_of(server: Misbehaving) -> AbstractAsyncContextManager[KinesisSink]:
    """Of one protocol, so that what is oddly answered in it is not sent in the other at once (tests/faults/test_protocols.py)."""
    target = KinesisTarget(stream="changes", region="us-east-1", endpoint_url=server.url, protocol="cbor")
    return kinesis_sink(target, max_in_flight=2, metrics=Metrics().sink("default"))


def records(count: int = 1, *, size: int = 10) -> list[Record]:
    return [Record(seq, str(seq), b"x" * size, set()) for seq in range(count)]


def hasty(monkeypatch: pytest.MonkeyPatch, *, seconds: float = 0.3) -> None:
    monkeypatch.setattr(call, "CALL_SECONDS", seconds)
    monkeypatch.setattr(call, "LEAST_BYTES_PER_SECOND", 1 << 30)


@pytest.mark.parametrize("behaviour", [StopReading(), Silence(), Drip()])
@pytest.mark.parametrize("operation", ["PutRecords", "DescribeStreamSummary"])
async def test_a_peer_that_hangs_costs_a_call_its_deadline_and_no_more(
    server: Misbehaving, monkeypatch: pytest.MonkeyPatch, behaviour: Behaviour, operation: str
) -> None:
    async with sink_of(server) as sink:
        await sink.prepare()
        hasty(monkeypatch)
        server.next(operation, behaviour)
        with anyio.fail_after(PATIENCE_SECONDS), pytest.raises(Unavailable, match=r"stream changes: not done within"):
            await (sink.publish(records(3, size=1 << 20)) if operation == "PutRecords" else sink._watch.look())
        assert not await sink.publish(records())


async def test_a_proxy_that_never_answers_connect_costs_a_call_its_deadline(
    server: Misbehaving, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", server.url)
    server.always("CONNECT", Silence())
    # The client reads its certificates first, which takes a moment on a machine that is busy.
    hasty(monkeypatch, seconds=2.0)
    target = KinesisTarget(stream="changes", region="us-east-1", endpoint_url="https://kinesis.example")
    async with kinesis_sink(target, max_in_flight=1, metrics=Metrics().sink("default")) as sink:
        with anyio.fail_after(PATIENCE_SECONDS), pytest.raises(Unavailable, match=r"not done within .*proxy"):
            await sink.publish(records())
    assert server.asked("CONNECT")


@each_value_once(
    body=[b"", b"<html>413 Request Entity Too Large</html>", b'{"message": "no"}', b"[]"], reads=[True, False]
)
async def test_a_request_that_is_too_large_is_told_as_one_and_later_ones_are_smaller(
    server: Misbehaving, body: bytes, *, reads: bool
) -> None:
    server.always("PutRecords", TooLargeAbove(size=100_000, body=body, reads=reads))
    async with sink_of(server) as sink:
        await sink.prepare()
        before = sink.max_bytes
        rejections = await sink.publish(records(100, size=10_000))
        assert [(rejection.is_final, rejection.wait_seconds) for rejection in rejections] == [(False, 0.0)] * 100
        assert sink.max_bytes < before
        assert sink.max_bytes <= 501_000
        assert not await sink.publish(records(2))


async def test_a_limit_that_was_learnt_is_forgotten_when_as_much_passes_again(server: Misbehaving) -> None:
    server.next("PutRecords", Answer(status=413))
    async with sink_of(server) as sink:
        before = sink.max_bytes
        assert await sink.publish(records(100, size=100_000))
        assert sink.max_bytes < before
        assert not await sink.publish(records(100, size=100_000))
        assert sink.max_bytes == before


async def test_a_record_that_is_refused_for_its_size_while_nothing_passes_is_not_at_fault(server: Misbehaving) -> None:
    server.always("PutRecords", Answer(status=413))
    async with sink_of(server) as sink:
        with pytest.raises(Unavailable, match=r"413.*nothing passes, and a body of \d+ bytes is refused, too"):
            await sink.publish(records(1))
        with pytest.raises(Unavailable, match=r"413.*a body of \d+ bytes is refused, too"):
            await sink.publish(records(2))


@pytest.mark.parametrize("plainly", [False, True])
async def test_a_record_that_is_refused_while_requests_without_records_pass_is_on_trial(
    server: Misbehaving, *, plainly: bool
) -> None:
    server.always("PutRecords", TooLargeAbove(size=1_000))
    async with sink_of(server) as sink:
        if not plainly:
            await sink.prepare()
        (rejection,) = await sink.publish(records(1, size=2_000))
        assert not rejection.is_final
        assert rejection.wait_seconds
    assert not server.stored


@pytest.mark.parametrize(("between", "is_final"), [(None, True), (503, False), (400, False)])
async def test_a_trial_counts_no_time_in_which_a_record_fails_otherwise(
    server: Misbehaving, monkeypatch: pytest.MonkeyPatch, between: int | None, *, is_final: bool
) -> None:
    monkeypatch.setattr("forwarder.sinks.kinesis.request_limit.TRIAL_SECONDS", 1e-9)
    statuses = iter([413, between, 413] if between else [413, 413])

    def choose(request: Request) -> Answer | None:
        return Answer(status=next(statuses)) if request.content["Records"] else None

    server.always("PutRecords", ByContent(choose=choose))
    large = records(1, size=2_000)
    async with sink_of(server) as sink:
        [rejection] = await sink.publish(large)
        assert not rejection.is_final
        answered = anyio.current_time()
        while anyio.current_time() == answered:
            # The clock of the loop counts milliseconds, and the next answer may come within the same one.
            await anyio.lowlevel.checkpoint()
        if between:
            with pytest.raises(Unavailable, match=str(between)):
                await sink.publish(large)
        [rejection] = await sink.publish(large)
        assert rejection.is_final == is_final


@pytest.mark.parametrize("body", [b"", b"<html>", b"{}", b'{"Records": null}'])
async def test_who_answers_in_the_place_of_the_stream_lets_nothing_pass(server: Misbehaving, body: bytes) -> None:
    def choose(request: Request) -> Answer:
        return Answer(status=413) if request.content["Records"] else Answer(body=body)

    server.always("PutRecords", ByContent(choose=choose))
    async with sink_of(server) as sink:
        with pytest.raises(Unavailable, match="nothing passes"):
            await sink.publish(records(1, size=2_000))


async def test_an_aggregate_that_is_refused_for_its_size_is_to_be_divided(server: Misbehaving) -> None:
    server.next("PutRecords", Answer(status=413))
    async with sink_of(server) as sink:
        head, *followers = records(3, size=1000)
        head.followers = followers
        (rejection,) = await sink.publish([head])
        assert rejection.is_final
        assert triage([rejection]).divisible == [head]


@each_value_once(body=ODD_BODIES, status=[200, 400, 500], plainly=[False, True])
async def test_an_odd_body_makes_one_request_fail_and_no_more(
    server: Misbehaving, caplog: pytest.LogCaptureFixture, body: bytes, status: int, *, plainly: bool
) -> None:
    async with sink_of(server) as sink:
        if not plainly:
            await sink.prepare()
        server.next("PutRecords", Answer(status=status, body=body))
        with pytest.raises(Unavailable, match="stream changes: "):
            await sink.publish(records())
        assert not await sink.publish(records())
    assert "plain call" not in caplog.text


@each_value_once(
    body=[*ODD_BODIES, b'{"StreamDescriptionSummary": []}', b'{"StreamDescriptionSummary": 1}'], status=[200, 400]
)
async def test_an_odd_description_may_pass_or_is_refused_but_is_no_exception_of_botocore(
    server: Misbehaving, body: bytes, status: int
) -> None:
    server.next("DescribeStreamSummary", Answer(status=status, body=body))
    async with sink_of(server) as sink:
        with pytest.raises(ForwarderError, match="stream changes"):
            await sink._watch.look()


def description(kib: object) -> Answer:
    return answer({"StreamDescriptionSummary": {"StreamStatus": "ACTIVE", "MaxRecordSizeInKiB": kib}})


@pytest.mark.parametrize("kib", [0, -5, 1023, None, "10", 2048.5, True, [], "x" * 1000])
async def test_a_limit_for_records_that_cannot_be_leaves_the_one_before(
    server: Misbehaving, caplog: pytest.LogCaptureFixture, kib: object
) -> None:
    server.next("DescribeStreamSummary", description(2048), description(kib))
    async with sink_of(server) as sink:
        await sink.prepare()
        assert await sink._watch.look() == "ACTIVE"
        assert sink.max_record_bytes == 2 << 20
    told = [vars(record)["told"] for record in caplog.records if "odd limit" in record.message]
    assert told == ([] if kib is None else [repr(kib)[:40]])


async def test_a_limit_for_records_is_never_above_what_a_request_may_hold(server: Misbehaving) -> None:
    server.next("DescribeStreamSummary", description(10**9))
    async with sink_of(server) as sink:
        await sink.prepare()
        assert sink.max_record_bytes == 10 << 20


@pytest.mark.parametrize("key", ["ErrorCode", "ErrorMessage"])
@pytest.mark.parametrize("plainly", [False, True])
async def test_a_null_code_is_none(server: Misbehaving, key: str, *, plainly: bool) -> None:
    async with sink_of(server) as sink:
        if not plainly:
            await sink.prepare()
        result = {"ShardId": "shardId-000000000000", "SequenceNumber": "1", key: None}
        server.next("PutRecords", answer({"Records": [result]}))
        assert not await sink.publish(records())


@pytest.mark.parametrize("result", [{}, {"ErrorCode": None, "SequenceNumber": None}, {"SequenceNumber": ""}])
@pytest.mark.parametrize("plainly", [False, True])
async def test_a_record_without_a_sequence_number_is_not_taken_for_stored(
    server: Misbehaving, result: dict[str, Any], *, plainly: bool
) -> None:
    async with sink_of(server) as sink:
        if not plainly:
            await sink.prepare()
        server.next("PutRecords", answer({"Records": [result]}))
        (rejection,) = await sink.publish(records())
    assert (rejection.code, rejection.is_final) == ("NoSequenceNumber", False)


@pytest.mark.parametrize(
    "odd",
    [
        answer({}),
        answer({"Shards": None}),
        answer({"Shards": [{}]}),
        answer({"Shards": 5}),
        answer({"Shards": [{**SHARD, "HashKeyRange": {"StartingHashKey": "x"}}]}),
        answer([], status=400),
        answer({"__type": 5}, status=400),
    ],
)
async def test_an_odd_list_of_shards_leaves_them_without_a_pace_and_no_more(
    server: Misbehaving, caplog: pytest.LogCaptureFixture, odd: Answer
) -> None:
    server.next("ListShards", odd)
    async with sink_of(server) as sink:
        await sink.prepare()
        server.next("PutRecords", answer({"Records": [THROTTLE]}))
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(sink.watch, ServiceState())
            (rejection,) = await sink.publish(records())
            assert rejection.code == THROTTLE["ErrorCode"]
            assert not await sink.publish(records())

            async def told() -> bool:
                return "cannot list the shards" in caplog.text

            await eventually(told)
            tasks.cancel_scope.cancel()


QUOTED_HEADERS = ("content-type", "host", "x-amz-date", "x-amz-security-token", "x-amz-target")
SECRET = "FwoGZXIvYXdzEJr//////////wEaDS" + "ECRET" * 20


def quoting(kind: str, encoding: str) -> Behaviour:
    """What quotes a request in its answer: AWS its headers, since the signature is wrong, or a gateway its body, which it takes for text."""

    def choose(request: Request) -> Answer:
        body = request.body.decode(encoding, errors="replace")
        results = [{"ErrorCode": "InternalFailure", "ErrorMessage": body}, {"ErrorCode": f"Bad {body}"}]
        said = {
            "headers": "The request signature we calculated does not match the signature you provided. Check it.\n\nThe Canonical String"
            " should have been\n" + "\n".join(f"{name}:{request.headers.get(name)}" for name in QUOTED_HEADERS),
            "body": f"upstream failed for: {body}",
        }
        if kind == "results":
            return answer({"Records": results})
        if kind == "headers":
            return answer({"__type": "InvalidSignatureException", "message": said[kind]}, status=403)
        if kind == "code":
            return answer({"__type": f"Bad {body}", "message": "no"}, status=400)
        if kind == "page":
            return Answer(status=502, body=f"<html>{body}</html>".encode())
        return answer({"message": said["body"]}, status=int(kind))

    return ByContent(choose=choose)


@pytest.mark.parametrize("kind", ["headers", "503", "413", "400", "results", "code", "page"])
@pytest.mark.parametrize(("protocol", "encoding"), [("cbor", "utf-8"), ("cbor", "latin-1"), ("json", "utf-8")])
async def test_what_quotes_a_request_is_not_repeated(
    server: Misbehaving,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    kind: str,
    protocol: Protocol,
    encoding: str,
) -> None:
    monkeypatch.setenv("AWS_SESSION_TOKEN", SECRET)
    metrics = Metrics()
    state = ServiceState()
    rows = [Record(seq, f"public.account.500{seq}", b"TOPSECRET " * 3, set()) for seq in range(2)]
    encoded = base64.b64encode(rows[0].data).decode()
    target = KinesisTarget(stream="changes", region="us-east-1", endpoint_url=server.url, protocol=protocol)
    async with kinesis_sink(target, max_in_flight=2, metrics=metrics.sink("default")) as sink:
        publisher = Publisher(
            sink,
            lease=Lease(asked_at=uptime_seconds()),
            concurrency=Concurrency(max_in_flight=2),
            state=state,
            metrics=metrics.sink("default"),
        )
        await sink.prepare()
        server.always("PutRecords", quoting(kind, encoding))
        assert len(await publisher.publish(rows, in_flight=1)) == 2

    told = " ".join([str(vars(record)) for record in caplog.records] + [str(state), metrics.exposition().decode()])
    assert kind not in ("headers", "503", "400") or "stream changes: " in told
    assert not [
        secret for secret in (SECRET[:30], encoded[:30], "TOPSECRET", "account.5000", "account.5001") if secret in told
    ]


@pytest.mark.parametrize("plainly", [False, True])
async def test_no_redirect_is_followed(server: Misbehaving, *, plainly: bool) -> None:
    async with misbehaving() as stranger, sink_of(server) as sink:
        if not plainly:
            await sink.prepare()
        server.next("PutRecords", redirect(stranger.url))
        with pytest.raises(Unavailable, match="307"):
            await sink.publish(records())
        assert not stranger.requests


async def test_the_fast_path_comes_back_after_a_time(
    server: Misbehaving, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def odd(*_: Any) -> bytes:
        raise KeyError("something odd")

    async with sink_of(server) as sink:
        await sink.prepare()
        with monkeypatch.context() as patched:
            patched.setattr("forwarder.aws.signed_post.SignedPost.send", odd)
            with pytest.raises(Unavailable, match="KeyError"):
                await sink.publish(records())
        assert "plain call" in caplog.text
        assert "does not let itself be copied" not in caplog.text
        assert not sink._put._posts
        monkeypatch.setattr(put_records, "LEARN_AGAIN_SECONDS", 0.0)
        assert not await sink.publish(records())
        assert sink._put._posts


def is_left_unread(server: Misbehaving) -> bool:
    """Whether no more of an answer was taken than a bound and the buffers of a connection."""
    return server.flooded < 16 << 20


@pytest.mark.parametrize("plainly", [False, True])
@pytest.mark.parametrize(("status", "error"), [(200, Unavailable), (413, Unavailable), (500, Unavailable)])
async def test_of_an_answer_without_end_no_more_is_read_than_an_answer_may_have(
    server: Misbehaving, status: int, error: type[ForwarderError], *, plainly: bool
) -> None:
    async with sink_of(server) as sink:
        if not plainly:
            await sink.prepare()
        server.next("PutRecords", Flood(status=status))
        with pytest.raises(error, match="stream changes: ") as raised:
            await sink.publish(records(2))
        assert not await sink.publish(records())
    assert is_left_unread(server)
    assert len(str(raised.value)) < 1000


UPLOAD = b"<InitiateMultipartUploadResult><UploadId>1</UploadId></InitiateMultipartUploadResult>"
PAGE = b"<html><body>log in</body></html>"
TAGGED = Answer(headers=(("ETag", '"any"'),))


@pytest.mark.parametrize(
    ("put", "complete", "size"),
    [
        (Answer(body=PAGE), None, 10),
        (Answer(status=204), None, 10),
        (Answer(body=PAGE), None, PART_BYTES + 1),
        (TAGGED, Answer(body=PAGE), PART_BYTES + 1),
        (TAGGED, Answer(), PART_BYTES + 1),
    ],
)
async def test_who_answers_in_the_place_of_s3_has_stored_nothing(
    server: Misbehaving, monkeypatch: pytest.MonkeyPatch, put: Answer, complete: Answer | None, size: int
) -> None:
    def choose(request: Request) -> Answer | None:
        if request.operation.endswith("?uploads"):
            return Answer(body=UPLOAD)
        return put if request.operation.startswith("PUT ") else complete

    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", server.url)
    server.always(ANY, ByContent(choose=choose))
    target = KinesisTarget(stream="changes", region="us-east-1", oversize=Oversize(kind="s3", bucket="large"))
    async with attachments_of(target) as attachments:
        with pytest.raises(Unavailable, match="s3://large: an answer without ETag"):
            await attachments.put(Attachment("large", "key", Whole(b"x" * size)))


@pytest.mark.parametrize("status", [200, 403, 500])
async def test_nor_is_more_read_of_what_s3_answers(
    server: Misbehaving, monkeypatch: pytest.MonkeyPatch, status: int
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", server.url)
    server.always("PUT /large/key", Flood(status=status))
    target = KinesisTarget(stream="changes", region="us-east-1", oversize=Oversize(kind="s3", bucket="large"))
    async with attachments_of(target) as attachments:
        with pytest.raises(Unavailable, match="s3://large: ") as raised:
            await attachments.put(Attachment("large", "key", Whole(b"x")))
    assert is_left_unread(server)
    assert len(str(raised.value)) < 1000


@pytest.mark.parametrize("status", [200, 403, 500])
async def test_nor_of_what_sts_answers(server: Misbehaving, monkeypatch: pytest.MonkeyPatch, status: int) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_STS", server.url)
    server.always("POST /", Flood(status=status))
    target = KinesisTarget(
        stream="changes", region="us-east-1", endpoint_url=server.url, role_arn="arn:aws:iam::123456789012:role/other"
    )
    async with kinesis_sink(target, max_in_flight=1, metrics=Metrics().sink("default")) as sink:
        with pytest.raises(Unavailable, match="stream changes: ") as raised:
            await sink.publish(records())
    assert is_left_unread(server)
    assert len(str(raised.value)) < 1000


@pytest.mark.parametrize("plainly", [False, True])
async def test_an_answer_that_does_not_wait_for_the_request_counts_and_its_connection_is_not_used_again(
    server: Misbehaving, *, plainly: bool
) -> None:
    async with sink_of(server) as sink:
        if not plainly:
            await sink.prepare()
        # As many as there are connections, and more.
        server.next("PutRecords", *[Answer(status=500, is_hasty=True)] * 5)
        with anyio.fail_after(PATIENCE_SECONDS):
            for _ in range(5):
                with pytest.raises(Unavailable):
                    await sink.publish(records(16, size=1 << 20))
            assert not await sink.publish(records())


async def test_a_connection_that_takes_nothing_any_more_does_not_keep_the_sink_from_being_closed(
    server: Misbehaving,
) -> None:
    server.next("PutRecords", Answer(status=500, is_hasty=True))
    with anyio.fail_after(PATIENCE_SECONDS):
        async with sink_of(server) as sink:
            with pytest.raises(Unavailable):
                await sink.publish(records(16, size=1 << 20))


async def no_connection_is_left(server: Misbehaving) -> None:
    """Wait until none of ours to the server is open: for less than the half a minute after which one that is TLS would be by itself."""
    port = int(server.url.rpartition(":")[2])

    async def is_so() -> bool:
        return all(not its.raddr or its.raddr.port != port for its in psutil.Process().net_connections("tcp"))

    await eventually(is_so, within_seconds=3)


@each_value_once(behaviour=[StopReading(), Silence(), Drip(), Answer(status=500, is_hasty=True)], plainly=[False, True])
async def test_a_request_that_is_given_up_leaves_no_connection(
    server: Misbehaving, monkeypatch: pytest.MonkeyPatch, behaviour: Behaviour, *, plainly: bool
) -> None:
    async with sink_of(server) as sink:
        if not plainly:
            await sink.prepare()
        assert not await sink.publish(records())
        hasty(monkeypatch)
        server.next("PutRecords", *[behaviour] * 3)
        for _ in range(3):
            with pytest.raises(Unavailable):
                # More than the buffers of a connection take.
                await sink.publish(records(6, size=1 << 20))
        await no_connection_is_left(server)


@pytest.mark.parametrize("behaviour", [StopReading(), Silence()])
async def test_nor_does_one_over_tls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, behaviour: Behaviour) -> None:
    certificate = self_signed(tmp_path)
    monkeypatch.setenv("AWS_CA_BUNDLE", str(certificate))
    async with misbehaving(certificate) as server, sink_of(server) as sink:
        assert not await sink.publish(records())
        hasty(monkeypatch)
        server.next("PutRecords", *[behaviour] * 3)
        for _ in range(3):
            with pytest.raises(Unavailable, match="not done within"):
                await sink.publish(records(3, size=1 << 20))
        await no_connection_is_left(server)


async def test_nor_does_one_of_s3(server: Misbehaving, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", server.url)
    server.next("PUT /large/key", Answer(headers=(("ETag", '"1"'),)), *[StopReading()] * 3)
    target = KinesisTarget(stream="changes", region="us-east-1", oversize=Oversize(kind="s3", bucket="large"))
    async with attachments_of(target) as attachments:
        await attachments.put(Attachment("large", "key", Whole(b"x")))
        hasty(monkeypatch)
        for _ in range(3):
            with pytest.raises(Unavailable, match="s3://large: not done within"):
                await attachments.put(Attachment("large", "key", Whole(b"x" * (4 << 20))))
        await no_connection_is_left(server)
    assert len(server.asked("PUT /large/key")) == 4


@pytest.mark.parametrize("plainly", [False, True])
async def test_what_was_not_sent_of_a_request_that_is_given_up_does_not_reach_a_peer_that_thaws(
    server: Misbehaving, monkeypatch: pytest.MonkeyPatch, *, plainly: bool
) -> None:
    async with sink_of(server) as sink:
        if not plainly:
            await sink.prepare()
        assert not await sink.publish(records())
        hasty(monkeypatch)
        server.next("PutRecords", StopReading())
        # All of it is out of our hands, and most of it in those of the system.
        with pytest.raises(Unavailable, match="not done within"):
            await sink.publish(records(1, size=1 << 20))
    server.thaw()

    async def all_is_read() -> bool:
        return not server.open

    await eventually(all_is_read)
    assert len(server.stored) == 1


async def test_an_odd_answer_at_start_is_waited_out(server: Misbehaving) -> None:
    server.next("DescribeStreamSummary", Answer(status=400, body=b"[]"), Answer(status=400, body=b'{"__type": 1}'))
    async with sink_of(server) as sink:
        with anyio.fail_after(PATIENCE_SECONDS):
            await sink.prepare()
    assert len(server.asked("DescribeStreamSummary")) == 3


async def test_what_cannot_be_a_setting_is_still_refused() -> None:
    target = KinesisTarget(stream="changes", region="us-east-1", endpoint_url="nonsense")
    with pytest.raises(Refused, match="correct endpoint_url"):
        async with kinesis_sink(target, max_in_flight=1, metrics=Metrics().sink("default")):
            pass
