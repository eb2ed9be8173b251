"""Chooses partition keys by columns that table mappings rename: the sink's URL calls them as the database does, an event as its record does. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import groupby
from operator import attrgetter

from forwarder.config.partition_key import KeyRule
from forwarder.events import CapturedTable, Event
from forwarder.records.partition_key import Chooser

_table = attrgetter("table")


def chooser(
    rule: KeyRule,
    columns_of: Callable[[CapturedTable], Callable[[str], str] | None],
    make: Callable[[KeyRule], Chooser],
) -> Chooser:
    """A chooser for events as they are in the records.

    Args:
        columns_of: what renames the columns of a table that an event has here; None: they have the names of the database.
        make: makes a chooser by a rule that calls columns as the events do.
    """
    by_database = make(rule)
    if not (rule.columns or rule.pieces):
        return by_database
    choosers: dict[CapturedTable, Chooser] = {}

    def chooser_of(table: CapturedTable) -> Chooser:
        if table not in choosers:
            column = columns_of(table)
            choosers[table] = make(rule.renamed(column)) if column else by_database
        return choosers[table]

    def choose(events: Sequence[Event]) -> list[str]:
        return [key for table, group in groupby(events, _table) for key in chooser_of(table)(list(group))]

    return choose
