"""The example of a Lambda: what Kinesis hands to it is stored in order and once, and a failure is reported where the batch goes on."""

from __future__ import annotations

import json
import logging
from base64 import b64encode
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from moto import mock_aws

from examples.lambda_consumer.handler import handler, store, table_of_rows
from forwarder.records import kpl

REGION = "eu-west-1"
ARN = f"arn:aws:kinesis:{REGION}:123456789012:stream/changes"
FIRST_NUMBER = 49590338271490256608559692538361571095921575989136588898


@pytest.fixture
def table(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    monkeypatch.setenv("TABLE", "rows")
    monkeypatch.setenv("AWS_DEFAULT_REGION", REGION)
    with mock_aws():
        table_of_rows.cache_clear()
        yield boto3.resource("dynamodb").create_table(
            TableName="rows",
            KeySchema=[{"AttributeName": "row", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": "row", "AttributeType": "S"}],
            BillingMode="PAY_PER_REQUEST",
        )
        table_of_rows.cache_clear()


def record(seq: int, op: str = "update", *, key: dict[str, Any] | None, table: str = "orders") -> bytes:
    change = {"id": f"7/1/{seq:016x}", "seq": seq, "op": op, "schema": "public", "table": table, "key": key}
    return json.dumps({**change, "after": {"n": seq}}).encode()


def event(*data: bytes) -> dict[str, Any]:
    """As an event source mapping of a Kinesis stream makes it: AWS's page "Using AWS Lambda with Amazon Kinesis"."""
    return {
        "Records": [
            {
                "kinesis": {
                    "kinesisSchemaVersion": "1.0",
                    "partitionKey": "public.orders.42",
                    "sequenceNumber": number(place),
                    "data": b64encode(item).decode(),
                    "approximateArrivalTimestamp": 1545084650.987,
                },
                "eventSource": "aws:kinesis",
                "eventVersion": "1.0",
                "eventID": f"shardId-000000000006:{number(place)}",
                "eventName": "aws:kinesis:record",
                "invokeIdentityArn": "arn:aws:iam::123456789012:role/lambda-role",
                "awsRegion": REGION,
                "eventSourceARN": ARN,
            }
            for place, item in enumerate(data)
        ]
    }


def number(place: int) -> str:
    return str(FIRST_NUMBER + place)


def stored(table: Any) -> dict[str, int]:
    return {item["row"]: int(item["seq"]) for item in table.scan()["Items"]}


ROW = {"id": 42}
NAME = "public.orders {'id': 42}"


def test_the_last_state_of_each_row_is_stored(table: Any) -> None:
    changes = [record(1, key=ROW), record(2, key={"id": 43}), record(3, "delete", key=ROW)]
    assert handler(event(*changes), None) == {"batchItemFailures": []}
    assert stored(table) == {NAME: 3, "public.orders {'id': 43}": 2}


def test_what_comes_again_changes_nothing(table: Any) -> None:
    batch = event(record(1, key=ROW), record(2, key=ROW))
    for _ in range(2):
        assert handler(batch, None) == {"batchItemFailures": []}
    handler(event(record(1, key=ROW)), None)
    assert stored(table) == {NAME: 2}


def read(seq: int, *, load: int = 7) -> bytes:
    change = {**json.loads(record(seq, "read", key=ROW)), "id": f"7/1/load/{load}/00ff", "load": {"number": load}}
    return json.dumps(change).encode()


def test_a_row_that_is_loaded_replaces_changes_up_to_its_seq_and_no_later_ones(table: Any) -> None:
    for data, op in (
        (record(5, key=ROW), "update"),
        (read(5), "read"),
        (record(6, key=ROW), "update"),
        (read(5), "update"),
    ):
        handler(event(data), None)
        [item] = table.scan()["Items"]
        assert item["op"] == op


def test_a_later_load_replaces_rows_of_an_earlier_one(table: Any) -> None:
    handler(event(read(5), read(5, load=8)), None)
    [item] = table.scan()["Items"]
    assert "load/8" in item["record"]


def test_tables_without_a_key_keep_all_of_their_changes(table: Any) -> None:
    handler(event(record(1, key=None), record(2, key=None), record(1, key=None), record(3, "truncate", key=None)), None)
    assert sorted(stored(table).values()) == [1, 2, 3]


def test_of_events_of_the_application_each_is_kept(table: Any) -> None:
    key = {"key": "42"}
    handler(
        event(record(2, "event", key=key, table="outboxevent"), record(1, "event", key=key, table="outboxevent")), None
    )
    assert stored(table) == {f"public.outboxevent id 7/1/{seq:016x}": seq for seq in (1, 2)}


def test_an_aggregate_is_taken_apart(table: Any) -> None:
    handler(event(kpl.encode("public.orders.42", [record(1, key=ROW), record(2, key=ROW)])), None)
    assert stored(table) == {NAME: 2}


def test_the_batch_ends_at_the_first_failure_and_goes_on_from_there(
    table: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    batch = event(record(1, key=ROW), record(2, key=ROW), record(3, key=ROW))
    with monkeypatch.context() as patch:
        patch.setattr("examples.lambda_consumer.handler.store", failing_at(2))
        assert handler(batch, None) == {"batchItemFailures": [{"itemIdentifier": number(1)}]}
    assert stored(table) == {NAME: 1}
    assert handler({"Records": batch["Records"][1:]}, None) == {"batchItemFailures": []}
    assert stored(table) == {NAME: 3}


def failing_at(seq: int) -> Any:
    def failing(change: Any) -> None:
        if change.seq == seq:
            raise TimeoutError
        store(change)

    return failing


def test_what_cannot_be_read_is_passed_over_and_told_of(table: Any, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR):
        assert handler(event(b"hunter2", record(1, key=ROW)), None) == {"batchItemFailures": []}
    assert stored(table) == {NAME: 1}
    assert number(0) in caplog.text
    assert "hunter2" not in caplog.text
