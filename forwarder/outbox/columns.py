"""Finds columns in images that the registry does not know yet: it was read before they were added or renamed. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from forwarder.events import Event
from forwarder.json_members import members

# Schema events describe a table in their images, those of the application have a shape of their own.
_OF_ROWS = frozenset((b"I", b"U", b"D", b"R"))


def unknown_columns(events: Iterable[Event]) -> Mapping[int, set[str]]:
    """By the ids of tables, the columns that the last image of each has, and ``CapturedTable.columns`` has not.

    One image of each table is looked at, since it is parsed for that. An older one of the same page may have another column that was renamed
    meanwhile; the registry knows that under its old name.
    """
    last = {event.table.id: event for event in events if event.op in _OF_ROWS and (event.after or event.before)}
    found: dict[int, set[str]] = {}
    for id, event in last.items():
        known = {column.name for column in event.table.columns}
        if unknown := members(event.after or event.before or "").keys() - known:
            found[id] = unknown
    return found
