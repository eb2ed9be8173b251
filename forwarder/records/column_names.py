"""What the columns of one table are called in records, whichever of them an image has. Pure.

It is decided once for a table, from the columns that it has: the image of an update may have only some of them, and not show that a name is taken.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from forwarder.events import Column
from forwarder.records.distinct_names import distinct_names


class ColumnNames:
    """From names of the database to names in records."""

    def __init__(self, columns: Sequence[Column], rename: Callable[[str], str]) -> None:
        """``columns``: as ``CapturedTable`` has them; ``rename``: what the rules make of a name."""
        self._rename = rename
        self._present = distinct_names({column.name: rename(column.name) for column in columns if not column.is_gone})
        by_name = {column.name: column for column in columns}
        # The columns of the table, by their names in records.
        self._holders = {name: by_name[own] for own, name in self._present.items()}

    def name(self, name: str) -> str:
        """What a column is called. A name of before, as older rows have it, becomes that of a present column only if it was the same column."""
        if found := self._present.get(name):
            return found
        new_name = self._rename(name)
        holder = self._holders.get(new_name)
        return new_name if holder is None or name in holder.former else name

    def is_another(self, name: str) -> bool:
        """Whether records call a column so whose name in the database is another."""
        holder = self._holders.get(name)
        return holder is not None and holder.name != name
