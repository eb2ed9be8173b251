from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from typing import Any

import botocore.session
import msgspec
import pytest
from botocore.awsrequest import AWSResponse
from hypothesis import given

from forwarder.records.record import Record
from forwarder.sinks.kinesis import wire_json
from forwarder.sinks.kinesis.answer import NO_SEQUENCE_NUMBER, Answer, Refusal
from tests.support.put_records import HASH_KEYS, ROWS, records_of


@pytest.fixture(scope="module")
def client() -> Any:
    """botocore's. It keeps nothing between calls, and making one takes a third of a second."""
    return botocore.session.Session().create_client(
        "kinesis", region_name="eu-west-1", aws_access_key_id="key", aws_secret_access_key="secret"
    )


def body_of(client: Any, records: Sequence[Record]) -> Any:
    """What botocore would send."""
    bodies = []

    def keep(request: Any, **_: Any) -> AWSResponse:
        bodies.append(request.body)
        response = AWSResponse(request.url, 200, {}, None)
        response._content = b"{}"
        return response

    client.meta.events.register("before-send.kinesis.PutRecords", keep)
    try:
        entries = [
            {"Data": record.data, "PartitionKey": record.partition_key}
            | ({} if record.hash_key is None else {"ExplicitHashKey": str(record.hash_key)})
            for record in records
        ]
        client.put_records(StreamName="changes", Records=entries)
    finally:
        client.meta.events.unregister("before-send.kinesis.PutRecords", keep)
    [body] = bodies
    return json.loads(body)


@given(rows=ROWS, hash_keys=HASH_KEYS)
def test_the_body_is_what_botocore_would_send(
    client: Any, rows: list[tuple[str, bytes]], hash_keys: list[int | None]
) -> None:
    records = records_of(rows, hash_keys)
    assert json.loads(wire_json.encode("changes", records)) == body_of(client, records)


def test_data_travels_in_base64() -> None:
    body = json.loads(wire_json.encode("changes", records_of([("ключ", b"\x00\xff")])))

    assert body == {
        "StreamName": "changes",
        "Records": [{"Data": base64.b64encode(b"\x00\xff").decode(), "PartitionKey": "ключ"}],
    }


def test_the_fields_of_an_answer_may_come_in_any_order_and_with_others() -> None:
    answer = (
        b'{"EncryptionType":"KMS","Records":['
        b'{"SequenceNumber":"1","ShardId":"shardId-0"},'
        b'{"ErrorMessage":"Rate exceeded","New":{"a":[1]},"ErrorCode":"ProvisionedThroughputExceededException"},'
        b'{"ShardId":"shardId-1","SequenceNumber":"2"}],"FailedRecordCount":1}'
    )

    assert wire_json.decode(answer) == Answer(
        shard_ids=["shardId-0", "", "shardId-1"],
        sequence_numbers=["1", "", "2"],
        refused={1: Refusal("ProvisionedThroughputExceededException", "Rate exceeded")},
    )


def test_what_does_not_apply_may_be_null() -> None:
    answer = b'{"Records":[{"SequenceNumber":"1","ShardId":"shardId-0","ErrorCode":null,"ErrorMessage":null}]}'

    assert wire_json.decode(answer) == Answer(["shardId-0"], ["1"])


def test_only_a_sequence_number_says_that_a_record_is_stored() -> None:
    answer = b'{"Records":[{"ShardId":"shardId-0"},{"ShardId":"shardId-0","SequenceNumber":"1"}]}'

    assert wire_json.decode(answer) == Answer(["", "shardId-0"], ["", "1"], {0: Refusal(NO_SEQUENCE_NUMBER)})


@pytest.mark.parametrize("answer", [b"", b"<html>", b"{}", b'{"Records":{}}', b'{"Records":[1]}', b'{"Records":['])
def test_an_answer_that_is_none_is_an_error(answer: bytes) -> None:
    with pytest.raises(msgspec.DecodeError):
        wire_json.decode(answer)
