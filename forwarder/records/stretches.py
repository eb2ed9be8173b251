"""Cuts the changes of a page into stretches, so that a TRUNCATE can be kept in its place among the changes of its table. Pure.

A stretch has changes of one table: either of its rows, or such as concern the whole table, a barrier: TRUNCATE, gap, schema, and the beginning or
end of a load of a table without a key. Example: a page has, in order of seq, an update of a, an insert into b, an update of a, a TRUNCATE of a,
an insert into a and an update of b. That makes four:

1. of a: both updates
2. of b: the insert and the update
3. of a: the TRUNCATE, a barrier
4. of a: the insert

A barrier is sent when the stretches of its table before it are delivered, and those after it when the barrier is
(``forwarder.delivery.barriers``). Tables do not wait for each other.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import repeat

from forwarder.events import CapturedTable, Event
from forwarder.records.record import Stretch

# The operations that concern every row of their table: see `Event.op`.
TABLE_WIDE = frozenset((b"T", b"G", b"S", b"L"))

# The stretches in the order of their first changes; and for each change the `undelivered` of its stretch.
Cut = tuple[Sequence[Stretch], Iterable[set[int]]]


def whole(events: Sequence[Event], seqs: Sequence[int]) -> Cut:
    """All events in one stretch, where nothing has to be kept apart; no stretch if there are no events."""
    if not events:
        return (), ()
    stretch = Stretch(events[0].table.id, set(seqs))
    return (stretch,), repeat(stretch.undelivered)


def by_table(events: Sequence[Event], seqs: Sequence[int]) -> Cut:
    """The stretches as the head of this module says."""
    # This runs for every event. Most pages have no barrier, and many are of one table: that is found out first.
    if not TABLE_WIDE.isdisjoint([event.op for event in events]):
        return _around_barriers(events, seqs)
    tables = [event.table for event in events]
    of_table: dict[CapturedTable, set[int]] = {table: set() for table in dict.fromkeys(tables)}
    if len(of_table) <= 1:
        return whole(events, seqs)
    undelivered = list(map(of_table.__getitem__, tables))
    for seqs_of_table, seq in zip(undelivered, seqs, strict=True):
        seqs_of_table.add(seq)
    return [Stretch(table.id, seqs_of_table) for table, seqs_of_table in of_table.items()], undelivered


def _around_barriers(events: Sequence[Event], seqs: Sequence[int]) -> Cut:
    stretches: list[Stretch] = []
    undelivered: list[set[int]] = []
    last: dict[int, Stretch] = {}
    for event, seq in zip(events, seqs, strict=True):
        stretch, is_barrier = last.get(event.table.id), _is_barrier(event)
        if stretch is None or stretch.is_barrier is not is_barrier:
            stretch = last[event.table.id] = Stretch(event.table.id, set(), is_barrier)
            stretches.append(stretch)
        stretch.undelivered.add(seq)
        undelivered.append(stretch.undelivered)
    return stretches, undelivered


def _is_barrier(event: Event) -> bool:
    """Whether it is kept in its place among the changes of its table.

    Not so the beginning and end of a load, where rows have keys: whoever applies a row by its key need not know where the load begins. The load
    itself sends no row before the beginning is delivered, and the end when all rows are.
    """
    return event.op in TABLE_WIDE and not (event.op == b"L" and event.table.key_columns)
