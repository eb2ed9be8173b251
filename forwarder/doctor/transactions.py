"""What holds back vacuum, and the doorbell: long transactions, prepared ones, replication slots, autovacuum that is off."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from forwarder.database.queries import query
from forwarder.database.sessions import database_errors
from forwarder.doctor.area import Area, Look, Patient
from forwarder.doctor.finding import Finding, failure, note, ok, warning
from forwarder.doctor.own_role import OwnRole
from forwarder.quantities import duration, size

# A transaction that is open for longer is told of, and warned of.
NOTE_SECONDS = 300.0
WARNING_SECONDS = 3600.0
# Where PostgreSQL hides since when: one that so many others have begun after.
WARNING_IDS = 1_000_000
# Of a slot that nobody reads.
WARNING_KEPT_BYTES = 1 << 30
# Of the oldest transaction id; writes are refused at two thousand million.
WARNING_AGE, FAILURE_AGE = 1_000_000_000, 1_800_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Transaction:
    """An open or prepared transaction: transactions.sql."""

    who: str
    # None: hidden from our role.
    state: str | None
    seconds: float | None
    # How many transaction ids were given since it began, or since the oldest that it may see.
    held_ids: int
    # The statement that ends it.
    remedy: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Slot:
    """A replication slot: slots.sql. ``name`` is quoted as a literal."""

    name: str
    is_active: bool
    held_ids: int
    kept_bytes: int


def judge_transactions(found: Sequence[Transaction], role: OwnRole) -> Sequence[Finding]:
    """The longest of them. While one is open that has written to a captured table, the listener looks every 50 ms instead of sleeping."""
    longest = max(found, key=lambda one: (one.seconds or 0.0, one.held_ids), default=None)
    lines = [_of_transaction(one) for one in found if (one.seconds or 0.0) > NOTE_SECONDS or one.held_ids > WARNING_IDS]
    if not lines:
        text = (
            "none is open that can be seen"
            if longest is None
            else f"{len(found)} open, the longest for {duration(longest.seconds or 0.0)}"
        )
        lines = [ok("transactions", text)]
    if not role.sees_all_sessions:
        lines.append(
            note(
                "transactions",
                "since when those of other roles are open is hidden from this one",
                remedy=f"GRANT pg_read_all_stats TO {role.name}",
            )
        )
    return lines


def _of_transaction(one: Transaction) -> Finding:
    since = "" if one.seconds is None else f" for {duration(one.seconds)}"
    state = f" ({one.state})" if one.state else ""
    text = f"{one.who}, is open{since}{state}, and holds back vacuum by {one.held_ids:,} transactions"
    if (one.seconds or 0.0) > WARNING_SECONDS or one.held_ids > WARNING_IDS:
        return warning("transactions", text, remedy=f"end it, if it is forgotten: {one.remedy}")
    return note("transactions", text)


def judge_slots(slots: Sequence[Slot]) -> Sequence[Finding]:
    """None of them is ours: forwarder needs none."""
    return [_of_slot(slot) for slot in slots] or [ok("replication slots", "none")]


def _of_slot(slot: Slot) -> Finding:
    text = f"{slot.name} keeps {size(slot.kept_bytes)} of WAL, and holds back vacuum by {slot.held_ids:,} transactions"
    if slot.is_active and slot.held_ids < WARNING_IDS:
        return ok("replication slots", text)
    if slot.kept_bytes > WARNING_KEPT_BYTES or slot.held_ids > WARNING_IDS:
        who = "somebody reads it, slowly" if slot.is_active else "nobody reads it"
        return warning(
            "replication slots",
            f"{text}; {who}",
            remedy=f"see who it is for, or SELECT pg_drop_replication_slot({slot.name})",
        )
    return note("replication slots", f"{text}; nobody reads it now")


def judge_vacuum(*, is_on: bool, oldest_age: int) -> Sequence[Finding]:
    """``oldest_age``: of the oldest transaction id of this database."""
    found = failure if oldest_age > FAILURE_AGE else warning if oldest_age > WARNING_AGE else None
    text = f"the oldest transaction id is {oldest_age:,} old; at two thousand million writes are refused"
    return [
        ok("autovacuum", "it is on")
        if is_on
        else warning("autovacuum", "it is off", remedy="ALTER SYSTEM SET autovacuum = on, and reload"),
        *(
            [found("transaction ids", text, remedy="end what holds back vacuum, and run VACUUM (FREEZE)")]
            if found
            else []
        ),
    ]


async def _transactions(patient: Patient) -> Iterable[Finding]:
    with database_errors("cannot read the transactions"):
        found = [Transaction(**row) for row in await patient.connection.fetch(query("transactions"))]
    return judge_transactions(found, patient.role)


async def _slots(patient: Patient) -> Iterable[Finding]:
    with database_errors("cannot read the replication slots"):
        return judge_slots([Slot(**row) for row in await patient.connection.fetch(query("slots"))])


async def _vacuum(patient: Patient) -> Iterable[Finding]:
    with database_errors("cannot read the age of the database"):
        row = await patient.connection.fetchrow(query("vacuum"))
    assert row is not None
    return judge_vacuum(**row)


AREA = Area(
    name="transactions",
    outside=(
        Look(subject="transactions", find=_transactions),
        Look(subject="replication slots", find=_slots),
        Look(subject="autovacuum", find=_vacuum),
    ),
)
