"""Reads the native format (docs/formats.md). Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast, get_args

from forwarder.consumer.change import Change, Format, Operation
from forwarder.consumer.members import Members
from forwarder.consumer.unreadable import Unreadable

_OPERATIONS = frozenset(get_args(Operation))


def matches(document: Mapping[str, Any]) -> bool:
    """Whether this object is a record of the format."""
    return "op" in document and "seq" in document and "id" in document


def change(document: Mapping[str, Any], *, raw: str, format: Format = "native") -> Change:
    """The change. ``format`` is that of the record around it.

    Raises:
        Unreadable: a member is missing, or of another type.
    """
    members = Members(document, format=format)
    tx = members.inner("tx")
    return Change(
        format=format,
        op=_operation(members.text("op")),
        schema=members.text("schema"),
        table=members.text("table"),
        partition=members.text("partition"),
        key=members.row("key"),
        before=members.row("before"),
        after=members.row("after"),
        id=members.text("id"),
        seq=members.number("seq"),
        at=members.time("at"),
        committed_at=members.time("committed_at"),
        txid=members.text("txid"),
        tx_index=tx.number("index"),
        tx_count=tx.number("count"),
        context=document.get("context"),
        audit=members.row("audit"),
        changed=members.names("changed"),
        moved_from=members.row("moved_from"),
        moved_to=members.row("moved_to"),
        fault=members.text("fault"),
        omitted=members.names("omitted") or (),
        stored_at=members.text("stored_at"),
        raw=raw,
    )


def _operation(op: str | None) -> Operation:
    if op not in _OPERATIONS:
        raise Unreadable("no native record: 'op' is none of ours")
    return cast(Operation, op)
