"""The events that a load makes of the table public.orders: its beginning, a row, its end."""

from __future__ import annotations

from typing import Any

from forwarder.events import CapturedTable, Event
from forwarder.load.chunk import ReadRow
from forwarder.load.row_events import began, finished, row_events
from forwarder.outbox.keys import key_reader
from forwarder.outbox.position import Snapshot
from tests.support.events import column, table

LOAD, SEQ = 7, 267_505
AT = 820_638_245_123_456
_COLUMNS = column("id", "int4"), column("status", "text")
ORDERS = table("orders", *_COLUMNS)
# The same without a primary key.
LOG = table("log", *_COLUMNS, key=None)


def beginning(*, load: int = LOAD, of: CapturedTable = ORDERS, begun: int = 9) -> Event:
    return began(load, begun=Snapshot(begun, begun), table=of, seq=SEQ, at=AT)


def end(*, load: int = LOAD, of: CapturedTable = ORDERS) -> Event:
    return finished(load, rows=2_500, table=of, seq=SEQ, at=AT)


def row(number: int = 42, *, load: int = LOAD, of: CapturedTable = ORDERS, seq: int = SEQ, **members: Any) -> Event:
    """A row that was read; of a table without a key, ``number`` is its place as well."""
    values = {"after": f'{{"id":{number},"status":"new"}}', "fault": None, "extra": None, "key": None, **members}
    identity = None if of.key_columns else f"(0,{number}) 700"
    [event] = row_events(
        [ReadRow(relation=of.relation, identity=identity, **values)],
        load=load,
        table=of,
        partition=None,
        read_key=key_reader(of),
        seq=seq,
        at=AT,
    )
    return event
