"""What each format tells of a change, and what it has no place for."""

from __future__ import annotations

import json
from base64 import b64encode, urlsafe_b64encode
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from forwarder.consumer import Change, Unreadable, decode

AT = datetime(2026, 1, 2, 3, 4, 5, 123456, tzinfo=UTC)
AT_TEXT = "2026-01-02T03:04:05.123456Z"
AT_MICROSECONDS = 1_767_323_045_123_456
OLD, NEW = {"id": 42, "status": "new"}, {"id": 42, "status": "paid"}


def read(document: dict[str, Any]) -> Change:
    """The change of a document, without the text that it was read from."""
    raw = json.dumps(document)
    (change,) = decode(raw.encode())
    assert change.raw == raw
    return Change(**{name: getattr(change, name) for name in Change.__slots__ if name != "raw"})


def native(**members: Any) -> dict[str, Any]:
    return {
        "id": "7312459/16384/00000000000414f1",
        "seq": 267505,
        "op": "update",
        "schema": "public",
        "table": "orders",
        "key": {"id": 42},
        "at": AT_TEXT,
        "txid": "1140",
        "tx": {"index": 1, "count": 2},
        "before": OLD,
        "after": NEW,
        **members,
    }


UPDATE = Change(
    format="native",
    op="update",
    schema="public",
    table="orders",
    key={"id": 42},
    before=OLD,
    after=NEW,
    id="7312459/16384/00000000000414f1",
    origin="7312459/16384",
    seq=267505,
    at=AT,
    txid="1140",
    tx_index=1,
    tx_count=2,
)


def updated(change: Change, **members: Any) -> Change:
    return Change(**{**{name: getattr(change, name) for name in Change.__slots__}, **members})


def test_native_carries_everything() -> None:
    assert read(native()) == UPDATE


def test_native_has_members_that_few_records_have() -> None:
    few: dict[str, Any] = {
        "partition": "orders_2026",
        "context": {"user": "ada"},
        "changed": ["status"],
        "audit": {"user": "app"},
        "moved_from": {"id": 41},
        "moved_to": {"id": 43},
        "fault": "54000",
        "omitted": ["before"],
        "stored_at": "s3://bucket/object",
    }
    expected = updated(UPDATE, **{**few, "changed": ("status",), "omitted": ("before",), "committed_at": AT})
    assert read(native(**few, committed_at=AT_TEXT)) == expected


def test_native_may_not_know_its_place_in_the_transaction() -> None:
    assert read(native(tx={"index": None, "count": None})) == updated(UPDATE, tx_index=None, tx_count=None)


def dms(operation: str, **members: Any) -> dict[str, Any]:
    about = {"timestamp": AT_TEXT, "record-type": "data", "operation": operation, "partition-key-type": "primary-key"}
    details = {
        "schema-name": "public",
        "table-name": "orders",
        "transaction-id": 1140,
        "transaction-record-id": 1,
        "commit-timestamp": AT_TEXT,
        "stream-position": "00000000/000414F1.2.00000000/000414F1",
    }
    return {**members, "metadata": {**about, **details}}


DMS = Change(
    format="dms",
    op="update",
    schema="public",
    table="orders",
    seq=267505,
    at=AT,
    committed_at=AT,
    txid="1140",
    tx_index=1,
)


@pytest.mark.parametrize(
    ("operation", "op", "before", "after"),
    [
        ("load", "read", None, NEW),
        ("insert", "insert", None, NEW),
        ("update", "update", None, NEW),
        ("delete", "delete", NEW, None),
    ],
)
def test_dms_has_the_row_in_data(operation: str, op: str, before: Any, after: Any) -> None:
    assert read(dms(operation, data=NEW)) == updated(DMS, op=op, before=before, after=after)


def test_dms_has_the_old_row_in_before_image() -> None:
    assert read({"before-image": OLD, **dms("update", data=NEW)}) == updated(DMS, before=OLD, after=NEW)


def test_dms_has_the_old_row_under_any_name_that_an_endpoint_gives_it() -> None:
    assert read({"old": OLD, **dms("update", data=NEW)}) == updated(DMS, before=OLD, after=NEW)
    assert read({"note": "x", "old": OLD, **dms("update", data=NEW)}) == updated(DMS, before=OLD, after=NEW)


def test_dms_tells_its_partition_key_where_that_is_included() -> None:
    document = dms("insert", data=NEW)
    document["metadata"]["partition-key-value"] = "public.orders.42"
    assert read(document) == updated(DMS, op="insert", after=NEW, partition_key="public.orders.42")


def test_dms_without_transaction_details_has_no_seq() -> None:
    document = dms("insert", data=NEW)
    for name in ("transaction-id", "transaction-record-id", "commit-timestamp", "stream-position"):
        del document["metadata"][name]
    expected = Change(format="dms", op="insert", schema="public", table="orders", after=NEW, at=AT)
    assert read(document) == expected


def test_a_control_record_of_dms_is_about_the_table() -> None:
    assert read(control("drop-table")) == updated(DMS, op="schema", after={})


def control(operation: str, **members: Any) -> dict[str, Any]:
    document = dms(operation, control={}, **members)
    document["metadata"]["record-type"] = "control"
    return document


@pytest.mark.parametrize(
    ("operation", "ours", "expected"),
    [
        ("truncate-table", {}, {"op": "truncate"}),
        ("truncate-partition", {"partition": "orders_1"}, {"op": "truncate", "partition": "orders_1"}),
        ("gap", {"fault": "capture paused"}, {"op": "gap", "fault": "capture paused"}),
        (
            "row-omitted",
            {"operation": "update", "key": {"id": 42}, "omitted": ["before", "after"], "stored_at": "s3://b/k"},
            {"op": "update", "key": {"id": 42}, "omitted": ("before", "after"), "stored_at": "s3://b/k"},
        ),
    ],
)
def test_what_dms_does_not_tell_of_is_a_control_record_of_ours(
    operation: str, ours: dict[str, Any], expected: dict[str, Any]
) -> None:
    assert read(control(operation, forwarder=ours)) == updated(DMS, **expected)


def test_a_row_of_the_table_of_events_is_an_event() -> None:
    document = dms("insert", data={"key": "42", "type": "order.placed"})
    event = {"schema-name": "forwarder", "table-name": "event"}
    document["metadata"] |= event
    assert read(document).op == "event"
    omitted = control("row-omitted", forwarder={"operation": "insert", "key": {"key": "42"}})
    omitted["metadata"] |= event
    assert read(omitted).op == "event"


def debezium(op: str, **members: Any) -> dict[str, Any]:
    source = {
        "connector": "postgresql",
        "ts_ms": AT_MICROSECONDS // 1000,
        "sequence": '[null,"267505"]',
        "ts_us": AT_MICROSECONDS,
        "schema": "public",
        "table": "orders",
        "txId": 1140,
    }
    transaction = {"id": "1140:267505", "total_order": 1, "data_collection_order": 1}
    return {"before": None, "after": None, "source": source, "transaction": transaction, "op": op, **members}


DEBEZIUM = Change(
    format="debezium", op="update", schema="public", table="orders", seq=267505, at=AT, txid="1140", tx_index=1
)


@pytest.mark.parametrize(
    ("letter", "op", "before", "after"),
    [
        ("c", "insert", None, NEW),
        ("u", "update", OLD, NEW),
        ("d", "delete", OLD, None),
        ("r", "read", None, NEW),
        ("t", "truncate", None, None),
    ],
)
def test_debezium_has_a_letter_for_each_operation(letter: str, op: str, before: Any, after: Any) -> None:
    document = debezium(letter, before=before, after=after)
    expected = updated(DEBEZIUM, op=op, before=before, after=after)
    assert read(document) == expected
    assert read({"schema": {}, "payload": document}) == expected


def test_a_message_of_debezium_is_an_event() -> None:
    message = {"prefix": "audit", "content": "eyJ1c2VyIjogImFubiJ9"}
    assert read(debezium("m", message=message)) == updated(DEBEZIUM, op="event", schema=None, table=None, after=message)


def of_debezium(prefix: str, content: Any, *, encode: Any = b64encode, **ours: Any) -> Change:
    """The change that a message of forwarder tells of."""
    text = encode(json.dumps(content).encode())
    document = debezium("m", message={"prefix": prefix, "content": text if isinstance(text, str) else text.decode()})
    document["source"] |= {"schema": "", "table": "", "forwarder": ours}
    return read(document)


@pytest.mark.parametrize("encode", [b64encode, urlsafe_b64encode, bytes.hex])
def test_what_debezium_does_not_tell_of_is_a_message_of_ours(encode: Any) -> None:
    names = {"schema": "public", "table": "orders"}
    gap = of_debezium("forwarder.gap", {**names, "gap": "capture paused", "partition": "ä>?"}, encode=encode)
    assert gap == updated(DEBEZIUM, op="gap", fault="capture paused", partition="ä>?")
    schema = of_debezium("forwarder.schema", {**names, "before": None, "after": {"columns": []}}, encode=encode)
    assert schema == updated(DEBEZIUM, op="schema", after={"columns": []})
    incomplete = of_debezium("forwarder.incomplete", {**names, "op": "d", "fault": "54000", "key": {"id": 42}})
    assert incomplete == updated(DEBEZIUM, op="delete", fault="54000", key={"id": 42})


def test_an_event_of_ours_has_its_key_and_its_payload() -> None:
    change = of_debezium("orders", {"a": 1}, key="42", type="order.placed", topic="orders", context={"user": "ada"})
    after = {"key": "42", "type": "order.placed", "topic": "orders", "payload": {"a": 1}}
    place = {"schema": "forwarder", "table": "event", "key": {"key": "42"}, "context": {"user": "ada"}}
    assert change == updated(DEBEZIUM, op="event", after=after, **place)


@pytest.mark.parametrize("prefix", ["forwarder.unheard-of", "forwarder.incomplete"])
def test_a_message_of_ours_that_is_not_known_is_refused(prefix: str) -> None:
    with pytest.raises(Unreadable, match="message of forwarder"):
        of_debezium(prefix, {})


def test_debezium_has_what_it_has_no_place_for_in_its_source() -> None:
    document = debezium("d", before=OLD)
    document["source"] |= {"name": "srv", "db": "app", "table": "orders_1"}
    document["source"]["forwarder"] = {"table": "orders", "partition": "orders_1", "newkey": {"id": 43}}
    place = {"partition": "orders_1", "moved_to": {"id": 43}, "origin": "srv/app"}
    assert read(document) == updated(DEBEZIUM, op="delete", before=OLD, **place)


@pytest.mark.parametrize(
    "document",
    [
        {"status": "BEGIN", "id": "1:2", "event_count": None, "data_collections": None, "ts_ms": 1},
        {"ts_ms": 1},
        {"schema": {}, "payload": None},
    ],
)
def test_what_debezium_says_of_no_row_is_no_change(document: dict[str, Any]) -> None:
    assert decode(json.dumps(document).encode()) == []


def dynamodb(name: str, *, about: dict[str, Any] | None = None, **stream: Any) -> dict[str, Any]:
    times = {"ApproximateCreationDateTime": AT_MICROSECONDS, "ApproximateCreationDateTimePrecision": "MICROSECOND"}
    inner = {**times, "Keys": {"id": {"N": "42"}}, "SequenceNumber": "267505", **stream}
    about = {"tableName": "orders"} if about is None else about
    return {"eventID": "an-id", "eventName": name, "eventSource": "aws:dynamodb", "dynamodb": inner, **about}


DYNAMODB = Change(format="dynamodb", op="update", table="orders", key={"id": 42}, id="an-id", seq=267505, at=AT)
OLD_ITEM = {"id": {"N": "42"}, "status": {"S": "new"}}
NEW_ITEM = {"id": {"N": "42"}, "status": {"S": "paid"}}


@pytest.mark.parametrize(
    ("name", "op", "images", "before", "after"),
    [
        ("INSERT", "insert", {"NewImage": NEW_ITEM}, None, NEW),
        ("MODIFY", "update", {"OldImage": OLD_ITEM, "NewImage": NEW_ITEM}, OLD, NEW),
        ("REMOVE", "delete", {"OldImage": OLD_ITEM}, OLD, None),
    ],
)
def test_dynamodb_has_images(name: str, op: str, images: dict[str, Any], before: Any, after: Any) -> None:
    assert read(dynamodb(name, **images)) == updated(DYNAMODB, op=op, before=before, after=after)


def test_attribute_values_of_dynamodb_become_plain_ones() -> None:
    item = {
        "n": {"N": "1.50"},
        "i": {"N": "12345678901234567890123456789012345678"},
        "b": {"B": "AN6tvu8="},
        "t": {"BOOL": True},
        "z": {"NULL": True},
        "l": {"L": [{"S": "x"}, {"M": {"a": {"N": "-1"}}}]},
        "s": {"SS": ["a"]},
        "ns": {"NS": ["1", "2.5"]},
        "bs": {"BS": ["AQ=="]},
    }
    assert read(dynamodb("INSERT", NewImage=item)).after == {
        "n": Decimal("1.50"),
        "i": 12345678901234567890123456789012345678,
        "b": b"\x00\xde\xad\xbe\xef",
        "t": True,
        "z": None,
        "l": ["x", {"a": -1}],
        "s": ["a"],
        "ns": [1, Decimal("2.5")],
        "bs": [b"\x01"],
    }


@pytest.mark.parametrize("item", [{"n": 5}, {"n": {"N": "x"}}, {"n": {"Q": "1"}}, {"n": {"L": 5}}, {"n": {"B": "?"}}])
def test_an_attribute_of_dynamodb_without_its_type_is_refused(item: dict[str, Any]) -> None:
    with pytest.raises(Unreadable, match="attribute"):
        read(dynamodb("INSERT", NewImage=item))


@pytest.mark.parametrize(
    ("time", "at"),
    [
        (AT_MICROSECONDS // 1000, AT.replace(microsecond=123_000)),
        (AT_MICROSECONDS // 1_000_000, AT.replace(microsecond=0)),
    ],
)
def test_dynamodb_writes_times_in_seconds_or_milliseconds(time: int, at: datetime) -> None:
    document = dynamodb("MODIFY", ApproximateCreationDateTime=time)
    del document["dynamodb"]["ApproximateCreationDateTimePrecision"]
    assert read(document).at == at


@pytest.mark.parametrize("time", ["1e99999999", "-1", "9" * 30, '"soon"', "true"])
def test_a_time_beyond_all_calendars_is_refused(time: str) -> None:
    raw = json.dumps(dynamodb("MODIFY")).replace(str(AT_MICROSECONDS), time)
    with pytest.raises(Unreadable, match="not a time"):
        decode(raw.encode())


def test_dynamodb_streams_names_the_table_in_its_arn() -> None:
    arn = "arn:aws:dynamodb:eu-west-1:123456789012:table/orders/stream/2024-01-01T00:00:00.000"
    assert read(dynamodb("MODIFY", about={"eventSourceARN": arn})).table == "orders"


def test_a_record_of_ours_for_dynamodb_has_its_seq_in_its_id() -> None:
    document = dynamodb("MODIFY", about={"tableName": "public.orders"}, NewImage=NEW_ITEM)
    del document["dynamodb"]["SequenceNumber"]
    document |= {"eventID": "875eb6d1-7d13-804a-8000-0000000414f1", "forwarder": {"context": {"user": "ada"}}}
    place = {"id": document["eventID"], "origin": "875eb6d1-7d13-804a", "schema": "public"}
    assert read(document) == updated(DYNAMODB, after=NEW, context={"user": "ada"}, **place)


def test_an_id_of_dynamodb_streams_that_looks_like_ours_is_not_ours() -> None:
    arn = "arn:aws:dynamodb:eu-west-1:123456789012:table/shop.orders/stream/2024-01-01T00:00:00.000"
    document = dynamodb("MODIFY", about={"eventSourceARN": arn})
    for id, place in [
        ("f07f8ca4b0b28cb9a4e5e77e69f274ee", {"table": "shop.orders"}),
        ("20d9130dae3e8ac680000000000414f1", {"schema": "shop", "table": "orders", "origin": "20d9130d-ae3e-8ac6"}),
    ]:
        assert read({**document, "eventID": id}) == updated(DYNAMODB, id=id, **{"schema": None, **place})


@pytest.mark.parametrize(
    ("document", "change"),
    [
        ({"type": "INSERT", "data": NEW}, Change(format="lambda", op="insert", after=NEW)),
        ({"type": "DELETE", "data": OLD}, Change(format="lambda", op="delete", before=OLD)),
        (
            {"type": "UPDATE", "data": {"old": OLD, "new": NEW}},
            Change(format="lambda", op="update", before=OLD, after=NEW),
        ),
    ],
)
def test_lambda_has_rows_and_nothing_else(document: dict[str, Any], change: Change) -> None:
    assert read(document) == change


def test_lambda_has_more_where_a_sink_is_asked_for_it() -> None:
    names = {"schema": "public", "table": "orders"}
    document = {"type": "READ", "data": NEW, **names, "id": UPDATE.id, "seq": 267505, "context": {"user": "ada"}}
    about: dict[str, Any] = {
        **names,
        "id": UPDATE.id,
        "origin": UPDATE.origin,
        "seq": 267505,
        "context": {"user": "ada"},
    }
    assert read(document) == Change(format="lambda", op="read", after=NEW, **about)


@pytest.mark.parametrize(("type", "op"), [("TRUNCATE", "truncate"), ("GAP", "gap")])
def test_lambda_names_the_table_of_what_concerns_all_of_it(type: str, op: Any) -> None:
    names: dict[str, Any] = {"schema": "public", "table": "orders"}
    assert read({"type": type, "data": None, **names}) == Change(format="lambda", op=op, **names)


def cloudevent(data: Any) -> dict[str, Any]:
    return {
        "specversion": "1.0",
        "id": "7312459/16384/00000000000414f1",
        "source": "/postgresql/app/public/orders",
        "type": "forwarder.row.updated",
        "time": AT_TEXT,
        "datacontenttype": "application/json",
        "data": data,
    }


def test_cloudevents_have_a_native_record_in_their_data() -> None:
    assert read(cloudevent(native())) == updated(UPDATE, format="cloudevents")


def test_cloudevents_may_tell_by_their_attributes_what_the_data_leaves_out() -> None:
    expected = Change(
        format="cloudevents",
        op="update",
        schema="public",
        table="orders",
        id=UPDATE.id,
        origin=UPDATE.origin,
        at=AT,
        before=OLD,
        after=NEW,
    )
    assert read(cloudevent({"before": OLD, "after": NEW})) == expected


def test_cloudevents_of_debezium_are_read_too() -> None:
    document = {
        **cloudevent({"before": OLD, "after": None}),
        "type": "io.debezium.connector.postgresql.DataChangeEvent",
        "iodebeziumop": "d",
        "iodebeziumsequence": '["267500","267505"]',
        "iodebeziumschema": "public",
        "iodebeziumtable": "orders",
        "iodebeziumtxId": "1140",
        "iodebeziumtxtotalorder": "3",
    }
    change = read(document)
    assert (change.op, change.table, change.seq, change.txid, change.tx_index) == (
        "delete",
        "orders",
        267505,
        "1140",
        3,
    )
    assert (change.before, change.after, change.id) == (OLD, None, None)
