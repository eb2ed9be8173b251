"""Events as they come from the outbox, for tests of what is made of them."""

from __future__ import annotations

from typing import Any

from forwarder.events import CapturedTable, Column, ColumnType, Event


def column(
    name: str, type: str, modifier: int = -1, *, schema: str = "pg_catalog", kind: str = "b", is_array: bool = False
) -> Column:
    """A column of a type of PostgreSQL's own, if no other ``schema`` is given."""
    return Column(name, ColumnType(schema, type, kind, modifier, is_array=is_array))


def table(name: str, *columns: Column, before_image: str = "full", key: str | None = "id") -> CapturedTable:
    """A captured table in schema public."""
    return CapturedTable(
        id=1,
        relation=16400,
        schema="public",
        name=name,
        key_columns=((key,),) if key else (),
        before_image=before_image,
        columns=columns,
    )


ORDERS = table("orders")


def event(**changes: Any) -> Event:
    """An update of the row 42 of ``ORDERS``, the first of two changes of its transaction; in places as given."""
    values: dict[str, Any] = {
        "seq": 267505,
        "txid": 1140,
        "at": 820_638_245_123_456,
        "table": ORDERS,
        "partition": None,
        "op": b"U",
        "before": '{"id":42,"price":1.10}',
        "after": '{"id":42,"price":12345678901234567890.10}',
        "fault": None,
        "index": 1,
        "count": 2,
        "key": '{"id":42}',
        "key_values": "42",
    }
    return Event(**(values | changes))
