from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest
from cloudevents.core.formats.json import JSONFormat
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from forwarder.events import Event
from forwarder.records.formats import cloudevents, native
from forwarder.records.formats.encoder import Provenance
from forwarder.records.origins import Origin, Origins
from tests.support.events import ORDERS, event

ORIGINS = Origins([Origin(1_000_000, "7312459/2"), Origin(0, "7312459")])
SECOND = 1_000_000


def lines(*events: Event, database: str = "shop") -> list[str]:
    encode = cloudevents.encoder(Provenance(origins=ORIGINS, database=database))
    return [record.decode() for record in encode(events)]


def attributes(event: Event, **options: Any) -> dict[str, Any]:
    record: dict[str, Any] = json.loads(lines(event, **options)[0])
    return {name: value for name, value in record.items() if name != "data"}


def test_an_update_is_an_event_whose_data_is_the_native_record() -> None:
    [data] = native.encoder(Provenance(origins=ORIGINS, database="shop"))([event()])

    [line] = lines(event())
    assert line == (
        '{"specversion":"1.0","type":"forwarder.row.updated","source":"/postgresql/shop/public/orders",'
        '"datacontenttype":"application/json","id":"7312459/00000000000414f1","time":"2026-01-02T03:04:05.123456Z",'
        f'"sequence":"00000000000414f1","partitionkey":"public.orders.42","subject":"42","data":{data.decode()}}}'
    )


@pytest.mark.parametrize(
    ("op", "type"),
    [
        (b"I", "forwarder.row.inserted"),
        (b"U", "forwarder.row.updated"),
        (b"D", "forwarder.row.deleted"),
        (b"R", "forwarder.row.read"),
        (b"T", "forwarder.table.truncated"),
        (b"G", "forwarder.table.gap"),
        (b"S", "forwarder.table.altered"),
        (b"E", "forwarder.event.emitted"),
    ],
)
def test_each_operation_has_a_type_of_its_own(op: bytes, type: str) -> None:
    [line] = lines(event(op=op))

    assert json.loads(line)["type"] == type
    read = JSONFormat().read(None, line)
    assert (read.get_type(), read.get_id()) == (type, "7312459/00000000000414f1")
    assert read.get_time() == datetime(2026, 1, 2, 3, 4, 5, 123456, UTC)


def test_what_has_no_key_has_no_subject_and_its_table_as_partition_key() -> None:
    for key_values in (None, ""):
        found = attributes(event(op=b"T", key=None, key_values=key_values))
        assert found["partitionkey"] == "public.orders"
        assert "subject" not in found


def test_names_in_the_source_are_encoded_for_a_uri() -> None:
    table = replace(ORDERS, schema="a/b", name="Zähler?")
    source = attributes(event(table=table), database="my shop")["source"]

    assert source == "/postgresql/my%20shop/a%2Fb/Z%C3%A4hler%3F"
    assert [unquote(part) for part in source.split("/")] == ["", "postgresql", "my shop", "a/b", "Zähler?"]


# Of the specification: what no attribute may hold, and what an attribute may be called.
NONCHARACTERS = "".join(f"{chr(plane * 65536 + 65534)}{chr(plane * 65536 + 65535)}" for plane in range(17))
FORBIDDEN = re.compile(f"[\x00-\x1f\x7f-\x9f\ud800-\udfff\ufdd0-\ufdef{NONCHARACTERS}]")
NAME = re.compile("[a-z0-9]{1,20}")
TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1)


@given(TEXT, TEXT, TEXT, TEXT)
def test_any_name_and_any_key_make_attributes_that_the_specification_allows(
    database: str, schema: str, name: str, key: str
) -> None:
    table = replace(ORDERS, schema=schema, name=name)
    [line] = lines(event(table=table, key=json.dumps({"id": key}), key_values=key), database=database)

    found = attributes(event(table=table, key_values=key), database=database)
    for attribute, value in found.items():
        assert NAME.fullmatch(attribute)
        assert isinstance(value, str)
        assert value
        assert not FORBIDDEN.search(value)
    assert urlsplit(found["source"]).path == found["source"]
    assert found["source"].isascii()
    assert len(line.split("\n")) == 1
    assert JSONFormat().read(None, line).get_data() == json.loads(line)["data"]


def test_what_no_attribute_may_hold_is_percent_encoded() -> None:
    assert attributes(event(key_values="a\x7f\ufffe\ud800b é"))["subject"] == "a%7F%EF%BF%BE%ED%A0%80b é"


def test_the_sequence_sorts_as_the_changes_do() -> None:
    seqs = (1, 9, 10, 15, 16, 255, 10**6, 2**40, 2**63 - 1)
    found = [attributes(event(seq=seq))["sequence"] for seq in seqs]

    assert sorted(found) == found
    assert len(set(found)) == len(seqs)


def test_many_events_are_encoded_each_as_it_would_be_alone() -> None:
    other = replace(ORDERS, name="items")
    events = [
        *(event(seq=seq) for seq in (1, 4096, 1_000_000, 1_000_001, 1)),
        *(event(table=table) for table in (other, ORDERS, other)),
        *(event(at=at) for at in (0, SECOND - 1, SECOND, -1, -SECOND, 42)),
        *(event(op=op) for op in (b"I", b"D", b"T", b"U")),
    ]

    assert lines(*events) == [line for event in events for line in lines(event)]
    assert lines() == []
    ids = [json.loads(line) for line in lines(*events)]
    assert [record["id"] for record in ids] == [record["data"]["id"] for record in ids]
    assert [record["time"] for record in ids] == [record["data"]["at"] for record in ids]
