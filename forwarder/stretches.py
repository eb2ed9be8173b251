"""Cuts the changes of a page into stretches, each of one table, so that what concerns a whole table stands alone. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import repeat
from operator import attrgetter

from forwarder.events import Event, Stretch, Table

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
    # Few pages hold such events, many hold one table only: hence no more is done for an event than it takes to find out.
    if not TABLE_WIDE.isdisjoint(map(_OP, events)):
        return _around_barriers(events)
    tables: set[Table] = set(map(_TABLE, events))
    if len(tables) <= 1:
        return whole(events, seqs)
    stretches = {table: Stretch(table.id, set()) for table in tables}
    undelivered = [stretches[event.table].undelivered for event in events]
    for seq, seqs_of_table in zip(seqs, undelivered, strict=True):
        seqs_of_table.add(seq)
    return list(stretches.values()), undelivered


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
