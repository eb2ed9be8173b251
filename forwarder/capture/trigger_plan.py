"""Decides what has to change so that exactly the desired tables are captured. Pure: what was found goes in, decisions come out."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from forwarder.capture.function_definitions import Redefine
from forwarder.capture.image_limit import LimitImages
from forwarder.capture.leaf_size import LayOut
from forwarder.capture.rights import Rights
from forwarder.capture.selection import BeforeImage
from forwarder.capture.tables import KeyColumn, Registered, Table, Trigger, key_columns, key_labels, rows_of, unnamed
from forwarder.database.quoting import literal

# PostgreSQL fires the triggers of one event in byte order of their names. So this one, an AFTER trigger, comes before the application's,
CAPTURE = "00_forwarder_capture"
# and this one, a BEFORE trigger, behind them: what they write into the table is emptied with it.
TRUNCATE = "zz_forwarder_truncate"
# An AFTER trigger that earlier releases made. To drop it would take a stronger lock than to make the other one, so it stays, out of use.
FORMER_TRUNCATE = "00_forwarder_truncate"


@dataclass(frozen=True, slots=True, kw_only=True)
class Keep:
    """Nothing to do."""

    table: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Install:
    """Create or correct the triggers of a table. ``registered_id`` is None for one that is new to the registry."""

    table: str
    before: BeforeImage
    key_columns: tuple[KeyColumn, ...]
    key_labels: tuple[str, ...]
    registered_id: int | None
    reasons: tuple[str, ...] = ()
    # Triggers of ours that somebody has renamed. They are dropped, since they would capture each change a second time.
    renamed: tuple[Trigger, ...] = ()

    @property
    def drops(self) -> list[str]:
        """A statement for each that was renamed."""
        return [trigger.drop for trigger in self.renamed]

    @property
    def sql(self) -> str:
        """The drops and one more statement, which takes SHARE ROW EXCLUSIVE on the table and its partitions."""
        return "\n".join([*self.drops, self._installation])

    @property
    def _installation(self) -> str:
        labels = ", ".join(map(literal, self.key_labels))
        registered_id = "NULL" if self.registered_id is None else str(self.registered_id)
        return f"SELECT forwarder.install({_what(self)}, {registered_id}, ARRAY[{labels}]::text[]);"


@dataclass(frozen=True, slots=True, kw_only=True)
class Registration:
    """Bring the registry in line with a table, whose triggers are as they should be."""

    table: str
    before: BeforeImage
    key_columns: tuple[KeyColumn, ...]
    registered_id: int
    reasons: tuple[str, ...]

    @property
    def sql(self) -> str:
        """One statement; locks no table."""
        return f"SELECT forwarder.register({_what(self)}, {self.registered_id});"


@dataclass(frozen=True, slots=True, kw_only=True)
class Remove:
    """Drop our triggers on a table that is no longer captured; its row stays, since the outbox may hold its changes."""

    table: str
    triggers: tuple[Trigger, ...]
    registered_id: int | None

    @property
    def drops(self) -> list[str]:
        """A statement for each trigger."""
        return [trigger.drop for trigger in self.triggers]

    @property
    def sql(self) -> str:
        """The drops and, if it is registered, one more statement."""
        return "\n".join(self.drops if self.registered_id is None else [*self.drops, _forget(self.registered_id)])


@dataclass(frozen=True, slots=True, kw_only=True)
class Forget:
    """Mark a row of the registry as removed: its table was dropped, or is captured as a partition of another one now."""

    table: str
    registered_id: int

    @property
    def sql(self) -> str:
        """Two statements; locks no table. The first one puts a gap into the outbox if a new table has the old one's name and was not captured."""
        return f"SELECT forwarder.watch_triggers({self.registered_id});\n{_forget(self.registered_id)}"


Change = Redefine | Rights | LayOut | LimitImages | Install | Registration | Remove | Forget
Decision = Keep | Change


def plan(
    tables: Sequence[Table], registry: Sequence[Registered], desired: Mapping[int, BeforeImage], *, prune: bool
) -> list[Decision]:
    """What to do so that the ``desired`` tables, by oid, are captured: removals first, then each table in order of ``tables``.

    ``prune``: other tables that are captured lose their triggers.
    """
    rows = rows_of(tables, registry)
    others = unnamed(tables, registry, desired)
    present = {
        rows[relation].id for relation in {table.relation for table in others} | desired.keys() if relation in rows
    }
    # A table that was dropped and created again has neither triggers nor a row of its own, so there is nothing to remove.
    extra = [table for table in others if prune and (table.own_triggers or table.relation in rows)]
    removed = {table.relation for table in extra}
    return [
        *(Forget(table=row.quoted, registered_id=row.id) for row in registry if row.active and row.id not in present),
        *(_removal(table, rows) for table in extra if removed.isdisjoint(table.ancestors)),
        *(
            _decision(table, rows.get(table.relation), desired[table.relation])
            for table in tables
            if table.relation in desired
        ),
    ]


def _removal(table: Table, rows: Mapping[int, Registered]) -> Remove:
    row = rows.get(table.relation)
    ids = {trigger.arguments[:1] for trigger in table.own_triggers}
    return Remove(
        table=table.quoted,
        # With those on its partitions for TRUNCATE: they are not inherited, but have the table's id.
        triggers=tuple(trigger for trigger in table.triggers if not trigger.inherited and trigger.arguments[:1] in ids),
        registered_id=row.id if row and row.active else None,
    )


def _decision(table: Table, row: Registered | None, before: BeforeImage) -> Decision:
    columns = key_columns(table, row)
    labels = key_labels(table, columns)
    install = partial(Install, table=table.quoted, before=before, key_columns=columns, key_labels=labels)
    if row is None:
        return install(registered_id=None, renamed=_renamed(table))
    if reasons := _differences(table, row, before, labels):
        return install(registered_id=row.id, reasons=reasons, renamed=_renamed(table))
    if reasons := _news(table, row, columns):
        return Registration(
            table=table.quoted, before=before, key_columns=columns, registered_id=row.id, reasons=reasons
        )
    return Keep(table=table.quoted)


def _differences(table: Table, row: Registered, before: BeforeImage, labels: tuple[str, ...]) -> tuple[str, ...]:
    """Why the triggers have to be installed again, or the row made to belong to this table; empty if they need not."""
    found = {(trigger.relation, trigger.name): trigger for trigger in table.triggers}
    wanted = _wanted(table)
    former = {trigger.relation for trigger in table.triggers if trigger.name == FORMER_TRUNCATE and not trigger.sound}
    missing = [place for place in wanted if place not in found]
    arguments = (str(row.id), before, *labels)
    checks = {
        "triggers were missing": any(name != TRUNCATE or relation not in former for relation, name in missing),
        "the trigger for TRUNCATE was that of an earlier release": bool(former),
        "a trigger was renamed": bool(_renamed(table)),
        "a trigger was disabled or altered": any(not found[place].sound for place in wanted if place in found),
        f"before image: {row.before} -> {before}": row.before != before,
        "a trigger had other arguments": row.before == before
        and any(found[place].arguments != arguments for place in wanted if place in found),
        "the table was restored": row.relation != table.relation,
        "it was registered as removed": not row.active,
    }
    return tuple(reason for reason, applies in checks.items() if applies)


def _wanted(table: Table) -> list[tuple[str, str]]:
    """The triggers that there should be: on which relation, and under which name."""
    return [
        *((member.quoted, CAPTURE) for member in table.members),
        *((member.quoted, TRUNCATE) for member in table.members if member.truncates),
    ]


def _renamed(table: Table) -> tuple[Trigger, ...]:
    """The triggers to drop so that none of ours is left under another name. One that is inherited is dropped with that of the partitioned table."""
    others = [trigger for trigger in table.triggers if trigger.name not in (CAPTURE, TRUNCATE, FORMER_TRUNCATE)]
    parents = table.own_triggers if any(trigger.inherited for trigger in others) else ()
    return tuple(dict.fromkeys((*parents, *(trigger for trigger in others if not trigger.inherited))))


def _news(table: Table, row: Registered, columns: tuple[KeyColumn, ...]) -> tuple[str, ...]:
    """What the registry does not know of the table yet."""
    checks = {
        f"renamed from {row.quoted}": (row.schema, row.name) != (table.schema, table.name),
        "its key changed": columns != row.key_columns,
    }
    return tuple(reason for reason, applies in checks.items() if applies)


def _json(columns: Sequence[KeyColumn]) -> str:
    return json.dumps([{"attnum": column.attnum, "names": column.names} for column in columns], ensure_ascii=False)


def _what(change: Install | Registration) -> str:
    """The arguments that ``forwarder.install`` and ``forwarder.register`` begin with."""
    return f"{literal(change.table)}::regclass, {literal(change.before)}, {literal(_json(change.key_columns))}"


def _forget(registered_id: int) -> str:
    return f"SELECT forwarder.forget({registered_id});"
