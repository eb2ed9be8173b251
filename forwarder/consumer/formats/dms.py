"""Reads the format that AWS DMS writes to Kinesis. Pure.

A delete of DMS has the key alone, or null in all other columns; ours has the whole old row. Both are ``before``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from forwarder.consumer.change import Change, Operation
from forwarder.consumer.members import Members
from forwarder.consumer.unreadable import Unreadable

_OPERATIONS: dict[str | None, Operation] = {
    "load": "read",
    "insert": "insert",
    "update": "update",
    "delete": "delete",
    "truncate": "truncate",
    "truncate-table": "truncate",
}
# 00000002/7C007328.2.00000002/7C007328: the last two halves are the position of the change.
_POSITION = re.compile(r"([0-9A-F]{8})/([0-9A-F]{8})", re.IGNORECASE)


def matches(document: Mapping[str, Any]) -> bool:
    """Whether this object is a record of the format."""
    return isinstance(document.get("metadata"), dict) and "operation" in document["metadata"]


def change(document: Mapping[str, Any], *, raw: str) -> Change:
    """The change; of a control record, which tells of a table, one with ``op`` schema.

    Raises:
        Unreadable: a member is missing, or of another type.
    """
    members = Members(document, format="dms")
    about = members.inner("metadata")
    is_control = about.text("record-type") == "control"
    op = _operation(about.text("operation"), is_control=is_control)
    data = members.row("control" if is_control else "data")
    transaction = about.number("transaction-id")
    return Change(
        format="dms",
        op=op,
        schema=about.text("schema-name"),
        table=about.text("table-name"),
        before=data if op == "delete" else members.row("before-image"),
        after=None if op == "delete" else data,
        seq=_seq(about.text("stream-position")),
        at=about.time("timestamp"),
        committed_at=about.time("commit-timestamp"),
        txid=None if transaction is None else str(transaction),
        tx_index=about.number("transaction-record-id"),
        raw=raw,
    )


def _operation(operation: str | None, *, is_control: bool) -> Operation:
    op = _OPERATIONS.get(operation, "schema" if is_control else None)
    if op is None:
        raise Unreadable("no dms record: 'operation' is none of ours")
    return op


def _seq(position: str | None) -> int | None:
    halves = _POSITION.findall(position or "")
    return int("".join(halves[-1]), 16) if halves else None
