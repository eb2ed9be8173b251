"""Both ways of making a PutRecords request, against the local Kinesis."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from typing import Any

import pytest
from botocore.exceptions import CredentialRetrievalError

from forwarder.aws import signed_post, sigv4
from forwarder.config.sink_url import KinesisTarget
from forwarder.errors import Refused, Unavailable
from forwarder.local.kinesis import server
from forwarder.local.kinesis.exchange import Response
from forwarder.local.kinesis.faults import Drop, Error, FailRecords
from forwarder.metrics import Metrics
from forwarder.records import kpl
from forwarder.records.record import Record
from forwarder.sinks.kinesis.sink import KinesisSink, kinesis_sink
from tests.listening import CREDENTIALS, STREAM, Served, client_of, kinesis_with_stream, switch

DENIED = "AccessDeniedException"


@pytest.fixture(autouse=True)
def credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)


@pytest.fixture
async def served() -> AsyncIterator[Served]:
    async with kinesis_with_stream() as served:
        yield served


def sink_of(
    served: Served, stream: str = STREAM, *, metrics: Metrics | None = None
) -> AbstractAsyncContextManager[KinesisSink]:
    target = KinesisTarget(stream=stream, region="us-east-1", endpoint_url=served.endpoint_url)
    return kinesis_sink(target, max_in_flight=1, metrics=(metrics or Metrics()).sink("default"))


def records(*keys: str) -> list[Record]:
    return [Record(seq, key, f"data {seq}".encode(), set()) for seq, key in enumerate(keys)]


def without_event(monkeypatch: pytest.MonkeyPatch, event: str) -> None:
    """A botocore that has given an event up, or another name."""
    hooks: Any = signed_post._Trial.hooks

    def those_left(trial: Any) -> dict[str, Any]:
        return {name: hook for name, hook in hooks.fget(trial).items() if name != event}

    monkeypatch.setattr(signed_post._Trial, "hooks", property(those_left))


async def written(sink: KinesisSink, served: Served, *keys: str) -> None:
    offered = records(*keys)
    assert not await sink.publish(offered)
    assert sorted(served.data()) == sorted(record.data for record in offered)


@pytest.mark.parametrize("by_arn", [False, True])
async def test_prepared_requests_reach_the_stream(
    served: Served, caplog: pytest.LogCaptureFixture, *, by_arn: bool
) -> None:
    stream = served.kinesis.stream(STREAM).identity.arn if by_arn else STREAM
    async with sink_of(served, stream) as sink:
        await sink.prepare()
        assert not served.data()
        await written(sink, served, "a", "b", "ключ")
    assert "plain call" not in caplog.text


@pytest.mark.parametrize("event", ["before-sign", "before-send", "needs-retry"])
@pytest.mark.parametrize("by_arn", [False, True])
async def test_a_botocore_that_cannot_be_copied_is_found_before_a_record_is_sent_and_its_plain_call_is_used(
    served: Served, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, event: str, *, by_arn: bool
) -> None:
    without_event(monkeypatch, event)
    stream = served.kinesis.stream(STREAM).identity.arn if by_arn else STREAM
    async with sink_of(served, stream) as sink:
        for _ in range(2):
            await sink.prepare()
        assert not served.data()
        await written(sink, served, "a", "b", "ключ")
    assert [record.levelno for record in caplog.records if "plain call" in record.message] == [logging.WARNING]


async def test_a_botocore_that_signs_otherwise_makes_its_requests_itself(
    served: Served, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("forwarder.aws.sigv4._ALGORITHM", "AWS4-ECDSA-P256-SHA256")
    async with sink_of(served) as sink:
        await sink.prepare()
        await written(sink, served, "a", "b")
    assert "plain call" in caplog.text


async def test_what_only_a_real_request_shows_costs_that_request_and_no_other(
    served: Served, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def changed(*_: Any, **__: Any) -> None:
        raise TypeError("AWSPreparedRequest has changed")

    async with sink_of(served) as sink:
        await sink.prepare()
        monkeypatch.setattr(signed_post, "AWSPreparedRequest", changed)
        with pytest.raises(Unavailable, match="TypeError: AWSPreparedRequest has changed"):
            await sink.publish(records("a"))
        await written(sink, served, "a", "b")
    assert "plain call" in caplog.text


async def test_what_the_session_did_not_foresee_is_told_from_a_fault_of_the_network(
    served: Served, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def changed(*_: Any, **__: Any) -> None:
        raise TypeError("CIMultiDict has changed")

    async with sink_of(served) as sink:
        await sink.prepare()
        with monkeypatch.context() as patched:
            patched.setattr("aiobotocore.httpsession.CIMultiDict", changed)
            with pytest.raises(Unavailable, match="TypeError: CIMultiDict has changed"):
                await sink.publish(records("a"))
        await written(sink, served, "a", "b")
    assert "plain call" in caplog.text


async def test_a_fault_of_the_network_says_nothing_against_the_post(
    served: Served, caplog: pytest.LogCaptureFixture
) -> None:
    async with sink_of(served) as sink:
        await sink.prepare()
        served.kinesis.faults.replace([Drop(operation="PutRecords", times=1)])
        with pytest.raises(Unavailable):
            await sink.publish(records("a"))
        await written(sink, served, "a", "b")
    assert "plain call" not in caplog.text


@pytest.mark.parametrize("status", [200, 202, 204, 302, 503])
async def test_an_answer_that_is_none_of_kinesis_may_pass(
    served: Served, monkeypatch: pytest.MonkeyPatch, status: int
) -> None:
    async with sink_of(served) as sink:
        await sink.prepare()
        monkeypatch.setattr(server, "Response", lambda **_: Response(status=status))
        with pytest.raises(Unavailable):
            await sink.publish(records("a"))


async def test_credentials_that_cannot_be_had_just_now_do_not_bar_the_post(
    served: Served, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def unreachable(*_: Any) -> None:
        raise CredentialRetrievalError(provider="container-role", error_msg="timed out")

    async with sink_of(served) as sink:
        with monkeypatch.context() as patched:
            patched.setattr(signed_post, "learn", unreachable)
            await sink.prepare()
        assert "plain call" not in caplog.text
        learnt = []
        learn = signed_post.learn

        async def note(*args: Any) -> signed_post.SignedPost:
            learnt.append(await learn(*args))
            return learnt[-1]

        monkeypatch.setattr(signed_post, "learn", note)
        for _ in range(2):
            await sink.prepare()
        await written(sink, served, "a", "b")
    assert len(learnt) == 1


async def test_a_request_is_signed_by_the_credentials_of_its_time(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    signed: list[str] = []
    sign = sigv4.Signer.sign

    def note(signer: sigv4.Signer, body: bytes, *, credentials: Any, at: str) -> dict[str, str]:
        signed.append(credentials.access_key)
        return sign(signer, body, credentials=credentials, at=at)

    async with sink_of(served) as sink:
        await sink.prepare()
        monkeypatch.setattr(sigv4.Signer, "sign", note)
        await sink.publish(records("a"))
        sink._put._client._request_signer._credentials.access_key = "renewed"
        await sink.publish(records("a"))
    assert signed == [CREDENTIALS["AWS_ACCESS_KEY_ID"], "renewed"]


async def test_a_refused_request_is_told_as_by_botocore(served: Served) -> None:
    async with sink_of(served) as sink:
        await sink.prepare()
        served.kinesis.faults.replace([Error(operation="PutRecords", error_code="ResourceNotFoundException")])
        with pytest.raises(Unavailable, match=r"ResourceNotFoundException: .*; create the stream"):
            await sink.publish(records("a"))


@pytest.mark.parametrize("plainly", [False, True])
async def test_rejections_are_told_apart_in_both_ways(
    served: Served, monkeypatch: pytest.MonkeyPatch, *, plainly: bool
) -> None:
    if plainly:
        without_event(monkeypatch, "before-sign")
    served.kinesis.faults.replace([FailRecords(partition_keys=frozenset("b"))])
    async with sink_of(served) as sink:
        await sink.prepare()
        offered = records("a", "b", "c")
        (rejection,) = await sink.publish(offered)
    assert (rejection.record, rejection.code) == (offered[1], "InternalFailure")


async def test_an_aggregate_travels_by_the_plain_call_too(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    without_event(monkeypatch, "before-sign")
    head, follower = records("a", "a")
    head.followers = (follower,)
    async with sink_of(served) as sink:
        await sink.prepare()
        await sink.publish([head])
    assert served.data() == [kpl.encode("a", [head.data, follower.data])]


@pytest.mark.parametrize(
    ("code", "remedy"),
    [
        (DENIED, "allow kinesis:PutRecords on it"),
        ("KMSAccessDeniedException", "allow kms:GenerateDataKey"),
        ("KMSDisabledException", "enable the stream's KMS key"),
        ("KMSInvalidStateException", "aws kms describe-key"),
        ("KMSNotFoundException", "aws kinesis start-stream-encryption"),
        ("KMSOptInRequired", "subscribe the account"),
    ],
)
async def test_what_would_keep_us_from_writing_is_refused_at_start_and_nothing_is_written(
    served: Served, code: str, remedy: str
) -> None:
    await on_demand(served)
    served.kinesis.faults.replace([Error(operation="PutRecords", error_code=code)])
    async with sink_of(served) as sink:
        with pytest.raises(Refused, match=f"stream {STREAM}: {code}: .*; .*{remedy}"):
            await sink.prepare()
    assert not served.data()


@pytest.mark.parametrize("code", ["KMSThrottlingException", "ProvisionedThroughputExceededException"])
async def test_what_may_pass_does_not_keep_us_from_starting(served: Served, code: str) -> None:
    await on_demand(served)
    passing = Error(operation="PutRecords", error_code=code, times=1)
    served.kinesis.faults.replace([passing])
    async with sink_of(served) as sink:
        await sink.prepare()
    assert served.kinesis.faults.struck(passing)


async def test_an_endpoint_that_may_not_know_dry_runs_is_not_asked_for_one(served: Served) -> None:
    asked = Error(operation="PutRecords", error_code=DENIED)
    served.kinesis.faults.replace([asked])
    async with sink_of(served) as sink:
        await sink.prepare()
    assert not served.kinesis.faults.struck(asked)


async def test_a_throttling_kms_is_named_with_its_remedy(served: Served) -> None:
    served.kinesis.faults.replace([Error(operation="PutRecords", error_code="KMSThrottlingException")])
    async with sink_of(served) as sink:
        with pytest.raises(Unavailable, match=r"KMSThrottlingException: .*quota of requests to AWS KMS"):
            await sink.publish(records("a"))


async def test_a_call_that_is_denied_names_its_action(served: Served) -> None:
    served.kinesis.faults.replace([Error(operation="DescribeStreamSummary", error_code=DENIED)])
    async with sink_of(served) as sink:
        with pytest.raises(Refused, match="allow kinesis:DescribeStreamSummary on it"):
            await sink.prepare()


async def test_order_is_audited_and_a_record_that_went_backwards_is_counted_and_told_of(
    caplog: pytest.LogCaptureFixture,
) -> None:
    later, earlier = 2_000_000_000.0, 1_000_000_000.0
    clock, metrics = [later], Metrics()
    async with (
        kinesis_with_stream(shards=1, clock=lambda: clock[0]) as served,
        client_of(served) as client,
        sink_of(served, metrics=metrics) as sink,
    ):
        await sink.publish(records("a", "b"))
        await sink.publish(records("a", "b"))
        assert b'order_regressions_total{sink="default"} 0.0' in metrics.exposition()
        # The shard's name is the same and its numbers begin lower: what no stream should do.
        await client.delete_stream(StreamName=STREAM)
        clock[0] = earlier
        served.kinesis.create_stream(STREAM, shards=1)
        await sink.publish(records("a", "b"))
        assert b'order_regressions_total{sink="default"} 1.0' in metrics.exposition()
    (told,) = [record for record in caplog.records if "acknowledged before" in record.message]
    assert told.levelno == logging.ERROR


async def on_demand(served: Served) -> None:
    """Make it a stream whose endpoint shows that it knows of dry runs."""
    async with client_of(served) as client:
        await switch(client, "USER_PARTITION_KEY", arn=served.kinesis.stream(STREAM).identity.arn)
