"""The records of changes in Debezium's envelope: ``{"before":…,"after":…,"source":…,"transaction":…,"op":"u","ts_ms":…}``. Pure.

Consumers of Debezium see what they know, with two additions that ``exact=true`` takes away: columns of types that Debezium leaves out, and a member
``forwarder`` in ``source``, for what has no place elsewhere. docs/formats/debezium.md lists all differences.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from forwarder.config.formats import Debezium
from forwarder.events import CapturedTable, Event
from forwarder.records.formats.debezium.messages import Messages
from forwarder.records.formats.debezium.rows import Rows
from forwarder.records.formats.debezium.source import Sources, json_of, microseconds_of, one_line
from forwarder.records.formats.debezium.transactions import Transactions
from forwarder.records.formats.encoder import Encoder, Provenance

_OPERATIONS = {b"I": "c", b"U": "u", b"D": "d", b"R": "r", b"T": "t"}
# What a change of the key is called in the headers of its two halves.
_MOVED = {b"D": "newkey", b"I": "oldkey"}
# Tables, and operations on them, of which it is kept how they are encoded.
_MOST_TABLES = 4096


def encoder(provenance: Provenance, options: Debezium) -> Encoder:
    """A function from events to the bytes of their records, one each; none for what is skipped."""
    sources = Sources(provenance, options)
    messages = Messages(sources, options)
    transactions = Transactions(whole_tables=options.publish_via_partition_root)
    is_exact, has_transactions = options.exact, options.provide_transaction_metadata

    @lru_cache(_MOST_TABLES)
    def rows_of(table: CapturedTable) -> Rows:
        return Rows(table, options)

    @lru_cache(_MOST_TABLES)
    def pattern_of(table: CapturedTable, partition: str | None, op: bytes) -> str:
        """What comes behind the images: as ``Sources.pattern``, and then %s for transaction, milliseconds, microseconds, microseconds."""
        source = sources.pattern(sources.place_of(table, partition, op), is_snapshot=op == b"R")
        return f',"source":{source},"transaction":%s,"op":"{_OPERATIONS[op]}","ts_ms":%s,"ts_us":%s,"ts_ns":%s000}}'

    def encode(events: Sequence[Event]) -> list[bytes]:
        encoded: list[bytes] = []
        # Of the event before, since most often the next one has the same.
        table, partition, op, rows, pattern = None, None, None, None, ""
        for event in events:
            transaction = transactions.of(event) if has_transactions else "null"
            before, after = event.before, event.after
            if not after or event.op not in _OPERATIONS:
                if event.op not in _OPERATIONS or _is_incomplete(event):
                    encoded.append(messages.encode(event, transaction))
                    continue
                if _OPERATIONS[event.op] == options.skipped_operations:
                    encoded.append(b"")
                    continue
                # Of a deleted row whose image is not captured, the key is known.
                before = before or event.key
            if rows is None or event.table is not table or event.op is not op or event.partition is not partition:
                table, partition, op = event.table, event.partition, event.op
                rows, pattern = rows_of(table), pattern_of(table, partition, op)
            us, seq = microseconds_of(event), event.seq
            ms = us[:-3]
            ours = "" if is_exact else _ours(event, rows)
            rest = pattern % (ms, seq, us, us, event.txid, seq, ours, transaction, ms, us, us)
            record = rows.encode(before, after)[:-1] + rest.encode()
            encoded.append(one_line(record) if b"\n" in record or b"\r" in record else record)
        return encoded

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
        told.append(f'"{_MOVED[event.op]}":{rows.encode_key(event.moved)}')
    if event.context:
        told.append(f'"context":{event.context}')
    if event.extra:
        told.append(event.extra)
    missing = ("fault", event.fault), ("omitted", event.omitted), ("stored_at", event.stored_at)
    told += [f'"{name}":{json_of(fact)}' for name, fact in missing if fact]
    return f',"forwarder":{{{",".join(told)}}}'
