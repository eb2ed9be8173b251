"""This machine's clock beside those of the database and of AWS."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

from forwarder.database.queries import query
from forwarder.database.sessions import database_errors
from forwarder.doctor.area import Area, Look, Patient
from forwarder.doctor.finding import Finding, failure, ok, warning

# `at` of a record is by the database's clock, and latencies are reckoned by both.
DATABASE_SECONDS = 2.0
# AWS tells the time in such steps. It refuses requests that are signed five minutes off.
AWS_STEP_SECONDS = 1.0
AWS_WARNING_SECONDS, AWS_FAILURE_SECONDS = 60.0, 240.0

_REMEDY = "have both machines follow one time server (chrony)"
_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)


def judge_database_clock(off_seconds: float) -> Finding:
    """``off_seconds``: by how much the database's clock is ahead of ours."""
    text = f"that of the database {_off(off_seconds)} this machine's"
    if abs(off_seconds) > DATABASE_SECONDS:
        return warning("clock", f"{text}, so latencies are wrong by that", remedy=_REMEDY)
    return ok("clock", text)


def judge_aws_clock(off_seconds: float) -> Finding:
    """``off_seconds``: by how much the clock of AWS is ahead of ours. It tells the time to the second, so less than one is none."""
    off_seconds = 0.0 if abs(off_seconds) < AWS_STEP_SECONDS else off_seconds
    text = f"that of the stream's endpoint {_off(off_seconds)} this machine's"
    if abs(off_seconds) > AWS_WARNING_SECONDS:
        found = failure if abs(off_seconds) > AWS_FAILURE_SECONDS else warning
        return found(
            "clock", f"{text}; at five minutes AWS refuses every request", remedy="set this machine's clock (chrony)"
        )
    return ok("clock", text)


def _off(seconds: float) -> str:
    if abs(seconds) < 0.05:
        return "agrees with"
    return f"is {abs(seconds):.1f} s {'ahead of' if seconds > 0 else 'behind'}"


async def _database(patient: Patient) -> Iterable[Finding]:
    asked_at = datetime.now(UTC)
    with database_errors("cannot read the database's clock"):
        # Microseconds since 2000, as our sessions get all times.
        theirs = _EPOCH + timedelta(microseconds=await patient.connection.fetchval(query("clock")))
    ours = asked_at + (datetime.now(UTC) - asked_at) / 2
    return [judge_database_clock((theirs - ours).total_seconds())]


AREA = Area(name="clock", outside=(Look(subject="clock", find=_database),))
