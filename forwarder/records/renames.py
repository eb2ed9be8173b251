"""Gives the changes of a table the names that table mappings have for it, before they are encoded. Pure.

1. What a table is called in the database decides which sinks its changes are for. The listener, its log and its dead letters call it so.
2. In the record and its partition key it has the names of the mappings: the table, the members of its images and of its key, and the columns that
   ``changed`` and ``withheld`` name. Values stay as PostgreSQL wrote them.
3. ``add-before-image-columns`` adds to the new row of an update the old values, under names of their own.
4. No two columns of a table get one name, and no two tables, whatever has come since `forwarder migrate` looked (``distinct_names``).

The name of a partition stays as it is in the database, and so does what a record of kind schema tells, which is about the database.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from copy import copy
from dataclasses import replace

import msgspec

from forwarder.config.table_mappings.naming import TableNames
from forwarder.config.table_mappings.object_mapping import ObjectMapping
from forwarder.config.table_mappings.rules import BeforeImageDefinition
from forwarder.config.table_mappings.table_mappings import TableMappings
from forwarder.events import CapturedTable, Column, Event, Stored
from forwarder.json_members import members, written
from forwarder.records.column_names import ColumnNames
from forwarder.records.excluded_columns import mapping_of
from forwarder.records.partition_key import Chooser
from forwarder.records.relabel import Relabel
from forwarder.records.table_names import TablesNames

# An event of the application's own has no row, unless it is one that was inserted into its outbox.
_OF_ROWS = frozenset((b"I", b"U", b"D", b"R", b"E"))
# Further members of a record that name columns.
_NAMING = ("changed", "withheld")


class Renames:
    """The names of all tables, worked out when a table is first seen."""

    def __init__(
        self,
        mappings: TableMappings,
        *,
        captured: Callable[[], Iterable[CapturedTable]] = tuple,
        tell: Callable[[str], None] | None = None,
    ) -> None:
        """Take the rules.

        Args:
            mappings: the rules.
            captured: all tables that there are, for which names are decided together.
            tell: is told which columns or tables would get one name by the rules, as `forwarder migrate` says it.
        """
        self._mappings = mappings
        self._names = TablesNames(mappings, captured, tell)
        # Whether rows are taken apart for it, so that they have to be in memory whole.
        self.change_rows = mappings.change_rows
        self._tables: dict[CapturedTable, _Renamed | None] = {}
        # By table, under its new names.
        self._object_mappings: dict[CapturedTable, ObjectMapping | None] = {}
        self._columns: dict[CapturedTable, Callable[[str], str]] = {}

    def event(self, event: Event) -> Event:
        """The event under its table's names.

        Raises:
            Misconfigured: two rules say different things of its table.
        """
        if event.table.is_of_events:
            return event
        found = self._of(event.table)
        return event if found is None else found.event(event)

    def choosing(self, choose: Chooser) -> Chooser:
        """The chooser of partition keys for events as they are in the database: it is shown them as they are in the records."""
        return lambda events: choose([self.event(event) for event in events])

    def object_mapping(self, table: CapturedTable) -> ObjectMapping | None:
        """What the records of a table look like that an event has here: its columns are called there as in the event. None: no rule says so."""
        return self._object_mappings.get(table)

    def columns(self, table: CapturedTable) -> Callable[[str], str] | None:
        """From what the columns of a table that an event has here are called in the database to what they are called in the event; None: the same."""
        return self._columns.get(table)

    def _of(self, table: CapturedTable) -> _Renamed | None:
        if table not in self._tables:
            if self._names.learn(table):
                self._tables.clear()
            found = self._tables[table] = _renamed(table, self._names.of(table), self._mappings)
            mapping = mapping_of(self._mappings, table)
            if found and mapping:
                mapping = found.mapping(mapping)
            self._object_mappings[found.table if found else table] = mapping
            if found and found.columns:
                self._columns[found.table] = found.columns.name
        return self._tables[table]


class _Renamed:
    """One table under its new names."""

    def __init__(self, table: CapturedTable, names: TableNames, before_image: BeforeImageDefinition | None) -> None:
        self._names = ColumnNames(table.columns, names.column)
        name = self._names.name
        self.columns = Relabel(name) if names.renames_columns else None
        self._old_values = before_image and Relabel(lambda column: before_image.name(name(column)))
        # In each image that has a column of such a name, and in few others.
        self._sign = before_image.sign if before_image else ""
        self._only_key = before_image is not None and before_image.column_filter == "pk-only"
        self.table = msgspec.structs.replace(
            table,
            schema=names.schema,
            name=names.table,
            key_columns=tuple(tuple(map(name, known)) for known in table.key_columns),
            columns=tuple(self._columns(table)),
            has_old_values=before_image is not None,
        )

    def mapping(self, mapping: ObjectMapping) -> ObjectMapping:
        """An object mapping of the table, for records with these names."""
        found = mapping.renamed(self._names.name, self._old_names)
        # Where a member keeps its name of the database, that is excluded as well.
        unrenamed = {name for name in mapping.exclude if not self._names.is_another(name)}
        return replace(found, exclude=found.exclude | unrenamed)

    def _old_names(self, column: str) -> tuple[str, ...]:
        """The name under which the old value of a column may be beside the new one."""
        return (self._old_values.name(column),) if self._old_values else ()

    def _columns(self, table: CapturedTable) -> Iterator[Column]:
        """The columns under their names in records; behind them, those of old values, which the table itself has not.

        A name that a column had before may become the one that it has now: then the present one counts.
        """
        found: dict[str, Column] = {}
        for column in table.columns:
            name = self._names.name(column.name)
            found.setdefault(name, msgspec.structs.replace(column, name=name))
        for column in table.columns if self._old_values else ():
            for name in self._old_names(column.name):
                found.setdefault(name, Column(name, column.type, is_gone=True))
        return iter(found.values())

    def event(self, event: Event) -> Event:
        """The event under these names."""
        named = copy(event)
        named.table = self.table
        if event.op not in _OF_ROWS:
            return named
        if self.columns:
            relabel = self.columns.image
            named.before = event.before and relabel(event.before)
            named.after = event.after and relabel(event.after)
            named.key = event.key and relabel(event.key)
            named.moved = event.moved and relabel(event.moved)
            named.extra = event.extra and self._extra(event.extra, self.columns.name)
            named.stored = event.stored and _relabelled(event.stored, relabel)
        if self._old_values and named.after and (old := self._old(event)):
            named.after = self._joined(named.after, self._old_values.image(old))
        return named

    def _old(self, event: Event) -> str | None:
        """The old values of an update; and the old key of an insert that a change of the key has become."""
        if event.op == b"I":
            return event.moved
        return (event.key if self._only_key else event.before) if event.op == b"U" else None

    def _joined(self, image: str, old_values: str) -> str:
        """The members of both objects in one.

        A column counts over an old value that would get its name: it was added since `forwarder migrate`, which refuses such names.
        """
        if self._sign in image:
            row = members(image)
            old_values = written({name: value for name, value in members(old_values).items() if name not in row})
        if "{}" in (image, old_values):
            return old_values if image == "{}" else image
        return f"{image[:-1]},{old_values[1:]}"

    def _extra(self, extra: str, column: Callable[[str], str]) -> str:
        found = members(f"{{{extra}}}")
        for member in _NAMING:
            if member in found:
                names = [column(name) for name in msgspec.json.decode(found[member], type=list[str])]
                found[member] = msgspec.json.encode(names).decode()
        return written(found)[1:-1]


def _relabelled(stored: Stored, relabel: Callable[[str], str]) -> Stored:
    before, after = stored.before_columns, stored.after_columns
    return msgspec.structs.replace(
        stored, before_columns=before and relabel(before), after_columns=after and relabel(after)
    )


def _renamed(table: CapturedTable, names: TableNames, mappings: TableMappings) -> _Renamed | None:
    """The table under these names; None if they and the mappings leave it as it is."""
    before_image = mappings.before_image(table.schema, table.name)
    is_same = (names.schema, names.table) == (table.schema, table.name) and not names.renames_columns
    return None if is_same and before_image is None else _Renamed(table, names, before_image)
