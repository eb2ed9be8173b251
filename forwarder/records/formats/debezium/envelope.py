"""The records of changes in Debezium's envelope: ``{"before":…,"after":…,"source":…,"transaction":…,"op":"u","ts_ms":…}``. Pure.

Consumers of Debezium see what they know, with two additions that ``exact=true`` takes away: columns of types that Debezium leaves out, and a member
``forwarder`` in ``source``, for what has no place elsewhere. docs/formats/debezium.md lists all differences.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import msgspec
from msgspec import Raw

from forwarder.config.formats import Debezium
from forwarder.events import CapturedTable, Event
from forwarder.records.formats.debezium.fields import Change, line
from forwarder.records.formats.debezium.messages import Messages
from forwarder.records.formats.debezium.rows import Rows
from forwarder.records.formats.debezium.source import Sources
from forwarder.records.formats.debezium.transactions import transaction_of
from forwarder.records.formats.encoder import Encoder, Provenance

_OPERATIONS = {b"I": "c", b"U": "u", b"D": "d", b"R": "r", b"T": "t"}
# What a change of the key is called in the headers of its two halves.
_MOVED = {b"D": "newkey", b"I": "oldkey"}
# Tables of which it is kept how their rows are encoded.
_MOST_TABLES = 4096


def encoder(provenance: Provenance, options: Debezium) -> Encoder:
    """A function from events to the bytes of their records, one each; none for what is skipped."""
    sources, origins = Sources(provenance, options), provenance.origins
    messages = Messages(sources, options)
    is_exact, has_transactions = options.exact, options.provide_transaction_metadata

    @lru_cache(_MOST_TABLES)
    def rows_of(table: CapturedTable) -> Rows:
        return Rows(table, options)

    def encode_one(event: Event) -> bytes:
        transaction = transaction_of(event) if has_transactions else None
        op, before, after = event.op, event.before, event.after
        if not after or op not in _OPERATIONS:
            if op not in _OPERATIONS or _is_incomplete(event):
                return messages.encode(event, transaction)
            if _OPERATIONS[op] == options.skipped_operations:
                return b""
            # Of a deleted row whose image is not captured, the key is known.
            before = before or event.key
        table = event.table
        rows = rows_of(table)
        source = sources.of(
            event, schema=table.schema, table=sources.table_of(event) if event.partition else table.name
        )
        if not is_exact and _has_more(event):
            source.forwarder = _ours(event, rows, id=origins.id_of(event) if event.op == b"R" else None)
        old, new = rows.convert(before, after)
        return line(
            Change(
                before=old,
                after=new,
                source=source,
                transaction=transaction,
                op=_OPERATIONS[op],
                ts_ms=source.ts_ms,
                ts_us=source.ts_us,
                ts_ns=source.ts_ns,
            )
        )

    def encode(events: Sequence[Event]) -> list[bytes]:
        return [encode_one(event) for event in events]

    return encode


def _is_incomplete(event: Event) -> bool:
    """Whether a change of a row lacks what consumers count on: the new row, or of a deleted one the old row or at least the key."""
    if event.op == b"T":
        return False
    return not (event.before or event.key) if event.op == b"D" else not event.after


def _has_more(event: Event) -> object:
    """Whether there is anything to tell that Debezium has no place for, or has it in headers."""
    return event.moved or event.partition or event.omitted or event.context or event.extra or event.fault


def _ours(event: Event, rows: Rows, *, id: str | None) -> Raw:
    """The member ``forwarder`` of ``source``, which has that. ``id``: of a row that a load has read, since many have one position."""
    told = []
    if event.partition:
        told.append(f'"table":{_json(event.table.name)},"partition":{_json(event.partition)}')
    if event.moved and event.op in _MOVED:
        key, _ = rows.convert(event.moved)
        told.append(f'"{_MOVED[event.op]}":{_json(key)}')
    if event.context:
        told.append(f'"context":{event.context}')
    if event.extra:
        told.append(event.extra)
    rest = ("id", id), ("fault", event.fault), ("omitted", event.omitted), ("stored_at", event.stored_at)
    told += [f'"{name}":{_json(fact)}' for name, fact in rest if fact]
    return Raw(f"{{{','.join(told)}}}")


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()
