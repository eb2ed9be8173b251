"""Chooses the partition key of an event. Events of one key go to one shard, and in order. Pure.

An event has its **own key**: ``public.orders.42``, or for a table without a key ``public.orders`` (or, by ``keyless=row-hash``, that and
a hash of the row). It is what ``partition_key=primary-key`` chooses, and what the kinds ``column`` and ``template`` fall back to for an event
that lacks what they name. What concerns a whole table, such as a TRUNCATE, names no columns, and always falls back. What a load has read is of no
transaction, so ``transaction`` falls back for that.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from functools import partial

from forwarder.config.partition_key import KeyRule
from forwarder.events import CapturedTable, Event
from forwarder.records.key_template import template_filler
from forwarder.records.row_columns import Absent, ReadMember, RowColumns
from forwarder.records.stretches import TABLE_WIDE

# Unicode characters, as the Kinesis API counts them.
MAX_CHARACTERS = 256

# A random key is made of the seq, so that whoever makes it again, such as a record that tells its key, makes the same one. Times this number
# (2^64 over the golden ratio), seqs that follow each other lie far apart. It is odd, so no two seqs have one key.
_ODD = 0x9E3779B97F4A7C15
_64_BITS = (1 << 64) - 1

Chooser = Callable[[Sequence[Event]], list[str]]
# From an event to a key; None or empty: it has none of that kind.
_OfEvent = Callable[[Event], str | None]


def chooser(rule: KeyRule, *, reader_of: Callable[[str], ReadMember], tell_absent: Absent = lambda *_: None) -> Chooser:
    """A function from events to their partition keys.

    ``reader_of(name)`` reads the member of this name out of a JSON object. ``tell_absent`` is told which table's change lacks which column
    that the rule names.
    """
    of_events = _of_events(rule, reader_of, tell_absent)

    def choose(events: Sequence[Event]) -> list[str]:
        keys = of_events(events)
        return keys if max(map(len, keys), default=0) <= MAX_CHARACTERS else [shortened(key) for key in keys]

    return choose


def shortened(key: str) -> str:
    """The key, or its SHA-256 in hexadecimal if Kinesis would refuse it as too long."""
    if len(key) <= MAX_CHARACTERS:
        return key
    return hashlib.sha256(key.encode()).hexdigest()


def _of_events(rule: KeyRule, reader_of: Callable[[str], ReadMember], tell_absent: Absent) -> Chooser:
    """As ``chooser``, but keys may be too long."""
    of_rows = _of_rows_or_hashes if rule.keyless == "row-hash" else _of_rows
    own_keys = partial(of_rows, prefix=rule.prefix)
    match rule.kind:
        case "primary-key":
            return own_keys
        case "table":
            return partial(_of_tables, prefix=rule.prefix)
        case "constant":
            return lambda events: [rule.constant] * len(events)
        case "transaction":
            return partial(_or_own, _of_transaction, own_keys)
        case "random":
            return lambda events: [f"{_number_of(event) * _ODD & _64_BITS:016x}" for event in events]
        case "column":
            columns = RowColumns(rule.columns, reader_of, tell_absent)
            return partial(_or_own, partial(_of_columns, columns, prefix=rule.prefix), own_keys)
        case "template":
            return partial(_or_own, template_filler(rule.pieces, reader_of, tell_absent), own_keys)


def _of_transaction(event: Event) -> str | None:
    return str(event.txid) if event.txid else None


def _number_of(event: Event) -> int:
    """The seq; of what a load has read, where many events have one seq, a hash of its name."""
    if not event.reading:
        return event.seq
    name = f"{event.table.id}/{event.reading.load}/{event.reading.name}"
    return int.from_bytes(hashlib.blake2b(name.encode(), digest_size=8).digest())


def _of_tables(events: Sequence[Event], *, prefix: bool) -> list[str]:
    return [_name(event.table, prefix=prefix) for event in events]


def _of_rows(events: Sequence[Event], *, prefix: bool) -> list[str]:
    if not prefix:
        return [event.key_values or event.table.name for event in events]
    return [
        event.table.qualified_name if event.key_values is None else f"{event.table.qualified_name}.{event.key_values}"
        for event in events
    ]


def _of_rows_or_hashes(events: Sequence[Event], *, prefix: bool) -> list[str]:
    """As ``_of_rows``, but of a table without a key: its name and a hash of the new row or, of a delete, of the old one."""
    keys = _of_rows(events, prefix=prefix)
    for number, event in enumerate(events):
        row = event.after or event.before
        if not event.table.key_columns and event.key_values is None and row and event.op not in TABLE_WIDE:
            digest = hashlib.sha256(row.encode()).hexdigest()
            keys[number] = f"{keys[number]}.{digest}" if prefix else digest
    return keys


def _of_columns(columns: RowColumns, event: Event, *, prefix: bool) -> str | None:
    values = columns.values(event)
    if values is None or not prefix:
        return values
    return f"{event.table.qualified_name}.{values}"


def _or_own(of_event: _OfEvent, own_keys: Chooser, events: Sequence[Event]) -> list[str]:
    """The keys that ``of_event`` makes and, where it makes none, the own keys of the events."""
    keys = [of_event(event) for event in events]
    if not all(keys):
        rest = iter(own_keys([event for event, key in zip(events, keys, strict=True) if not key]))
        return [key or next(rest) for key in keys]
    return [key for key in keys if key]


def _name(table: CapturedTable, *, prefix: bool) -> str:
    return table.qualified_name if prefix else table.name
