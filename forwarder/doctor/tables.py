"""The captured tables: that their triggers are there and as configured, and that what they tell can be told apart and put in order."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from forwarder.capture.column_warnings import column_warnings
from forwarder.capture.drift import lacks_truncate_alone
from forwarder.capture.replica_role import muted_warnings
from forwarder.capture.table_decisions import TableDecisions, decide
from forwarder.capture.tables import Table
from forwarder.capture.texts import listed
from forwarder.capture.trigger_plan import Forget, Install, Registration
from forwarder.capture.uncaptured import REMEDY
from forwarder.database.queries import query
from forwarder.database.sessions import database_errors
from forwarder.doctor.area import Area, Look, Patient
from forwarder.doctor.finding import Finding, Verdict, failure, note, of_error, of_sentence, ok, warning, warnings_or_ok
from forwarder.errors import Misconfigured

# Of more tables with drift than this, the rest is counted.
MOST_NAMED = 20


def judge_decisions(found: TableDecisions) -> Iterator[Finding]:
    """What `forwarder migrate` would change in the tables, and what it would refuse and warn of."""
    tables = {table.quoted: table for table in found.tables}
    drift = [*_drift(found, tables), *_unfit(found)]
    yield from drift[:MOST_NAMED]
    if len(drift) > MOST_NAMED:
        yield failure("triggers", f"{len(drift) - MOST_NAMED} more tables are not as they should be", remedy=REMEDY)
    if not tables:
        yield warning(
            "tables",
            "no table is captured",
            remedy="forwarder migrate --table 'public.*', or a [[table]] in the settings",
        )
    elif not drift:
        yield ok("triggers", f"those of all {len(tables)} captured tables are there, enabled and as configured")
    for line in found.misfits:
        yield of_sentence("rules", Verdict.WARNING, line)
    if found.unnamed:
        yield note(
            "rules",
            f"captured although no rule selects it any more: {listed(found.unnamed)}",
            remedy="forwarder migrate --remove ends that; or select it",
        )


def _drift(found: TableDecisions, tables: Mapping[str, Table]) -> Iterator[Finding]:
    for decision in found.decisions:
        match decision:
            case Install(registered_id=None):
                yield failure("triggers", f"{decision.table} is selected and not captured", remedy=REMEDY)
            case Install():
                yield _of_install(decision, tables.get(decision.table))
            case Registration():
                yield warning("triggers", f"{decision.table}: {', '.join(decision.reasons)}", remedy=REMEDY)
            case Forget():
                yield warning("triggers", f"{decision.table} is gone, and registered as captured", remedy=REMEDY)


def _unfit(found: TableDecisions) -> Iterator[Finding]:
    for table, why in found.unfit.items():
        yield of_sentence("rules", Verdict.FAILURE, f"{table}: {why}")


def _of_install(decision: Install, table: Table | None) -> Finding:
    if table and lacks_truncate_alone(decision, table):
        return warning("triggers", f"a TRUNCATE of partitions of {decision.table} alone would be missed", remedy=REMEDY)
    return failure(
        "triggers",
        f"{decision.table}: {', '.join(decision.reasons)}",
        remedy=f"{REMEDY}, and compare with what the stream has (forwarder verify)",
    )


def judge_keys(found: TableDecisions) -> Iterator[Finding]:
    """Keys and types on which the order of records depends, or what is in them."""
    keyless = [table.quoted for table in found.tables if not table.key]
    if keyless:
        yield note(
            "keys",
            f"without a key: {listed(keyless)}; their records are kept in order by table, and repeats are told by id",
            remedy="give them a primary key, for order by row and more than one shard",
        )
    yield from (of_sentence("keys and types", Verdict.WARNING, line) for line in found.shortcomings)
    if not keyless and not found.shortcomings:
        yield ok("keys and types", "every captured table has a key by which its rows can be told apart")


def judge_partitions(*, half: Sequence[tuple[str, str]], detached: Sequence[str]) -> Iterator[Finding]:
    """``half``: partitions whose DETACH was interrupted, each with its table; ``detached``: those that are none any more."""
    for partition, parent in half:
        yield warning(
            "partitions",
            f"{partition} is half detached from {parent}",
            remedy=f"ALTER TABLE {parent} DETACH PARTITION {partition} FINALIZE",
        )
    if detached:
        yield note(
            "partitions",
            f"detached, and not captured any more: {listed(detached)}",
            remedy="select them, if they are written to",
        )
    if not half and not detached:
        yield ok("partitions", "none was detached")


async def _triggers(patient: Patient) -> Iterable[Finding]:
    refusals: list[Finding] = []
    try:
        found = await _decisions(patient, may_come_later=patient.settings.capture.auto_attach)
    except Misconfigured as error:
        # `forwarder migrate` would refuse to do anything. What there is can be looked at all the same, if it is no more than a name that is wrong.
        refusals = [of_error("rules", error)]
        found = replace(await _decisions(patient, may_come_later=True), misfits=())
    return [*refusals, *judge_decisions(found), *(judge_keys(found) if found.tables else ())]


async def _decisions(patient: Patient, *, may_come_later: bool) -> TableDecisions:
    rules = patient.rules
    return await decide(
        patient.connection, rules, exclude=(), described=rules, remove=False, may_come_later=may_come_later
    )


async def _columns(patient: Patient) -> Iterable[Finding]:
    with database_errors("cannot read the columns of captured tables"):
        lines = await column_warnings(patient.connection)
    return warnings_or_ok("columns", lines, otherwise="rules about columns know them all")


async def _muted(patient: Patient) -> Iterable[Finding]:
    lines = await muted_warnings(patient.connection)
    return warnings_or_ok(
        "session_replication_role", lines, otherwise="no role or database is set to replica", before_remedy=": "
    )


async def _subscribed(patient: Patient) -> Iterable[Finding]:
    with database_errors("cannot read the subscriptions"):
        rows = await patient.connection.fetch(query("subscribed"))
    return [
        warning(
            "subscriptions",
            f"{row['quoted']} is filled by subscription {row['subscription']}, and what that applies is not captured",
            remedy=f'ALTER TABLE {row["quoted"]} ENABLE ALWAYS TRIGGER "{row["trigger"]}", if it is to be',
        )
        for row in rows
    ] or [ok("subscriptions", "none fills a captured table")]


async def _partitions(patient: Patient) -> Iterable[Finding]:
    with database_errors("cannot read the partitions"):
        half = await patient.connection.fetch(query("half_detached"))
        # The runtime role may not see what was a partition once.
        rows = await patient.connection.fetch(query("detached")) if patient.role.is_owner else []
    return judge_partitions(
        half=[(row["quoted"], row["parent"]) for row in half], detached=[quoted for (quoted,) in rows]
    )


AREA = Area(
    name="tables",
    inside=(
        Look(subject="triggers", find=_triggers),
        Look(subject="columns", find=_columns),
        Look(subject="session_replication_role", find=_muted),
        Look(subject="subscriptions", find=_subscribed),
        Look(subject="partitions", find=_partitions),
    ),
)
