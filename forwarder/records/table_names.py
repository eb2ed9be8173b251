"""What captured tables are called in records, no two of them alike. Pure.

`forwarder migrate` refuses rules by which two tables would get one name; but a table may have come since. Names are decided for all captured tables
together, the one that was captured first before the others, so that they do not depend on which of them has changed first.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from operator import attrgetter

from forwarder.config.table_mappings.columns import MappedTable
from forwarder.config.table_mappings.naming import TableNames
from forwarder.config.table_mappings.table_mappings import TableMappings
from forwarder.errors import Misconfigured
from forwarder.events import CapturedTable
from forwarder.records.distinct_names import distinct_names

_Place = tuple[str, str]


class TablesNames:
    """The names of all tables."""

    def __init__(
        self,
        mappings: TableMappings,
        captured: Callable[[], Iterable[CapturedTable]],
        tell: Callable[[str], None] | None,
    ) -> None:
        """Take what ``Renames`` is given."""
        self._mappings = mappings
        self._captured = captured
        self._tell = tell
        # Schema and name in the database of each table that is captured, by its id.
        self._places: dict[int, _Place] = {}
        # By these, what the rules make of them, and what records have.
        self._wanted: dict[_Place, _Place] = {}
        self._decided: Mapping[_Place, _Place] = {}

    def learn(self, table: CapturedTable) -> bool:
        """Decide anew if this table is not among those that were decided about. Returns whether another one is called otherwise since."""
        if self._places.get(table.id) == (table.schema, table.name):
            return False
        captured = sorted((other for other in self._captured() if other.is_live), key=attrgetter("id"))
        self._places = {other.id: (other.schema, other.name) for other in (*captured, table) if not other.is_of_events}
        before, self._decided = (
            self._decided,
            distinct_names({place: self._by_rules(place) for place in self._places.values()}),
        )
        return any(self._decided.get(place, name) != name for place, name in before.items())

    def of(self, table: CapturedTable) -> TableNames:
        """The names of a table that was learned, and of its columns; what would be called as another is told.

        Raises:
            Misconfigured: two rules say different things of it.
        """
        place = table.schema, table.name
        names = self._mappings.names(*place)
        self._told(lambda: names.require_distinct(column.name for column in table.columns if not column.is_gone))
        wanted, decided = self._by_rules(place), self._decided[place]
        if names.table != wanted[1]:
            # A target-table-name may be that of several tables.
            return names
        if decided != wanted:
            other = next(other for other in self._decided if other != place and self._by_rules(other) == wanted)
            self._told(lambda: self._mappings.require_distinct(map(_mapped, (other, place))))
        schema, name = decided
        return replace(names, schema=schema, table=name)

    def _by_rules(self, place: _Place) -> _Place:
        if place not in self._wanted:
            self._wanted[place] = self._mappings.transformed_names(*place)
        return self._wanted[place]

    def _told(self, require: Callable[[], None]) -> None:
        try:
            require()
        except Misconfigured as error:
            if self._tell:
                self._tell(f"{error}".removeprefix(f"{self._mappings.source}: "))


def _mapped(place: _Place) -> MappedTable:
    schema, name = place
    return MappedTable(schema=schema, name=name)
