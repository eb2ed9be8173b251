"""Reads the native format (docs/formats.md). Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast, get_args

from forwarder.consumer.change import Change, Format, Operation
from forwarder.consumer.formats.rare_members import rare_members
from forwarder.consumer.members import Members
from forwarder.consumer.unreadable import Unreadable

_OPERATIONS = frozenset(get_args(Operation))
_SEQ_DIGITS = 16
_OF_LOAD = "/load/"


def matches(document: Mapping[str, Any]) -> bool:
    """Whether this object is a record of the format."""
    return "op" in document and "seq" in document and "id" in document


def change(document: Mapping[str, Any], *, raw: str, format: Format = "native") -> Change:
    """The change. ``format`` is that of the record around it.

    Raises:
        Unreadable: a member is missing, or of another type.
    """
    members = Members(document, format=format)
    tx, id = members.inner("tx"), members.text("id")
    return Change(
        format=format,
        op=_operation(members.text("op")),
        schema=members.text("schema"),
        table=members.text("table"),
        key=members.row("key"),
        before=members.row("before"),
        after=members.row("after"),
        id=id,
        origin=origin_of(id),
        seq=members.number("seq"),
        at=members.time("at"),
        txid=members.text("txid"),
        tx_index=tx.number("index"),
        tx_count=tx.number("count"),
        raw=raw,
        **rare_members(members),
    )


def origin_of(id: str | None) -> str | None:
    """``7312459/16384`` of ``7312459/16384/00000000000414f1``, whose last part is the seq, and of ``7312459/16384/load/7/9f86d081884c7d65``."""
    origin, _, last = (id or "").rpartition("/")
    origin, of_load, _ = origin.partition(_OF_LOAD)
    return origin if of_load or len(last) == _SEQ_DIGITS else None


def _operation(op: str | None) -> Operation:
    if op not in _OPERATIONS:
        raise Unreadable("no native record: 'op' is none of ours")
    return cast(Operation, op)
