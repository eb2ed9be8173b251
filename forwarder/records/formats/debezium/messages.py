"""The records of what is no change of a row: logical decoding messages, ``"op":"m"``, as Debezium makes of ``pg_logical_emit_message``. Pure.

1. An event of the application's own: its topic, or else its type, is the prefix, and its payload the content.
2. A gap, a change of the table itself, the beginning and end of a load, and a change whose row is not in the record: the prefixes ``forwarder.gap``,
   ``forwarder.schema``, ``forwarder.load`` and ``forwarder.incomplete``, and the content is a JSON object that tells of it. So consumers that know
   rows alone pass over them, and none is lost.
"""

from __future__ import annotations

import msgspec
from msgspec import Raw

from forwarder.config.formats import Debezium
from forwarder.events import Event
from forwarder.json_members import members
from forwarder.records.formats.debezium.binary import as_text
from forwarder.records.formats.debezium.fields import Content, Message, Transaction, line
from forwarder.records.formats.debezium.source import Sources

# As JSON.
_PREFIXES = {b"G": '"forwarder.gap"', b"S": '"forwarder.schema"', b"L": '"forwarder.load"'}
_INCOMPLETE = '"forwarder.incomplete"'
_OPERATIONS = {b"I": "c", b"U": "u", b"D": "d", b"R": "r"}


class Messages:
    """Makes the records of one sink."""

    def __init__(self, sources: Sources, options: Debezium) -> None:
        self._sources = sources
        self._text = as_text(options.binary_handling_mode)
        self._is_exact = options.exact

    def encode(self, event: Event, transaction: Transaction | None) -> bytes:
        """The record of an event."""
        source = self._sources.of(event)
        if event.op == b"E" and event.after:
            found = members(event.after)
            topic, type = found.get("topic", "null"), found.get("type", "null")
            prefix, content = type if topic == "null" else topic, found.get("payload", "null")
            if not self._is_exact:
                source.forwarder = _envelope(event, found)
        else:
            prefix, content = _PREFIXES.get(event.op, _INCOMPLETE), _facts(event)
        return line(
            Message(
                ts_ms=source.ts_ms,
                source=source,
                transaction=transaction,
                message=Content(Raw(prefix), self._text(content.encode())),
            )
        )


def _envelope(event: Event, found: dict[str, str]) -> Raw:
    """What an event of the application's own has beside its payload."""
    told = {name: found.get(name, "null") for name in ("key", "type", "topic")}
    if event.context:
        told["context"] = event.context
    return Raw(_object(told))


def _facts(event: Event) -> str:
    """What is told of a table, as the text of a JSON object."""
    facts: dict[str, object] = {"schema": event.table.schema, "table": event.table.name, "partition": event.partition}
    if event.op == b"G":
        facts["gap"] = event.fault
    elif event.op not in (b"S", b"L"):
        facts |= {"op": _OPERATIONS.get(event.op), "fault": event.fault}
        facts |= {"omitted": event.omitted, "stored_at": event.stored_at}
    told = {name: msgspec.json.encode(fact).decode() for name, fact in facts.items() if fact}
    if event.op == b"S":
        told |= {"before": event.before or "null", "after": event.after or "null"}
    if event.op in (b"L", b"R") and event.extra:
        told |= members(f"{{{event.extra}}}")
    if event.key:
        told["key"] = event.key
    return _object(told)


def _object(members: dict[str, str]) -> str:
    """The text of a JSON object from those of its members' values."""
    return "{" + ",".join(f'"{name}":{value}' for name, value in members.items()) + "}"
