"""The policies that ``forwarder ecs`` writes are enough, and none of their actions and resources can be left out."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, replace

import anyio
import anyio.lowlevel
import pytest

from forwarder.aws.secrets import read_secret
from forwarder.config.database import DatabaseSettings
from forwarder.config.sink_url import KinesisTarget
from forwarder.database.logins.rds_iam import RdsIam
from forwarder.deployment.permissions import destinations
from forwarder.errors import ForwarderError
from forwarder.events import CapturedTable
from forwarder.health import ServiceState
from forwarder.local.kinesis.faults import FailRecords
from forwarder.metrics import Metrics
from forwarder.records.record import Attachment, Record
from forwarder.sinks import claim_check
from forwarder.sinks.claim_check import Attachments, attachments_of
from forwarder.sinks.factory import open_sink
from forwarder.sinks.kinesis.routing import RoutedSink
from forwarder.sinks.kinesis.sink import KinesisSink
from tests.support.deployments import ACCOUNT, CONFIGURATIONS, OTHER_ACCOUNT, ROLE, Configuration
from tests.support.guarded_aws import TASK, GuardedAws, Policy, Role, guarded_aws

pytestmark = pytest.mark.slow

EVERY = pytest.mark.parametrize("configuration", CONFIGURATIONS.values(), ids=CONFIGURATIONS)
# Of which the sink with a stream for each table is for two.
TABLES = [
    CapturedTable(id=1, relation=1, schema="public", name="orders", key_columns=(), before_image="none"),
    CapturedTable(id=2, relation=2, schema="shop", name="offers", key_columns=(), before_image="none"),
]
STREAMS = ("changes", "theirs", "public-orders", "shop-offers")
PART_BYTES = 1000


@dataclass(frozen=True)
class Text:
    """A body of an attachment, which may break off."""

    text: bytes
    breaks: bool = False

    @property
    def size(self) -> int:
        return len(self.text)

    @property
    def is_too_large(self) -> bool:
        return False

    async def parts(self) -> AsyncIterator[bytes]:
        yield self.text
        if self.breaks:
            raise ForwarderError


@pytest.fixture(autouse=True)
def task(monkeypatch: pytest.MonkeyPatch) -> None:
    """The credentials of a task, and parts that are small."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", TASK)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setattr(claim_check, "PART_BYTES", PART_BYTES)


def policies(configuration: Configuration) -> Mapping[str, Policy]:
    """By file, the policies of the task and of the roles that it takes."""
    return {
        name: Policy(configuration.document(name))
        for name in configuration.texts()
        if name == "task-policy.json" or name.startswith("sink-role-1-policy")
    }


def guarded(configuration: Configuration, given: Mapping[str, Policy]) -> GuardedAws:
    """AWS with these policies, and with the streams that the sinks write to."""
    external_ids = [destination.target.external_id for destination in destinations(configuration.loaded)]
    role = given.get("sink-role-1-policy.json")
    keys = configuration.place.keys
    aws = GuardedAws(
        task=Role(account=ACCOUNT, policy=given["task-policy.json"]),
        roles={ROLE: Role(account=OTHER_ACCOUNT, policy=role, external_id=external_ids[-1])} if role else {},
        stream_key=next(iter(keys.streams), None),
        bucket_key=next(iter(keys.buckets), None),
        secret_key=next(iter(keys.secrets), None),
        database=configuration.place.database_resource,
    )
    for stream in STREAMS:
        aws.kinesis.create_stream(stream)
    # Shards are listed when one throttles.
    aws.kinesis.faults.replace(
        FailRecords(stream=stream, error_code="ProvisionedThroughputExceededException", times=1) for stream in STREAMS
    )
    return aws


async def use(aws: GuardedAws, configuration: Configuration, monkeypatch: pytest.MonkeyPatch) -> None:
    """Do what ``listen`` does with each sink; what fails is noted where it was asked."""
    async with guarded_aws(aws) as url:
        monkeypatch.setenv("AWS_ENDPOINT_URL", url)
        with suppress(ForwarderError):
            await _log_in(aws, configuration.loaded.database)
        for destination in destinations(configuration.loaded):
            with suppress(ForwarderError):
                await _use(aws, destination.target)


async def _log_in(aws: GuardedAws, database: DatabaseSettings) -> None:
    if database.auth == "rds-iam":
        login = await RdsIam(database.url.get_secret_value(), database, {}).login()
        assert login.passwords
        aws.log_in(login.passwords[0])
    if database.auth == "secrets-manager":
        await read_secret(database.secret or "", region=database.region)


async def _use(aws: GuardedAws, target: KinesisTarget) -> None:
    async with AsyncExitStack() as stack:
        if target.oversize.kind == "s3":
            await _store(await stack.enter_async_context(attachments_of(target)), target)
        metrics = Metrics().sink("default")
        opened = await open_sink(stack, target, max_in_flight=1, metrics=metrics, report=lambda _: None)
        sink = opened().sink
        assert isinstance(sink, KinesisSink | RoutedSink)
        await sink.prepare()
        if isinstance(sink, RoutedSink):
            await sink.learn(TABLES)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(sink.watch, ServiceState())
            for stream in map(sink.stream_of, TABLES) if isinstance(sink, RoutedSink) else [target.stream]:
                with suppress(ForwarderError):
                    await sink.publish([Record(1, "key", b"{}", {1}, stream=stream)])
                    await _listed(aws, stream)
            tasks.cancel_scope.cancel()


async def _store(bucket: Attachments, target: KinesisTarget) -> None:
    await bucket.look()
    for text in (Text(b"small"), Text(b"x" * 3 * PART_BYTES), Text(b"x" * 3 * PART_BYTES, breaks=True)):
        with suppress(ForwarderError):
            await bucket.put(Attachment(target.oversize.bucket, f"{target.oversize.prefix}key", text))


async def _listed(aws: GuardedAws, stream: str) -> None:
    """Wait until the shards are listed, or something is denied before that."""
    while not aws.denied and not any(
        action == "kinesis:ListShards" and arn.endswith(f"/{stream}") for action, arn in aws.asked
    ):
        await anyio.lowlevel.checkpoint()


@EVERY
async def test_the_policies_are_enough(configuration: Configuration, monkeypatch: pytest.MonkeyPatch) -> None:
    given = policies(configuration)
    aws = guarded(configuration, given)
    with anyio.fail_after(20):
        await use(aws, configuration, monkeypatch)
    assert not aws.denied
    used = {action for action, _ in aws.asked}
    statements = [statement for policy in given.values() for statement in policy.document["Statement"]]
    assert used == {action for statement in statements for action in statement["Action"]}


@EVERY
async def test_nothing_in_the_policies_can_be_left_out(
    configuration: Configuration, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = policies(configuration)
    for file, policy in given.items():
        for missing, lesser in policy.lesser():
            aws = guarded(configuration, {**given, file: lesser})
            with anyio.move_on_after(20):
                await use(aws, configuration, monkeypatch)
            assert aws.denied, missing


@EVERY
def test_no_other_stream_bucket_or_role_is_allowed(configuration: Configuration) -> None:
    others = {
        "kinesis:PutRecords": f"arn:aws:kinesis:eu-west-1:{ACCOUNT}:stream/others",
        "s3:PutObject": "arn:aws:s3:::others/big/key",
        "sts:AssumeRole": f"arn:aws:iam::{OTHER_ACCOUNT}:role/others",
    }
    for policy in policies(configuration).values():
        assert not [action for action, resource in others.items() if policy.allows(action, resource)]


async def test_a_role_is_not_taken_without_its_external_id(monkeypatch: pytest.MonkeyPatch) -> None:
    configuration = CONFIGURATIONS["a stream in another account"]
    aws = guarded(configuration, policies(configuration))
    aws.roles = {ROLE: replace(aws.roles[ROLE], external_id="another")}
    await use(aws, configuration, monkeypatch)
    assert aws.asked == {("sts:AssumeRole", ROLE)}
