"""Seeded faults of sinks: `forwarder check` names each, with its remedy, and stores nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from forwarder.config.settings import SinkSettings
from forwarder.doctor.captured import Captured
from forwarder.doctor.finding import Finding, Verdict
from forwarder.doctor.report import Section
from forwarder.doctor.sinks import examine_sink
from forwarder.local.kinesis import LocalKinesis, serve
from forwarder.local.kinesis.faults import Error, Hang
from tests.checking import BAD, bad, checked, found, told
from tests.databases import Database, connected
from tests.listening import CREDENTIALS, STREAM, Served, client_of, leads, listening, switch
from tests.migrating import migrate_tables


@pytest.fixture(autouse=True)
def credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")


async def look(url: str, captured: Captured | None = None) -> Section:
    return await examine_sink(SinkSettings(url=url), captured or Captured(), is_fast=False)


def troubles(section: Section) -> dict[str, Finding]:
    return {one.subject: one for one in section.findings if one.verdict in BAD}


async def test_a_healthy_set_up_has_nothing_above_a_note(database: Database, served: Served) -> None:
    async with connected(database.url) as owner:
        await owner.execute("CREATE TABLE orders (id integer PRIMARY KEY)")
        await migrate_tables(owner, "orders")
    async with client_of(served) as client:
        await switch(client, "USER_PARTITION_KEY", arn=served.kinesis.stream(STREAM).identity.arn)
    async with listening(database.url, served.sink) as first:
        await leads(first)
        report = await checked(database.url, sink=[{"url": served.sink}], table=[{"match": "public.*"}])
    assert bad(report) == []
    assert (
        told(report, "sink default", "permission PutRecords", verdicts=[Verdict.OK]).text
        == "a dry run would have succeeded"
    )
    assert "on demand, with 4 open shards" in told(report, "sink default", "stream", verdicts=[Verdict.OK]).text
    assert served.data() == []


@pytest.mark.parametrize(
    ("operation", "code", "subject", "verdict", "remedy"),
    [
        ("DescribeStreamSummary", "AccessDeniedException", "stream", Verdict.FAILURE, "kinesis:DescribeStreamSummary"),
        ("DescribeStreamSummary", "ExpiredTokenException", "stream", Verdict.FAILURE, "renew the AWS credentials"),
        ("DescribeStreamSummary", "InvalidSignatureException", "stream", Verdict.FAILURE, "this machine's clock"),
        ("ListShards", "AccessDeniedException", "permission ListShards", Verdict.WARNING, "kinesis:ListShards"),
        ("PutRecords", "AccessDeniedException", "permission PutRecords", Verdict.FAILURE, "kinesis:PutRecords"),
        ("PutRecords", "KMSAccessDeniedException", "permission PutRecords", Verdict.FAILURE, "kms:GenerateDataKey"),
        ("PutRecords", "KMSDisabledException", "permission PutRecords", Verdict.FAILURE, "aws kms enable-key"),
    ],
)
async def test_what_may_not_be_called_is_named(
    served: Served, operation: str, code: str, subject: str, verdict: Verdict, remedy: str
) -> None:
    async with client_of(served) as client:
        await switch(client, "USER_PARTITION_KEY", arn=served.kinesis.stream(STREAM).identity.arn)
    served.kinesis.faults.replace([Error(operation=operation, error_code=code)])  # type: ignore[arg-type]
    [trouble] = troubles(await look(served.sink)).values()
    assert (trouble.subject, trouble.verdict) == (subject, verdict)
    assert remedy in (trouble.remedy or "")
    assert served.data() == []


async def test_a_stream_that_ignores_keys_is_a_failure_unless_order_is_given_up(served: Served) -> None:
    async with client_of(served) as client:
        await switch(client, "AUTO", arn=served.kinesis.stream(STREAM).identity.arn)
    [trouble] = troubles(await look(served.sink)).values()
    assert trouble.subject == "order"
    assert "USER_PARTITION_KEY" in (trouble.remedy or "")
    assert troubles(await look(f"{served.sink}&ordering=none")) == {}


async def test_a_stream_that_is_missing_or_not_ready_is_named() -> None:
    kinesis = LocalKinesis(transition_seconds=60)
    kinesis.create_stream("made", shards=1)
    async with serve(kinesis) as endpoint, client_of(Served(kinesis, endpoint)) as client:
        options = f"region=us-east-1&endpoint_url={endpoint.url}"
        await client.create_stream(StreamName="coming", ShardCount=1)
        await client.delete_stream(StreamName="made")
        states = [await look(f"kinesis://{name}?{options}") for name in ("nothing", "coming", "made")]
    missing, coming, going = (troubles(state)["stream"] for state in states)
    assert (missing.remedy or "").startswith("create the stream, or correct its name")
    assert (coming.verdict, coming.text) == (Verdict.WARNING, "coming is CREATING")
    assert (going.verdict, going.text) == (Verdict.FAILURE, "made is DELETING")


async def test_of_a_sink_with_a_stream_for_each_table_every_stream_that_is_missing_is_named(
    database: Database, served: Served
) -> None:
    served.kinesis.create_stream("public-a", shards=1)
    async with connected(database.url) as owner:
        await owner.execute("CREATE TABLE a (id integer PRIMARY KEY); CREATE TABLE b (id integer PRIMARY KEY)")
        await owner.execute("CREATE TABLE c (id integer PRIMARY KEY)")
        await migrate_tables(owner, "a", "b", "c")
    url = served.sink.replace(STREAM, "{schema}-{table}")
    report = await checked(database.url, sink=[{"url": url, "tables": ["a", "b"]}])
    missing = told(report, "sink default", "streams")
    assert missing.text.startswith("stream public-b: ResourceNotFoundException")
    assert (missing.remedy or "").startswith("create the stream")
    untold = await look(url)
    assert [(one.subject, one.verdict) for one in untold.findings] == [("streams", Verdict.NOTE)]


async def test_an_endpoint_that_hangs_or_does_not_answer_and_a_region_that_is_none_are_named(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    down = troubles(await look(served.sink.replace(served.endpoint_url, "http://127.0.0.1:9")))["stream"]
    assert "VPC endpoint" in (down.remedy or "")
    served.kinesis.faults.replace([Hang()])
    monkeypatch.setattr("forwarder.doctor.sinks.SINK_SECONDS", 0.3)
    hanging = troubles(await look(served.sink))["sink"]
    assert hanging.text.startswith("no answer within 0.3 s")
    nowhere = troubles(await look("kinesis://changes?region=nowhere"))["sink"]
    assert "correct region in the sink's URL" in f"{nowhere.text} {nowhere.remedy}"


async def test_credentials_that_are_missing_or_will_end_are_named(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_SESSION_TOKEN", "any")
    ending = troubles(await look(served.sink))["credentials"]
    assert (ending.verdict, ending.remedy) == (
        Verdict.WARNING,
        "give the task a role, whose credentials are renewed by themselves",
    )
    for name in ("AWS_SESSION_TOKEN", *CREDENTIALS):
        monkeypatch.delenv(name)
    missing = await look(served.sink)
    assert [one.subject for one in missing.findings] == ["credentials"]
    assert troubles(missing)["credentials"].verdict is Verdict.FAILURE


async def test_a_bucket_that_cannot_be_looked_at_is_noted(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "http://127.0.0.1:9")
    section = await look(f"{served.sink}&oversize=s3://large/records")
    [bucket] = [one for one in section.findings if one.subject == "bucket"]
    assert bucket.verdict is Verdict.NOTE
    assert "`forwarder ecs`" in (bucket.remedy or "")


async def test_a_file_that_cannot_be_written_is_a_failure(tmp_path: Path) -> None:
    assert (
        troubles(await look(f"file:{tmp_path}/nothing/records"))["file"].remedy == "check the path and its permissions"
    )
    assert troubles(await look(f"file:{tmp_path}/records")) == {}
    assert troubles(await look("stdout:")) == {}


async def test_fast_asks_nothing_of_aws(database: Database, served: Served) -> None:
    any_call = Error(error_code="InternalFailure")
    served.kinesis.faults.replace([any_call])
    report = await checked(database.url, is_fast=True, sink=[{"url": served.sink}])
    assert served.kinesis.faults.struck(any_call) == 0
    assert [one.text for one in found(report, "sink default")] == [f"{STREAM} is not asked, with --fast"]
    await checked(database.url, sink=[{"url": served.sink}])
    assert served.kinesis.faults.struck(any_call) > 0
