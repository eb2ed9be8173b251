"""Tags and policies of the local Kinesis: what it refuses, as AWS does and moto does not."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.listening import STREAM, Served, client_of

ARN = f"arn:aws:kinesis:us-east-1:000000000000:stream/{STREAM}"
FIFTY = {f"key-{number}": "" for number in range(50)}


@pytest.fixture
async def client(served: Served) -> AsyncIterator[Any]:
    async with client_of(served) as client:
        yield client


@pytest.mark.parametrize(
    ("tags", "wording"),
    [
        ({"k" * 129: ""}, "ValidationException.*Map keys must satisfy constraint.*less than or equal to 128"),
        ({"key": "v" * 257}, "ValidationException.*Map value must satisfy constraint.*less than or equal to 256"),
        ({}, "ValidationException.*'tags'.*greater than or equal to 1"),
        ({"key": "what?"}, "InvalidArgumentException.*invalid characters"),
        ({"AWS:key": "value"}, "InvalidArgumentException.*aws: are reserved"),
        (FIFTY | {"one more": ""}, "InvalidArgumentException.*more than 50 tags"),
    ],
)
async def test_tags_beyond_the_rules_are_refused_wherever_they_are_given(
    client: Any, tags: dict[str, str], wording: str
) -> None:
    with pytest.raises(ClientError, match=wording):
        await client.add_tags_to_stream(StreamName=STREAM, Tags=tags)
    with pytest.raises(ClientError, match=wording):
        await client.tag_resource(ResourceARN=ARN, Tags=tags)
    if tags:
        with pytest.raises(ClientError, match=wording):
            await client.create_stream(StreamName="tagged", ShardCount=1, Tags=tags)
    assert (await client.list_streams())["StreamNames"] == [STREAM]
    assert (await client.list_tags_for_resource(ResourceARN=ARN))["Tags"] == []


async def test_fifty_tags_of_the_greatest_lengths_fit_and_no_other(client: Any) -> None:
    await client.add_tags_to_stream(StreamName=STREAM, Tags={**FIFTY, "key-49": "ж" * 256})
    with pytest.raises(ClientError, match="more than 50 tags"):
        await client.tag_resource(ResourceARN=ARN, Tags={"one more": ""})
    await client.tag_resource(ResourceARN=ARN, Tags={"key-0": "overwritten"})
    tags = (await client.list_tags_for_stream(StreamName=STREAM))["Tags"]
    assert (len(tags), tags[0]["Value"]) == (50, "overwritten")


async def test_what_is_no_resource_or_no_policy_is_refused(client: Any) -> None:
    with pytest.raises(ClientError, match=r"ResourceNotFoundException.*Stream nowhere under account"):
        await client.list_tags_for_resource(ResourceARN=ARN.replace(STREAM, "nowhere"))
    with pytest.raises(ClientError, match=r"ValidationException.*resourceARN"):
        await client.get_resource_policy(ResourceARN="arn:aws:sqs:us-east-1:000000000000:stream/queue")
    with pytest.raises(ClientError, match=r"InvalidArgumentException.*not a JSON object"):
        await client.put_resource_policy(ResourceARN=ARN, Policy="allow everything")


async def test_the_account_has_no_billing_commitment(client: Any) -> None:
    answer = await client.describe_account_settings()
    assert answer["MinimumThroughputBillingCommitment"] == {"Status": "DISABLED"}
