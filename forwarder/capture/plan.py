"""Compares a database with what is asked of it. `forwarder migrate` shows the difference, prints it as SQL, or carries it out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from forwarder import __version__
from forwarder.capture import known_columns, migrations
from forwarder.capture.apply import transaction
from forwarder.capture.catalog import read_registry, read_tables
from forwarder.capture.encoding_warnings import encoding_warnings
from forwarder.capture.function_definitions import Redefine
from forwarder.capture.function_drift import drift_beside
from forwarder.capture.image_limit import image_limit
from forwarder.capture.later_tables import later_tables
from forwarder.capture.leaf_size import layout
from forwarder.capture.migrations import Migration
from forwarder.capture.replica_role import muted_warnings
from forwarder.capture.rights import Rights
from forwarder.capture.rights_due import DEFAULT_ROLES, Roles, protection
from forwarder.capture.role import CaptureRole, read_capture_roles
from forwarder.capture.selection import Pattern, Rule
from forwarder.capture.table_decisions import decide
from forwarder.capture.trigger_plan import Change, Decision, Forget, Keep, plan
from forwarder.database.queries import query
from forwarder.database.sessions import LOCK_CLASS, MIGRATION_LOCK, Connection, database_errors

DROP_SCHEMA = "DROP SCHEMA forwarder CASCADE;"

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
    # What a script does after these, and a run does not, which cannot be prepared in between.
    prepared: Rights | None = None

    @property
    def changes(self) -> list[Change]:
        """The decisions that change something."""
        return [decision for decision in self.decisions if not isinstance(decision, Keep)]

    @property
    def exists(self) -> bool:
        """Whether anything would change."""
        return bool(self.mending or self.pending or self.changes or self.drops_schema)

    @property
    def _scripted(self) -> list[Change]:
        """The changes, with what is prepared where a run has it: what is the owner's comes first."""
        if self.prepared is None:
            return self.changes
        of_others = [
            change
            for change in self.changes
            if not (isinstance(change, Rights) and change.part in ("owner", "capture"))
        ]
        return [*(change for change in self.changes if change not in of_others), self.prepared, *of_others]

    def script(self) -> str:
        """Everything as a script for psql."""
        transactions = [
            *map(transaction, self.mending),
            *(migration.sql for migration in self.pending),
            *map(transaction, self._scripted),
        ]
        if self.drops_schema:
            transactions.append(DROP_SCHEMA)
        elif transactions:
            transactions.append(known_columns.statement())
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
        Misconfigured: the rules do not fit the tables, or a role cannot have its part.
        Refused: the schema is somebody else's or newer, or there is no such role.
        Unavailable: the database does not answer.
    """
    pending = await migrations.pending(connection)
    mending = await drift_beside(connection, pending)
    described = rules if described is None else described
    found = await decide(
        connection, rules, exclude=exclude, described=described, remove=remove, may_come_later=bool(auto_attach)
    )
    rights = await protection(connection, roles, tables=found.captured, is_pending=bool(mending or pending))
    later = await later_tables(connection, described, auto_attach=auto_attach, schema_events=schema_events)
    return Difference(
        mending=mending,
        pending=tuple(pending),
        decisions=(
            *rights.changes,
            *layout(await _read_number(connection, "leaf_events"), leaf_events),
            *image_limit(await _read_number(connection, "max_image_bytes"), max_image_bytes),
            *found.decisions,
            *later.changes,
        ),
        unfit=found.unfit,
        remark="" if found.captured or found.unfit else NO_SELECTION,
        warnings=(
            *rights.warnings,
            *found.misfits,
            *later.warnings,
            *await muted_warnings(connection),
            *await encoding_warnings(connection),
            *found.shortcomings,
        ),
        unnamed=found.unnamed,
        options=found.options,
        idle_rules=found.idle_rules,
        preparation=rights.preparation,
        prepared=rights.prepared,
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


async def _read_number(connection: Connection, statement: str) -> int | None:
    """A number that the query reads of the outbox as it is now; None where there is no outbox."""
    with database_errors("cannot read the layout of the outbox"):
        number: int | None = await connection.fetchval(query(statement))
        return number


async def _undelivered(connection: Connection) -> int:
    with database_errors("cannot count the undelivered changes"):
        if await connection.fetchval("SELECT to_regclass('forwarder.sink')") is None:
            return 0
        count: int = await connection.fetchval(query("undelivered"))
        return count


async def _has_sinks(connection: Connection) -> bool:
    with database_errors("cannot look for sinks"):
        return bool(await connection.fetchval("SELECT EXISTS (SELECT FROM forwarder.sink)"))
