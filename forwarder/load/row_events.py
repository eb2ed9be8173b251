"""Makes events of the rows that a load has read, and of its beginning and end. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from hashlib import blake2b

from forwarder.events import CapturedTable, Event, Reading
from forwarder.load.chunk import ReadRow
from forwarder.outbox.keys import ReadKey
from forwarder.outbox.position import Snapshot

_READ, _LOAD = b"R", b"L"
# Not of a transaction.
_NO_TXID, _NO_INDEX = 0, 0
# Of the name of a row: no two of a table have the same.
_NAME_BYTES = 12
# What the hash of a name begins with: nothing. To copy it takes half of the time in which one is made.
_OF_NAMES = blake2b(digest_size=_NAME_BYTES)


def row_events(
    rows: Sequence[ReadRow],
    *,
    load: int,
    table: CapturedTable,
    partition: str | None,
    read_key: ReadKey,
    seq: int,
    at: int,
    begun: Snapshot | None = None,
) -> list[Event]:
    """The events of rows of one chunk. ``seq``: one that all later changes of these rows exceed; ``at``: when they were read.

    ``begun``: as of ``began``. A row without a key is another one if the load begins again, since consumers drop those that they have.
    """
    mark = f'"load":{{"number":{load}}}'
    # What all rows have in common. To copy it takes half of the time in which an event is made by the names of its members.
    common = Event(
        seq=seq,
        txid=_NO_TXID,
        at=at,
        table=table,
        partition=partition,
        op=_READ,
        before=None,
        after=None,
        fault=None,
        index=_NO_INDEX,
        count=None,
        key=None,
        key_values=None,
        extra=mark,
    )
    last_extra = None
    # By the method, which copy.copy() looks for at each call.
    copied: Callable[[], Event] = common.__copy__  # type: ignore[attr-defined]
    hashed = _OF_NAMES.copy
    events: list[Event] = []
    for relation, after, fault, extra, row_key, identity in rows:
        if extra != last_extra:
            last_extra, common.extra = extra, f"{extra},{mark}" if extra else mark
        event = copied()
        event.after, event.fault = after, fault
        image = after or row_key
        if image and (found := read_key(image)):
            event.key, event.key_values = found
        # Two partitions may each have a row at one place of their files, made by one transaction.
        known_by = event.key or (f"{begun}/{relation}/{identity}" if identity else after) or ""
        name = hashed()
        name.update(known_by.encode())
        event.reading = Reading(load, name.hexdigest())
        events.append(event)
    return events


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
