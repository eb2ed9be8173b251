"""What a change is kept in order with, and how one change is told from another. Pure."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping

from forwarder.consumer.change import Change


def lane_of(change: Change) -> str | None:
    """The row that the change is of, as one text; its seqs rise. None if the record does not tell all of it, or nothing says that they rise.

    ``["7312459/16384","public","orders","{'id': 42}"]``: where it was captured, schema, table, key. Two rows never have one text:

    1. A table without its schema may be one of several.
    2. Without an id (debezium, dms) the origin is a name that somebody has chosen, or nobody; two databases may have the same.
    3. Two keys may be one float (``decode(…, floats=True)``).
    4. Events of the application's own are no row. Two of one key may come in another order than that of their seqs.

    A row that a load has read has the lane of its changes. Its seq need not exceed those of the changes before it: ``Deduplicator`` says what counts.
    """
    told = change.id, change.origin, change.schema, change.table
    if change.seq is None or not change.key or not all(told) or change.op == "event" or _has_floats(change.key):
        return None
    return json.dumps([change.origin, change.schema, change.table, repr(dict(change.key))], separators=(",", ":"))


def _has_floats(value: object) -> bool:
    if isinstance(value, Mapping):
        return any(map(_has_floats, value.values()))
    return any(map(_has_floats, value)) if isinstance(value, list) else isinstance(value, float)


def identity_of(change: Change) -> str | None:
    """What is the same in every repeat of the change, and different in all others; None if its format carries nothing of the kind."""
    if change.id is not None:
        return change.id
    if change.seq is None:
        return None
    # Debezium gives one position to all rows of a snapshot, and to the delete and the insert that it makes of a changed key.
    told = (change.origin, change.seq, change.op, change.schema, change.table, change.before, change.after)
    # Beginning and end of a load have one, too.
    of_load = repr(change.load) if change.load else ""
    return hashlib.sha256(f"{told!r}{of_load}".encode("utf-8", "surrogatepass")).hexdigest()


def transaction_of(change: Change) -> str | None:
    """Its transaction, as one text; None if its format does not name it."""
    return None if change.txid is None else json.dumps([change.origin, change.txid], separators=(",", ":"))
