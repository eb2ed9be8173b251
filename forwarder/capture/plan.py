"""Compares a database with what is asked of it. `forwarder migrate` shows the difference, prints it as SQL, or carries it out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from forwarder import __version__
from forwarder.capture import migrations
from forwarder.capture.apply import transaction
from forwarder.capture.catalog import read_registry, read_tables
from forwarder.capture.fit import fit
from forwarder.capture.function_definitions import Redefine
from forwarder.capture.function_drift import drift
from forwarder.capture.generated_warnings import generated_warnings
from forwarder.capture.image_limit import image_limit
from forwarder.capture.image_warnings import image_warnings
from forwarder.capture.key_warnings import key_warnings
from forwarder.capture.later_tables import later_tables
from forwarder.capture.leaf_size import layout
from forwarder.capture.mapping_rule import mapped, mappings_of
from forwarder.capture.migrations import Migration
from forwarder.capture.replica_role import muted_warnings
from forwarder.capture.rights_due import DEFAULT_ROLES, Roles, protection
from forwarder.capture.role import CaptureRole, read_capture_roles
from forwarder.capture.selection import Pattern, Rule, choose
from forwarder.capture.tables import Table, held_back, registered, unnamed, with_unnamed
from forwarder.capture.trigger_plan import Change, Decision, Forget, Keep, plan
from forwarder.capture.unfit import unfit
from forwarder.config.table_mappings import words
from forwarder.config.table_mappings.table_mappings import TableMappings
from forwarder.database.queries import query
from forwarder.database.sessions import LOCK_CLASS, MIGRATION_LOCK, Connection, database_errors

DROP_SCHEMA = "DROP SCHEMA forwarder CASCADE;"

# Encodings of which every character can become UTF-8. In the others some cannot, or mean nothing.
SAFE_ENCODINGS = {
    *("UTF8", "ISO_8859_5", "KOI8R", "KOI8U", "WIN866", "WIN1256"),
    *(f"LATIN{number}" for number in (1, 2, 4, 5, 6, 7, 8, 9, 10)),
}

NO_SELECTION = "no table is selected: pass --table 'public.*', or write [[table]] in forwarder.toml"


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """What has to change, in this order: functions to mend, migrations to apply, decisions about tables, and the schema dropped if it has to go."""

    # Functions that somebody has altered. Before the migrations, which may call them.
    mending: tuple[Redefine, ...] = ()
    pending: tuple[Migration, ...] = ()
    decisions: tuple[Decision, ...] = ()
    drops_schema: bool = False
    # How many undelivered changes would be lost with the schema.
    undelivered: int = 0
    # Whether there is a sink. Where there is none, all changes count as undelivered.
    has_sinks: bool = True
    # If the schema is dropped: the roles of its functions, which are dropped too.
    roles: tuple[CaptureRole, ...] = ()
    # Why there is less to do than one may expect; empty if there is nothing to say.
    remark: str = ""
    # One line each, with the remedy: what will be captured, but not as well as it is promised.
    warnings: tuple[str, ...] = ()
    # The tables that stay captured although the selection does not name them, as SQL writes them.
    unnamed: tuple[str, ...] = ()
    # By table, as SQL writes it: what its options are if they are not the defaults, and which rule says so.
    options: Mapping[str, Sequence[str]] = field(default_factory=dict)
    # One line each, for those rules of a mapping file that are for none of the captured tables.
    idle_rules: tuple[str, ...] = ()
    # By selected table, as SQL writes it: why its rules do not fit it. Nothing is done to it.
    unfit: Mapping[str, str] = field(default_factory=dict)
    # Statements that an administrator has to run first, since our role may not.
    preparation: str = ""

    @property
    def changes(self) -> list[Change]:
        """The decisions that change something."""
        return [decision for decision in self.decisions if not isinstance(decision, Keep)]

    @property
    def exists(self) -> bool:
        """Whether anything would change."""
        return bool(self.mending or self.pending or self.changes or self.drops_schema)

    def script(self) -> str:
        """Everything as a script for psql."""
        transactions = [
            *map(transaction, self.mending),
            *(migration.sql for migration in self.pending),
            *map(transaction, self.changes),
        ]
        if self.drops_schema:
            transactions.append(DROP_SCHEMA)
        transactions.extend(role.drop for role in self.roles if role.can_go)
        preparation = f"-- An administrator has to run before: {self.preparation}"
        return "\n\n".join(
            [
                f"-- By forwarder {__version__}. Run it with: psql --quiet --no-psqlrc --set=ON_ERROR_STOP=1 --file=THIS_FILE",
                *([preparation] if self.preparation else []),
                query("session").rstrip(),
                f"SELECT pg_advisory_lock({LOCK_CLASS}, {MIGRATION_LOCK});",
                *(f"BEGIN;\n{statements}\nCOMMIT;" for statements in transactions),
                f"SELECT pg_advisory_unlock({LOCK_CLASS}, {MIGRATION_LOCK});",
            ]
        )


async def from_selection(
    connection: Connection,
    rules: Sequence[Rule],
    *,
    exclude: Sequence[Pattern] = (),
    described: Sequence[Rule] | None = None,
    remove: bool = False,
    leaf_events: int | None = None,
    max_image_bytes: int | None = None,
    auto_attach: bool | None = None,
    schema_events: bool | None = None,
    roles: Roles = DEFAULT_ROLES,
) -> Difference:
    """What has to change so that the tables which the rules select are captured. Changes nothing itself.

    ``described``: rules that say how the selected tables are captured; None: those that select them do.
    ``remove``: tables that are captured and not selected lose their triggers. Without it they stay captured, and their triggers are mended.
    ``leaf_events`` and ``max_image_bytes``: the size of the outbox's leaves, and the most bytes of a change's images; None: as they are now.
    ``auto_attach``: whether new tables are to be captured by themselves, by the rules that describe; ``schema_events``: whether changes of tables
    are to be told; None: as it is now.
    ``roles``: who shall have which rights.

    Raises:
        Misconfigured: a rule fits no table, rules contradict each other about several, or a role cannot have its part.
        Refused: the schema is somebody else's or newer, or there is no such role.
        Unavailable: the database does not answer.
    """
    pending = await migrations.pending(connection)
    mending = await _drift(connection, pending)
    tables, registry = await read_tables(connection), await read_registry(connection)
    # With auto_attach, what a rule is for may come later.
    idle = [rule for rule in rules if auto_attach and not any(map(rule.match.matches, tables))]
    matching = [rule for rule in rules if rule not in idle]
    described = rules if described is None else described
    selected = choose(tables, matching, exclude=exclude)
    found = await fit(connection, selected, described, tables, registry)
    settled = found.settled
    fitting = held_back(tables, registry, found.unfit)
    chosen = {relation: one.options for relation, one in settled.items()}
    desired = chosen if remove else with_unnamed(*fitting, chosen)
    mappings = mappings_of(described)
    left = unfit(*fitting, {relation: desired[relation] for relation in desired.keys() - chosen.keys()}, mappings)
    held = found.unfit.keys() & registered(tables, registry).keys()
    rights = await protection(connection, roles, tables=[*desired, *held], is_pending=bool(mending or pending))
    later = await later_tables(connection, described, auto_attach=auto_attach, schema_events=schema_events)
    of_mappings, idle_rules = _in_words(mappings, [table for table in tables if table.relation in settled])
    return Difference(
        mending=mending,
        pending=tuple(pending),
        decisions=(
            *rights.changes,
            *layout(await _read_number(connection, "leaf_events"), leaf_events),
            *image_limit(await _read_number(connection, "max_image_bytes"), max_image_bytes),
            *plan(*fitting, {one: desired[one] for one in desired if one not in left}, prune=remove),
            *later.changes,
        ),
        unfit={table.quoted: found.unfit[table.relation] for table in selected if table.relation in found.unfit},
        remark="" if desired or found.unfit else NO_SELECTION,
        warnings=(
            *rights.warnings,
            *(f"table pattern {rule.match.text!r} matches no table yet" for rule in idle),
            *left.values(),
            *later.warnings,
            *await muted_warnings(connection),
            *await _encoding_warnings(connection),
            *key_warnings(table for table in tables if table.relation in desired),
            *generated_warnings((table, desired[table.relation]) for table in tables if table.relation in desired),
            *image_warnings(table for table in tables if table.relation in desired),
        ),
        unnamed=() if remove or not rules else _topmost(unnamed(*fitting, chosen)),
        options={
            table.quoted: [*of_mappings.get(table.relation, ()), *settled[table.relation].words]
            for table in tables
            if table.relation in settled
        },
        idle_rules=idle_rules,
        preparation=rights.preparation,
    )


async def from_nothing(connection: Connection) -> Difference:
    """What has to change so that no trace of us is left. Changes nothing itself.

    Raises:
        Refused: the schema is somebody else's or newer.
        Unavailable: the database does not answer.
    """
    pending = await migrations.pending(connection)
    if len(pending) == len(migrations.shipped()):
        return Difference(remark="there is no schema forwarder to remove")
    roles = await read_capture_roles(connection)
    removals = plan(await read_tables(connection), await read_registry(connection), {}, prune=True)
    undelivered = await _undelivered(connection)
    # Rows of the registry need not be marked, since the registry is dropped with the schema.
    return Difference(
        decisions=tuple(removal for removal in removals if not isinstance(removal, Forget)),
        drops_schema=True,
        undelivered=undelivered,
        has_sinks=not undelivered or await _has_sinks(connection),
        roles=roles.droppable,
    )


def _in_words(
    mappings: TableMappings | None, chosen: Sequence[Table]
) -> tuple[Mapping[int, Sequence[str]], tuple[str, ...]]:
    """By table, what the rules of a mapping file made of it; and of the other rules, that they made nothing of any.

    Raises:
        Misconfigured: the rules do not go together for these tables.
    """
    if mappings is None:
        return {}, ()
    tables = {table.relation: mapped(table) for table in chosen if mappings.selects(table.schema, table.name)}
    mappings.require_distinct(tables.values())
    lines = {relation: list(words.of_table(mappings, table)) for relation, table in tables.items()}
    return lines, tuple(words.of_others(mappings, tables.values()))


async def _drift(connection: Connection, pending: Sequence[Migration]) -> tuple[Redefine, ...]:
    texts = {migration.version: migration.text for migration in migrations.shipped()}
    to_come = {migration.version: texts.pop(migration.version) for migration in pending}
    return await drift(connection, applied=texts, pending=to_come)


def _topmost(tables: Sequence[Table]) -> tuple[str, ...]:
    """The names of those that are no partitions of others among them: what is said of a table holds for its partitions."""
    relations = {table.relation for table in tables}
    return tuple(table.quoted for table in tables if relations.isdisjoint(table.ancestors))


async def _read_number(connection: Connection, statement: str) -> int | None:
    """A number that the query reads of the outbox as it is now; None where there is no outbox."""
    with database_errors("cannot read the layout of the outbox"):
        number: int | None = await connection.fetchval(query(statement))
        return number


async def _encoding_warnings(connection: Connection) -> tuple[str, ...]:
    with database_errors("cannot read the encoding of the database"):
        encoding: str = await connection.fetchval("SELECT getdatabaseencoding()")
    if encoding in SAFE_ENCODINGS:
        return ()
    warning = (
        f"encoding {encoding} of the database can hold text that cannot become UTF-8: the image of a row with such text is"
        " delivered as null, with a fault; correct such text, or move to a database in UTF8"
    )
    return (warning,)


async def _undelivered(connection: Connection) -> int:
    with database_errors("cannot count the undelivered changes"):
        if await connection.fetchval("SELECT to_regclass('forwarder.sink')") is None:
            return 0
        count: int = await connection.fetchval(query("undelivered"))
        return count


async def _has_sinks(connection: Connection) -> bool:
    with database_errors("cannot look for sinks"):
        return bool(await connection.fetchval("SELECT EXISTS (SELECT FROM forwarder.sink)"))
