"""What each format makes of a load: of its beginning, of the rows that it reads, and of its end."""

from __future__ import annotations

import json
from base64 import b64decode
from collections.abc import Sequence
from typing import Any

import pytest
from msgspec.structs import replace

from forwarder.config.formats import FORMATS, format_of
from forwarder.config.sink_url import Framing
from forwarder.events import Event
from forwarder.records.formats.catalogue import record_format
from forwarder.records.formats.encoder import Provenance
from forwarder.records.origins import Origin, Origins
from tests.support.loads import LOAD, LOG, SEQ, beginning, end, row
from tests.support.peer_samples import lines_of, needs_samples

ORIGIN = "7312459/16384"
PROVENANCE = Provenance(origins=Origins([Origin(0, ORIGIN)]), database="shop", region="eu-west-1")
NEW = {"id": 42, "status": "new"}
ROW_ID = f"{ORIGIN}/load/7/770b7e47a9fc7bd5b97869d1"
# As `forwarder.store.dead_letters` gives back a row that was set aside: with a seq that was drawn then.
LETTER = replace(row(), reading=None, seq=SEQ + 1000)


def lines(name: str, events: Sequence[Event], **options: str) -> list[str]:
    return [data.decode() for data in record_format(format_of(name, options), Framing(), PROVENANCE).encode(events)]


def record(name: str, event: Event, **options: str) -> dict[str, Any]:
    [line] = lines(name, [event], **options)
    found: dict[str, Any] = json.loads(line)
    return found


def test_a_native_record_of_a_row_names_the_load_and_no_transaction() -> None:
    [line] = lines("native", [row()])
    assert line == (
        f'{{"id":"{ROW_ID}","seq":267505,"op":"read","schema":"public","table":"orders","key":{{"id":42}},'
        '"at":"2026-01-02T03:04:05.123456Z","txid":null,"tx":null,"before":null,"after":{"id":42,"status":"new"},"load":{"number":7}}'
    )


def test_native_records_tell_the_beginning_and_the_end_with_the_number_of_rows() -> None:
    first, last = (record("native", event) for event in (beginning(), end()))
    assert first["id"].startswith(f"{ORIGIN}/load/7/began-")
    assert last["id"] == f"{ORIGIN}/load/7/finished"
    for told in (first, last):
        assert (told["op"], told["table"], told["key"], told["after"]) == ("load", "orders", None, None)
        assert (told["txid"], told["tx"]) == (None, None)
    assert first["load"] == {"number": 7, "state": "began"}
    assert last["load"] == {"number": 7, "state": "finished", "rows": 2500}


def test_line_breaks_of_json_in_a_row_become_blanks() -> None:
    for name in FORMATS:
        [line] = lines(name, [row(after='{"id":42,"status":"new",\n"doc":[1,\r2]}')])
        # With MessageFormat=json, the default of DMS, a record is indented.
        assert name == "dms" or not {"\n", "\r"} & set(line)
        json.loads(line)


def test_a_row_that_is_read_again_has_the_id_that_it_had_and_no_other_row_has_it() -> None:
    again = row(seq=SEQ + 7, after='{"id":42,"status":"paid"}')
    others = [row(43), row(load=8), row(of=LOG), row(43, of=LOG), beginning(), beginning(begun=10), end()]
    for name, member in (("native", "id"), ("cloudevents", "id"), ("dynamodb", "eventID"), ("lambda", "id")):
        options = {"id": "true"} if name == "lambda" else {}
        ids = [record(name, event, **options)[member] for event in others if name != "dynamodb" or event.op == b"R"]
        first, second = (record(name, event, **options)[member] for event in (row(), again))
        assert first == second
        assert len({first, *ids}) == 1 + len(ids)


def test_rows_of_two_partitions_that_lie_at_one_place_have_two_ids() -> None:
    of_other = row(of=replace(LOG, relation=16402))
    assert record("native", row(of=LOG))["id"] != record("native", of_other)["id"]


def test_changes_beside_rows_are_as_they_would_be_alone() -> None:
    change = replace(row(), op=b"I", txid=9, seq=SEQ + 1, index=1, count=1, extra=None, reading=None)
    for name in FORMATS:
        options = {"id": "true"} if name == "lambda" else {}
        events = [change, row(), replace(change, seq=SEQ + 2), beginning(), change, end()]
        together = lines(name, events, **options)
        assert together == [line for event in events for line in lines(name, [event], **options)]


def test_cloudevents_have_types_of_their_own_and_the_id_of_the_native_record() -> None:
    found = [record("cloudevents", event) for event in (beginning(), row(), end())]
    assert [one["type"] for one in found] == ["forwarder.table.load", "forwarder.row.read", "forwarder.table.load"]
    assert [one["partitionkey"] for one in found] == ["public.orders", "public.orders.42", "public.orders"]
    assert all(one["id"] == one["data"]["id"] for one in found)
    assert found[1]["sequence"] == f"{SEQ:016x}"


def test_debezium_tells_rows_as_its_incremental_snapshots_do() -> None:
    told = record("debezium", row(), **{"provide.transaction.metadata": "true"})
    source = told["source"]
    assert (told["op"], told["before"], told["after"], told["transaction"]) == ("r", None, NEW, None)
    assert (source["snapshot"], source["txId"], source["sequence"]) == ("incremental", None, f'[null,"{SEQ}"]')
    # Many rows have one position, so the id tells them apart.
    assert source["forwarder"] == {"load": {"number": 7}, "id": ROW_ID}
    assert "forwarder" not in record("debezium", row(), exact="true")["source"]


@needs_samples
def test_a_row_has_the_members_that_debezium_gives_to_one_of_a_snapshot() -> None:
    snapshot = next(json.loads(line)["value"] for line in lines_of("debezium-default") if '"op":"r"' in line)
    told = record("debezium", row(), exact="true")
    assert list(told) == list(snapshot)
    assert list(told["source"]) == list(snapshot["source"])
    assert told["transaction"] == snapshot["transaction"] is None
    # The schema of its records has our word among those that `source.snapshot` may be.
    assert any(",incremental" in line for line in lines_of("debezium-schemas"))


@pytest.mark.parametrize(
    ("event", "content"),
    [
        (beginning(), {"schema": "public", "table": "orders", "load": {"number": 7, "state": "began"}}),
        (end(), {"schema": "public", "table": "orders", "load": {"number": 7, "state": "finished", "rows": 2500}}),
    ],
)
def test_debezium_tells_the_beginning_and_the_end_as_messages(event: Event, content: dict[str, Any]) -> None:
    told = record("debezium", event)
    assert (told["op"], told["message"]["prefix"]) == ("m", "forwarder.load")
    assert json.loads(b64decode(told["message"]["content"])) == content


def test_debezium_tells_a_row_that_could_not_be_read_as_a_message_of_its_load() -> None:
    told = record("debezium", row(after=None, fault="54000", key='{"id":42}'))
    assert told["message"]["prefix"] == "forwarder.incomplete"
    content = json.loads(b64decode(told["message"]["content"]))
    assert (content["op"], content["key"], content["fault"], content["load"]) == (
        "r",
        {"id": 42},
        "54000",
        {"number": 7},
    )


@pytest.mark.parametrize("exact", ["false", "true"])
def test_dms_has_rows_as_its_full_load_and_neither_beginning_nor_end(exact: str) -> None:
    told = record("dms", row(), IncludeTransactionDetails="true", exact=exact)
    assert told == {
        "data": NEW,
        "metadata": {
            "timestamp": "2026-01-02T03:04:05.123456Z",
            "record-type": "data",
            "operation": "load",
            "partition-key-type": "primary-key",
            "schema-name": "public",
            "table-name": "orders",
        },
    }
    assert lines("dms", [beginning(), end()], exact=exact) == ["", ""]


@pytest.mark.parametrize("style", ["kinesis", "streams"])
def test_dynamodb_has_rows_as_inserts_and_neither_beginning_nor_end(style: str) -> None:
    told = record("dynamodb", row(), style=style)
    assert told["eventName"] == "INSERT"
    assert told["dynamodb"]["NewImage"] == {"id": {"N": "42"}, "status": {"S": "new"}}
    assert told["forwarder"] == {"load": {"number": 7}, "seq": SEQ}
    assert lines("dynamodb", [beginning(), end()], style=style) == ["", ""]


def test_lambda_has_the_row_and_of_the_beginning_and_the_end_the_table() -> None:
    load = {"number": LOAD}
    assert record("lambda", row()) == {"type": "READ", "data": NEW, "load": load}
    named = {"type": "LOAD", "data": None, "schema": "public", "table": "orders"}
    assert record("lambda", beginning()) == {**named, "load": {**load, "state": "began"}}
    assert record("lambda", end()) == {**named, "load": {**load, "state": "finished", "rows": 2500}}
    assert record("lambda", row(), id="true")["id"] == ROW_ID


def test_a_row_that_was_set_aside_claims_no_seq_that_newer_changes_may_not_exceed() -> None:
    native = record("native", LETTER)
    # Its id is by the seq that it got when it was set aside.
    assert (native["id"], native["seq"]) == (f"{ORIGIN}/{SEQ + 1000:016x}", 0)
    assert (native["txid"], native["tx"], native["load"]) == (None, None, {"number": 7})
    cloudevent = record("cloudevents", LETTER)
    assert (cloudevent["id"], cloudevent["sequence"]) == (native["id"], "0" * 16)
    assert record("lambda", LETTER, id="true")["seq"] == 0
    assert record("debezium", LETTER)["source"]["sequence"] == '[null,"0"]'
    assert record("dynamodb", LETTER, style="streams")["dynamodb"]["SequenceNumber"] == "0" * 21
    assert record("dynamodb", LETTER)["forwarder"]["seq"] == 0
