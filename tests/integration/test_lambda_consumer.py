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


def name(id: int = 42) -> str:
    return json.dumps(["7/1", "public", "orders", f"{{'id': {id}}}"])


NAME = name()


def test_the_last_state_of_each_row_is_stored(table: Any) -> None:
    changes = [record(1, key=ROW), record(2, key={"id": 43}), record(3, "delete", key=ROW)]
    assert handler(event(*changes), None) == {"batchItemFailures": []}
    assert stored(table) == {NAME: 3, name(43): 2}


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
    assert stored(table) == {
        json.dumps(["7/1", "public", "outboxevent", None, "id", f"7/1/{seq:016x}"]): seq for seq in (1, 2)
    }


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
    def failing(change: Any, sequence_number: str) -> None:
        if change.seq == seq:
            raise TimeoutError
        store(change, sequence_number)

    return failing


def test_what_cannot_be_read_is_passed_over_and_told_of(table: Any, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR):
        assert handler(event(b"hunter2", record(1, key=ROW)), None) == {"batchItemFailures": []}
    assert stored(table) == {NAME: 1}
    assert number(0) in caplog.text
    assert "hunter2" not in caplog.text


def test_what_else_is_in_a_record_that_cannot_be_read_whole_is_stored(table: Any) -> None:
    damaged = kpl.encode("k", [record(1, key=ROW), b"hunter2", record(2, key={"id": 43})])
    assert handler(event(damaged), None) == {"batchItemFailures": []}
    assert stored(table) == {NAME: 1, name(43): 2}


def test_a_row_that_dynamodb_does_not_take_holds_up_no_shard(table: Any) -> None:
    large = json.loads(record(2, key=ROW))
    large["after"]["text"] = "x" * 450_000
    long_key = {"id": "k" * 3000}
    batch = event(json.dumps(large).encode(), record(3, key=long_key), record(4, key={"id": 43}))
    assert handler(batch, None) == {"batchItemFailures": []}
    assert sorted(stored(table).values()) == [2, 3, 4]
    item = table.get_item(Key={"row": NAME})["Item"]
    assert (item["sequence_number"], "record" in item) == (number(0), False)


def test_rows_of_two_databases_or_of_tables_with_dots_in_their_names_are_kept_apart(table: Any) -> None:
    first, other = json.loads(record(900, key=ROW)), json.loads(record(20, key=ROW))
    other["id"] = f"8/1/{20:016x}"
    dotted = [{**first, "schema": schema, "table": name} for schema, name in (("a.b", "c"), ("a", "b.c"))]
    handler(event(*(json.dumps(change).encode() for change in (first, other, *dotted))), None)
    assert sorted(stored(table).values()) == [20, 900, 900, 900]


def test_a_truncate_of_a_partition_is_not_one_of_its_table(table: Any) -> None:
    rows = [{**json.loads(record(seq, key={"id": seq})), "partition": f"p{seq}"} for seq in (1, 2)]
    truncate = {**json.loads(record(3, "truncate", key=None)), "partition": "p1"}
    handler(event(*(json.dumps(change).encode() for change in (*rows, truncate))), None)
    items = {item["row"]: item["partition"] for item in table.scan()["Items"]}
    assert items == {name(1): "p1", name(2): "p2", json.dumps(["7/1", "public", "orders", "p1", "truncate"]): "p1"}
