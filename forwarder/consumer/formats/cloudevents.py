"""Reads CloudEvents in structured JSON: ours, whose ``data`` is a native record, and those of Debezium. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote

from forwarder.consumer.change import Change
from forwarder.consumer.formats import debezium, native
from forwarder.consumer.members import Members
from forwarder.consumer.unreadable import Unreadable

# The end of a type such as forwarder.row.updated.
_OPERATIONS = {
    "inserted": "insert",
    "updated": "update",
    "deleted": "delete",
    "truncated": "truncate",
    "altered": "schema",
    # `read` and `load` are called so there, too.
    "emitted": "event",
}
_DEBEZIUM = "io.debezium."


def matches(document: Mapping[str, Any]) -> bool:
    """Whether this object is a record of the format."""
    return "specversion" in document and "type" in document


def change(document: Mapping[str, Any], *, raw: str) -> Change:
    """The change.

    Raises:
        Unreadable: a member is missing, or of another type.
    """
    event = Members(document, format="cloudevents")
    if (event.text("type") or "").startswith(_DEBEZIUM):
        return _of_debezium(event, raw=raw)
    body = {**_from_attributes(event), **(event.row("data") or {})}
    return native.change(body, raw=raw, format="cloudevents")


def _from_attributes(event: Members) -> dict[str, Any]:
    """What the attributes tell of a change, for a body that leaves it out."""
    kind = (event.text("type") or "").rpartition(".")[2]
    place = [unquote(part) for part in (event.text("source") or "").split("/")]
    # The place of a table is /postgresql/DATABASE/SCHEMA/TABLE.
    schema, table = place[3:5] if len(place) == 5 else (None, None)
    return {
        "id": event.text("id"),
        "op": _OPERATIONS.get(kind, kind),
        "at": event.text("time"),
        "schema": schema,
        "table": table,
    }


def _of_debezium(event: Members, *, raw: str) -> Change:
    """Without its id, which is that of a position: the delete and the insert that are made of a changed key have one."""
    op = debezium.OPERATIONS.get(event.text("iodebeziumop"))
    if op is None:
        raise Unreadable("no cloudevents record: 'iodebeziumop' is none of its")
    data = event.inner("data")
    rows = data.inner("payload") if "payload" in data.values else data
    return Change(
        format="cloudevents",
        op=op,
        schema=event.text("iodebeziumschema"),
        table=event.text("iodebeziumtable"),
        before=rows.row("before"),
        after=rows.row("after"),
        origin=event.text("source"),
        seq=debezium.seq_of(event.text("iodebeziumsequence")),
        at=event.time("time"),
        txid=event.text("iodebeziumtxId"),
        tx_index=event.number("iodebeziumtxtotalorder"),
        raw=raw,
    )
