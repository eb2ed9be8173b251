"""What a record tells of one row or table, whatever format it was written in. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

Format = Literal["native", "dms", "debezium", "dynamodb", "lambda", "cloudevents"]
Operation = Literal["insert", "update", "delete", "truncate", "read", "load", "gap", "schema", "event"]

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One change. What its format has no place for is None; docs/consumer.md has a table of that.

    Numbers of rows are exact: ``int``, or ``decimal.Decimal`` where they have a point, an exponent, or more than 4,300 digits.
    """

    format: Format
    op: Operation
    schema: str | None = None
    table: str | None = None
    # The partition that was written, if the table has any.
    partition: str | None = None
    key: Row | None = None
    # The partition key, where the record itself tells it.
    partition_key: str | None = None
    before: Row | None = None
    after: Row | None = None
    # The same in every repeat of the record.
    id: str | None = None
    # Where the change was captured, 7312459/16384: `seq` is counted there.
    origin: str | None = None
    # Rises with each change of a row. Of a row that a load has read: a number that all later changes of the row exceed, and many rows have the same.
    seq: int | None = None
    # When the change was captured, and when its transaction was committed, in UTC.
    at: datetime | None = None
    committed_at: datetime | None = None
    txid: str | None = None
    # This is change `tx_index` of the `tx_count` that its transaction made; the index is from 1.
    tx_index: int | None = None
    tx_count: int | None = None
    # What the transaction has said of itself: any JSON.
    context: Any = None
    audit: Row | None = None
    # The columns that an update has changed, if the table is captured with that.
    changed: tuple[str, ...] | None = None
    # Of an update that changed the key, which is told as a delete and an insert: the key in the other one.
    moved_from: Row | None = None
    moved_to: Row | None = None
    # Of a row that a load has read: {"number":7}; of the load's beginning and end with `state`, `began` or `finished`, and then `rows`.
    load: Row | None = None
    # Why images are missing, or what a gap is about.
    fault: str | None = None
    # What was left out of the record, and where all of it is stored.
    omitted: tuple[str, ...] = ()
    stored_at: str | None = None
    # The JSON text that it was read from.
    raw: str = field(default="", repr=False)
