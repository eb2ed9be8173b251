from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from forwarder.events import CapturedTable, Event
from forwarder.records.formats.encoder import Provenance
from forwarder.records.formats.native import encoder
from forwarder.records.origins import Origin, Origins
from tests.support.events import ORDERS, event

MICROSECOND, SECOND, DAY = 1, 1_000_000, 86_400 * 1_000_000


encode_all = encoder(Provenance(origins=Origins([Origin(0, "7312459")]), database="shop"))


def encode(event: Event) -> bytes:
    [record] = encode_all([event])
    return record


def test_a_record_is_one_line_of_json_with_the_images_as_the_server_wrote_them() -> None:
    assert encode(event()).decode() == (
        '{"id":"7312459/00000000000414f1","seq":267505,"op":"update","schema":"public","table":"orders","key":{"id":42},'
        '"at":"2026-01-02T03:04:05.123456Z","txid":"1140","tx":{"index":1,"count":2},'
        '"before":{"id":42,"price":1.10},"after":{"id":42,"price":12345678901234567890.10}}'
    )


@pytest.mark.parametrize(
    ("op", "before", "after", "name"),
    [
        (b"I", None, "{}", "insert"),
        (b"U", "{}", "{}", "update"),
        (b"D", "{}", None, "delete"),
        (b"T", None, None, "truncate"),
        (b"R", None, "{}", "read"),
        (b"E", None, "{}", "event"),
        (b"S", None, "{}", "schema"),
        (b"S", "{}", "{}", "schema"),
        (b"S", "{}", None, "schema"),
    ],
)
def test_what_an_operation_does_not_have_is_null(op: bytes, before: str | None, after: str | None, name: str) -> None:
    record = json.loads(encode(event(op=op, before=before, after=after, key=None)))

    assert record["op"] == name
    assert record["before"] == (None if before is None else {})
    assert record["after"] == (None if after is None else {})
    assert record["key"] is None


def test_a_partition_is_named_beside_its_table() -> None:
    record = json.loads(encode(event(partition="orders_2026")))

    assert (record["table"], record["partition"]) == ("orders", "orders_2026")
    assert "partition" not in json.loads(encode(event()))


def test_the_two_halves_of_an_update_that_changed_the_key_name_each_others() -> None:
    new = '{"id":43,"price":1.10}'
    delete = json.loads(encode(event(op=b"D", after=None, moved='{"id":43}')))
    insert = json.loads(encode(event(op=b"I", before=None, after=new, key='{"id":43}', moved='{"id":42}')))

    assert (delete["key"], delete["moved_to"], delete["after"]) == ({"id": 42}, {"id": 43}, None)
    assert (insert["key"], insert["moved_from"], insert["before"]) == ({"id": 43}, {"id": 42}, None)
    assert "moved_from" not in delete
    assert "moved_to" not in insert


def test_where_old_rows_are_left_out_the_key_that_an_update_took_away_is_kept() -> None:
    table = replace(ORDERS, before_image="none")
    moved = json.loads(encode(event(op=b"D", table=table, after=None, moved='{"id":43}')))
    deleted = json.loads(encode(event(op=b"D", table=table, after=None)))

    assert (moved["before"], deleted["before"]) == ({"id": 42}, None)


def test_a_fault_takes_the_place_of_the_images() -> None:
    record = json.loads(encode(event(before=None, after=None, fault="54000")))

    assert (record["before"], record["after"], record["fault"]) == (None, None, "54000")
    assert "fault" not in json.loads(encode(event()))


@pytest.mark.parametrize("op", [b"U", b"D"])
def test_a_table_that_keeps_no_before_image_shows_none(op: bytes) -> None:
    table = CapturedTable(id=1, relation=1, schema="s", name="t", key_columns=(), before_image="none")

    record = json.loads(encode(event(table=table, op=op)))

    assert record["before"] is None
    assert record["key"] == {"id": 42}


@pytest.mark.parametrize("line_break", ["\n", "\r", "\r\n"])
def test_line_breaks_between_the_tokens_of_a_json_column_leave_one_line(line_break: str) -> None:
    written = f'{{"document":{{{line_break}  "a":{line_break}1,{line_break}"b":"x\\ny"}}}}'

    line = encode(event(after=written))

    assert len(line.splitlines()) == 1
    assert json.loads(line)["after"] == {"document": {"a": 1, "b": "x\ny"}}


@given(names=st.tuples(*[st.text(st.characters(exclude_characters="\x00", exclude_categories=["Cs"]), min_size=1)] * 3))
def test_any_name_makes_valid_json(names: tuple[str, str, str]) -> None:
    schema, name, partition = names
    table = CapturedTable(id=1, relation=1, schema=schema, name=name, key_columns=(), before_image="full")

    record = json.loads(encode(event(table=table, partition=partition)))

    assert (record["schema"], record["table"], record["partition"]) == names


def test_a_renamed_table_shows_under_its_new_name() -> None:
    def named(name: str) -> CapturedTable:
        return CapturedTable(id=1, relation=1, schema="public", name=name, key_columns=(), before_image="full")

    names = [json.loads(encode(event(table=named(name))))["table"] for name in ("orders", "purchases")]

    assert names == ["orders", "purchases"]


@pytest.mark.parametrize(
    ("microseconds", "text"),
    [
        (0, "2000-01-01T00:00:00.000000Z"),
        (-MICROSECOND, "1999-12-31T23:59:59.999999Z"),
        (-SECOND, "1999-12-31T23:59:59.000000Z"),
        (-30 * 365 * DAY, "1970-01-08T00:00:00.000000Z"),
        (59 * DAY, "2000-02-29T00:00:00.000000Z"),
        (7 * SECOND + 42, "2000-01-01T00:00:07.000042Z"),
    ],
)
def test_a_timestamp_is_exact_to_the_microsecond(microseconds: int, text: str) -> None:
    assert json.loads(encode(event(at=microseconds)))["at"] == text


def test_many_events_are_encoded_each_as_it_would_be_alone() -> None:
    # What an event has in common with the one before it comes and goes here, each by itself.
    secretive = CapturedTable(id=2, relation=2, schema="s", name="t", key_columns=(), before_image="none")
    changes: list[dict[str, Any]] = [
        *({"at": at} for at in (0, MICROSECOND, SECOND - 1, SECOND, -1, -SECOND, SECOND + 42, 42, DAY, DAY + 999_999)),
        *({"index": index, "count": count} for index, count in ((1, 1), (1, 2), (2, 2), (7, None), (1, 1))),
        *({"seq": seq} for seq in (1, 4095, 4096, 4097, 4095, 8192, 2**40, 2**40 + 4096, 1)),
        *({"table": table} for table in (ORDERS, secretive, ORDERS, secretive)),
        *({"table": secretive, "op": op} for op in (b"U", b"D", b"U")),
        *({"op": op} for op in (b"I", b"U", b"D", b"U")),
        *({"partition": partition} for partition in (None, "a", "b", None, "a")),
    ]
    events = [event(**change) for change in changes]

    assert encode_all(events) == [encode(event) for event in events]
    assert encode_all(events[::-1]) == [encode(event) for event in events][::-1]
    assert encode_all([]) == []


def test_the_id_is_the_same_over_every_resend_and_sorts_by_seq() -> None:
    ids = [json.loads(encode(event(seq=seq)))["id"] for seq in (9, 10, 255, 256, 2**40)]

    assert ids == sorted(ids)
    assert json.loads(encode(event(seq=9, index=1)))["id"] == ids[0]


def test_what_a_transaction_and_a_trigger_have_to_say_stands_behind_the_images() -> None:
    told = event(context='{"user":"ada","sum":1.10}', extra='"changed":["price"],"audit":{"user":"shop"}')
    told.omitted = ("before",)
    assert (
        encode(told)
        .decode()
        .endswith(
            '10},"context":{"user":"ada","sum":1.10},"changed":["price"],"audit":{"user":"shop"},"omitted":["before"]}'
        )
    )


def test_line_breaks_in_a_context_become_spaces() -> None:
    assert encode(event(context='{\n"user":\r\n"ada"}')).decode().endswith('"context":{ "user":  "ada"}}')


@pytest.mark.parametrize(
    ("committed_at", "text"),
    [
        (820_638_245_123_456, "2026-01-02T03:04:05.123456Z"),
        (820_638_245_000_007, "2026-01-02T03:04:05.000007Z"),
        (-1, "1999-12-31T23:59:59.999999Z"),
    ],
)
def test_the_time_of_the_commit_has_six_digits_as_any_other(committed_at: int, text: str) -> None:
    assert encode(event(committed_at=committed_at)).decode().endswith(f'10}},"committed_at":"{text}"}}')
