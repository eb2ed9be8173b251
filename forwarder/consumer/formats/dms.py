"""Reads the format that AWS DMS writes to Kinesis. Pure.

A delete of DMS has the key alone, or null in all other columns; ours has the whole old row. Both are ``before``. What DMS does not tell of, such as
a TRUNCATE, is a control record of ours, which says more in a member ``forwarder``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from forwarder.consumer.change import Change, Operation
from forwarder.consumer.formats.rare_members import rare_members
from forwarder.consumer.members import Members
from forwarder.consumer.unreadable import Unreadable

_OF_ROWS: dict[str | None, Operation] = {"load": "read", "insert": "insert", "update": "update", "delete": "delete"}
# All other control records tell that a table has changed.
_OF_TABLES: dict[str | None, Operation] = {"truncate-table": "truncate", "truncate-partition": "truncate", "gap": "gap"}
# A control record in the place of one with a row, which would be too large.
_ROW_OMITTED = "row-omitted"
# What a record has beside the old row.
_MEMBERS = frozenset(("data", "metadata", "control", "forwarder"))
# Events of the application's own are rows of this table.
_EVENTS = ("forwarder", "event")
# 00000002/7C007328.2.00000002/7C007328: the last two halves are the position of the change.
_POSITION = re.compile(r"([0-9A-F]{8})/([0-9A-F]{8})", re.IGNORECASE)


def matches(document: Mapping[str, Any]) -> bool:
    """Whether this object is a record of the format."""
    return isinstance(document.get("metadata"), dict) and "operation" in document["metadata"]


def change(document: Mapping[str, Any], *, raw: str) -> Change:
    """The change; of a control record that tells of a table, one with ``op`` schema.

    Raises:
        Unreadable: a member is missing, or of another type.
    """
    members = Members(document, format="dms")
    about, ours = members.inner("metadata"), members.inner("forwarder")
    is_control = about.text("record-type") == "control"
    op = _operation(about, ours) if is_control else _operation_on_row(about)
    # A control record in the place of one with a row has none.
    data = members.row("data") if not is_control else members.row("control") if op == "schema" else None
    transaction = about.number("transaction-id")
    return Change(
        format="dms",
        op=op,
        schema=about.text("schema-name"),
        table=about.text("table-name"),
        key=ours.row("key"),
        partition_key=about.text("partition-key-value"),
        before=data if op == "delete" else members.row(_name_of_old_row(document)),
        after=None if op == "delete" else data,
        seq=_seq(about.text("stream-position")),
        at=about.time("timestamp"),
        txid=None if transaction is None else str(transaction),
        tx_index=about.number("transaction-record-id"),
        raw=raw,
        **{**rare_members(ours), "committed_at": about.time("commit-timestamp")},
    )


def _name_of_old_row(document: Mapping[str, Any]) -> str:
    """The member that has the old row: the endpoint's FieldName may be any name."""
    further = [name for name, value in document.items() if name not in _MEMBERS and isinstance(value, dict)]
    return further[0] if len(further) == 1 else "before-image"


def _operation(about: Members, ours: Members) -> Operation:
    operation = about.text("operation")
    if operation == _ROW_OMITTED:
        return "event" if _is_event(about) else _OF_ROWS.get(ours.text("operation"), "gap")
    return _OF_TABLES.get(operation, "schema")


def _operation_on_row(about: Members) -> Operation:
    op = _OF_ROWS.get(about.text("operation"))
    if op is None:
        raise Unreadable("no dms record: 'operation' is none of its")
    return "event" if _is_event(about) else op


def _is_event(about: Members) -> bool:
    return (about.text("schema-name"), about.text("table-name")) == _EVENTS


def _seq(position: str | None) -> int | None:
    halves = _POSITION.findall(position or "")
    return int("".join(halves[-1]), 16) if halves else None
