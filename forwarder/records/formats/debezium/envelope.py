"""The records of changes in Debezium's envelope: ``{"before":…,"after":…,"source":…,"transaction":…,"op":"u","ts_ms":…}``. Pure.

Consumers of Debezium see what they know, with two additions that ``exact=true`` takes away: columns of types that Debezium leaves out, and a member
``forwarder`` in ``source``, for what has no place elsewhere. docs/formats/debezium.md lists all differences.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from forwarder.config.formats import Debezium
from forwarder.events import Event
from forwarder.records.formats.debezium.messages import Messages
from forwarder.records.formats.debezium.rows import Rows
from forwarder.records.formats.debezium.source import Sources, Transactions, json_of, microseconds_of, one_line
from forwarder.records.formats.encoder import Encoder, Provenance

_OPERATIONS = {b"I": "c", b"U": "u", b"D": "d", b"R": "r", b"T": "t"}
# What a change of the key is called in the headers of its two halves.
_MOVED = {b"D": "newkey", b"I": "oldkey"}
# Tables whose plans are kept.
_MOST_TABLES = 1024


def encoder(provenance: Provenance, options: Debezium) -> Encoder:
    """A function from events to the bytes of their records, one each; none for what is skipped."""
    sources = Sources(provenance, options)
    messages = Messages(sources, options)
    transactions = Transactions() if options.provide_transaction_metadata else None
    rows_of = lru_cache(_MOST_TABLES)(lambda table: Rows(table, options))
    # The operations that have records.
    operations = {op: name for op, name in _OPERATIONS.items() if name != options.skipped_operations}

    def encode_one(event: Event) -> bytes:
        transaction = transactions.of(event) if transactions else "null"
        if event.op not in _OPERATIONS or _is_incomplete(event):
            return messages.encode(event, transaction)
        operation = operations.get(event.op)
        if operation is None:
            return b""
        rows = rows_of(event.table)
        # Of a row whose images are not captured, the key is known.
        images = rows.encode(event.before or (event.key if operation == "d" else None), event.after)
        microseconds = microseconds_of(event)
        ours = "" if options.exact else _ours(event, rows)
        rest = (
            f',"source":{sources.of(event, microseconds, ours)},"transaction":{transaction},"op":"{operation}",'
            f'"ts_ms":{microseconds // 1000},"ts_us":{microseconds},"ts_ns":{microseconds}000}}'
        )
        return one_line(images[:-1] + rest.encode())

    def encode(events: Sequence[Event]) -> list[bytes]:
        return [encode_one(event) for event in events]

    return encode


def _is_incomplete(event: Event) -> bool:
    """Whether a change of a row lacks what consumers count on: the new row, or of a deleted one the old row or at least the key."""
    if event.op == b"T":
        return False
    return not (event.before or event.key) if event.op == b"D" else not event.after


def _ours(event: Event, rows: Rows) -> str:
    """The member ``forwarder`` of ``source``, with a comma before it: what Debezium has no place for, or has it in headers. Mostly empty."""
    if not (event.moved or event.partition or event.omitted or event.context or event.extra or event.fault):
        return ""
    told = []
    if event.partition:
        told.append(f'"table":{json_of(event.table.name)},"partition":{json_of(event.partition)}')
    if event.moved:
        told.append(f'"{_MOVED[event.op]}":{rows.encode_one(event.moved)}')
    if event.context:
        told.append(f'"context":{event.context}')
    if event.extra:
        told.append(event.extra)
    told += [f'"{name}":{json_of(fact)}' for name, fact in _missing(event) if fact]
    return f',"forwarder":{{{",".join(told)}}}'


def _missing(event: Event) -> Sequence[tuple[str, object]]:
    return ("fault", event.fault), ("omitted", event.omitted), ("stored_at", event.stored_at)
