"""Who delivers, and what was left behind: leaders and standbys, dead letters, loads and replays that are not done."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

from forwarder.database.lock_holders import Holder, holders_of_sink, usurpation
from forwarder.database.queries import query
from forwarder.database.sessions import LEADER_LOCK_CLASS, application_name, database_errors
from forwarder.doctor.area import Area, Look, Patient
from forwarder.doctor.finding import Finding, Verdict, note, of_sentence, ok, warning
from forwarder.errors import ForwarderError
from forwarder.health import Phase
from forwarder.store import load_requests
from forwarder.store.listeners import read_listeners
from forwarder.store.loads import Load, LoadState
from forwarder.store.replay_progress import Progress, read_progress
from forwarder.store.sink_status import sink_names


def judge_leader(sink: str, holders: Sequence[Holder], trouble: str | None = None) -> Finding:
    """How a sink is delivered to.

    Args:
        holders: who has the leader's lock of the sink.
        trouble: what the listener that serves it, or is about to, says that is in its way.
    """
    if trouble and (not holders or holders[0].leads):
        return of_sentence("leader", Verdict.FAILURE, f"sink {sink!r} is stuck: {trouble}")
    if not holders:
        return warning("leader", f"no listener serves sink {sink!r}", remedy="start `forwarder listen`")
    if not holders[0].leads:
        return of_sentence("leader", Verdict.FAILURE, usurpation(sink, holders))
    return ok("leader", f"sink {sink!r} is served by {holders[0]}")


def judge_standbys(count: int, *, leads_anybody: bool) -> Finding:
    """``count``: of sessions that stand by for a sink."""
    if count:
        return ok("standby", f"{count} sessions wait to take over")
    if leads_anybody:
        return note(
            "standby", "none: nobody would take over", remedy="start a second `forwarder listen` on another machine"
        )
    return ok("standby", "none")


def judge_sinks(
    holders: Mapping[str, Sequence[Holder]], configured: Collection[str], troubles: Mapping[str, str]
) -> Iterator[Finding]:
    """Of each sink who serves it.

    Args:
        holders: by sink that the database knows, who has its leader's lock.
        configured: the sinks of the settings. Without any nothing can be said of the others.
        troubles: by sink, what its listener says that is in its way.
    """
    for sink, found in holders.items():
        if found or sink in configured or not configured or sink in troubles:
            yield judge_leader(sink, found, troubles.get(sink))
        else:
            yield warning(
                "sinks",
                f"nobody serves sink {sink!r}, the settings do not name it, and the outbox keeps all that it has not delivered",
                remedy=f"forwarder sinks remove {sink}, if it is not needed any more",
            )
    for sink in configured:
        if sink not in holders:
            yield note("sinks", f"sink {sink!r} was never served", remedy="start `forwarder listen`")


def judge_letters(letters: Mapping[str, tuple[int, int]]) -> Sequence[Finding]:
    """By sink how many dead letters there are, and how many of them wait for their stream."""
    lines = [
        warning(
            "dead letters",
            f"sink {sink!r} has {count:,}"
            + (f", {stranded:,} of them since their stream cannot be written to" if stranded else ""),
            remedy=f"forwarder dead-letters list --sink {sink}; then retry or discard them",
        )
        for sink, (count, stranded) in letters.items()
    ]
    return lines or [ok("dead letters", "none")]


def judge_loads(loads: Sequence[Load]) -> Sequence[Finding]:
    """The newest load of each table for each sink."""
    failed = [load for load in loads if load.state is LoadState.FAILED]
    lines = [
        warning(
            "loads",
            f"the load of {load.qualified_name} for sink {load.sink!r} has failed: {(load.error or '').partition('; ')[0]}",
            remedy=f"{_first(load)}forwarder load {load.qualified_name} again, or --cancel to give it up",
        )
        for load in failed
    ]
    under_way = sum(not load.state.is_final for load in loads)
    return lines or [ok("loads", f"none has failed, {under_way} are under way")]


def judge_replays(replays: Mapping[str, Progress]) -> Sequence[Finding]:
    """By sink the `forwarder replay --table` that is not done."""
    lines = [
        note("replays", f"sink {sink!r}: the {progress}", remedy="if it was interrupted, the same command goes on")
        for sink, progress in replays.items()
    ]
    return lines or [ok("replays", "none is unfinished")]


def _first(load: Load) -> str:
    """What has to be mended before it is tried again, as the error has it behind its semicolon."""
    remedy = (load.error or "").partition("; ")[2]
    return f"{remedy}; then " if remedy else ""


async def _leaders(patient: Patient) -> Iterable[Finding]:
    connection = patient.connection
    holders = {sink: await holders_of_sink(connection, sink) for sink in await sink_names(connection)}
    with database_errors("cannot see who stands by"):
        standbys = await connection.fetchval(query("standbys"), application_name("leader"), LEADER_LOCK_CLASS)
    return [
        *judge_sinks(holders, [sink.name for sink in patient.settings.sink], await _troubles(patient)),
        judge_standbys(standbys, leads_anybody=any(holders.values())),
    ]


async def _troubles(patient: Patient) -> Mapping[str, str]:
    """By sink what is in the way of its listener, as that has announced it. Of a schema before announcements, or without a right to them: none."""
    try:
        listeners = await read_listeners(patient.connection)
    except ForwarderError:
        return {}
    return {
        name: standing.trouble
        for listener in listeners
        if not listener.is_gone
        for name, standing in listener.says.sinks.items()
        if standing.trouble and standing.phase != Phase.STANDBY
    }


async def _letters(patient: Patient) -> Iterable[Finding]:
    with database_errors("cannot count the dead letters"):
        rows = await patient.connection.fetch(query("letters"))
    return judge_letters({row["sink"]: (row["letters"], row["stranded"]) for row in rows})


async def _loads(patient: Patient) -> Iterable[Finding]:
    return judge_loads(await load_requests.find(patient.connection))


async def _replays(patient: Patient) -> Iterable[Finding]:
    with database_errors("cannot read the replays"):
        found = {sink: await read_progress(patient.connection, sink) for sink in await sink_names(patient.connection)}
    return judge_replays({sink: progress for sink, progress in found.items() if progress})


AREA = Area(
    name="delivery",
    inside=(
        Look(subject="leader", find=_leaders),
        Look(subject="dead letters", find=_letters),
        Look(subject="loads", find=_loads),
        Look(subject="replays", find=_replays),
    ),
)
