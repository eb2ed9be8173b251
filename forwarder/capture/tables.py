"""Tables as found in the catalog and in the registry, and which of these are the same table. Pure."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import Any

from forwarder.config.table_options import TableOptions
from forwarder.database.quoting import identifier

# Stands for a label that no image begins with.
_NO_OPENING = " "


@dataclass(frozen=True, slots=True, kw_only=True)
class Trigger:
    """A trigger of ours as found; somebody may have renamed it.

    ``type`` is its tgtype: on what it fires, and when. ``sound``: it is enabled, whatever columns change. ``inherited``: it belongs to the
    trigger of a partitioned table.
    """

    relation: str
    name: str
    function: str
    type: int
    has_condition: bool
    arguments: tuple[str, ...]
    sound: bool
    inherited: bool

    @property
    def drop(self) -> str:
        """One statement; takes ACCESS EXCLUSIVE on its table and the partitions of that. Not for one that is inherited."""
        return f"DROP TRIGGER IF EXISTS {identifier(self.name)} ON {self.relation};"


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """A captured table itself, or one of its partitions. ``truncates``: it needs a trigger of its own for TRUNCATE."""

    quoted: str
    truncates: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class AmbiguousColumn:
    """A column of a key whose equal values can be written in several ways. ``collation``: the one that makes them equal, if it is that."""

    name: str
    type: str
    collation: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class StrangeCast:
    """A cast from ``type`` to json that is not run: the ``owner`` of its ``function`` is neither a superuser nor the table's owner."""

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
    # Names by attribute number.
    columns: Mapping[int, str]
    has_primary_key: bool
    # The attribute numbers of the columns that identify a row, in order.
    key: tuple[int, ...]
    # The attribute numbers of the columns whose JSON is a number, a word or a string.
    scalars: frozenset[int]
    # The attribute numbers of the columns of text.
    texts: frozenset[int]
    # Whether all partitions have the same columns under the same attribute numbers.
    uniform: bool
    # Whether two rows may have one key until their transaction ends.
    key_is_deferrable: bool
    ambiguous_key_columns: tuple[AmbiguousColumn, ...]
    # The table itself and its partitions.
    members: tuple[Member, ...]
    # Those on any of the members.
    triggers: tuple[Trigger, ...]
    # Generated columns that are not stored: a trigger sees null in them.
    virtual_columns: tuple[str, ...] = ()
    # By the attribute number of each stored generated column, those of the columns that it is made of.
    generated_from: Mapping[int, tuple[int, ...]] = field(default_factory=dict)
    # Of the types of its columns, and of the types that these consist of.
    strange_casts: tuple[StrangeCast, ...] = ()
    # Neither partitioned nor a partition, and no table inherits from another.
    stands_alone: bool = True

    @property
    def own_triggers(self) -> tuple[Trigger, ...]:
        """Those on this table itself, except those that belong to the trigger of a table that this one is a partition of."""
        return tuple(trigger for trigger in self.triggers if trigger.relation == self.quoted and not trigger.inherited)

    @property
    def captured_id(self) -> int | None:
        """The id of the registry that its trigger writes to the outbox; None if it has no trigger."""
        arguments = chain.from_iterable(trigger.arguments[:1] for trigger in self.own_triggers)
        return next((int(argument) for argument in arguments if argument.isdecimal()), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyColumn:
    """A column, of a key in most places, with every name that it has had, the newest first."""

    attnum: int
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Registered:
    """A row of ``forwarder.captured_table``. It is not ``active`` once its triggers were removed."""

    id: int
    relation: int
    schema: str
    name: str
    quoted: str
    key_columns: tuple[KeyColumn, ...]
    active: bool
    options: dict[str, Any]
    # The columns, if rules about them had to be made; each with the names that it has had.
    columns: tuple[KeyColumn, ...] = ()
    # What its triggers were made as, as ``trigger_set.serialized`` has them. None: by a release that kept no record of it.
    triggers: list[dict[str, Any]] | None = None


def rows_of(tables: Sequence[Table], registry: Sequence[Registered]) -> dict[int, Registered]:
    """The registered row of each table that has one, by oid. A table and a row belong together if

    1. the oid agrees, and so does the id that the table's trigger has (the table may have been renamed);
    2. the oid and the name agree, although the table has no trigger with the id (somebody has dropped it);
    3. the id that the trigger has and the name agree (a restore from a dump has changed the oid), and no table has that row by 1.

    If several are so, 1 wins over 3, and 3 over 2.
    """
    by_id = {row.id: row for row in registry}
    by_place = {(row.relation, row.schema, row.name): row for row in registry}
    places = {table.relation: (table.relation, table.schema, table.name) for table in tables}
    of_trigger = {table.relation: by_id[table.captured_id] for table in tables if table.captured_id in by_id}
    by_oid_and_trigger = {relation: row for relation, row in of_trigger.items() if row.relation == relation}
    by_oid_and_name = {relation: by_place[place] for relation, place in places.items() if place in by_place}
    taken = {row.id for row in by_oid_and_trigger.values()}
    by_trigger_and_name = {
        relation: row
        for relation, row in of_trigger.items()
        if row.id not in taken and (row.schema, row.name) == places[relation][1:]
    }
    return by_oid_and_name | by_trigger_and_name | by_oid_and_trigger


def registered(tables: Sequence[Table], registry: Sequence[Registered]) -> dict[int, TableOptions]:
    """The options of the tables that the registry says are captured, by oid; also of one that was dropped and created again under its name."""
    rows = rows_of(tables, registry)
    by_name = {(row.schema, row.name): row for row in registry if row.active}
    found = ((table.relation, rows.get(table.relation) or by_name.get((table.schema, table.name))) for table in tables)
    return {relation: TableOptions.model_validate(row.options) for relation, row in found if row and row.active}


def unnamed(
    tables: Sequence[Table], registry: Sequence[Registered], desired: Mapping[int, TableOptions]
) -> list[Table]:
    """The tables that are captured by triggers of their own, although neither they nor a table that they are a partition of is desired."""
    active = registered(tables, registry)
    return [
        table
        for table in tables
        if (table.own_triggers or table.relation in active)
        and table.relation not in desired
        and desired.keys().isdisjoint(table.ancestors)
    ]


def with_unnamed(
    tables: Sequence[Table], registry: Sequence[Registered], desired: Mapping[int, TableOptions]
) -> dict[int, TableOptions]:
    """The desired tables, and those that are captured already and stay so, with the options that are registered."""
    others = {table.relation for table in unnamed(tables, registry, desired)}
    # A partition of a captured table is captured with it, and cannot be captured by itself.
    covered = {table.relation for table in tables if not others.isdisjoint(table.ancestors)}
    staying = {
        relation: options for relation, options in registered(tables, registry).items() if relation in others - covered
    }
    return staying | {relation: options for relation, options in desired.items() if relation not in covered}


def held_back(
    tables: Sequence[Table], registry: Sequence[Registered], relations: Iterable[int]
) -> tuple[list[Table], list[Registered]]:
    """The tables and the registry without these tables, by oid, their partitions and their rows: as if nobody had to do with them."""
    without = set(relations)
    rows = rows_of(tables, registry)
    ids = {rows[relation].id for relation in without & rows.keys()}
    return (
        [table for table in tables if table.relation not in without and without.isdisjoint(table.ancestors)],
        [row for row in registry if row.id not in ids],
    )


def key_columns(table: Table, row: Registered | None) -> tuple[KeyColumn, ...]:
    """The columns that identify a row of the table, in order, with all names that they have had.

    A table that has lost its primary key keeps the registered columns while they are there, so that its events keep their partition keys.
    """
    earlier = {column.attnum: column.names for column in row.key_columns} if row else {}
    keeps = bool(earlier) and not table.has_primary_key and earlier.keys() <= table.columns.keys()
    return tuple(
        KeyColumn(attnum=attnum, names=tuple(dict.fromkeys((table.columns[attnum], *earlier.get(attnum, ())))))
        for attnum in (earlier if keeps else table.key)
    )


def key_labels(table: Table, columns: Sequence[KeyColumn], *, is_shaped: bool = False) -> tuple[str, ...]:
    """The texts by which the trigger finds the key in a row's image without parsing it: the last argument of ``forwarder.install``.

    1. If the key is one column, the table's first: how each image begins, such as ``{"id":``.
    2. If it is another column or several: a blank, with which no image begins, and for each column its label, such as ``,"id":``.
    3. If such a text may stand elsewhere in an image, since a member before it is neither number nor word nor string, or since a partition has its
       columns in other places: the blank alone. Then the trigger has to parse the image.
    4. If there is no key: nothing.

    Args:
        is_shaped: an image has the columns of the key first, whatever their places in the table.
    """
    numbers = [column.attnum for column in columns]
    if not numbers or not table.columns.keys() >= set(numbers):
        return (_NO_OPENING,) if numbers else ()
    first = numbers[0] if is_shaped else min(table.columns)
    before = set(numbers) if is_shaped else {attnum for attnum in table.columns if attnum <= max(numbers)}
    if not (table.uniform or is_shaped) or not table.scalars >= before:
        return (_NO_OPENING,)
    labels = [f"{'{' if attnum == first else ','}{_json_text(table.columns[attnum])}:" for attnum in numbers]
    return tuple(labels) if numbers == [first] else (_NO_OPENING, *labels)


def _json_text(name: str) -> str:
    return json.dumps(name, ensure_ascii=False)
