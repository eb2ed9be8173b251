"""What a change is kept in order with, and how one change is told from another. Pure."""

from __future__ import annotations

import hashlib
import json

from forwarder.consumer.change import Change


def lane_of(change: Change) -> str | None:
    """The row that the change is of, as one text; its seqs rise. None if there is no key, or no seq.

    Events of the application's own have none either: two transactions may make events of one key at a time, and the later one may have the lower seq.

    ``["7312459/16384","public","orders","{'id': 42}"]``: where it was captured, schema, table, key.
    """
    if change.seq is None or not change.key or change.op == "event":
        return None
    return json.dumps([change.origin, change.schema, change.table, repr(dict(change.key))], separators=(",", ":"))


def identity_of(change: Change) -> str | None:
    """What is the same in every repeat of the change, and different in all others; None if its format carries nothing of the kind."""
    if change.id is not None:
        return change.id
    if change.seq is None:
        return None
    # Debezium gives one position to all rows of a snapshot, and to the delete and the insert that it makes of a changed key.
    told = (change.origin, change.seq, change.op, change.schema, change.table, change.before, change.after)
    return hashlib.sha256(repr(told).encode("utf-8", "surrogatepass")).hexdigest()


def transaction_of(change: Change) -> str | None:
    """Its transaction, as one text; None if its format does not name it."""
    return None if change.txid is None else json.dumps([change.origin, change.txid], separators=(",", ":"))
