"""Reads of the database what a status is made of. It changes nothing, takes no lock that anybody waits for, and each part of it is bounded."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace

import asyncpg

from forwarder.capture.drift import drifted
from forwarder.capture.selection import Rule
from forwarder.capture.table_decisions import TableDecisions, decide
from forwarder.database.lock_holders import holders_of_sink, usurpation
from forwarder.database.queries import query
from forwarder.database.sessions import DOORBELL_LOCK, LEADER_LOCK_CLASS, LOCK_CLASS, Connection, database_errors
from forwarder.errors import ForwarderError, Misconfigured
from forwarder.outbox.backlog_warnings import Backlog
from forwarder.outbox.survey import read_ring
from forwarder.quantities import duration
from forwarder.status.facts import Catalogue, Facts, SinkFacts, TableFacts
from forwarder.store import loads
from forwarder.store.listeners import read_listeners
from forwarder.store.statistics import read_statistics

# backlogs.sql counts so many; from there on undelivered_of_sink.sql counts on, up to the second number. Above that an estimate stands.
COUNTED, COUNTED_CLOSELY = 1_000, 10_000
PARTLY = "a TRUNCATE of it, or of some of its partitions alone, would be missed"
# What captured_now.sql finds, in words.
FLAWS = {
    "gone": "the table is gone",
    "missing": "it was created anew, or a trigger was dropped or renamed",
    "disabled": "a trigger was disabled or altered",
    "truncate": PARTLY,
}
# So many changes are looked through for gaps.
GAPS_AMONG = 20_000


async def read_facts(connection: Connection, *, database: str) -> Facts:
    """What is so now. ``database``: where it is, without credentials.

    Raises:
        Refused: the schema is missing, older than this program, or not ours to read.
        Unavailable: the database does not answer, or not in time.
    """
    async with _snapshot(connection, "cannot read the status"):
        moment = await connection.fetchrow(query("moment"), LOCK_CLASS, DOORBELL_LOCK)
        assert moment is not None
        # First of all, since its table came last: where it is missing, it is that which is to be said.
        listeners = await read_listeners(connection)
        sinks = [SinkFacts(**row) for row in await connection.fetch(query("sink_standings"), LEADER_LOCK_CLASS)]
        oldest = await connection.fetchrow(query("oldest_change"), 0)
        numbers = [number for (number,) in await connection.fetch(query("current_loads"))]
        return Facts(
            at=moment["at"],
            database=database,
            sinks=[await _with_stranger(connection, sink) for sink in sinks],
            backlogs=await _backlogs(connection),
            listeners=listeners,
            ring=await read_ring(connection),
            oldest_at=oldest["at_seconds"] if oldest else None,
            loads=await loads.read(connection, numbers) if numbers else [],
            paused_ids=frozenset(moment["paused_ids"]),
            is_armed=moment["is_armed"],
            writers=moment["writers"],
        )


async def read_counts(connection: Connection, catalogue: Catalogue) -> Catalogue:
    """The same tables, with what each sink was told of them up to now.

    Raises:
        Refused, Unavailable: as of ``read_facts``.
    """
    async with _snapshot(connection, "cannot read the table statistics"):
        return replace(catalogue, statistics=await read_statistics(connection))


async def read_catalogue(connection: Connection, rules: Sequence[Rule] | None) -> Catalogue:
    """The tables, and what is wrong with the capture of each.

    Args:
        rules: of the settings, by which tables are chosen. They are compared with the triggers, which takes a second of our own processor for
            1,000 tables; None: only what the registry says is.

    If that, or the gaps, cannot be read, since somebody holds a lock, say, the catalogue says why, and has the rest.

    Raises:
        Refused, Unavailable: as of ``read_facts``.
    """
    async with _snapshot(connection, "cannot read the captured tables"):
        rows = await connection.fetch(query("captured_now"))
    flaws = {row["id"]: row["flaw"] for row in rows if row["flaw"]}
    catalogue = Catalogue(
        tables=[
            TableFacts(id=row["id"], schema=row["schema"], name=row["name"], is_captured=row["is_captured"])
            for row in rows
        ],
        drift={number: FLAWS[flaw] for number, flaw in flaws.items()},
        missed=frozenset(number for number, flaw in flaws.items() if flaw != "truncate"),
    )
    try:
        async with _snapshot(connection, "cannot look at the triggers of captured tables"):
            gaps = await connection.fetch(query("recent_gaps"), GAPS_AMONG)
            catalogue = replace(catalogue, gaps=_by_name(gaps))
            return catalogue if rules is None else _compared(catalogue, await _decisions(connection, rules))
    except ForwarderError as error:
        if connection.is_closed():
            raise
        return replace(catalogue, unseen=str(error))


def _by_name(gaps: Iterable[asyncpg.Record]) -> Mapping[str, str]:
    return {
        row["name"]: f"{row['what']}, {duration(row['seconds'])} ago"
        for row in gaps
        # What is told of the beginning of a table's capture is no loss.
        if row["what"] != "capture began" and not row["is_of_events"]
    }


def _compared(catalogue: Catalogue, decisions: TableDecisions) -> Catalogue:
    """With what is not as the settings say."""
    others = {one.registered_id: one for one in drifted(decisions) if one.registered_id not in catalogue.drift}
    drift = {number: PARTLY if one.is_of_truncate else ", ".join(one.reasons) for number, one in others.items()}
    missed = frozenset(number for number, one in others.items() if not one.is_of_truncate)
    return replace(catalogue, drift={**catalogue.drift, **drift}, missed=frozenset(catalogue.missed) | missed)


@asynccontextmanager
async def _snapshot(connection: Connection, what: str) -> AsyncIterator[None]:
    """A short transaction that reads: all of it sees the same."""
    with database_errors(what):
        async with connection.transaction(isolation="repeatable_read", readonly=True):
            await connection.execute(query("short_statements"))
            yield


async def _backlogs(connection: Connection) -> Mapping[str, Backlog]:
    found = [Backlog(**row) for row in await connection.fetch(query("backlogs"))]
    return {backlog.sink: await _counted_closely(connection, backlog) for backlog in found}


async def _counted_closely(connection: Connection, backlog: Backlog) -> Backlog:
    """With more changes than are counted at first. The estimate is too high where numbers were drawn and not used, so it is put right if it can."""
    if backlog.changes < COUNTED:
        return backlog
    counted: int = await connection.fetchval(query("undelivered_of_sink"), backlog.sink)
    return replace(backlog, changes=counted if counted < COUNTED_CLOSELY else max(counted, backlog.changes))


async def _with_stranger(connection: Connection, sink: SinkFacts) -> SinkFacts:
    """Say who it is, if somebody has the leader's lock who does not call itself a listener."""
    if not sink.is_led or sink.leads_as_listener:
        return sink
    holders = await holders_of_sink(connection, sink.name)
    if not holders or holders[0].leads:
        return sink
    return replace(sink, usurpation=usurpation(sink.name, holders))


async def _decisions(connection: Connection, rules: Sequence[Rule]) -> TableDecisions:
    try:
        return await _decide(connection, rules)
    except Misconfigured:
        # The rules do not fit the tables, which is for `forwarder migrate` to say. By themselves the tables can be looked at all the same.
        return await _decide(connection, [])


async def _decide(connection: Connection, rules: Sequence[Rule]) -> TableDecisions:
    return await decide(connection, rules, exclude=(), described=rules, remove=False, may_come_later=True)
