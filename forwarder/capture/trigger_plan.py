"""Decides what has to change so that exactly the desired tables are captured. Pure: what was found goes in, decisions come out."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from forwarder.capture.columns import known_columns, treatments
from forwarder.capture.event_triggers import SetEventTriggers
from forwarder.capture.function_definitions import Redefine
from forwarder.capture.image_limit import LimitImages
from forwarder.capture.leaf_size import LayOut
from forwarder.capture.rights import Rights
from forwarder.capture.schema_switch import SwitchSchemaEvents
from forwarder.capture.table_rules import WriteRules
from forwarder.capture.tables import KeyColumn, Registered, Table, Trigger, key_columns, key_labels, rows_of, unnamed
from forwarder.capture.trigger_differences import differences, superfluous
from forwarder.capture.trigger_set import TriggerDefinition, is_shaped, serialized, trigger_set
from forwarder.config.table_options import BeforeImage, TableOptions
from forwarder.database.quoting import literal
from forwarder.errors import Misconfigured

# What Debezium's outbox event router reads by default.
OUTBOX_COLUMNS = ("id", "aggregatetype", "aggregateid", "type", "payload")


@dataclass(frozen=True, slots=True, kw_only=True)
class Keep:
    """Nothing to do."""

    table: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RegistryRow:
    """What the registry is to say of a table. The last two as JSON."""

    before: BeforeImage
    key_columns: tuple[KeyColumn, ...]
    options: str = "{}"
    columns: str = "[]"

    @property
    def sql(self) -> str:
        """The options and the columns as arguments."""
        return f"{literal(self.options)}, {literal(self.columns)}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Install:
    """Create or correct the triggers of a table. ``registered_id`` is None for one that is new to the registry."""

    table: str
    row: RegistryRow
    key_labels: tuple[str, ...]
    triggers: tuple[TriggerDefinition, ...]
    registered_id: int | None
    reasons: tuple[str, ...] = ()
    # Triggers of ours that there should not be: of other options, or renamed by somebody. They would capture each change a second time.
    superfluous: tuple[Trigger, ...] = ()
    # Whether the stream is to be told that nothing was captured before, if the table has rows.
    tells_beginning: bool = False

    @property
    def drops(self) -> list[str]:
        """A statement for each that there should not be."""
        return [trigger.drop for trigger in self.superfluous]

    @property
    def sql(self) -> str:
        """A look for gaps, the drops if there are any, and the installation, which takes SHARE ROW EXCLUSIVE on the table and its partitions."""
        look = [] if self.registered_id is None else [f"SELECT forwarder.watch_triggers({self.registered_id});"]
        mode = "ACCESS EXCLUSIVE" if self.drops else "SHARE ROW EXCLUSIVE"
        return "\n".join([*look, *_lock(self.table, mode), *self.drops, self._installation])

    @property
    def _installation(self) -> str:
        labels = ", ".join(map(literal, self.key_labels))
        registered_id = "NULL" if self.registered_id is None else str(self.registered_id)
        installation = (
            f"forwarder.install({_what(self)}, {registered_id}, ARRAY[{labels}]::text[], {self.row.sql},"
            f" {literal(serialized(self.triggers))})"
        )
        return f"SELECT {f'forwarder.tell_beginning({installation})' if self.tells_beginning else installation};"


@dataclass(frozen=True, slots=True, kw_only=True)
class Registration:
    """Bring the registry in line with a table, whose triggers are as they should be."""

    table: str
    row: RegistryRow
    registered_id: int
    reasons: tuple[str, ...]

    @property
    def sql(self) -> str:
        """One statement; locks no table."""
        return f"SELECT forwarder.register({_what(self)}, {self.registered_id}, {self.row.sql});"


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
        forget = [] if self.registered_id is None else [_forget(self.registered_id)]
        return "\n".join([*(_lock(self.table, "ACCESS EXCLUSIVE") if self.drops else ()), *self.drops, *forget])


@dataclass(frozen=True, slots=True, kw_only=True)
class Forget:
    """Mark a row of the registry as removed: its table was dropped, or is captured as a partition of another one now."""

    table: str
    registered_id: int

    @property
    def sql(self) -> str:
        """Two statements; locks no table. The first one puts a gap into the outbox if a new table has the old one's name and was not captured."""
        return f"SELECT forwarder.watch_triggers({self.registered_id});\n{_forget(self.registered_id)}"


Change = (
    Redefine
    | Rights
    | LayOut
    | LimitImages
    | WriteRules
    | SwitchSchemaEvents
    | SetEventTriggers
    | Install
    | Registration
    | Remove
    | Forget
)
Decision = Keep | Change


def plan(
    tables: Sequence[Table], registry: Sequence[Registered], desired: Mapping[int, TableOptions], *, prune: bool
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


def _decision(table: Table, row: Registered | None, options: TableOptions) -> Decision:
    key = _aggregate(table) if options.outbox else key_columns(table, row)
    _require_key(table, key, options)
    _require_whole_statements(table, key, options)
    known = known_columns(table, row)
    shaped = is_shaped(options)
    wanted = trigger_set(
        options,
        columns=tuple(table.columns.values()),
        key=tuple(column.names[0] for column in key),
        treatments=treatments(table, known, key, options) if shaped else {},
    )
    labels = key_labels(table, key, is_shaped=shaped)
    entry = RegistryRow(
        before=options.before,
        key_columns=key,
        options=_json(options.set_ones),
        columns=_columns(known) if options.columns.named else "[]",
    )
    install = partial(Install, table=table.quoted, row=entry, key_labels=labels, triggers=wanted)
    dropped = superfluous(table, wanted)
    if row is None:
        return install(registered_id=None, superfluous=dropped)
    if reasons := differences(table, row, options, wanted, labels):
        return install(registered_id=row.id, reasons=reasons, superfluous=dropped)
    if reasons := _news(table, row, key):
        return Registration(table=table.quoted, row=entry, registered_id=row.id, reasons=reasons)
    return Keep(table=table.quoted)


def _aggregate(table: Table) -> tuple[KeyColumn, ...]:
    """The column of an application's outbox that says what its events are about."""
    lacking = [name for name in OUTBOX_COLUMNS if name not in table.columns.values()]
    if lacking:
        raise Misconfigured(
            f"{table.quoted}: outbox = true is for a table with the columns {', '.join(OUTBOX_COLUMNS)}; it does not have {lacking[0]}"
        )
    return tuple(
        KeyColumn(attnum=attnum, names=(name,)) for attnum, name in table.columns.items() if name == "aggregateid"
    )


def _require_key(table: Table, key: Sequence[KeyColumn], options: TableOptions) -> None:
    needing = {"before": options.before, "after": options.after}
    for option, value in needing.items():
        if not key and value in ("changed", "key"):
            raise Misconfigured(
                f'{table.quoted}: {option} = "{value}" needs a key, to tell which row has changed; add a primary key, or write {option} = "full"'
            )


def _require_whole_statements(table: Table, key: Sequence[KeyColumn], options: TableOptions) -> None:
    if options.level == "row":
        return
    checks = {
        "has a key": bool(key),
        "has a key that no two rows share, not even until the transaction ends": not table.key_is_deferrable,
        "is neither partitioned nor a partition, and neither inherits nor is inherited from": table.stands_alone,
    }
    for need, is_met in checks.items():
        if not is_met:
            raise Misconfigured(f'{table.quoted}: level = "statement" is for a table that {need}; write level = "row"')


def _news(table: Table, row: Registered, columns: tuple[KeyColumn, ...]) -> tuple[str, ...]:
    """What the registry does not know of the table yet."""
    checks = {
        f"renamed from {row.quoted}": (row.schema, row.name) != (table.schema, table.name),
        "its key changed": columns != row.key_columns,
    }
    return tuple(reason for reason, applies in checks.items() if applies)


def _columns(columns: Sequence[KeyColumn]) -> str:
    return json.dumps([{"attnum": column.attnum, "names": column.names} for column in columns], ensure_ascii=False)


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, sort_keys=True)


def _what(change: Install | Registration) -> str:
    """The arguments that ``forwarder.install`` and ``forwarder.register`` begin with."""
    return (
        f"{literal(change.table)}::regclass, {literal(change.row.before)}, {literal(_columns(change.row.key_columns))}"
    )


def _lock(table: str, mode: str) -> list[str]:
    """Lock a table and its partitions, in this order, within the time for one lock; where our role may: TRIGGER on a table is not enough.

    What comes after it waits for nobody. DDL by itself waits for one partition after the other, up to that time for each, and DROP TRIGGER begins
    with the partitions: writers who come the other way round would wait as long, or be undone for a deadlock.
    """
    body = f"BEGIN IF has_table_privilege({literal(table)}, 'UPDATE, DELETE, TRUNCATE') THEN LOCK TABLE {table} IN {mode} MODE; END IF; END"
    return [
        "SELECT set_config('statement_timeout', current_setting('lock_timeout'), true);",
        f"DO {literal(body)};",
        "SET LOCAL statement_timeout = 0;",
    ]


def _forget(registered_id: int) -> str:
    return f"SELECT forwarder.forget({registered_id});"
