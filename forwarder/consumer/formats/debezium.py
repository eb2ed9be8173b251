"""Reads the envelope that Debezium's connectors write, with its schema or without. Pure.

The key is not in it: with Debezium it is the key of the Kafka record, with us the partition key. Rows are as Debezium writes them: a date is a
number of days, say. What Debezium has no place for stands in a member ``forwarder`` of ``source``.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from forwarder.consumer.change import Change, Operation
from forwarder.consumer.formats import debezium_messages
from forwarder.consumer.formats.rare_members import rare_members
from forwarder.consumer.members import Members
from forwarder.consumer.unreadable import Unreadable

OPERATIONS: dict[str | None, Operation] = {
    "c": "insert",
    "u": "update",
    "d": "delete",
    "r": "read",
    "t": "truncate",
    "m": "event",
}
_MICROSECONDS = 1_000_000
_MILLISECONDS = 1000
# Members of records that tell of no row: a transaction begins or ends, the connector is alive.
_TRANSACTION = {"status", "id", "event_count", "data_collections"}
_HEARTBEAT = {"ts_ms"}


def matches(document: Mapping[str, Any]) -> bool:
    """Whether this object is a record of the format."""
    if document.keys() == {"schema", "payload"}:
        return document["payload"] is None or isinstance(document["payload"], dict)
    has_envelope = "op" in document and "source" in document
    return has_envelope or document.keys() >= _TRANSACTION or document.keys() == _HEARTBEAT


def change(document: Mapping[str, Any], *, raw: str) -> Change | None:
    """The change; None if it tells of none.

    Raises:
        Unreadable: a member is missing, or of another type.
    """
    envelope = document.get("payload") if document.keys() == {"schema", "payload"} else document
    if not isinstance(envelope, dict) or "op" not in envelope:
        return None
    members = Members(envelope, format="debezium")
    source, transaction = members.inner("source"), members.inner("transaction")
    op = OPERATIONS.get(members.text("op"))
    if op is None:
        raise Unreadable("no debezium record: 'op' is none of its")
    txid = source.number("txId")
    row = _message(members) if op == "event" else {**_row(members), "op": op}
    return Change(
        format="debezium",
        origin="/".join(filter(None, (source.text("name"), source.text("db")))) or None,
        seq=seq_of(source.text("sequence")),
        at=source.time_since_1970("ts_us", units_a_second=_MICROSECONDS)
        or source.time_since_1970("ts_ms", units_a_second=_MILLISECONDS),
        txid=None if txid is None else str(txid),
        tx_index=transaction.number("total_order"),
        raw=raw,
        **row,
    )


def seq_of(sequence: str | None) -> int | None:
    """The number of the event itself, the last one of ``["39298416","39298416"]``."""
    try:
        last = json.loads(sequence or "[null]")[-1]
        return None if last is None else int(last)
    except (ArithmeticError, ValueError, TypeError, LookupError, RecursionError):
        raise Unreadable("no debezium record: 'sequence' is no list of numbers") from None


def _row(members: Members) -> dict[str, Any]:
    source = members.inner("source")
    ours = source.inner("forwarder")
    return {
        **rare_members(ours),
        # Of rows that a load has read, many of which have one position.
        "id": ours.text("id"),
        "schema": source.text("schema"),
        # Debezium names the partition, where there is one.
        "table": ours.text("table") or source.text("table"),
        "before": members.row("before"),
        "after": members.row("after"),
        "moved_from": ours.row("oldkey"),
        "moved_to": ours.row("newkey"),
    }


def _message(members: Members) -> dict[str, Any]:
    told = debezium_messages.told(members.inner("message"), members.inner("source").inner("forwarder"))
    # Of a change whose row is not in its record, the operation is one of Debezium's letters.
    op = OPERATIONS.get(told["op"], told["op"])
    if op not in ("gap", "schema", "load", "event", *OPERATIONS.values()):
        raise Unreadable("no debezium record: a message of forwarder that is not known here")
    return {**told, "op": op}
