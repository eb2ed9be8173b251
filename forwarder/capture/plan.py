"""What sets a database apart from what is asked of it, for `forwarder migrate` to show, to print as SQL or to make."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from forwarder import __version__
from forwarder.capture import migrations
from forwarder.capture.apply import transaction
from forwarder.capture.catalog import read_registry, read_tables
from forwarder.capture.function_definitions import Redefine
from forwarder.capture.function_drift import drift
from forwarder.capture.image_limit import image_limit
from forwarder.capture.image_warnings import image_warnings
from forwarder.capture.key_warnings import key_warnings
from forwarder.capture.leaf_size import layout
from forwarder.capture.migrations import Migration
from forwarder.capture.replica_role import muted_warnings
from forwarder.capture.rights_due import DEFAULT_ROLES, Roles, protection
from forwarder.capture.role import CaptureRole, read_capture_roles
from forwarder.capture.selection import Pattern, Rule, choose
from forwarder.capture.tables import Table, unnamed, with_unnamed
from forwarder.capture.trigger_plan import Change, Decision, Forget, Keep, plan
from forwarder.database.queries import query
from forwarder.database.sessions import LOCK_CLASS, MIGRATION_LOCK, Connection, database_errors

DROP_SCHEMA = "DROP SCHEMA forwarder CASCADE;"

# Every character of these encodings can become UTF-8. In the others some cannot, or mean nothing.
SAFE_ENCODINGS = {
    *("UTF8", "ISO_8859_5", "KOI8R", "KOI8U", "WIN866", "WIN1256"),
    *(f"LATIN{number}" for number in (1, 2, 4, 5, 6, 7, 8, 9, 10)),
}

NO_SELECTION = "no table is selected: pass --table 'public.*', or write [[table]] in forwarder.toml"


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """Functions to mend, migrations to apply, decisions about tables, and whether the schema goes in the end. In the order to be made."""

    # Migrations may rely on these functions.
    mending: tuple[Redefine, ...] = ()
    pending: tuple[Migration, ...] = ()
    decisions: tuple[Decision, ...] = ()
    drops_schema: bool = False
    # What would go with the schema.
    undelivered: int = 0
    # Whose forwarder.capture() and forwarder.images() are, where these are roles of their own and the schema goes.
    roles: tuple[CaptureRole, ...] = ()
    # What a person should know when it is less than expected.
    remark: str = ""
    # What will be captured, and yet not be all that is promised: one line each, with the remedy.
    warnings: tuple[str, ...] = ()
    # The tables that stay captured although the selection does not name them, as SQL writes them.
    unnamed: tuple[str, ...] = ()
    # What an administrator has to run, and we may not.
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
        """All of it as a script for psql."""
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
    remove: bool = False,
    leaf_events: int | None = None,
    max_image_bytes: int | None = None,
    roles: Roles = DEFAULT_ROLES,
) -> Difference:
    """What sets the database apart from one where the selected tables are captured. Changes nothing.

    What is captured and not selected shall stay so, and soundly, unless ``remove`` says otherwise. ``leaf_events`` is how
    large the leaves of the outbox shall be, and ``max_image_bytes`` how large a change's images may be, if not as they are; ``roles`` are
    those that shall have their rights.

    Raises:
        Misconfigured: the rules do not fit the tables, or a role cannot have its part.
        Refused: the schema is somebody else's or newer, or there is no such role.
        Unavailable: the database does not answer.
    """
    pending = await migrations.pending(connection)
    mending = await _drift(connection, pending)
    tables, registry = await read_tables(connection), await read_registry(connection)
    chosen = {table.relation: before for table, before in choose(tables, rules, exclude=exclude)}
    desired = chosen if remove else with_unnamed(tables, registry, chosen)
    rights = await protection(connection, roles, tables=list(desired), is_pending=bool(mending or pending))
    return Difference(
        mending=mending,
        pending=tuple(pending),
        decisions=(
            *rights.changes,
            *layout(await _read_number(connection, "leaf_events"), leaf_events),
            *image_limit(await _read_number(connection, "max_image_bytes"), max_image_bytes),
            *plan(tables, registry, desired, prune=remove),
        ),
        remark="" if desired else NO_SELECTION,
        warnings=(
            *rights.warnings,
            *await muted_warnings(connection),
            *await _encoding_warnings(connection),
            *key_warnings(table for table in tables if table.relation in desired),
            *image_warnings(table for table in tables if table.relation in desired),
        ),
        unnamed=() if remove or not rules else _topmost(unnamed(tables, registry, chosen)),
        preparation=rights.preparation,
    )


async def from_nothing(connection: Connection) -> Difference:
    """What sets the database apart from one without any trace of us. Changes nothing.

    Raises:
        Refused: the schema is somebody else's or newer.
        Unavailable: the database does not answer.
    """
    pending = await migrations.pending(connection)
    if len(pending) == len(migrations.shipped()):
        return Difference(remark="there is no schema forwarder to remove")
    roles = await read_capture_roles(connection)
    removals = plan(await read_tables(connection), await read_registry(connection), {}, prune=True)
    # The registry goes with the schema.
    return Difference(
        decisions=tuple(removal for removal in removals if not isinstance(removal, Forget)),
        drops_schema=True,
        undelivered=await _undelivered(connection),
        roles=roles.droppable,
    )


async def _drift(connection: Connection, pending: Sequence[Migration]) -> tuple[Redefine, ...]:
    texts = {migration.version: migration.text for migration in migrations.shipped()}
    to_come = {migration.version: texts.pop(migration.version) for migration in pending}
    return await drift(connection, applied=texts, pending=to_come)


def _topmost(tables: Sequence[Table]) -> tuple[str, ...]:
    """Their names; what is said of a partitioned one holds for its partitions."""
    relations = {table.relation for table in tables}
    return tuple(table.quoted for table in tables if relations.isdisjoint(table.ancestors))


async def _read_number(connection: Connection, statement: str) -> int | None:
    """What the outbox is like now; None where it is missing."""
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
