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
from hypothesis import strategies as st

from forwarder.records.record import Record
from forwarder.sinks.kinesis import wire

HASH_KEYS = st.lists(st.none() | st.integers(0, (1 << 128) - 1), min_size=9, max_size=9)
ROWS = st.lists(st.tuples(st.text(min_size=1, max_size=256), st.binary(max_size=100)), min_size=1, max_size=5)


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


def records_of(rows: Sequence[tuple[str, bytes]], hash_keys: Sequence[int | None] = (None,) * 9) -> list[Record]:
    records = [Record(seq, key, data, set()) for seq, (key, data) in enumerate(rows, start=1)]
    for record, hash_key in zip(records, hash_keys, strict=False):
        record.hash_key = hash_key
    return records


@given(rows=ROWS, hash_keys=HASH_KEYS)
def test_the_body_is_what_botocore_would_send(
    client: Any, rows: list[tuple[str, bytes]], hash_keys: list[int | None]
) -> None:
    records = records_of(rows, hash_keys)
    assert json.loads(wire.encode("changes", records)) == body_of(client, records)


@given(rows=ROWS, hash_keys=HASH_KEYS, follower=st.none() | st.binary(max_size=100))
def test_the_length_of_a_body_is_known_but_for_what_names_the_stream(
    rows: list[tuple[str, bytes]], hash_keys: list[int | None], follower: bytes | None
) -> None:
    records = records_of(rows, hash_keys)
    if follower is not None:
        records[0].followers = [Record(0, records[0].partition_key, follower, set())]
    nameless = len(wire.encode("changes", [])) - 2
    assert wire.body_bytes(records) == len(wire.encode("changes", records)) - nameless


@given(
    rows=ROWS | st.lists(st.tuples(st.just("key"), st.binary(min_size=20, max_size=60)), min_size=1, max_size=9),
    hash_keys=HASH_KEYS,
)
def test_in_slices_it_is_the_same_body_each_time_that_they_are_made(
    rows: list[tuple[str, bytes]], hash_keys: list[int | None]
) -> None:
    records = records_of(rows, hash_keys)
    if len(records) > 2:
        records[0].followers = records[1:2]
        del records[1]
    whole = wire.encode("changes", records)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(wire, "SLICE_BYTES", 12)
        body = wire.Slices("changes", records)
        slices, again = list(body), list(body)

    assert b"".join(slices) == whole
    assert again == slices
    assert body.size == len(whole)
    assert all(len(part) >= 12 for part in slices[:-1])


def test_a_record_of_any_size_is_cut_into_slices_too() -> None:
    records = records_of([("key", b"x" * (3 << 20)), ("other", b"y")])

    assert max(map(len, wire.Slices("changes", records))) <= 2 * wire.SLICE_BYTES


def test_data_travels_in_base64() -> None:
    body = json.loads(wire.encode("changes", records_of([("ключ", b"\x00\xff")])))

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

    results = wire.decode(answer)

    assert [result.error_code for result in results] == ["", "ProvisionedThroughputExceededException", ""]
    assert [result.shard_id for result in results] == ["shardId-0", "", "shardId-1"]
    assert results[1].error_message == "Rate exceeded"


@pytest.mark.parametrize("answer", [b"", b"<html>", b"{}", b'{"Records":{}}', b'{"Records":[1]}', b'{"Records":['])
def test_an_answer_that_is_none_is_an_error(answer: bytes) -> None:
    with pytest.raises(msgspec.DecodeError):
        wire.decode(answer)
