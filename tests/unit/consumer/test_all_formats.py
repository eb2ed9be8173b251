"""What a sink writes, in whatever format, consumers read."""

from __future__ import annotations

import json
from typing import Any

import pytest
from msgspec.structs import replace

from forwarder.config.formats import FORMATS, format_of
from forwarder.config.sink_url import Framing
from forwarder.consumer import Change, decode
from forwarder.events import CapturedTable, Column, ColumnType, Event
from forwarder.records.formats.catalogue import record_format
from forwarder.records.formats.encoder import Provenance
from forwarder.records.origins import Origin, Origins

PROVENANCE = Provenance(origins=Origins([Origin(0, "7312459/16384")]), database="shop")
OLD, NEW = {"id": 42, "status": "new"}, {"id": 42, "status": "paid"}
OLD_TEXT, NEW_TEXT = '{"id":42,"status":"new"}', '{"id":42,"status":"paid"}'


def column(name: str, type: str) -> Column:
    return Column(name, ColumnType(schema="pg_catalog", name=type, kind="b", modifier=-1, is_array=False))


ORDERS = CapturedTable(
    id=1,
    relation=16400,
    schema="public",
    name="orders",
    key_columns=(("id",),),
    before_image="full",
    columns=(column("id", "int4"), column("status", "text")),
)


def event(op: bytes, before: str | None, after: str | None, **changes: Any) -> Event:
    values: dict[str, Any] = {"partition": None, "fault": None, "key": '{"id":42}', "key_values": "42", **changes}
    return Event(
        seq=267505,
        txid=1140,
        at=820_638_245_123_456,
        table=ORDERS,
        op=op,
        before=before,
        after=after,
        index=1,
        count=2,
        **values,
    )


def change(name: str, event: Event, framing: Framing) -> Change | None:
    """What consumers read of an event; None if the format has no record for it."""
    [data] = record_format(format_of(name, {}), framing, PROVENANCE).encode([event])
    found = decode(data)
    assert [decode(data, format=found[0].format)] == [found] if found else not data
    return found[0] if found else None


@pytest.mark.parametrize("framing", [Framing(), Framing(newline=True, compression="gzip"), Framing(compression="zstd")])
@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize(
    ("op", "operation", "before", "after"),
    [(b"I", "insert", None, NEW), (b"U", "update", OLD, NEW), (b"D", "delete", OLD, None)],
)
def test_a_row_arrives_as_it_was(
    name: str, framing: Framing, op: bytes, operation: str, before: dict[str, Any] | None, after: dict[str, Any] | None
) -> None:
    found = change(name, event(op, OLD_TEXT if before else None, NEW_TEXT if after else None), framing)
    assert found is not None
    assert (found.format, found.op, found.after) == (name, operation, after)
    # DMS has the old row of an update only if it is asked for.
    assert found.before == before or (name == "dms" and operation == "update" and found.before is None)
    assert found.seq in (None, 267505)
    assert found.table in (None, "orders")
    assert found.key in (None, {"id": 42})


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize(
    ("operation", "told"),
    [
        ("truncate", event(b"T", None, None, key=None, key_values=None)),
        ("gap", event(b"G", None, None, key=None, key_values=None, fault="capture paused")),
        ("schema", event(b"S", '{"columns":[]}', '{"columns":[]}', key=None, key_values=None)),
        ("update", event(b"U", None, None, fault="54000")),
        ("update", event(b"U", None, None, omitted=("before", "after"), stored_at="s3://bucket/object")),
    ],
    ids=["truncate", "gap", "schema", "fault", "stored"],
)
def test_what_is_told_of_no_row_is_read_as_what_it_is(name: str, operation: str, told: Event) -> None:
    found = change(name, told, Framing())
    assert found is None or found.op == operation


@pytest.mark.parametrize("name", FORMATS)
def test_an_event_of_the_application_is_read_as_one(name: str) -> None:
    emitted = {"key": "42", "type": "order.placed", "topic": None, "payload": {"total": 10}}
    told = event(b"E", None, json.dumps(emitted), key='{"key":"42"}')
    found = change(name, replace(told, table=replace(ORDERS, id=0, schema="forwarder", name="event")), Framing())
    assert found is not None
    assert (found.op, found.table) == ("event", None if name == "lambda" else "event")


@pytest.mark.parametrize("name", FORMATS)
def test_a_row_that_is_loaded_is_read_as_one(name: str) -> None:
    found = change(name, event(b"R", None, NEW_TEXT), Framing())
    assert found is not None
    # DynamoDB has no other word for it.
    assert (found.op, found.after) == ("insert" if name == "dynamodb" else "read", NEW)
