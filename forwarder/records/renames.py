"""Gives the changes of a table the names that table mappings have for it, before they are encoded. Pure.

1. What a table is called in the database decides which sinks its changes are for. The listener, its log and its dead letters call it so.
2. In the record and its partition key it has the names of the mappings: the table, the members of its images and of its key, and the columns that
   ``changed`` and ``withheld`` name. Values stay as PostgreSQL wrote them.
3. ``add-before-image-columns`` adds to the new row of an update the old values, under names of their own.

The name of a partition stays as it is in the database, and so does what a record of kind schema tells, which is about the database.
"""

from __future__ import annotations

from copy import copy

import msgspec

from forwarder.config.table_mappings.naming import TableNames
from forwarder.config.table_mappings.object_mapping import ObjectMapping
from forwarder.config.table_mappings.rules import BeforeImageDefinition
from forwarder.config.table_mappings.table_mappings import TableMappings
from forwarder.events import CapturedTable, Event
from forwarder.json_members import members, written
from forwarder.records.partition_key import Chooser

_OF_ROWS = frozenset((b"I", b"U", b"D", b"R"))
# The application's own event, whose table is ours.
_EMITTED = b"E"
# Further members of a record that name columns.
_NAMING = ("changed", "withheld")


class Renames:
    """The names of all tables, worked out when a table is first seen."""

    def __init__(self, mappings: TableMappings) -> None:
        self._mappings = mappings
        # Whether rows are taken apart for it, so that they have to be in memory whole.
        self.change_rows = mappings.change_rows
        self._tables: dict[CapturedTable, _Renamed | None] = {}
        # By table, under its new names.
        self._object_mappings: dict[CapturedTable, ObjectMapping | None] = {}

    def event(self, event: Event) -> Event:
        """The event under its table's names.

        Raises:
            Misconfigured: two rules say different things of its table.
        """
        if event.op == _EMITTED:
            return event
        found = self._of(event.table)
        return event if found is None else found.event(event)

    def choosing(self, choose: Chooser) -> Chooser:
        """The chooser of partition keys for events as they are in the database: it is shown them as they are in the records."""
        return lambda events: choose([self.event(event) for event in events])

    def object_mapping(self, table: CapturedTable) -> ObjectMapping | None:
        """What the records of a table look like that an event has here: its columns are called there as in the event. None: no rule says so."""
        return self._object_mappings.get(table)

    def _of(self, table: CapturedTable) -> _Renamed | None:
        if table not in self._tables:
            found = self._tables[table] = _renamed(table, self._mappings)
            mapping = self._mappings.object_mapping(table.schema, table.name)
            if found and mapping:
                mapping = mapping.renamed(self._mappings.names(table.schema, table.name).column)
            self._object_mappings[found.table if found else table] = mapping
        return self._tables[table]


class _Renamed:
    """One table under its new names."""

    def __init__(self, table: CapturedTable, names: TableNames, before_image: BeforeImageDefinition | None) -> None:
        self._names = names
        self._before_image = before_image
        # What each column is called, as far as it has been seen.
        self._columns: dict[str, str] = {}
        keys = (
            tuple(tuple(map(self._column, known)) for known in table.key_columns)
            if names.renames_columns
            else table.key_columns
        )
        columns = tuple(msgspec.structs.replace(column, name=self._column(column.name)) for column in table.columns)
        self.table = msgspec.structs.replace(
            table, schema=names.schema, name=names.table, key_columns=keys, columns=columns
        )

    def event(self, event: Event) -> Event:
        """The event under these names."""
        named = copy(event)
        named.table = self.table
        if event.op in _OF_ROWS and (self._names.renames_columns or self._before_image):
            named.before = self._image(event.before)
            named.after = self._image(event.after, self._old_values(event))
            named.key, named.moved = self._image(event.key), self._image(event.moved)
            named.extra = self._extra(event.extra) if event.extra and self._names.renames_columns else event.extra
        return named

    def _column(self, name: str) -> str:
        found = self._columns.get(name)
        if found is None:
            found = self._columns[name] = self._names.column(name)
        return found

    def _image(self, image: str | None, added: dict[str, str] | None = None) -> str | None:
        if image is None:
            return None
        return written({self._column(name): value for name, value in members(image).items()} | (added or {}))

    def _old_values(self, event: Event) -> dict[str, str]:
        """The old values of an update under their own names, and of the insert that a change of the key becomes, the old key."""
        old = event.before if event.op == b"U" else event.moved if event.op == b"I" else None
        defined = self._before_image
        if defined is None or old is None or event.after is None:
            return {}
        values = members(old)
        if defined.column_filter == "pk-only":
            values = {name: values[name] for name in members(event.key or "{}") if name in values}
        return {
            f"{defined.column_prefix}{self._column(name)}{defined.column_suffix}": value
            for name, value in values.items()
        }

    def _extra(self, extra: str) -> str:
        found = members(f"{{{extra}}}")
        for member in _NAMING:
            if member in found:
                found[member] = _json(
                    [self._column(name) for name in msgspec.json.decode(found[member], type=list[str])]
                )
        return written(found)[1:-1]


def _renamed(table: CapturedTable, mappings: TableMappings) -> _Renamed | None:
    """The table under the names that the mappings have for it; None if they leave them as they are."""
    names = mappings.names(table.schema, table.name)
    before_image = mappings.before_image(table.schema, table.name)
    is_same = (names.schema, names.table) == (table.schema, table.name) and not names.renames_columns
    return None if is_same and before_image is None else _Renamed(table, names, before_image)


def _json(value: str | list[str]) -> str:
    return msgspec.json.encode(value).decode()
