"""Cuts the changes of a page into stretches, each of one table, so that what concerns a whole table stands alone. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import repeat
from operator import attrgetter

from forwarder.events import CapturedTable, Event
from forwarder.records.record import Stretch

# The operations that concern every row of their table: see `Event.op`.
TABLE_WIDE = frozenset((b"T", b"G"))

# Stretches in the order of their first changes, and for each change what its stretch calls undelivered.
Cut = tuple[Sequence[Stretch], Iterable[set[int]]]

_TABLE = attrgetter("table")
_OP = attrgetter("op")


def whole(events: Sequence[Event], seqs: Sequence[int]) -> Cut:
    """All of the events in one stretch, for where nothing has to be kept apart; none if there are no events."""
    if not events:
        return (), ()
    stretch = Stretch(events[0].table.id, set(seqs))
    return (stretch,), repeat(stretch.undelivered)


def by_table(events: Sequence[Event], seqs: Sequence[int]) -> Cut:
    """A stretch for each table; where some events concern a whole table, one for what is before them, for them, and after."""
    # This runs for every event. Few pages hold such events, and many are of one table: hence no more is done than it takes to find out.
    if not TABLE_WIDE.isdisjoint(map(_OP, events)):
        return _around_barriers(events)
    tables = list(map(_TABLE, events))
    of_table: dict[CapturedTable, set[int]] = {table: set() for table in dict.fromkeys(tables)}
    if len(of_table) <= 1:
        return whole(events, seqs)
    undelivered = list(map(of_table.__getitem__, tables))
    for seqs_of_table, seq in zip(undelivered, seqs, strict=True):
        seqs_of_table.add(seq)
    return [Stretch(table.id, seqs_of_table) for table, seqs_of_table in of_table.items()], undelivered


def _around_barriers(events: Sequence[Event]) -> Cut:
    stretches: list[Stretch] = []
    undelivered: list[set[int]] = []
    last: dict[int, Stretch] = {}
    for event in events:
        stretch, is_barrier = last.get(event.table.id), event.op in TABLE_WIDE
        if stretch is None or stretch.is_barrier is not is_barrier:
            stretch = last[event.table.id] = Stretch(event.table.id, set(), is_barrier)
            stretches.append(stretch)
        stretch.undelivered.add(event.seq)
        undelivered.append(stretch.undelivered)
    return stretches, undelivered
