"""Makes a document of what was read of the database and of what this process knows of itself. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from forwarder import __version__
from forwarder.config.settings import OutboxSettings
from forwarder.outbox.backlog_warnings import Backlog
from forwarder.outbox.ring import Ring
from forwarder.status import document as shown
from forwarder.status.document import Document, LeafState, Trouble
from forwarder.status.facts import Catalogue, Facts, SinkFacts
from forwarder.status.judging import (
    letter_troubles,
    load_troubles,
    outbox_troubles,
    sink_state,
    table_troubles,
    trouble_of,
    verdict,
)
from forwarder.status.lag import seconds_left, seconds_of_load
from forwarder.status.pressure import pressure_troubles
from forwarder.status.processes import Processes, live, process, sorted_out
from forwarder.status.table_states import TableList, Tables
from forwarder.store.listeners import Listener
from forwarder.store.loads import Load


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """Where a document is made, besides what it is made of."""

    outbox: OutboxSettings
    # The sinks of the settings: where each sends, without secrets, and the patterns of its tables.
    targets: Mapping[str, str]
    patterns: Mapping[str, Sequence[str]]


def composed(
    scene: Scene, facts: Facts, catalogue: Catalogue, own: Listener | None, *, known_tables: TableList | None = None
) -> Document:
    """The document.

    Args:
        own: the process that makes it, as it is now; None: it is no listener.
        known_tables: what keeps the list of tables from one document to the next.
    """
    processes = sorted_out(facts.listeners, own, led={sink.name for sink in facts.sinks if sink.is_led})
    known = {sink.name: sink for sink in facts.sinks}
    names = [*known, *(name for name in scene.targets if name not in known)]
    sinks = [
        _sink(scene, name, processes, facts=known.get(name), backlog=facts.backlogs.get(name), at=facts.at)
        for name in names
    ]
    tables = (known_tables or TableList()).of_sinks(
        Tables(catalogue=catalogue, paused_ids=facts.paused_ids, loads=facts.loads),
        {name: processes.patterns(name) or scene.patterns.get(name, ()) for name in names},
    )
    warnings = [
        *pressure_troubles(sinks),
        *outbox_troubles(facts, sinks, scene.outbox),
        *letter_troubles([*facts.backlogs.values()]),
        *load_troubles(facts.loads),
        # A gap is told for as long as its record is among the last ones: what can be mended stands before it.
        *table_troubles(tables),
        *_told(processes),
        *(
            [Trouble(text=f"it is not known whether all tables are captured: {catalogue.unseen}")]
            if catalogue.unseen
            else []
        ),
    ]
    warnings.sort(key=lambda warning: not warning.is_urgent)
    judged = verdict(sinks, warnings, has_tables=any(table.is_captured for table in catalogue.tables))
    return Document(
        at=_time(facts.at),
        forwarder=__version__,
        is_well=judged.is_well,
        summary=judged.summary,
        remedy=judged.remedy,
        database=facts.database,
        sinks=sinks,
        standbys=[process(one) for one in processes.alive if process(one).stands_by],
        outbox=_outbox(facts, scene.outbox),
        doorbell=_doorbell(facts, processes),
        loads=[_load(load) for load in facts.loads],
        tables=tables,
        warnings=warnings,
    )


def composed_blind(scene: Scene, why: str, own: Listener | None, *, at: datetime, database: str) -> Document:
    """The document where the database says nothing. ``why``: in one sentence with the remedy."""
    processes = Processes(alive=[own] if own else [])
    names = own.says.sinks if own else {}
    trouble = trouble_of(why, is_urgent=True)
    return Document(
        at=at,
        forwarder=__version__,
        is_well=False,
        summary=trouble.text,
        remedy=trouble.remedy,
        database=database,
        sinks=[_sink(scene, name, processes, facts=None, backlog=None, at=at.timestamp()) for name in names],
        standbys=[process(own)] if own and process(own).stands_by else [],
        outbox=None,
        doorbell=None,
        loads=[],
        tables=[],
        warnings=[trouble, *_told(processes)],
    )


def _sink(
    scene: Scene, name: str, processes: Processes, *, facts: SinkFacts | None, backlog: Backlog | None, at: float
) -> shown.Sink:
    state, trouble = sink_state(name, facts, processes)
    found = processes.leader(name) if facts is None or facts.is_led else None
    changes = backlog.changes if backlog else None
    return shown.Sink(
        name=name,
        target=processes.target(name) or scene.targets.get(name, ""),
        state=state,
        trouble=trouble,
        leader=process(found[0]) if found else None,
        lag_events=changes,
        lag_seconds=round(backlog.waiting_seconds or 0.0, 3) if backlog else None,
        seconds_left=seconds_left(changes, found[1].figures if found else None),
        delivered_seq=facts.delivered_seq if facts else None,
        saved_at=_time(facts.saved_at) if facts else None,
        dead_letters=backlog.dead_letters if backlog else None,
        live=live(found[1]) if found else None,
    )


def _told(processes: Processes) -> Sequence[Trouble]:
    """What the processes warn of, each once."""
    lines = [line for one in processes.alive for line in one.says.warnings]
    lines += [line for one in processes.alive for standing in one.says.sinks.values() for line in standing.warnings]
    return [trouble_of(line) for line in dict.fromkeys(lines)]


def _outbox(facts: Facts, settings: OutboxSettings) -> shown.Outbox:
    ring = facts.ring
    waiting = max((backlog.waiting_seconds or 0.0 for backlog in facts.backlogs.values()), default=0.0)
    delivered = min((sink.delivered_seq for sink in facts.sinks), default=0)
    states = _leaf_states(ring, delivered, retention_seconds=settings.retention_seconds)
    return shown.Outbox(
        bytes=ring.bytes,
        leaves=[shown.Leaf(number=leaf.number, bytes=leaf.bytes, state=states[leaf.number]) for leaf in ring.leaves],
        oldest_at=_time(facts.at - waiting) if waiting else None,
        history_since=_time(facts.oldest_at) if facts.oldest_at is not None else None,
    )


def _leaf_states(ring: Ring, delivered_seq: int, *, retention_seconds: float) -> Mapping[int, LeafState]:
    """``emptying``: all of it is delivered and old enough, so that the janitor empties it next."""
    states: dict[int, LeafState] = {leaf.number: "empty" if leaf.is_empty else "full" for leaf in ring.leaves}
    for leaf, _ in ring.to_reclaim(retention_seconds=retention_seconds):
        if (leaf.newest_seq or 0) <= delivered_seq:
            states[leaf.number] = "emptying"
    states[ring.ahead[0].number] = "current"
    return states


def _doorbell(facts: Facts, processes: Processes) -> shown.Doorbell:
    reader = next((one.says for one in processes.alive if one.says.wake), None)
    return shown.Doorbell(
        mode=reader.wake or "none" if reader else "none",
        is_armed=facts.is_armed,
        rings_per_second=reader.rings_per_second if reader else None,
        writers_in_the_way=facts.writers,
    )


def _load(load: Load) -> shown.Load:
    return shown.Load(
        sink=load.sink,
        table=load.qualified_name,
        state=load.state.value,
        rows=load.rows,
        bytes=load.bytes,
        estimated_rows=load.estimated_rows,
        seconds_left=seconds_of_load(load),
    )


def _time(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
