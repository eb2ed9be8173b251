"""What a change is kept in order with, and how one change is told from another. Pure."""

from __future__ import annotations

import json
from typing import Any

from forwarder.consumer.change import Change

# Some 3,000 digits.
_MOST_BITS = 10_000


def lane_of(change: Change) -> str | None:
    """The row that the change is of, as one text; its seqs rise. None if there is no key, or no seq.

    ``["7312459/16384","public","orders","{'id': 42}"]``: where it was captured, schema, table, key.
    """
    if change.seq is None or not change.key:
        return None
    key = {name: _short(value) for name, value in change.key.items()}
    return json.dumps([change.origin, change.schema, change.table, repr(key)], separators=(",", ":"))


def identity_of(change: Change) -> str | None:
    """What is the same in every repeat of the change, and different in all others; None if its format carries nothing of the kind."""
    if change.id is not None:
        return change.id
    if change.seq is None:
        return None
    # Debezium gives the delete and the insert that it makes of a changed key one position.
    return json.dumps([change.origin, change.seq, change.op, change.schema, change.table], separators=(",", ":"))


def transaction_of(change: Change) -> str | None:
    """Its transaction, as one text; None if its format does not name it."""
    return None if change.txid is None else json.dumps([change.origin, change.txid], separators=(",", ":"))


def _short(value: Any) -> Any:
    """The value, or where it is a whole number of more digits than Python writes (4,300), that in hexadecimal."""
    return hex(value) if isinstance(value, int) and value.bit_length() > _MOST_BITS else value
