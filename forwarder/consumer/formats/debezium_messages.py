"""Reads Debezium's logical decoding messages, ``"op":"m"``, of which ours tell what is no change of a row. Pure.

With the prefixes ``forwarder.gap``, ``forwarder.schema``, ``forwarder.load`` and ``forwarder.incomplete`` (a change whose row is not in its record)
the content is a JSON object that tells of it. All others are events: ours have their key and type in ``source.forwarder``, and the payload as their
content.
"""

from __future__ import annotations

import json
from base64 import b64decode, urlsafe_b64decode
from decimal import Decimal
from typing import Any

from forwarder.consumer.formats.rare_members import rare_members
from forwarder.consumer.members import Members
from forwarder.consumer.unreadable import Unreadable

_OURS = "forwarder."
_EVENTS = {"schema": "forwarder", "table": "event"}


def told(message: Members, ours: Members) -> dict[str, Any]:
    """The members of the change, by their names. ``op`` may be one of Debezium's letters.

    Raises:
        Unreadable: the content of a message of ours is not what it should be.
    """
    prefix = message.text("prefix") or ""
    if prefix.startswith(_OURS):
        return _of_table(prefix.removeprefix(_OURS), _content(message))
    if ours.text("type") is None:
        return {"op": "event", "after": message.values}
    key = {"key": ours.values.get("key")}
    event = {**key, "type": ours.text("type"), "topic": ours.text("topic"), "payload": _content(message)}
    return {**rare_members(ours), **_EVENTS, "op": "event", "key": key, "after": event}


def _of_table(kind: str, content: Any) -> dict[str, Any]:
    if not isinstance(content, dict):
        raise Unreadable("no debezium record: the content of a message of forwarder is no object")
    facts = Members(content, format="debezium")
    return {
        **rare_members(facts),
        "op": facts.text("op") if kind == "incomplete" else kind,
        "schema": facts.text("schema"),
        "table": facts.text("table"),
        "key": facts.row("key"),
        "before": facts.row("before"),
        "after": facts.row("after"),
        "fault": facts.text("gap") if kind == "gap" else facts.text("fault"),
    }


def _content(message: Members) -> Any:
    """The JSON that a message holds, in base64, in the base64 of URLs, or in hexadecimal: as ``binary.handling.mode`` was set."""
    text = message.text("content") or ""
    for decode in (b64decode, urlsafe_b64decode, bytes.fromhex):
        try:
            return json.loads(decode(text), parse_float=Decimal)
        except (ValueError, ArithmeticError, RecursionError):
            continue
    raise Unreadable("no debezium record: the content of a message of forwarder is not JSON")
