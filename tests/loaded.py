"""The events that a load makes of the table public.orders: its beginning, a row, its end."""

from __future__ import annotations

from typing import Any

from forwarder.events import CapturedTable, Column, ColumnType, Event
from forwarder.load.chunk import ReadRow
from forwarder.load.row_events import began, finished, row_event
from forwarder.outbox.keys import key_reader
from forwarder.outbox.position import Snapshot

LOAD, SEQ = 7, 267_505
AT = 820_638_245_123_456


def _column(name: str, type: str) -> Column:
    return Column(name, ColumnType(schema="pg_catalog", name=type, kind="b", modifier=-1, is_array=False))


ORDERS = CapturedTable(
    id=1,
    relation=16400,
    schema="public",
    name="orders",
    key_columns=(("id",),),
    before_image="full",
    columns=(_column("id", "int4"), _column("status", "text")),
)
# The same without a primary key.
LOG = CapturedTable(
    id=2,
    relation=16401,
    schema="public",
    name="log",
    key_columns=(),
    before_image="full",
    columns=(_column("id", "int4"), _column("status", "text")),
)


def beginning(*, load: int = LOAD, table: CapturedTable = ORDERS, begun: int = 9) -> Event:
    return began(load, begun=Snapshot(begun, begun), table=table, seq=SEQ, at=AT)


def end(*, load: int = LOAD, table: CapturedTable = ORDERS) -> Event:
    return finished(load, rows=2_500, table=table, seq=SEQ, at=AT)


def row(number: int = 42, *, load: int = LOAD, table: CapturedTable = ORDERS, seq: int = SEQ, **members: Any) -> Event:
    """A row that was read; of a table without a key, ``number`` is its place as well."""
    values = {"after": f'{{"id":{number},"status":"new"}}', "fault": None, "extra": None, "key": None, **members}
    identity = None if table.key_columns else f"(0,{number}) 700"
    return row_event(
        ReadRow(relation=table.relation, identity=identity, **values),
        load=load,
        table=table,
        partition=None,
        read_key=key_reader(table),
        seq=seq,
        at=AT,
    )
