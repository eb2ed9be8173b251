"""The line of a change says what became of which row, in a form that harms no terminal."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from forwarder.cli.tail_lines import line
from forwarder.cli.terminal_text import safe
from forwarder.consumer import Change
from forwarder.consumer.reading.stored_record import StoredRecord

AT = datetime(2026, 1, 2, 3, 4, 5, 123456, tzinfo=UTC)
OF_A_SHARD = StoredRecord(data=b"", shard="shardId-000000000003", arrived_at=AT)
OF_A_FILE = StoredRecord(data=b"")


def change(**members: Any) -> Change:
    defaults: dict[str, Any] = {"format": "native", "op": "update", "schema": "public", "table": "orders"}
    return Change(**{**defaults, "key": {"id": 42}, "seq": 7, "at": AT, "tx_index": 1, "tx_count": 2, **members})


def shown(**members: Any) -> str:
    return line(change(**members), OF_A_FILE).plain


def details(**members: Any) -> str:
    return shown(**members).partition("1/2")[2].strip()


def test_a_line_begins_with_time_shard_operation_table_key_seq_and_place() -> None:
    text = line(change(), OF_A_SHARD).plain
    assert text == "2026-01-02 03:04:05.123  0003  update    public.orders  id=42  seq 7  1/2"


def test_a_line_leaves_out_what_a_record_has_not() -> None:
    assert line(Change(format="lambda", op="insert", after={"a": 1}), OF_A_FILE).plain == "insert    a=1"


def test_a_repeat_says_so() -> None:
    assert line(change(), OF_A_FILE, is_repeat=True).plain.endswith("1/2  repeat")


@pytest.mark.parametrize(
    ("members", "expected"),
    [
        ({"before": {"id": 42, "a": 1, "b": 2}, "after": {"id": 42, "a": 1, "b": 3}}, "b: 2 → 3"),
        ({"before": {"id": 42}, "after": {"id": 42, "a": None, "b": 2}}, "a=null, b=2"),
        ({"before": {"id": 42, "a": None}, "after": {"id": 42, "a": 1}}, "a: null → 1"),
        (
            {"format": "dms", "before": {"id": 1, "a": 2}, "after": {"_doc": {"id": 1, "a": 3}, "t": "x"}},
            'a: 2 → 3, t="x"',
        ),
        ({"format": "dms", "op": "insert", "after": {"_doc": {"a": 3}, "t": "x"}}, 'a=3, t="x"'),
        ({"format": "native", "op": "insert", "after": {"_doc": {"a": 3}}}, "_doc={a: 3}"),
        ({"after": {"id": 42, "a": "x", "b": Decimal("1.10")}}, 'a="x", b=1.10'),
        ({"op": "insert", "after": {"id": 42, "a": True, "d": {"x": [1, {}]}}}, "a=true, d={x: [1, {}]}"),
        ({"op": "delete", "before": {"id": 42, "a": 1}, "moved_to": {"id": 43}}, "moved to id=43, a=1"),
        ({"omitted": ("before", "after"), "stored_at": "s3://bucket/object"}, "stored at s3://bucket/object"),
        ({"op": "gap", "fault": "capture paused"}, "fault: capture paused"),
        ({"op": "insert", "after": {"b": b"\x00\xff"}}, "b=00ff"),
        ({"op": "insert", "after": {"n": Decimal(10**5000)}}, f"n=1{'0' * 59}…"),
        ({"op": "insert", "after": {"s": "x" * 100}}, f's="{"x" * 59}…'),
        ({"op": "insert", "after": {"d": {"a": {"b": {"c": {"d": 1}}}}}}, "d={a: {b: {c: …}}}"),
    ],
)
def test_a_line_tells_what_became_of_the_row(members: dict[str, Any], expected: str) -> None:
    assert details(**members) == expected


@pytest.mark.parametrize(
    ("load", "expected"),
    [
        ({"number": 7, "state": "began"}, "load      public.orders  seq 7  load 7 began"),
        (
            {"number": 7, "state": "finished", "rows": 2500},
            "load      public.orders  seq 7  load 7 finished, 2,500 rows",
        ),
    ],
)
def test_the_beginning_and_the_end_of_a_load_are_told_with_the_number_of_rows(
    load: dict[str, Any], expected: str
) -> None:
    assert shown(op="load", key=None, at=None, tx_index=None, load=load) == expected


def test_a_row_that_is_loaded_is_shown_whole_with_the_number_of_the_load() -> None:
    told = shown(op="read", at=None, tx_index=None, after={"id": 42, "a": 1}, load={"number": 7})
    assert told == "read      public.orders  id=42  seq 7  load 7  a=1"


def test_no_value_or_name_moves_the_cursor() -> None:
    harm = "\x1b[2J\x9b2J\r\n\u202e\u2028\ud800"
    text = line(change(table=harm, key={harm: harm}, after={harm: harm}), OF_A_FILE).plain
    assert text.isprintable()


@given(st.text(st.characters(exclude_categories=[])))
def test_what_is_safe_is_on_one_line_and_can_be_written(text: str) -> None:
    assert len(safe(text).splitlines()) <= 1
    safe(text).encode()
    assert safe(safe(text)) == safe(text)
