"""Chooses the partition key of an event. Events of one key go to one shard, and in order. Pure."""

import hashlib
from collections.abc import Callable, Sequence

from forwarder.config.sink_url import PartitionKey
from forwarder.events import Event

# Unicode characters, as the Kinesis API counts them.
MAX_CHARACTERS = 256

Chooser = Callable[[Sequence[Event]], list[str]]


def chooser(kind: PartitionKey, *, prefix: bool = True) -> Chooser:
    """A function from events to their partition keys.

    ``primary-key``: ``public.orders.42``; ``table``, and any event without a key: ``public.orders``. Without the prefix,
    ``42`` and ``orders``.
    """
    of_events = _of_tables if kind == "table" else _of_rows

    def choose(events: Sequence[Event]) -> list[str]:
        keys = of_events(events, prefix=prefix)
        return keys if max(map(len, keys), default=0) <= MAX_CHARACTERS else [shortened(key) for key in keys]

    return choose


def shortened(key: str) -> str:
    """The key, or its SHA-256 in hexadecimal if Kinesis would refuse it as too long."""
    if len(key) <= MAX_CHARACTERS:
        return key
    return hashlib.sha256(key.encode()).hexdigest()


def _of_tables(events: Sequence[Event], *, prefix: bool) -> list[str]:
    return [event.table.qualified_name if prefix else event.table.name for event in events]


def _of_rows(events: Sequence[Event], *, prefix: bool) -> list[str]:
    if not prefix:
        return [event.key_values or event.table.name for event in events]
    return [
        event.table.qualified_name if event.key_values is None else f"{event.table.qualified_name}.{event.key_values}"
        for event in events
    ]
