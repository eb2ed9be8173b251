"""Reads what the trigger that calls AWS Lambda writes, our format ``lambda``: the rows, and around them only what a sink is asked to tell. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from forwarder.consumer.change import Change, Operation
from forwarder.consumer.formats.native import origin_of
from forwarder.consumer.formats.rare_members import rare_members
from forwarder.consumer.members import Members

_OPERATIONS: dict[Any, Operation] = {
    "INSERT": "insert",
    "UPDATE": "update",
    "DELETE": "delete",
    "READ": "read",
    "LOAD": "load",
    "TRUNCATE": "truncate",
    "GAP": "gap",
    "SCHEMA": "schema",
    "EVENT": "event",
}
# Their data is {"old":{…},"new":{…}}.
_WITH_TWO_ROWS = ("update", "schema")


def matches(document: Mapping[str, Any]) -> bool:
    """Whether this object is a record of the format."""
    kind = document.get("type")
    return isinstance(kind, str) and kind in _OPERATIONS and "specversion" not in document


def change(document: Mapping[str, Any], *, raw: str) -> Change:
    """The change.

    Raises:
        Unreadable: a member is of another type.
    """
    op = _OPERATIONS[document["type"]]
    members = Members(document, format="lambda")
    rows, data, id = members.inner("data"), members.row("data"), members.text("id")
    before = rows.row("old") if op in _WITH_TWO_ROWS else data if op == "delete" else None
    after = rows.row("new") if op in _WITH_TWO_ROWS else None if op == "delete" else data
    return Change(
        format="lambda",
        op=op,
        schema=members.text("schema"),
        table=members.text("table"),
        key=members.row("key"),
        before=before,
        after=after,
        id=id,
        origin=origin_of(id),
        seq=members.number("seq"),
        raw=raw,
        **rare_members(members),
    )
