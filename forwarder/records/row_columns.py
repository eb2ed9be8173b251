"""Reads columns out of the row of an event, for its partition key. Pure.

Where an image lacks a column, the other image is asked: of a table captured with ``after = "changed"``, what the new row's image lacks has
not changed. Example: an update sets the status alone, so that only the old row's image has the region.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from forwarder.events import CapturedTable, Event
from forwarder.records.stretches import TABLE_WIDE

# From the text of a JSON object to the value of one member, as a partition key has it: ``42``, or ``eu`` without quotes. None: it has no such member.
ReadMember = Callable[[str], str | None]

# Told the table of a change whose row lacks a column, and the column's name.
Absent = Callable[[CapturedTable, str], None]

EVENT = b"E"


def row_images(event: Event, *, prefers_old: bool = False) -> Sequence[str]:
    """The images of the event's row, the new one first; of a large change, the columns that were read of them.

    ``prefers_old``: the old one first. What concerns a whole table has no image of a row.
    """
    if event.op in TABLE_WIDE:
        return ()
    old, new = event.before, event.after
    if event.stored:
        old, new = old or event.stored.before_columns, new or event.stored.after_columns
    images = (old, new) if prefers_old else (new, old)
    return [image for image in images if image]


class RowColumns:
    """The values of some columns: of the new row or, of a delete, of the old one."""

    __slots__ = ("_readers", "_tell_absent")

    def __init__(self, names: Sequence[str], reader_of: Callable[[str], ReadMember], tell_absent: Absent) -> None:
        self._readers = [(name, reader_of(name)) for name in names]
        self._tell_absent = tell_absent

    def values(self, event: Event, *, prefers_old: bool = False) -> str | None:
        """The values joined by commas; None if one of the columns is not there. ``prefers_old``: of an update, those of the old row."""
        if event.op in TABLE_WIDE:
            return None
        images = row_images(event, prefers_old=prefers_old)
        found: list[str] = []
        for name, read in self._readers:
            value = next((value for image in images if (value := read(image)) is not None), None)
            if value is None:
                # An event of the application has no columns, which is not worth telling.
                if event.op != EVENT:
                    self._tell_absent(event.table, name)
                return None
            found.append(value)
        return found[0] if len(found) == 1 else ",".join(found)
