"""The outbox: its size, how long changes wait in it and stay in it, and what wakes its reader."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from forwarder.capture.leaf_size import layout
from forwarder.config.settings import OutboxSettings
from forwarder.database.queries import query
from forwarder.database.sessions import database_errors
from forwarder.doctor.area import Area, Look, Patient
from forwarder.doctor.finding import Finding, Verdict, failure, of_sentence, ok, warning, warnings_or_ok
from forwarder.doctor.load import MOST_CHANGES, WINDOW_SECONDS, Load, load_of
from forwarder.outbox.backlog_warnings import Backlog, warnings
from forwarder.outbox.intruders import intruder_warnings
from forwarder.outbox.ring import EARLY_LEAVES, LEAVES, Ring
from forwarder.outbox.survey import read_ring
from forwarder.quantities import duration, size

# So many changes are looked through for gaps.
GAPS_AMONG = 100_000
# PostgreSQL's bigint.
_MOST_SEQ = (1 << 63) - 1
# Parts of the queue of notifications, and of all seqs.
_QUEUE_WARNING, _QUEUE_FAILURE = 0.1, 0.5
_SEQ_WARNING = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """A record of kind gap, as recent_gaps.sql returns it."""

    # public.orders
    name: str
    # Whether it is about the events of forwarder.emit(), and not about a table.
    is_of_events: bool
    what: str
    # Since it was noticed.
    seconds: float


def judge_backlogs(
    backlogs: Sequence[Backlog], *, outbox_bytes: int, is_paused: bool, settings: OutboxSettings
) -> Sequence[Finding]:
    """What a listener warns of: size and age. Changes that are missed or late are failures, a large outbox is a warning."""

    def lines(found: Sequence[Backlog], *, bytes: int, paused: bool) -> Sequence[str]:
        return warnings(
            found,
            outbox_bytes=bytes,
            warn_bytes=settings.warn_bytes,
            warn_age_seconds=settings.warn_age_seconds,
            is_paused=paused,
        )

    bad = lines(backlogs, bytes=0, paused=is_paused)
    large = [line for line in lines(backlogs, bytes=outbox_bytes, paused=is_paused) if line not in bad]
    oldest = max((backlog.waiting_seconds or 0.0 for backlog in backlogs), default=0.0)
    return [
        *(of_sentence("backlog", Verdict.FAILURE, line) for line in bad),
        *([] if bad else [ok("backlog", f"the oldest change that a sink lacks waits for {duration(oldest)}")]),
        *warnings_or_ok("size", large, otherwise=f"it takes {size(outbox_bytes)}"),
    ]


def judge_layout(ring: Ring, settings: OutboxSettings) -> Finding:
    """Whether the leaves are as large as the settings say."""
    if layout(ring.leaf_events, settings.leaf_events):
        return warning(
            "leaves",
            f"a leaf takes {ring.leaf_events} changes, and {settings.leaf_events} by the settings",
            remedy="forwarder migrate",
        )
    full = sum(not leaf.is_empty for leaf in ring.leaves)
    return ok("leaves", f"{LEAVES} of {ring.leaf_events} changes, of which {full} hold some")


def judge_history(ring: Ring, oldest_seconds: float | None, settings: OutboxSettings) -> Finding:
    """Whether the ring keeps as much as the retention asks for.

    If the oldest of the leaves that are kept for history holds changes, and these are younger than the retention, then older ones have had to make
    room. If it is empty, older ones are gone because of their age, or there were none.

    Args:
        oldest_seconds: how old the oldest change in the outbox is; None: it is empty.
    """
    wanted = duration(settings.retention_seconds)
    kept = f"history goes back {duration(oldest_seconds or 0.0)}, and the retention is {wanted}"
    if ring.last_seq < LEAVES * ring.leaf_events:
        return ok("retention", f"{kept}; the ring has never been full")
    is_full = not ring.ahead[2 + EARLY_LEAVES].is_empty
    if is_full and oldest_seconds is not None and oldest_seconds < settings.retention_seconds:
        return warning("retention", kept, remedy="raise leaf_events, or lower retention_seconds to what replay needs")
    return ok("retention", kept)


def judge_queue(usage: float) -> Finding:
    """``usage``: the part of the queue of notifications that is in use. Only a session that listens and stays in a transaction fills it."""
    text = f"{usage:.0%} of it is in use"
    if usage < _QUEUE_WARNING:
        return ok("notification queue", text)
    found = failure if usage >= _QUEUE_FAILURE else warning
    return found(
        "notification queue",
        f"{text}; when it is full, transactions that notify fail",
        remedy="end the session that the server's log names: it listens, and stays in a transaction",
    )


def judge_seq(last_seq: int) -> Finding:
    """How many numbers are left for changes."""
    text = f"{last_seq / _MOST_SEQ:.2%} of all numbers are used, the last is {last_seq:,}"
    if last_seq > _SEQ_WARNING * _MOST_SEQ:
        return warning(
            "sequence",
            text,
            remedy="each restore or promotion of the database uses many; plan an empty schema forwarder",
        )
    return ok("sequence", text)


def judge_gaps(gaps: Sequence[Gap]) -> Sequence[Finding]:
    """The last one of each table."""
    # What is told of the beginning of a table's capture is no loss.
    return [_of_gap(gap) for gap in gaps if gap.what != "capture began"] or [
        ok("gaps", f"none among the last {GAPS_AMONG:,} changes")
    ]


def _of_gap(gap: Gap) -> Finding:
    ago = f"{gap.what}, {duration(gap.seconds)} ago"
    if gap.is_of_events:
        return warning("gaps", f"events may be missing: {ago}", remedy="emit again those that were emitted meanwhile")
    remedy = f"compare what consumers hold: forwarder verify {gap.name}"
    return warning("gaps", f"changes of {gap.name} may be missing: {ago}", remedy=remedy)


async def _backlogs(patient: Patient) -> Iterable[Finding]:
    connection = patient.connection
    with database_errors("cannot measure the outbox"):
        backlogs = [Backlog(**row) for row in await connection.fetch(query("backlogs"))]
        is_paused = await connection.fetchval(query("is_paused"))
        ring = await read_ring(connection)
        oldest = await connection.fetchrow(query("oldest_change"), 0)
    oldest_seconds = time.time() - oldest["at_seconds"] if oldest else None
    settings = patient.settings.outbox
    return [
        *judge_backlogs(backlogs, outbox_bytes=ring.bytes, is_paused=is_paused, settings=settings),
        judge_layout(ring, settings),
        judge_history(ring, oldest_seconds, settings),
        judge_seq(ring.last_seq),
    ]


async def read_load(patient: Patient) -> Load:
    """Measure how much is captured.

    Raises:
        Refused, Unavailable: the database does not tell.
    """
    with database_errors("cannot measure how much is captured"):
        row = await patient.connection.fetchrow(query("recent_load"), MOST_CHANGES, WINDOW_SECONDS)
    assert row is not None
    return load_of(**row)


async def _load(patient: Patient) -> Iterable[Finding]:
    return [ok("load", f"{await read_load(patient)} in the last minute")]


async def _intruders(patient: Patient) -> Iterable[Finding]:
    lines = await intruder_warnings(patient.connection)
    return warnings_or_ok("doorbell", lines, otherwise="no stranger keeps it armed")


async def _queue(patient: Patient) -> Iterable[Finding]:
    with database_errors("cannot measure the queue of notifications"):
        return [judge_queue(await patient.connection.fetchval(query("notification_queue")))]


async def _gaps(patient: Patient) -> Iterable[Finding]:
    with database_errors("cannot look for gaps"):
        rows = await patient.connection.fetch(query("recent_gaps"), GAPS_AMONG)
    return judge_gaps([Gap(**row) for row in rows])


AREA = Area(
    name="outbox",
    inside=(
        Look(subject="backlog", find=_backlogs),
        Look(subject="doorbell", find=_intruders),
        Look(subject="notification queue", find=_queue),
        Look(subject="load", find=_load, is_slow=True),
        Look(subject="gaps", find=_gaps, is_slow=True),
    ),
)
