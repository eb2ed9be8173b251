from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from forwarder.config.formats import Lambda
from forwarder.events import Event
from forwarder.records.formats.encoder import Provenance
from forwarder.records.formats.row_to_lambda import encoder
from forwarder.records.origins import Origin, Origins
from tests.support.events import ORDERS, event

OLD, NEW = '{"id":42,"price":1.10}', '{"id":42,"price":12345678901234567890.10}'
NAMED = {"schema": "public", "table": "orders"}


def line(event: Event, **options: Any) -> str:
    encode = encoder(Provenance(origins=Origins([Origin(0, "7312459")]), database="shop"), Lambda(**options))
    [record] = encode([event])
    return record.decode()


def record(event: Event, **options: Any) -> Any:
    return json.loads(line(event, **options))


@pytest.mark.parametrize(
    ("op", "before", "after", "expected"),
    [
        (b"I", None, NEW, f'{{"type":"INSERT","data":{NEW}}}'),
        (b"R", None, NEW, f'{{"type":"READ","data":{NEW}}}'),
        (b"U", OLD, NEW, f'{{"type":"UPDATE","data":{{"old":{OLD},"new":{NEW}}}}}'),
        (b"D", OLD, None, f'{{"type":"DELETE","data":{OLD}}}'),
        (b"E", None, NEW, f'{{"type":"EVENT","data":{NEW}}}'),
    ],
)
def test_a_record_says_what_was_done_and_has_the_row_as_the_server_wrote_it(
    op: bytes, before: str | None, after: str | None, expected: str
) -> None:
    assert line(event(op=op, before=before, after=after)) == expected


def test_what_concerns_a_table_names_it() -> None:
    bare: dict[str, Any] = {"key": None, "key_values": None, "before": None, "after": None}

    assert record(event(op=b"T", **bare)) == {"type": "TRUNCATE", "data": None, **NAMED}
    assert record(event(op=b"G", fault="capture paused", **bare)) == {
        "type": "GAP",
        "data": None,
        **NAMED,
        "fault": "capture paused",
    }
    assert record(event(op=b"S", **bare | {"after": "{}"})) == {
        "type": "SCHEMA",
        "data": {"old": None, "new": {}},
        **NAMED,
    }


def test_a_record_names_its_table_and_has_an_id_if_asked_for() -> None:
    assert line(event(op=b"I", before=None), table=True).endswith(f'{NEW},"schema":"public","table":"orders"}}')
    assert line(event(op=b"I", before=None), id=True).endswith(f'{NEW},"id":"7312459/00000000000414f1","seq":267505}}')
    assert record(event(partition="orders_2026"), table=True)["partition"] == "orders_2026"


def test_old_rows_of_a_table_that_keeps_none_are_not_told() -> None:
    table = replace(ORDERS, before_image="none")

    assert record(event(table=table))["data"]["old"] is None
    assert record(event(table=table, op=b"D", after=None))["data"] == {"id": 42}


def test_the_two_halves_of_an_update_that_changed_the_key_name_each_others() -> None:
    assert record(event(op=b"D", after=None, moved='{"id":43}'))["moved_to"] == {"id": 43}
    assert record(event(op=b"I", before=None, moved='{"id":42}'))["moved_from"] == {"id": 42}


def test_a_record_without_its_row_says_which_one_it_is_and_why() -> None:
    omitted = event(op=b"I", before=None, after=None, omitted=("before", "after"), stored_at="s3://bucket/key")

    assert record(omitted) == {
        "type": "INSERT",
        "data": None,
        "key": {"id": 42},
        "omitted": ["before", "after"],
        "stored_at": "s3://bucket/key",
    }
    assert record(event(before=None, after=None, fault="54000", key=None)) == {
        "type": "UPDATE",
        "data": {"old": None, "new": None},
        "fault": "54000",
    }
    assert record(event(op=b"D", before=None, after=None, omitted=("before",)))["data"] == {"id": 42}


def test_what_a_transaction_and_a_trigger_have_to_say_stands_behind_the_row() -> None:
    told = event(op=b"I", before=None, context='{\n"user":"ada"}', extra='"audit":{"user":"shop"}')

    assert line(told).endswith(f'{NEW},"context":{{ "user":"ada"}},"audit":{{"user":"shop"}}}}')


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)
ROWS = st.none() | st.dictionaries(st.text(), JSON, max_size=4).map(lambda row: json.dumps(row, indent=1))


@given(st.sampled_from([b"I", b"U", b"D", b"T", b"G", b"S", b"E", b"R"]), ROWS, ROWS)
def test_any_row_makes_one_line_that_has_it(op: bytes, before: str | None, after: str | None) -> None:
    written = line(event(op=op, before=before, after=after), table=True, id=True)

    assert len(written.split("\n")) == 1
    rows = [json.loads(row) for row in (before, after) if row]
    data = json.loads(written)["data"]
    told = [*data.values()] if op in (b"U", b"S") else [data]
    assert all(row in [*rows, None, {"id": 42}] for row in told)
