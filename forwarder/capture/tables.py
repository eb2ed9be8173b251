"""The tables that can be captured and the tables that are registered, as found, and which of them is which. Pure."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain

from forwarder.capture.selection import BeforeImage
from forwarder.database.quoting import identifier

# No image begins like this.
_NO_OPENING = " "


@dataclass(frozen=True, slots=True, kw_only=True)
class Trigger:
    """One of ours, as found; somebody may have renamed it.

    ``sound``: it fires, and on what it is for. ``inherited``: it belongs to a parent's trigger.
    """

    relation: str
    name: str
    arguments: tuple[str, ...]
    sound: bool
    inherited: bool

    @property
    def drop(self) -> str:
        """A statement; takes ACCESS EXCLUSIVE on its table, and on the partitions if it has any. Not for one that is inherited."""
        return f"DROP TRIGGER IF EXISTS {identifier(self.name)} ON {self.relation};"


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """A captured table itself, or one of its partitions; ``truncates``: it needs a trigger of its own for TRUNCATE."""

    quoted: str
    truncates: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class AmbiguousColumn:
    """A column of a key with equal values that are written in several ways; ``collation``: one that takes unequal texts for equal."""

    name: str
    type: str
    collation: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class StrangeCast:
    """A cast from ``type`` to json that is not run: ``owner`` of its ``function`` is neither a superuser nor the table's owner."""

    type: str
    function: str
    owner: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """A table that can be captured, as found. ``relation`` is its oid, ``quoted`` its name as SQL."""

    relation: int
    schema: str
    name: str
    quoted: str
    ancestors: tuple[int, ...]
    # Names by attribute number, and the attribute numbers of what identifies a row, in order.
    columns: Mapping[int, str]
    has_primary_key: bool
    key: tuple[int, ...]
    # The columns whose JSON is a number, a word or a string, and whether all partitions have their columns in the same places.
    scalars: frozenset[int]
    uniform: bool
    # Whether a transaction may hold two rows of one key until it ends.
    key_is_deferrable: bool
    ambiguous_key_columns: tuple[AmbiguousColumn, ...]
    members: tuple[Member, ...]
    triggers: tuple[Trigger, ...]
    # Generated columns that are not stored: a trigger sees null in them.
    virtual_columns: tuple[str, ...] = ()
    # Of the types of its columns, and of what these consist of.
    strange_casts: tuple[StrangeCast, ...] = ()

    @property
    def own_triggers(self) -> tuple[Trigger, ...]:
        """Those that go only if this table is no longer captured."""
        return tuple(trigger for trigger in self.triggers if trigger.relation == self.quoted and not trigger.inherited)

    @property
    def captured_id(self) -> int | None:
        """The id that its trigger writes to the outbox."""
        arguments = chain.from_iterable(trigger.arguments[:1] for trigger in self.own_triggers)
        return next((int(argument) for argument in arguments if argument.isdecimal()), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyColumn:
    """A column of a key, with every name that it was ever seen under, the newest first."""

    attnum: int
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Registered:
    """A row of ``forwarder.captured_table``; not ``active`` once its triggers were removed."""

    id: int
    relation: int
    schema: str
    name: str
    quoted: str
    key_columns: tuple[KeyColumn, ...]
    before: BeforeImage
    active: bool


def rows_of(tables: Sequence[Table], registry: Sequence[Registered]) -> dict[int, Registered]:
    """The row of each table that has one, by relation.

    A table is known again by its oid, if its trigger or its name agrees; and after a restore, which changes every oid, by what
    its trigger says, if its name agrees.
    """
    by_id = {row.id: row for row in registry}
    by_place = {(row.relation, row.schema, row.name): row for row in registry}
    places = {table.relation: (table.relation, table.schema, table.name) for table in tables}
    reinstalled = {relation: by_place[place] for relation, place in places.items() if place in by_place}
    said = {table.relation: by_id[table.captured_id] for table in tables if table.captured_id in by_id}
    same = {relation: row for relation, row in said.items() if row.relation == relation}
    taken = {row.id for row in same.values()}
    restored = {
        relation: row
        for relation, row in said.items()
        if row.id not in taken and (row.schema, row.name) == places[relation][1:]
    }
    return reinstalled | restored | same


def registered(tables: Sequence[Table], registry: Sequence[Registered]) -> dict[int, BeforeImage]:
    """The tables that the registry says are captured, by relation; also one that was dropped and created again since."""
    rows = rows_of(tables, registry)
    by_name = {(row.schema, row.name): row for row in registry if row.active}
    found = ((table.relation, rows.get(table.relation) or by_name.get((table.schema, table.name))) for table in tables)
    return {relation: row.before for relation, row in found if row and row.active}


def unnamed(tables: Sequence[Table], registry: Sequence[Registered], desired: Mapping[int, BeforeImage]) -> list[Table]:
    """The tables that are captured by themselves although neither they nor what they are a partition of is desired."""
    active = registered(tables, registry)
    return [
        table
        for table in tables
        if (table.own_triggers or table.relation in active)
        and table.relation not in desired
        and desired.keys().isdisjoint(table.ancestors)
    ]


def with_unnamed(
    tables: Sequence[Table], registry: Sequence[Registered], desired: Mapping[int, BeforeImage]
) -> dict[int, BeforeImage]:
    """The desired tables and those that are captured already, which stay as they are registered."""
    others = {table.relation for table in unnamed(tables, registry, desired)}
    # A partition cannot be captured by itself while what it is a partition of is.
    covered = {table.relation for table in tables if not others.isdisjoint(table.ancestors)}
    staying = {
        relation: before for relation, before in registered(tables, registry).items() if relation in others - covered
    }
    return staying | {relation: before for relation, before in desired.items() if relation not in covered}


def key_columns(table: Table, row: Registered | None) -> tuple[KeyColumn, ...]:
    """What identifies a row of the table: its columns in order, none of whose names is ever forgotten.

    A table that has lost its primary key keeps the columns that it had, so that its events keep their partition keys.
    """
    earlier = {column.attnum: column.names for column in row.key_columns} if row else {}
    keeps = bool(earlier) and not table.has_primary_key and earlier.keys() <= table.columns.keys()
    return tuple(
        KeyColumn(attnum=attnum, names=tuple(dict.fromkeys((table.columns[attnum], *earlier.get(attnum, ())))))
        for attnum in (earlier if keeps else table.key)
    )


def key_labels(table: Table, columns: Sequence[KeyColumn]) -> tuple[str, ...]:
    """How the trigger finds these key columns in a row's image without parsing it: the last argument of ``forwarder.install``.

    If the key is one column and the table's first: how an image begins, ``{"id":``. Else a blank, with which none begins, and a
    label for each column, ``,"id":``, unless a member before it could hold such a text.
    """
    numbers = [column.attnum for column in columns]
    if not numbers or not table.columns.keys() >= set(numbers):
        return (_NO_OPENING,) if numbers else ()
    first, before = min(table.columns), {attnum for attnum in table.columns if attnum <= max(numbers)}
    if not table.uniform or not table.scalars >= before:
        return (_NO_OPENING,)
    labels = [f"{'{' if attnum == first else ','}{_json_text(table.columns[attnum])}:" for attnum in numbers]
    return tuple(labels) if numbers == [first] else (_NO_OPENING, *labels)


def _json_text(name: str) -> str:
    return json.dumps(name, ensure_ascii=False)
