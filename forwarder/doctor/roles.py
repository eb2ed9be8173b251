"""Roles and rights: which commands this role may run, and that nobody may do more than is needed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from forwarder.capture.rights_due import Roles, protection
from forwarder.capture.role import read_capture_roles
from forwarder.capture.texts import listed
from forwarder.database.queries import query
from forwarder.database.sessions import database_errors
from forwarder.doctor.area import Area, Look, Patient
from forwarder.doctor.finding import Finding, failure, note, ok, warning, warnings_or_ok
from forwarder.doctor.own_role import OwnRole

# The commands that need no more than the runtime role has.
_RUNTIME = "listen, load, replay, sinks and dead-letters"


@dataclass(frozen=True, slots=True, kw_only=True)
class TableRights:
    """What the role may do with a captured table: table_rights.sql."""

    quoted: str
    schema: str
    may_trigger: bool
    may_select: bool
    hides_rows: bool


def judge_migrate(role: OwnRole, tables: Sequence[TableRights]) -> Finding:
    """Whether the role may run `forwarder migrate`. It need not, if another one does."""
    if not role.has_schema:
        if role.may_create_schema:
            return ok("migrate", f"role {role.name} may create schema forwarder")
        return note(
            "migrate",
            f"role {role.name} may not create schema forwarder",
            remedy=f"run it as another role, or GRANT CREATE ON DATABASE {role.database} TO {role.name}",
        )
    if not role.is_owner:
        return note("migrate", f"role {role.name} may not run it: {role.owner} owns schema forwarder")
    if barred := [table.quoted for table in tables if not table.may_trigger]:
        return warning(
            "migrate",
            f"role {role.name} may not mend the triggers of {listed(barred)}",
            remedy=f"GRANT TRIGGER ON {barred[0]} TO {role.name}, and so for the others",
        )
    return ok("migrate", f"role {role.name} may run it, for all captured tables")


def judge_runtime(role: OwnRole, *, is_runtime: bool, missing: Sequence[str]) -> Finding:
    """Whether the role may run a listener. ``is_runtime``: it has been set up for that; ``missing``: statements that grant what it lacks."""
    if role.is_owner:
        return ok("listen", f"role {role.name} may run {_RUNTIME}, as the owner of schema forwarder")
    if not is_runtime:
        return failure(
            "listen",
            f"role {role.name} may not run {_RUNTIME}",
            remedy=f"forwarder migrate --runtime-role {role.name}, as {role.owner}",
        )
    if missing:
        return failure(
            "listen",
            f"role {role.name} lacks {len(missing)} of the rights that this release needs",
            remedy=f"forwarder migrate, as {role.owner}",
        )
    return ok("listen", f"role {role.name} may run {_RUNTIME}")


def judge_reading(role: OwnRole, tables: Sequence[TableRights], *, is_asked: bool) -> Iterator[Finding]:
    """Whether the role may read the tables' rows. ``is_asked``: the settings have rows loaded."""
    found = warning if is_asked else note
    if barred := [table for table in tables if not table.may_select]:
        first = barred[0]
        yield found(
            "load and verify",
            f"role {role.name} may not read {listed([table.quoted for table in barred])}",
            remedy=f"GRANT USAGE ON SCHEMA {first.schema} TO {role.name}; GRANT SELECT ON {first.quoted} TO {role.name}; and so for the others",
        )
    if hidden := [table.quoted for table in tables if table.may_select and table.hides_rows]:
        yield found(
            "load and verify",
            f"row-level security hides rows of {listed(hidden)} from role {role.name}",
            remedy=f"ALTER ROLE {role.name} BYPASSRLS, or load as the owner of the table",
        )
    if tables and not barred and not hidden:
        yield ok("load and verify", f"role {role.name} may read all {len(tables)} captured tables")


def judge_superuser(role: OwnRole) -> Finding:
    """A listener needs no superuser."""
    if role.is_superuser:
        return note(
            "role", f"{role.name} is a superuser, which nothing here needs", remedy="use the owner, and a runtime role"
        )
    return ok("role", f"{role.name}")


async def _superuser(patient: Patient) -> Iterable[Finding]:
    return [judge_superuser(patient.role)]


async def _migrate(patient: Patient) -> Iterable[Finding]:
    tables = await _table_rights(patient) if patient.role.can_look_inside else []
    return [judge_migrate(patient.role, tables)]


async def _runtime(patient: Patient) -> Iterable[Finding]:
    role = patient.role
    if not role.has_schema:
        return []
    if not role.may_use_schema:
        return [judge_runtime(role, is_runtime=False, missing=())]
    with database_errors("cannot read the rights in schema forwarder"):
        due = await patient.connection.fetch(query("rights_due"), None, None, [])
        named = sorted({row["role"] for row in due if row["part"] == "runtime"})
        own = {row["name"] for row in await patient.connection.fetch(query("runtime_roles"), named)}
    # Whoever has the rights of several such roles has what one of them lacks from another, most likely.
    lacking = [[row["statement"] for row in due if row["role"] == name and row["statement"]] for name in own]
    return [judge_runtime(role, is_runtime=bool(own), missing=min(lacking, key=len, default=[]))]


async def _reading(patient: Patient) -> Iterable[Finding]:
    is_asked = any(rule.load == "initial" for rule in patient.settings.table)
    return judge_reading(patient.role, await _table_rights(patient), is_asked=is_asked)


async def _capture(patient: Patient) -> Iterable[Finding]:
    roles = await read_capture_roles(patient.connection)
    return warnings_or_ok(
        "capture role",
        roles.warnings(),
        otherwise=f"triggers run as {roles.capture.holder}, which may only fill the outbox",
        before_remedy=": ",
    )


async def _others(patient: Patient) -> Iterable[Finding]:
    roles = Roles(capture=patient.settings.database.capture_role)
    found = await protection(patient.connection, roles, tables=[], is_pending=False)
    if not found.changes:
        return [ok("rights of others", "nobody has more than is needed in schema forwarder")]
    return [
        warning(
            "rights of others",
            f"rights in schema forwarder are not as they should be ({', '.join(change.part for change in found.changes)})",
            remedy="forwarder migrate; --plan says what it would do",
        )
    ]


async def _table_rights(patient: Patient) -> Sequence[TableRights]:
    with database_errors("cannot read the rights on captured tables"):
        return [TableRights(**row) for row in await patient.connection.fetch(query("table_rights"))]


AREA = Area(
    name="roles",
    outside=(
        Look(subject="role", find=_superuser),
        Look(subject="migrate", find=_migrate),
        Look(subject="listen", find=_runtime),
    ),
    inside=(
        Look(subject="load and verify", find=_reading),
        Look(subject="capture role", find=_capture),
        Look(subject="rights of others", find=_others, is_for_owner=True),
    ),
)
