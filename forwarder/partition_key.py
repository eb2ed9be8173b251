"""Which partition key an event travels under: what decides its shard and what it is kept in order with. Pure."""

import hashlib
from collections.abc import Callable

from forwarder.events import Event, Table
from forwarder.sink_url import PartitionKey

# Unicode characters, as the Kinesis API counts them.
MAX_CHARACTERS = 256

Chooser = Callable[[Event], str]


def chooser(kind: PartitionKey, *, prefix: bool = True) -> Chooser:
    """A function from an event to its partition key.

    ``primary-key``: ``public.orders.42``; ``table``, and any event without a key: ``public.orders``. Without the prefix,
    ``42`` and ``orders``.
    """
    if kind == "table":
        return lambda event: shortened(_table(event.table, prefix=prefix))
    if prefix:
        return _prefixed_primary_key
    return lambda event: shortened(event.key_values or _table(event.table, prefix=False))


def shortened(key: str) -> str:
    """The key, or its SHA-256 in hexadecimal if Kinesis would refuse it as too long."""
    if len(key) <= MAX_CHARACTERS:
        return key
    return hashlib.sha256(key.encode()).hexdigest()


def _prefixed_primary_key(event: Event) -> str:
    table, values = event.table, event.key_values
    key = f"{table.schema}.{table.name}" if values is None else f"{table.schema}.{table.name}.{values}"
    return key if len(key) <= MAX_CHARACTERS else shortened(key)


def _table(table: Table, *, prefix: bool) -> str:
    return f"{table.schema}.{table.name}" if prefix else table.name
