"""Whose credentials a sink URL uses, and where it connects; moto plays STS, IAM and the accounts."""

from __future__ import annotations

import json
import logging
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import moto.core.utils
import pytest
from aiobotocore.awsrequest import AioAWSResponse
from aiobotocore.session import AioSession
from botocore import xform_name
from botocore.exceptions import EndpointConnectionError
from moto.server import ThreadedMotoServer
from moto.sts.models import AssumedRole, sts_backends

from forwarder.aws.kinesis_client import kinesis_client
from forwarder.config import sink_url
from forwarder.config.sink_url import KinesisTarget
from forwarder.errors import Misconfigured, Refused, Unavailable
from forwarder.metrics import Metrics
from forwarder.records.record import Record
from forwarder.sinks.kinesis.sink import KinesisSink, kinesis_sink

REGION = "eu-west-1"
ARN = "arn:aws:kinesis:eu-west-1:123456789012:stream/changes"
# Ours is 123456789012.
OTHER_ACCOUNT = "222222222222"
METRICS = Metrics().sink("default")
ROLE = f"arn:aws:iam::{OTHER_ACCOUNT}:role/writer"


@pytest.fixture(scope="module")
def moto_url() -> Iterator[str]:
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture(autouse=True)
def nobody(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No credentials and no settings of whoever runs the tests."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE", "AWS_REGION", "AWS_DEFAULT_REGION"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, str(tmp_path / name))


@pytest.fixture
def somebody(monkeypatch: pytest.MonkeyPatch, moto_url: str) -> None:
    """Credentials of our account, and STS and IAM where moto is."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAOURS")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    for service in ("STS", "IAM"):
        monkeypatch.setenv(f"AWS_ENDPOINT_URL_{service}", moto_url)


@pytest.fixture
async def foreign_stream(somebody: None, moto_url: str) -> AsyncIterator[str]:
    """A stream of the other account."""
    async with of_other_account(moto_url) as owner:
        await owner.create_stream(StreamName="changes", ShardCount=1)
        yield "changes"
        await owner.delete_stream(StreamName="changes")


@asynccontextmanager
async def of_other_account(moto_url: str) -> AsyncIterator[Any]:
    """A client of Kinesis in the other account, as its owner has it."""
    async with AioSession().create_client("sts", region_name=REGION) as sts:
        answer = await sts.assume_role(RoleArn=f"arn:aws:iam::{OTHER_ACCOUNT}:role/owner", RoleSessionName="owner")
    keys = answer["Credentials"]
    async with AioSession().create_client(
        "kinesis",
        region_name=REGION,
        endpoint_url=moto_url,
        aws_access_key_id=keys["AccessKeyId"],
        aws_secret_access_key=keys["SecretAccessKey"],
        aws_session_token=keys["SessionToken"],
    ) as client:
        yield client


def target_of(url: str) -> KinesisTarget:
    target = sink_url.parse(url).target
    assert isinstance(target, KinesisTarget)
    return target


def foreign(moto_url: str, *, role: str = ROLE, more: str = "") -> KinesisTarget:
    return target_of(f"kinesis://changes?region={REGION}&endpoint_url={moto_url}&role_arn={role}{more}")


async def write(sink: KinesisSink) -> None:
    assert not await sink.publish([Record(1, "key", b"data", {1})])


def times_assumed(role: str) -> list[AssumedRole]:
    return [assumed for assumed in sts_backends[OTHER_ACCOUNT]["aws"].assumed_roles if assumed.role_arn == role]


async def test_a_role_of_another_account_writes_to_its_stream(foreign_stream: str, moto_url: str) -> None:
    role = f"{ROLE}-of-another-account"
    async with kinesis_sink(
        foreign(moto_url, role=role, more="&external_id=7f3a"), max_in_flight=2, metrics=METRICS
    ) as sink:
        await sink.prepare()
        await write(sink)

    (assumed,) = times_assumed(role)
    assert (assumed.session_name, assumed.external_id) == ("forwarder", "7f3a")
    async with of_other_account(moto_url) as owner:
        answer = await owner.get_shard_iterator(
            StreamName=foreign_stream, ShardId="shardId-000000000000", ShardIteratorType="TRIM_HORIZON"
        )
        found = await owner.get_records(ShardIterator=answer["ShardIterator"])
    assert [record["Data"] for record in found["Records"]] == [b"data"]


async def test_without_the_role_the_stream_of_another_account_is_not_there(foreign_stream: str, moto_url: str) -> None:
    ours = target_of(f"kinesis://{foreign_stream}?region={REGION}&endpoint_url={moto_url}")
    async with kinesis_sink(ours, max_in_flight=2, metrics=METRICS) as sink:
        with pytest.raises(Refused, match="ResourceNotFoundException"):
            await sink.prepare()


async def test_a_role_is_assumed_again_before_its_credentials_end(
    foreign_stream: str, moto_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    role = f"{ROLE}-again"
    with monkeypatch.context() as nearly_over:
        nearly_over.setattr("moto.sts.models.utcnow", almost_an_hour_ago)
        async with kinesis_sink(foreign(moto_url, role=role), max_in_flight=2, metrics=METRICS) as sink:
            await sink.prepare()
            assumed = len(times_assumed(role))
            await write(sink)
            assert len(times_assumed(role)) > assumed
            nearly_over.undo()
            await write(sink)
            assumed = len(times_assumed(role))
            await write(sink)
            assert len(times_assumed(role)) == assumed


def almost_an_hour_ago() -> datetime:
    """Credentials are good for an hour. With less than a minute left, a request waits for new ones."""
    now: datetime = moto.core.utils.utcnow()
    return now - timedelta(minutes=59, seconds=20)


async def test_a_role_that_cannot_be_assumed_is_refused_in_one_line(
    somebody: None, moto_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    await become_a_user_without_rights(monkeypatch)
    async with kinesis_sink(foreign(moto_url), max_in_flight=2, metrics=METRICS) as sink:
        with pytest.raises(Refused) as refused:
            await sink.prepare()

    assert "cannot assume the role of role_arn: AccessDenied" in str(refused.value)
    assert "sts:AssumeRole" in str(refused.value)
    assert "\n" not in str(refused.value)


async def test_a_role_that_is_taken_away_is_waited_for(
    foreign_stream: str, moto_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("moto.sts.models.utcnow", almost_an_hour_ago)
    async with kinesis_sink(foreign(moto_url, role=f"{ROLE}-taken-away"), max_in_flight=2, metrics=METRICS) as sink:
        await sink.prepare()
        with monkeypatch.context() as taken_away:
            taken_away.setattr("moto.settings.INITIAL_NO_AUTH_ACTION_COUNT", 0.0)
            with pytest.raises(Unavailable, match="cannot assume the role"):
                await write(sink)
        await write(sink)


async def become_a_user_without_rights(monkeypatch: pytest.MonkeyPatch) -> None:
    async with AioSession().create_client("iam", region_name=REGION) as iam:
        await iam.create_user(UserName="nobody")
        key = (await iam.create_access_key(UserName="nobody"))["AccessKey"]
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", key["AccessKeyId"])
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", key["SecretAccessKey"])
    # From here on moto looks at rights, as AWS does.
    monkeypatch.setattr("moto.settings.INITIAL_NO_AUTH_ACTION_COUNT", 0.0)


async def test_a_role_needs_credentials_to_begin_with(moto_url: str) -> None:
    with pytest.raises(Refused, match="AWS_ACCESS_KEY_ID"):
        async with kinesis_client(foreign(moto_url), max_connections=1):
            pass


async def test_a_profile_brings_its_credentials_and_its_region(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    profile = "[profile writer]\naws_access_key_id = AKIAPROFILE\naws_secret_access_key = s\nregion = eu-central-1\n"
    (tmp_path / "config").write_text(profile)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    request = await first_request("kinesis://changes?profile=writer")
    assert request.url == "https://kinesis.eu-central-1.amazonaws.com/"
    assert b"Credential=AKIAPROFILE/" in request.headers["Authorization"]


async def test_a_profile_that_is_not_there_is_refused() -> None:
    with pytest.raises(Refused, match=r"\(nowhere\) could not be found; correct profile in the sink's URL"):
        async with kinesis_client(target_of("kinesis://changes?region=eu-west-1&profile=nowhere"), max_connections=1):
            pass


@pytest.mark.usefixtures("somebody")
@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("kinesis://changes?region=eu-west-1", "https://kinesis.eu-west-1.amazonaws.com/"),
        ("kinesis://changes?region=us-east-1&fips=true", "https://kinesis-fips.us-east-1.amazonaws.com/"),
        (f"kinesis://{ARN}", "https://123456789012.control-kinesis.eu-west-1.amazonaws.com/"),
        (f"kinesis://{ARN}?endpoint_url=https://vpce-1.kinesis.eu-west-1.vpce.amazonaws.com", None),
    ],
)
async def test_a_stream_is_spoken_to_where_it_is(url: str, host: str | None) -> None:
    request = await first_request(url)
    assert request.url == (host or "https://vpce-1.kinesis.eu-west-1.vpce.amazonaws.com/")


@pytest.mark.usefixtures("somebody")
async def test_aws_is_asked_at_start_whether_we_may_write() -> None:
    aws = StandIn(
        describe_stream_summary=(200, {"StreamDescriptionSummary": {"StreamStatus": "ACTIVE"}}),
        put_records=(400, {"__type": "DryRunOperationException", "message": "Request would have succeeded."}),
    )
    await prepare("kinesis://changes?region=eu-west-1", aws)
    assert json.loads(aws.requests[-1].body)["DryRun"] is True


@pytest.mark.usefixtures("somebody")
@pytest.mark.parametrize("region", ["mars-1", "eu-west", "aws-global"])
async def test_a_region_that_cannot_be_is_bad_configuration(region: str) -> None:
    with pytest.raises(Misconfigured, match=f"region '{region}' is unknown to the AWS SDK; correct region"):
        await prepare(f"kinesis://changes?region={region}", StandIn())


@pytest.mark.usefixtures("somebody")
async def test_a_region_that_the_sdk_does_not_know_is_refused_once_nobody_answers_there() -> None:
    young = "kinesis://changes?region=eu-wset-1"
    with pytest.raises(Refused, match="region 'eu-wset-1' is unknown to this AWS SDK: correct it"):
        await prepare(young, StandIn())
    aws = StandIn(
        describe_stream_summary=(200, {"StreamDescriptionSummary": {"StreamStatus": "ACTIVE"}}),
        put_records=(400, {"__type": "DryRunOperationException", "message": "Request would have succeeded."}),
    )
    await prepare(young, aws)


async def first_request(url: str) -> Any:
    """What a sink asks first, signed; the answer is none."""
    nobody = StandIn(describe_stream_summary=(200, {}))
    with pytest.raises(Refused, match="does not speak Kinesis"):
        await prepare(url, nobody)
    return nobody.requests[0]


async def prepare(url: str, far_side: StandIn) -> None:
    """Prepare a sink whose requests end before the network."""
    async with kinesis_client(target_of(url), max_connections=1) as client:
        client.meta.events.register("before-send.kinesis", far_side.answer)
        await KinesisSink(client, target_of(url), max_in_flight=1, metrics=METRICS).prepare()


class StandIn:
    """Takes every request in place of the network; by operation, the status and the body that answer it. Without any: nobody is there."""

    def __init__(self, **answers: tuple[int, dict[str, Any]]) -> None:
        self.requests: list[Any] = []
        self._answers = answers

    def answer(self, request: Any, event_name: str, **_: Any) -> AioAWSResponse:
        self.requests.append(request)
        if not self._answers:
            raise EndpointConnectionError(endpoint_url=request.url)
        status, body = self._answers[xform_name(event_name.rpartition(".")[2])]
        return AioAWSResponse(request.url, status, {}, Body(json.dumps(body).encode()))


class Body:
    """What aiohttp would hand over."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    async def read(self) -> bytes:
        return self._data
