"""Schema ``forwarder``: that it is there, is as this release needs it, and does what the settings ask."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from forwarder.capture import migrations
from forwarder.capture.function_definitions import Redefine
from forwarder.capture.function_drift import drift_beside
from forwarder.capture.image_limit import image_limit
from forwarder.capture.later_tables import later_tables
from forwarder.capture.migrations import Migration
from forwarder.capture.texts import listed
from forwarder.database.queries import query
from forwarder.database.sessions import database_errors
from forwarder.doctor.area import Area, Look, Patient
from forwarder.doctor.finding import Finding, Verdict, failure, note, of_sentence, ok, warning
from forwarder.doctor.own_role import OwnRole

_MIGRATE = "forwarder migrate"
# What this look cannot do for a role that owns nothing.
_ASK_OWNER = "run this check as the owner to see it"


def judge_presence(role: OwnRole) -> Finding:
    """Whether there is anything to look at."""
    if not role.has_schema:
        return failure("schema", f"there is no schema forwarder in database {role.database}", remedy=_MIGRATE)
    if not role.may_use_schema:
        return failure(
            "schema",
            f"role {role.name} may not look into schema forwarder",
            remedy=f"forwarder migrate --runtime-role {role.name}, as {role.owner}",
        )
    return ok("schema", f"schema forwarder is there, and belongs to {role.owner}")


def judge_pending(pending: Sequence[Migration]) -> Finding:
    """Migrations that this release brings, and the database has not seen."""
    if pending:
        return failure(
            "migrations",
            f"the schema is older than this program: {len(pending)} are not applied, from {pending[0]} on",
            remedy=_MIGRATE,
        )
    return ok("migrations", f"all {len(migrations.shipped())} of this release are applied")


def judge_functions(drift: Sequence[Redefine]) -> Finding:
    """Functions of ours that are not as a migration has defined them."""
    if not drift:
        return ok("functions", "all are as this release has defined them")
    first = drift[0]
    return failure(
        "functions",
        f"{listed([change.table for change in drift])} {'is' if len(drift) == 1 else 'are'} not as this release has defined them"
        f" ({first.table}: {', '.join(first.reasons)})",
        remedy=_MIGRATE,
    )


async def _presence(patient: Patient) -> Iterable[Finding]:
    return [judge_presence(patient.role)]


async def _migrations(patient: Patient) -> Iterable[Finding]:
    role = patient.role
    if not role.can_look_inside:
        return []
    if not role.is_owner:
        # It may not read forwarder.migration. What the functions are, everybody may read.
        drift = await drift_beside(patient.connection, [])
        return [
            note("migrations", f"only {role.owner} may read which are applied", remedy=_ASK_OWNER),
            judge_functions(drift),
        ]
    pending = await migrations.pending(patient.connection)
    return [judge_pending(pending), judge_functions(await drift_beside(patient.connection, pending))]


async def _image_limit(patient: Patient) -> Iterable[Finding]:
    wanted = patient.settings.capture.max_image_bytes
    with database_errors("cannot read the limit of images"):
        found = await patient.connection.fetchval(query("max_image_bytes"))
    if change := next(iter(image_limit(found, wanted)), None):
        return [
            warning(
                "max_image_bytes",
                f"it is {change.found_bytes}, and {change.max_bytes} in the settings",
                remedy=_MIGRATE,
            )
        ]
    return [ok("max_image_bytes", f"a change may have {found} bytes of images")]


async def _later_tables(patient: Patient) -> Iterable[Finding]:
    capture = patient.settings.capture
    found = await later_tables(
        patient.connection, patient.rules, auto_attach=capture.auto_attach, schema_events=capture.schema_events
    )
    if found.changes:
        yielded = [warning("new tables", f"{found.changes[0].table} is not as the settings ask", remedy=_MIGRATE)]
    else:
        how = "captured by themselves" if capture.auto_attach else "captured by the next migrate (auto_attach is off)"
        yielded = [ok("new tables", f"those that the settings select are {how}")]
    return [*yielded, *(of_sentence("new tables", Verdict.NOTE, line, before_remedy=": ") for line in found.warnings)]


AREA = Area(
    name="schema",
    outside=(
        Look(subject="schema", find=_presence),
        Look(subject="migrations", find=_migrations),
    ),
    inside=(
        Look(subject="max_image_bytes", find=_image_limit, is_for_owner=True),
        Look(subject="new tables", find=_later_tables, is_for_owner=True),
    ),
)
