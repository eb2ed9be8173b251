"""The records of what is no change of a row: logical decoding messages, ``"op":"m"``, as Debezium makes of ``pg_logical_emit_message``. Pure.

1. An event of the application's own: its topic, or else its type, is the prefix, and its payload the content.
2. A gap, a change of the table itself, and a change whose row is not in the record: the prefixes ``forwarder.gap``, ``forwarder.schema`` and
   ``forwarder.incomplete``, and the content is a JSON object that tells of it. So consumers that know rows alone pass over them, and none is lost.
"""

from __future__ import annotations

from typing import NamedTuple

from forwarder.config.formats import Debezium
from forwarder.events import Event
from forwarder.json_members import members
from forwarder.records.formats.debezium.binary import as_text
from forwarder.records.formats.debezium.source import Sources, json_of, microseconds_of, one_line

_KINDS = {b"G": "gap", b"S": "schema"}
_OPERATIONS = {b"I": "c", b"U": "u", b"D": "d", b"R": "r"}


class _Message(NamedTuple):
    # A JSON string.
    prefix: str
    content: str
    # Further members of `source`, each with a comma before it.
    ours: str = ""


class Messages:
    """Makes the records of one sink."""

    def __init__(self, sources: Sources, options: Debezium) -> None:
        self._pattern = sources.pattern('"schema":"","table":""')
        self._text = as_text(options.binary_handling_mode)
        self._is_exact = options.exact

    def encode(self, event: Event, transaction: str) -> bytes:
        """The record of an event. ``transaction``: the member with this name."""
        message = _of_application(event) if event.op == b"E" and event.after else _of_table(event)
        us, seq = microseconds_of(event), event.seq
        source = self._pattern % (
            us[:-3],
            seq,
            us,
            us,
            event.txid or "null",
            seq,
            "" if self._is_exact else message.ours,
        )
        content = self._text(message.content.encode())
        return one_line(
            f'{{"op":"m","ts_ms":{us[:-3]},"source":{source},"transaction":{transaction},'
            f'"message":{{"prefix":{message.prefix},"content":"{content}"}}}}'.encode()
        )


def _of_application(event: Event) -> _Message:
    found = members(event.after or "")
    key, type, topic = (found.get(name, "null") for name in ("key", "type", "topic"))
    context = f',"context":{event.context}' if event.context else ""
    return _Message(
        prefix=type if topic == "null" else topic,
        content=found.get("payload", "null"),
        ours=f',"forwarder":{{"key":{key},"type":{type},"topic":{topic}{context}}}',
    )


def _of_table(event: Event) -> _Message:
    facts: dict[str, object] = {"schema": event.table.schema, "table": event.table.name, "partition": event.partition}
    kind = _KINDS.get(event.op, "incomplete")
    if kind == "gap":
        facts["gap"] = event.fault
    elif kind == "incomplete":
        facts |= {"op": _OPERATIONS.get(event.op), "fault": event.fault}
        facts |= {"omitted": event.omitted, "stored_at": event.stored_at}
    told = ",".join(f"{json_of(name)}:{json_of(fact)}" for name, fact in facts.items() if fact)
    if kind == "schema":
        told += f',"before":{event.before or "null"},"after":{event.after or "null"}'
    if event.key:
        told += f',"key":{event.key}'
    return _Message(prefix=json_of(f"forwarder.{kind}"), content=f"{{{told}}}")
