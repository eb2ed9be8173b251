"""What the local Kinesis tells a client of its own mistakes, and of its own region."""

from __future__ import annotations

import pytest
from aiobotocore.session import get_session
from botocore.exceptions import ClientError

from tests.listening import OPERATOR, STREAM, Served, client_of


@pytest.mark.parametrize("region", ["eu-west-1", "us-gov-west-1"])
async def test_arns_bear_the_region_of_the_client(served: Served, region: str) -> None:
    async with get_session().create_client(
        "kinesis", region_name=region, endpoint_url=served.endpoint_url, **OPERATOR
    ) as client:
        summary = await client.describe_stream_summary(StreamName=STREAM)
        arn = summary["StreamDescriptionSummary"]["StreamARN"]
        assert arn == f"arn:aws:kinesis:{region}:000000000000:stream/{STREAM}"
        assert (await client.describe_stream(StreamARN=arn))["StreamDescription"]["StreamARN"] == arn
        assert [stream["StreamARN"] for stream in (await client.list_streams())["StreamSummaries"]] == [arn]


async def test_an_operation_that_is_missing_is_named(served: Served) -> None:
    async with client_of(served) as client:
        with pytest.raises(ClientError, match=r"UnknownOperationException.*no operation 'StartStreamEncryption'"):
            await client.start_stream_encryption(StreamName=STREAM, EncryptionType="KMS", KeyId="alias/aws/kinesis")
