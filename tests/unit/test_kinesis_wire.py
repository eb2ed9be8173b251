from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from typing import Any

import botocore.session
import msgspec
import pytest
from botocore.awsrequest import AWSResponse
from botocore.config import Config
from hypothesis import given
from hypothesis import strategies as st

from forwarder import kinesis_wire
from forwarder.events import Record

ROWS = st.lists(st.tuples(st.text(min_size=1, max_size=256), st.binary(max_size=100)), min_size=1, max_size=5)


class Far:
    """The far side of a botocore client: keeps the request, gives a scripted answer."""

    def __init__(self, *, status: int = 200, answer: bytes = b'{"Records":[]}') -> None:
        self.status = status
        self.answer = answer
        self.requests: list[Any] = []

    def answer_to(self, request: Any, **_: Any) -> Any:
        self.requests.append(request)
        headers = {"content-type": "application/x-amz-json-1.1"}
        response = AWSResponse(request.url, self.status, headers, None)
        response._content = self.answer
        return response

    @property
    def body(self) -> Any:
        return json.loads(self.requests[-1].body)


def client(far: Far, *, installed: bool) -> Any:
    made = botocore.session.Session().create_client(
        "kinesis",
        region_name="eu-west-1",
        aws_access_key_id="key",
        aws_secret_access_key="secret",
        config=Config(parameter_validation=False, retries={"total_max_attempts": 1}),
    )
    made.meta.events.register("before-send.kinesis.PutRecords", far.answer_to)
    if installed:
        kinesis_wire.install(made)
    return made


# Making a client takes a third of a second; they keep nothing between calls but what the far side holds.
OURS_FAR, THEIRS_FAR = Far(), Far()


@pytest.fixture(scope="module")
def clients() -> tuple[Any, Any]:
    return client(OURS_FAR, installed=True), client(THEIRS_FAR, installed=False)


def records_of(rows: Sequence[tuple[str, bytes]]) -> list[Record]:
    return [Record(seq, key, data, set()) for seq, (key, data) in enumerate(rows, start=1)]


@given(rows=ROWS)
def test_the_body_is_what_botocore_would_send(clients: tuple[Any, Any], rows: list[tuple[str, bytes]]) -> None:
    ours, theirs = clients

    ours.put_records(StreamName="changes", Records=kinesis_wire.encode("changes", records_of(rows)))
    theirs.put_records(StreamName="changes", Records=[{"Data": data, "PartitionKey": key} for key, data in rows])

    assert OURS_FAR.body == THEIRS_FAR.body
    for name in ("X-Amz-Target", "Content-Type"):
        assert OURS_FAR.requests[-1].headers[name] == THEIRS_FAR.requests[-1].headers[name]


def test_data_travels_in_base64() -> None:
    body = json.loads(kinesis_wire.encode("changes", records_of([("ключ", b"\x00\xff")])))

    assert body == {
        "StreamName": "changes",
        "Records": [{"Data": base64.b64encode(b"\x00\xff").decode(), "PartitionKey": "ключ"}],
    }


def test_an_answer_passes_botocore_untouched() -> None:
    answer = b'{"FailedRecordCount":0,"Records":[{"SequenceNumber":"1","ShardId":"shardId-0"}]}'

    parsed = client(Far(answer=answer), installed=True).put_records(Records=kinesis_wire.encode("changes", []))

    assert parsed["Body"] == answer


def test_an_error_is_left_to_botocore() -> None:
    far = Far(status=400, answer=b'{"__type":"ResourceNotFoundException","message":"Stream changes not found"}')

    with pytest.raises(botocore.exceptions.ClientError) as error:
        client(far, installed=True).put_records(Records=kinesis_wire.encode("changes", []))

    assert error.value.response["Error"]["Code"] == "ResourceNotFoundException"


def test_other_operations_are_left_to_botocore() -> None:
    far = Far(answer=b'{"StreamDescriptionSummary":{"StreamName":"changes","StreamStatus":"ACTIVE"}}')
    ours = client(Far(), installed=True)
    ours.meta.events.register("before-send.kinesis.DescribeStreamSummary", far.answer_to)

    answer = ours.describe_stream_summary(StreamName="changes")

    assert far.body == {"StreamName": "changes"}
    assert answer["StreamDescriptionSummary"]["StreamStatus"] == "ACTIVE"


def test_the_fields_of_an_answer_may_come_in_any_order_and_with_others() -> None:
    answer = (
        b'{"EncryptionType":"KMS","Records":['
        b'{"SequenceNumber":"1","ShardId":"shardId-0"},'
        b'{"ErrorMessage":"Rate exceeded","New":{"a":[1]},"ErrorCode":"ProvisionedThroughputExceededException"},'
        b'{"ShardId":"shardId-1","SequenceNumber":"2"}],"FailedRecordCount":1}'
    )

    results = kinesis_wire.decode(answer)

    assert [result.error_code for result in results] == ["", "ProvisionedThroughputExceededException", ""]
    assert [result.shard_id for result in results] == ["shardId-0", "", "shardId-1"]
    assert results[1].error_message == "Rate exceeded"


@pytest.mark.parametrize("answer", [b"", b"<html>", b"{}", b'{"Records":{}}', b'{"Records":[1]}', b'{"Records":['])
def test_an_answer_that_is_none_is_an_error(answer: bytes) -> None:
    with pytest.raises(msgspec.DecodeError):
        kinesis_wire.decode(answer)
