"""Makes events of the rows that a load has read, and of its beginning and end. Pure."""

from __future__ import annotations

from hashlib import blake2b

from forwarder.events import CapturedTable, Event, Reading
from forwarder.load.chunk import ReadRow
from forwarder.outbox.keys import ReadKey
from forwarder.outbox.position import Snapshot

_READ, _LOAD = b"R", b"L"
# Not of a transaction.
_NO_TXID, _NO_INDEX = 0, 0
_NO_KEY = None, None
# Of the name of a row: no two of a table have the same.
_NAME_BYTES = 12


def row_event(
    row: ReadRow,
    *,
    load: int,
    table: CapturedTable,
    partition: str | None,
    read_key: ReadKey,
    seq: int,
    at: int,
    begun: Snapshot | None = None,
) -> Event:
    """The event of a row. ``seq``: one that all later changes of the row exceed; ``at``: when it was read.

    ``begun``: as of ``began``. A row without a key is another one if the load begins again, since consumers drop those that they have.
    """
    image = row.after or row.key
    key, key_values = (read_key(image) if image else None) or _NO_KEY
    # Two partitions may each have a row at one place of their files, made by one transaction.
    known_by = key or (f"{begun}/{row.relation}/{row.identity}" if row.identity else row.after) or ""
    name = blake2b(known_by.encode(), digest_size=_NAME_BYTES).hexdigest()
    extra = f'"load":{{"number":{load}}}'
    return Event(
        seq=seq,
        txid=_NO_TXID,
        at=at,
        table=table,
        partition=partition,
        op=_READ,
        before=None,
        after=row.after,
        fault=row.fault,
        index=_NO_INDEX,
        count=None,
        key=key,
        key_values=key_values,
        extra=f"{row.extra},{extra}" if row.extra else extra,
        reading=Reading(load, name),
    )


def began(load: int, *, begun: Snapshot, table: CapturedTable, seq: int, at: int) -> Event:
    """The event before all rows of a load. ``begun``: what it sees has been told; its id has this, since a load may begin more than once."""
    name = f"began-{blake2b(str(begun).encode(), digest_size=_NAME_BYTES).hexdigest()}"
    return _mark(Reading(load, name), "began", table=table, seq=seq, at=at)


def finished(load: int, *, rows: int, table: CapturedTable, seq: int, at: int) -> Event:
    """The event after them. ``rows``: how many the load has read."""
    return _mark(Reading(load, "finished"), "finished", table=table, seq=seq, at=at, facts=f',"rows":{rows}')


def _mark(reading: Reading, state: str, *, table: CapturedTable, seq: int, at: int, facts: str = "") -> Event:
    return Event(
        seq=seq,
        txid=_NO_TXID,
        at=at,
        table=table,
        partition=None,
        op=_LOAD,
        before=None,
        after=None,
        fault=None,
        index=_NO_INDEX,
        count=None,
        key=None,
        key_values=None,
        extra=f'"load":{{"number":{reading.load},"state":"{state}"{facts}}}',
        reading=reading,
    )
