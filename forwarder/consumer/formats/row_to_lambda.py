"""Reads what the trigger that calls AWS Lambda writes, our format ``lambda``: the rows, and nothing around them. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from forwarder.consumer.change import Change, Operation
from forwarder.consumer.members import Members

_OPERATIONS: dict[Any, Operation] = {
    "INSERT": "insert",
    "UPDATE": "update",
    "DELETE": "delete",
    "TRUNCATE": "truncate",
}


def matches(document: Mapping[str, Any]) -> bool:
    """Whether this object is a record of the format."""
    kind = document.get("type")
    return isinstance(kind, str) and kind in _OPERATIONS and "specversion" not in document


def change(document: Mapping[str, Any], *, raw: str) -> Change:
    """The change, without the name of its table.

    Raises:
        Unreadable: a member is of another type.
    """
    op = _OPERATIONS[document["type"]]
    members = Members(document, format="lambda")
    if op == "update":
        rows = members.inner("data")
        return Change(format="lambda", op=op, before=rows.row("old"), after=rows.row("new"), raw=raw)
    data = members.row("data")
    if op == "insert":
        return Change(format="lambda", op=op, after=data, raw=raw)
    return Change(format="lambda", op=op, before=data, raw=raw)
