"""The local Kinesis and the clients that people have, each under its own defaults."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import boto3
import pytest
from anyio import run_process, to_thread

from tests.listening import CREDENTIALS, OPERATOR, STREAM, Served, environment, kinesis_with_stream

AWS_CLI = "awscli==1.45.11"
JAVASCRIPT_SDK = "@aws-sdk/client-kinesis@3.1143.0"
PROGRAM = Path(__file__).parents[1] / "support" / "kinesis_client.mjs"
MEGABYTE = 1_000_000


@pytest.fixture(scope="session")
def aws_cli(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The AWS CLI, in an environment of its own: it pins another botocore than we do."""
    directory = tmp_path_factory.mktemp("awscli")
    install(sys.executable, "-m", "venv", str(directory))
    install(str(directory / "bin" / "pip"), "install", "--quiet", AWS_CLI)
    return directory / "bin" / "aws"


@pytest.fixture(scope="session")
def javascript(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The program in JavaScript, beside its SDK."""
    if not (shutil.which("node") and shutil.which("npm")):
        pytest.skip("the SDK for JavaScript needs node and npm, which are not here")
    directory = tmp_path_factory.mktemp("javascript")
    install("npm", "install", "--no-audit", "--no-fund", "--loglevel=error", f"--prefix={directory}", JAVASCRIPT_SDK)
    return Path(shutil.copy(PROGRAM, directory))


def install(*command: str) -> None:
    """Run a command that fetches what the machine may have no way to fetch; then the test is skipped."""
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"cannot install: {command[0]} said {done.stderr.strip()[-300:]}")


async def run(command: Sequence[str]) -> bytes:
    done = await run_process(command, env=environment(**CREDENTIALS), check=False)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout


async def test_boto3_puts_large_requests_and_reads_them(served: Served) -> None:
    def put_and_read() -> list[bytes]:
        client = boto3.client("kinesis", region_name="us-east-1", endpoint_url=served.endpoint_url, **OPERATOR)
        records = [{"Data": bytes([number]) * MEGABYTE, "PartitionKey": "key"} for number in range(10)]
        shard = client.put_records(StreamName=STREAM, Records=records)["Records"][0]["ShardId"]
        start = client.get_shard_iterator(StreamName=STREAM, ShardId=shard, ShardIteratorType="TRIM_HORIZON")
        answer = client.get_records(ShardIterator=start["ShardIterator"])
        return [record["Data"] for record in answer["Records"]]

    assert await to_thread.run_sync(put_and_read) == [bytes([number]) * MEGABYTE for number in range(10)]


@pytest.mark.long
async def test_the_aws_cli_puts_reads_and_tags(aws_cli: Path, tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.write_bytes(b"hello")
    async with kinesis_with_stream(shards=1) as served:

        async def aws(operation: str, *options: str) -> Any:
            common = ("--endpoint-url", served.endpoint_url, "--region", "us-east-1", "--output", "json")
            printed = await run([str(aws_cli), "kinesis", operation, *common, *options])
            return json.loads(printed) if printed else None

        stream = ("--stream-name", STREAM)
        put = await aws("put-record", *stream, "--data", f"fileb://{data}", "--partition-key", "key")
        position = ("--shard-id", put["ShardId"], "--shard-iterator-type", "TRIM_HORIZON")
        iterator = (await aws("get-shard-iterator", *stream, *position))["ShardIterator"]
        [record] = (await aws("get-records", "--shard-iterator", iterator))["Records"]
        await aws("add-tags-to-stream", *stream, "--tags", "team=orders")
        tags = (await aws("list-tags-for-stream", *stream))["Tags"]
    assert (record["Data"], record["PartitionKey"]) == ("aGVsbG8=", "key")
    assert tags == [{"Key": "team", "Value": "orders"}]


@pytest.mark.long
async def test_the_sdk_for_javascript_puts_reads_tags_and_subscribes(javascript: Path) -> None:
    """It speaks HTTP/2, and so do its subscriptions."""
    async with kinesis_with_stream(shards=1) as served:
        seen = json.loads(await run(["node", "--no-warnings", str(javascript), served.endpoint_url, STREAM]))
    assert seen == {
        "failed": 0,
        "read": [MEGABYTE] * 10 + [len("small")],
        "tags": [{"Key": "team", "Value": "orders"}],
        "followed": "followed",
        "refused": "ResourceNotFoundException",
    }
