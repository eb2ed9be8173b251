"""Credentials that are good are used; that new ones cannot be had delays no request and ends no process."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime, timedelta

import anyio
import pytest

from forwarder.aws import credentials_renewal
from forwarder.config.sink_url import KinesisTarget
from forwarder.errors import Unavailable
from forwarder.health import ServiceState
from forwarder.metrics import Metrics
from forwarder.records.record import Record
from forwarder.sinks.kinesis.sink import KinesisSink, kinesis_sink
from tests.databases import Database
from tests.listening import leads, listening
from tests.support.misbehaving import Answer, Behaviour, Drip, Misbehaving, Silence, StopReading, answer, misbehaving
from tests.waiting import eventually

CREDENTIALS = "GET /credentials"


@pytest.fixture
async def server(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Misbehaving]:
    """A stream, and the endpoint by which a container gets its credentials."""
    async with misbehaving() as server:
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv("AWS_CONFIG_FILE", "/dev/null")
        monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")
        monkeypatch.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", f"{server.url}/credentials")
        yield server


def credentials(key: str, *, minutes: float) -> Answer:
    expires = datetime.now(UTC) + timedelta(minutes=minutes)
    return answer(
        {
            "AccessKeyId": key,
            "SecretAccessKey": "secret",
            "Token": "token",
            "Expiration": expires.strftime("%Y-%m-%dT%H:%M:%SZ"),
        }
    )


def sink_of(server: Misbehaving, metrics: Metrics | None = None) -> AbstractAsyncContextManager[KinesisSink]:
    target = KinesisTarget(stream="changes", region="us-east-1", endpoint_url=server.url)
    return kinesis_sink(target, max_in_flight=2, metrics=(metrics or Metrics()).sink("default"))


async def signed_by(server: Misbehaving, sink: KinesisSink) -> str:
    assert not await sink.publish([Record(1, "key", b"data", {1})])
    authorization = server.asked("PutRecords")[-1].headers["authorization"]
    return authorization.partition("Credential=")[2].partition("/")[0]


@pytest.mark.parametrize(
    "behaviour", [Silence(), StopReading(), Drip(), Answer(status=500), answer([]), answer({}), answer({"a": None})]
)
async def test_credentials_that_cannot_be_renewed_delay_no_request_while_the_old_ones_are_good(
    server: Misbehaving, behaviour: Behaviour
) -> None:
    server.next(CREDENTIALS, credentials("OLD", minutes=8))
    server.always(CREDENTIALS, behaviour)
    async with sink_of(server) as sink:
        await sink.prepare()
        assert await signed_by(server, sink) == "OLD"
        async with anyio.create_task_group() as tasks:
            # Nobody else asks for new ones.
            assert len(server.asked(CREDENTIALS)) == 1
            tasks.start_soon(sink.watch, ServiceState())

            async def asked() -> bool:
                return len(server.asked(CREDENTIALS)) > 1

            await eventually(asked)
            assert await signed_by(server, sink) == "OLD"
            tasks.cancel_scope.cancel()


@pytest.mark.parametrize("expiration", ["2000-01-01T00:00:00Z", "2100-01-01T00:00:00", "soon"])
async def test_credentials_that_are_no_good_do_not_replace_good_ones(
    server: Misbehaving, monkeypatch: pytest.MonkeyPatch, expiration: str
) -> None:
    monkeypatch.setattr(credentials_renewal, "RETRY_FIRST_SECONDS", 0.01)
    bad = {"AccessKeyId": "BAD", "SecretAccessKey": "secret", "Token": "token", "Expiration": expiration}
    server.next(CREDENTIALS, credentials("OLD", minutes=8))
    server.always(CREDENTIALS, answer(bad))
    async with sink_of(server) as sink:
        await sink.prepare()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(sink.watch, ServiceState())

            async def taken_and_asked_again() -> bool:
                return len(server.asked(CREDENTIALS)) > 2

            await eventually(taken_and_asked_again)
            assert await signed_by(server, sink) == "OLD"
            tasks.cancel_scope.cancel()


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (credentials("ENDED", minutes=-5), "the new credentials have expired already"),
        (answer({}), "KeyError: 'AccessKeyId'"),
        (answer([]), "TypeError"),
        (Answer(body=b"\xff"), "UnicodeDecodeError"),
        (Answer(status=500), "credentials"),
    ],
)
async def test_credentials_that_are_no_good_are_told_and_say_nothing_against_our_way_of_sending(
    server: Misbehaving, caplog: pytest.LogCaptureFixture, given: Answer, told: str
) -> None:
    server.next(CREDENTIALS, credentials("OLD", minutes=8))
    server.always(CREDENTIALS, given)
    async with sink_of(server) as sink:
        await sink.prepare()
        # The old ones are as good as over.
        sink._put._client._request_signer._credentials._mandatory_refresh_timeout = 3600
        sink._put._client._request_signer._credentials._advisory_refresh_timeout = 3600
        with pytest.raises(Unavailable, match=told):
            await signed_by(server, sink)
        assert sink._put._posts
        server.always(CREDENTIALS, credentials("NEW", minutes=300))
        assert await signed_by(server, sink) == "NEW"
        assert sink._put._posts
    assert "plain call" not in caplog.text


async def test_credentials_are_renewed_ahead_of_time_and_again_after_a_failure(
    server: Misbehaving, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(credentials_renewal, "RETRY_FIRST_SECONDS", 0.01)
    # The container's fetcher asks three times by itself.
    server.next(CREDENTIALS, credentials("OLD", minutes=12), *[answer([])] * 4, credentials("NEW", minutes=60))
    metrics = Metrics()
    async with sink_of(server, metrics) as sink:
        await sink.prepare()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(sink.watch, ServiceState())

            async def renewed() -> bool:
                return await signed_by(server, sink) == "NEW"

            await eventually(renewed, within_seconds=30)
            tasks.cancel_scope.cancel()
    told = {
        (sample.name, *sample.labels.values()): sample.value
        for family in metrics.families()
        for sample in family.samples
    }
    assert told["forwarder_sink_credentials_renewals_total", "default", "done"] == 1
    assert told["forwarder_sink_credentials_renewals_total", "default", "failed"] >= 1
    seconds_left = told["forwarder_sink_credentials_expire_timestamp_seconds", "default"] - time.time()
    assert 50 * 60 < seconds_left <= 60 * 60


async def test_a_service_waits_for_credentials_that_cannot_be_had_at_start(
    server: Misbehaving, database: Database
) -> None:
    server.next(CREDENTIALS, *[Answer(status=500)] * 3)
    server.always(CREDENTIALS, credentials("KEY", minutes=60))
    sink = f"kinesis://changes?region=us-east-1&endpoint_url={server.url}"
    async with listening(database.url, sink) as service:
        await leads(service)
