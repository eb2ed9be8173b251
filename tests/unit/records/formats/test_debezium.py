"""Each kind of event as a record of Debezium. What its own engine makes of rows is in tests/integration/test_debezium.py."""

from __future__ import annotations

import json
from base64 import b64decode
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from forwarder.config.formats import Debezium
from forwarder.events import NO_DATA, Event
from forwarder.records.formats.debezium.envelope import encoder
from forwarder.records.formats.debezium.fields import Change, Message, Source, Transaction
from forwarder.records.formats.debezium.transactions import TableCounts
from forwarder.records.formats.encoder import Provenance
from forwarder.records.origins import Origin, Origins
from tests.support import events
from tests.support.events import column

GOLDEN = Path(__file__).parents[3] / "golden" / "debezium"
PROVENANCE = Provenance(origins=Origins([Origin(0, "7312459")]), database="shop")


ORDERS = events.table(
    "orders", column("id", "int8"), column("total", "numeric", (10 << 16 | 2) + 4), column("day", "date")
)
EVENTS = replace(ORDERS, id=2, schema="forwarder", name="event")
event = partial(
    events.event,
    table=ORDERS,
    before='{"id":42,"total":1.10,"day":"2024-02-29"}',
    after='{"id":42,"total":99.90,"day":"2024-02-29"}',
)


def encode(event: Event, **options: Any) -> Any:
    [record] = encoder(PROVENANCE, Debezium(**options))([event])
    return json.loads(record)


def content(record: Any) -> Any:
    """What a message says."""
    return json.loads(b64decode(record["message"]["content"]))


def test_a_record_is_one_line_with_the_fields_of_debezium_in_its_order() -> None:
    [record] = encoder(PROVENANCE, Debezium(topic_prefix="srv"))([event()])
    assert record.decode() == (
        '{"before":{"id":42,"total":"bg==","day":19782},"after":{"id":42,"total":"JwY=","day":19782},'
        '"source":{"version":"3.6.3.Final","connector":"postgresql","name":"srv","ts_ms":1767323045123,"snapshot":"false",'
        '"db":"shop","sequence":"[null,\\"267505\\"]","ts_us":1767323045123456,"ts_ns":1767323045123456000,'
        '"schema":"public","table":"orders","txId":1140,"lsn":267505,"xmin":null,"origin":null,"origin_lsn":null},'
        '"transaction":null,"op":"u","ts_ms":1767323045123,"ts_us":1767323045123456,"ts_ns":1767323045123456000}'
    )


@pytest.mark.parametrize(
    ("op", "before", "after", "name", "snapshot"),
    [(b"I", None, "{}", "c", "false"), (b"R", None, "{}", "r", "incremental"), (b"D", "{}", None, "d", "false")],
)
def test_inserts_loaded_rows_and_deletes_have_one_image(
    op: bytes, before: str | None, after: str | None, name: str, snapshot: str
) -> None:
    record = encode(event(op=op, before=before, after=after))
    assert record["op"] == name
    assert record["source"]["snapshot"] == snapshot
    assert record["before"] == ({} if before else None)
    assert record["after"] == ({} if after else None)


def test_a_deleted_row_whose_image_is_not_captured_is_known_by_its_key() -> None:
    assert encode(event(op=b"D", before=None, after=None))["before"] == {"id": 42}


def test_a_truncate_has_a_record_only_where_it_is_not_skipped() -> None:
    truncate = event(op=b"T", before=None, after=None, key=None)
    assert encoder(PROVENANCE, Debezium())([truncate]) == [b""]
    record = encode(truncate, skipped_operations="none")
    assert (record["op"], record["before"], record["after"]) == ("t", None, None)


def test_the_truncate_of_one_partition_is_never_told_as_that_of_the_whole_table() -> None:
    truncate = event(op=b"T", before=None, after=None, key=None, partition="orders_2024")
    record = encode(truncate, skipped_operations="none", publish_via_partition_root=True)
    assert record["source"]["table"] == "orders_2024"


def test_the_halves_of_a_change_of_the_key_know_each_other_as_debeziums_headers_have_it() -> None:
    deleted = event(op=b"D", after=None, moved='{"day":"2024-03-01"}')
    assert encode(deleted)["source"]["forwarder"] == {"newkey": {"day": 19783}}
    created = event(op=b"I", before=None, moved='{"day":"2024-02-29"}')
    assert encode(created)["source"]["forwarder"] == {"oldkey": {"day": 19782}}
    assert "forwarder" not in encode(deleted, exact=True)["source"]


def test_what_has_no_place_in_debezium_is_told_in_source() -> None:
    extra = '"changed":["total"],"audit":{"user":"ada"}'
    told = event(partition="orders_2024", context='{"request":7}', extra=extra, before=None, omitted=("before",))
    assert encode(told)["source"]["forwarder"] == {
        "table": "orders",
        "partition": "orders_2024",
        "context": {"request": 7},
        "changed": ["total"],
        "audit": {"user": "ada"},
        "omitted": ["before"],
    }


def test_times_are_those_of_the_commit_where_that_is_known() -> None:
    record = encode(event(committed_at=820_638_245_200_000))
    assert record["source"]["ts_us"] == record["ts_us"] == 1767323045200000


def test_an_event_of_the_application_is_a_message_with_its_payload() -> None:
    emitted = '{"key":"42","type":"order.placed","topic":null,"payload":{"total":1.10}}'
    record = encode(event(op=b"E", table=EVENTS, before=None, after=emitted, key='{"key":"42"}'))
    assert list(record) == ["op", "ts_ms", "source", "transaction", "message"]
    assert (record["op"], record["source"]["schema"], record["source"]["table"]) == ("m", "", "")
    assert record["message"]["prefix"] == "order.placed"
    assert b64decode(record["message"]["content"]) == b'{"total":1.10}'
    assert record["source"]["forwarder"] == {"key": "42", "type": "order.placed", "topic": None}


def test_the_topic_of_an_event_goes_before_its_type_and_bytes_are_as_the_mode_has_them() -> None:
    emitted = '{"key":"42","type":"placed","topic":"orders","payload":"x"}'
    record = encode(event(op=b"E", table=EVENTS, before=None, after=emitted), binary_handling_mode="hex", exact=True)
    assert record["message"] == {"prefix": "orders", "content": b'"x"'.hex()}
    assert "forwarder" not in record["source"]


def test_a_gap_is_a_message() -> None:
    record = encode(event(op=b"G", before=None, after=None, key=None, fault="capture paused"))
    assert record["message"]["prefix"] == "forwarder.gap"
    assert content(record) == {"schema": "public", "table": "orders", "gap": "capture paused"}


def test_a_change_of_the_table_is_a_message() -> None:
    record = encode(event(op=b"S", before=None, after='{"columns":[]}', key=None))
    assert record["message"]["prefix"] == "forwarder.schema"
    assert content(record) == {"schema": "public", "table": "orders", "before": None, "after": {"columns": []}}


@pytest.mark.parametrize(
    ("missing", "told"),
    [
        ({"op": b"I", "before": None, "after": None, "key": None, "fault": "22P05"}, {"op": "c", "fault": "22P05"}),
        ({"op": b"D", "before": None, "after": None, "key": None, "fault": NO_DATA}, {"op": "d", "fault": NO_DATA}),
        (
            {"before": None, "after": None, "omitted": ("before", "after"), "stored_at": "s3://b/k"},
            {"op": "u", "omitted": ["before", "after"], "stored_at": "s3://b/k", "key": {"id": 42}},
        ),
    ],
)
def test_a_change_without_its_row_is_a_message_so_that_no_consumer_trips(
    missing: dict[str, Any], told: dict[str, Any]
) -> None:
    record = encode(event(**missing))
    assert record["message"]["prefix"] == "forwarder.incomplete"
    assert content(record) == {"schema": "public", "table": "orders", **told}


def test_transactions_number_their_changes_and_those_of_each_table() -> None:
    tables = [ORDERS, replace(ORDERS, id=3, name="items"), ORDERS]
    events = [event(seq=10 + n, index=n, count=3, table=table) for n, table in enumerate(tables, 1)]
    numbered, _ = TableCounts(whole_tables=False).number(events)
    assert [encode(one, provide_transaction_metadata=True)["transaction"] for one in numbered] == [
        {"id": "1140:11", "total_order": 1, "data_collection_order": 1},
        {"id": "1140:12", "total_order": 2, "data_collection_order": 1},
        {"id": "1140:13", "total_order": 3, "data_collection_order": 2},
    ]


def test_pages_that_come_again_have_the_numbers_that_they_had() -> None:
    partitions = ["a", "b", "a", "b"]
    events = [event(index=n, count=4, partition=partition) for n, partition in enumerate(partitions, 1)]
    for whole_tables, expected in [(False, [1, 1, 2, 2]), (True, [1, 2, 3, 4])]:
        first, after_first = TableCounts(whole_tables=whole_tables).number(events[:2])
        for _ in range(2):
            second, _ = after_first.number(events[2:])
            assert [one.table_index for one in [*first, *second]] == expected
    assert {one.table_index for one in events} == {None}


def test_transactions_whose_changes_stand_between_each_other_are_counted_apart() -> None:
    events = [event(txid=txid, index=index, count=2) for index in (1, 2) for txid in (7, 8, 9)]
    numbered, after = TableCounts(whole_tables=False).number(events)
    assert [one.table_index for one in numbered] == [1, 1, 1, 2, 2, 2]
    assert after == TableCounts(whole_tables=False)


def test_what_nobody_knows_of_a_transaction_is_null() -> None:
    events = [
        event(index=7),
        event(txid=1141, index=0, count=None),
        event(txid=1142, index=1),
        event(txid=1142, index=3),
    ]
    numbered, _ = TableCounts(whole_tables=False).number(events)
    told = [encode(one, provide_transaction_metadata=True)["transaction"] for one in numbered]
    assert [(one["total_order"], one["data_collection_order"]) for one in told] == [
        (7, None),
        (None, None),
        (1, 1),
        (3, None),
    ]


def test_a_dead_letter_that_was_alone_in_its_transaction_is_the_first_of_its_table() -> None:
    [record] = encoder(PROVENANCE, Debezium(provide_transaction_metadata=True))([event(index=1, count=1)])
    assert json.loads(record)["transaction"]["data_collection_order"] == 1


def test_line_breaks_of_json_are_spaces() -> None:
    [record] = encoder(PROVENANCE, Debezium())([event(after='{"note":[1,\n2]}', context='{"a":\r\n1}')])
    assert b"\n" not in record
    assert b"\r" not in record
    assert json.loads(record)["after"] == {"note": [1, 2]}


@pytest.mark.parametrize("run", ["default", "transaction"])
def test_records_have_the_fields_that_the_engines_have_in_their_order(run: str) -> None:
    lines = (GOLDEN / f"{run}.jsonl").read_bytes().splitlines()
    values = [value for value in (json.loads(line)["value"] for line in lines) if value]
    for value in values:
        record = Message if value["op"] == "m" else Change
        assert list(value) == names_of(record)
        assert list(value["source"]) == [name for name in names_of(Source) if name != "forwarder"]
        assert value["transaction"] is None or list(value["transaction"]) == names_of(Transaction)


def names_of(record: type[msgspec.Struct]) -> list[str]:
    return [field.encode_name for field in msgspec.structs.fields(record)]
