"""What a sink's state is, what is wrong, and whether all is well. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from forwarder.config.settings import OutboxSettings
from forwarder.outbox.backlog_warnings import PAUSED, Backlog
from forwarder.quantities import duration, size
from forwarder.status.document import Sink, SinkState, Table, Trouble
from forwarder.status.facts import Facts, SinkFacts
from forwarder.status.processes import Processes
from forwarder.store.loads import Load, LoadState

START = "start `forwarder listen`"
_WAITS = "what is in the way has to be mended; the listener tries on, and nothing is lost meanwhile"
# Of paused capture.
_MISSED = PAUSED.partition("; ")[0]
# Tables that are named; the others are counted.
_MOST_NAMED = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """How the whole is."""

    is_well: bool
    summary: str
    remedy: str = ""


def trouble_of(sentence: str, *, is_urgent: bool = False, otherwise: str = "") -> Trouble:
    """What others say in one sentence: the remedy comes behind the first semicolon. ``otherwise``: the remedy, if the sentence has none."""
    text, _, remedy = sentence.partition("; ")
    return Trouble(text=text, remedy=remedy or otherwise, is_urgent=is_urgent)


def sink_state(name: str, facts: SinkFacts | None, processes: Processes) -> tuple[SinkState, Trouble | None]:
    """How a sink is, and why. ``facts``: None: the database does not know it, or does not answer."""
    if facts and facts.usurpation:
        return "unled", trouble_of(facts.usurpation, is_urgent=True)
    leader = processes.leader(name)
    if leader and (facts is None or facts.is_led):
        if leader[1].trouble:
            return "stuck", trouble_of(leader[1].trouble, is_urgent=True, otherwise=_WAITS)
        return "delivering", None
    if facts and facts.is_led and not processes.beginner(name):
        return "delivering", _silent(facts)
    return _not_led(name, processes)


def _silent(facts: SinkFacts) -> Trouble:
    """Somebody leads, and does not announce itself: it is of an earlier release, has just begun, or is frozen."""
    place = f" at {facts.leader_address}" if facts.leader_address else ""
    return Trouble(
        text=f"a listener{place} leads sink {facts.name!r} and has not told how it is (server process {facts.leader_pid})",
        remedy="wait 15 seconds; if it says so still, the listener is of an earlier release, or hangs",
    )


def _not_led(name: str, processes: Processes) -> tuple[SinkState, Trouble | None]:
    if beginner := processes.beginner(name):
        if beginner[1].trouble:
            return "stuck", trouble_of(beginner[1].trouble, is_urgent=True, otherwise=_WAITS)
        return "starting", None
    if processes.standby(name):
        return "starting", Trouble(text=f"no listener leads sink {name!r}; one that stands by is about to")
    return "unled", Trouble(text=f"no listener serves sink {name!r}", remedy=START, is_urgent=True)


def outbox_troubles(facts: Facts, sinks: Sequence[Sink], settings: OutboxSettings) -> Iterator[Trouble]:
    """What is wrong with capture as a whole, with changes that wait for long, and with the size of the outbox."""
    if facts.paused_ids:
        yield _paused(sinks)
    late = [sink for sink in sinks if (sink.lag_seconds or 0.0) > settings.warn_age_seconds]
    for sink in late:
        yield _late(sink)
    if facts.ring.bytes > settings.warn_bytes:
        yield Trouble(
            text=f"the outbox takes {size(facts.ring.bytes)}, more than warn_bytes ({size(settings.warn_bytes)})",
            remedy="the late sinks hold it"
            if late or _held_up(sinks)
            else "lower retention_seconds or leaf_events, or raise warn_bytes",
        )


def _held_up(sinks: Sequence[Sink]) -> Sequence[Sink]:
    """Sinks that lack changes and get none."""
    return [sink for sink in sinks if sink.lag_events and sink.state in ("stuck", "unled")]


def _paused(sinks: Sequence[Sink]) -> Trouble:
    trouble = trouble_of(PAUSED, is_urgent=True)
    if held_up := _held_up(sinks):
        cause = held_up[0].trouble
        why = f": {cause.text}" if cause else ""
        remedy = f"get sink {held_up[0].name!r} going{why}; then compare the tables with what the stream has"
        return trouble.model_copy(update={"remedy": remedy})
    return trouble


def _late(sink: Sink) -> Trouble:
    waits = f"a change has waited for sink {sink.name!r} for {duration(sink.lag_seconds or 0.0)}"
    if sink.state == "delivering" and sink.seconds_left is not None:
        return Trouble(text=f"{waits}; it catches up, and needs {duration(sink.seconds_left)} more")
    return Trouble(
        text=waits,
        remedy="see whether its stream takes what is written: docs/operations.md, ForwarderChangesLate",
        is_urgent=True,
    )


def letter_troubles(backlogs: Sequence[Backlog]) -> Iterator[Trouble]:
    """Changes that were set aside."""
    for backlog in backlogs:
        if backlog.dead_letters:
            more = "" if backlog.dead_letters < 10_000 else " or more"
            changes = "change was" if backlog.dead_letters == 1 else "changes were"
            yield Trouble(
                text=f"{backlog.dead_letters:,}{more} {changes} set aside for sink {backlog.sink!r}",
                remedy=f"forwarder dead-letters list --sink {backlog.sink}; then retry or discard them",
            )


def load_troubles(loads: Sequence[Load]) -> Iterator[Trouble]:
    """Loads that have failed."""
    for load in loads:
        if load.state is LoadState.FAILED:
            why, _, remedy = (load.error or "").partition("; ")
            then = f"{remedy}; then " if remedy else ""
            yield Trouble(
                text=f"the load of {load.qualified_name} for sink {load.sink!r} has failed: {why}",
                remedy=f"{then}forwarder load {load.qualified_name} again, or --cancel to give it up",
            )


def table_troubles(tables: Sequence[Table]) -> Iterator[Trouble]:
    """Tables of which changes are missed, or may have been, or would be."""
    drifted = [table for table in tables if table.state == "drifted"]
    gaps = [table for table in tables if table.state == "gap"]
    partial = [table for table in tables if table.state == "captured" and table.detail]
    if drifted:
        yield Trouble(
            text=_of_tables("not captured as it should be", drifted),
            remedy="run `forwarder migrate`, and compare with what the stream has",
            is_urgent=True,
        )
    if gaps:
        yield Trouble(
            text=_of_tables("changes may be missing", gaps),
            remedy="compare what consumers hold: forwarder verify TABLE",
        )
    if partial:
        yield Trouble(text=_of_tables("not captured in full", partial), remedy="run `forwarder migrate`")


def _of_tables(what: str, tables: Sequence[Table]) -> str:
    names = sorted({table.table for table in tables})
    more = f" and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else ""
    details = {table.detail.partition("; ")[0] for table in tables}
    why = f" ({details.pop()})" if len(details) == 1 else ""
    return f"{what}: {', '.join(names[:_MOST_NAMED])}{more}{why}"


def verdict(sinks: Sequence[Sink], warnings: Sequence[Trouble], *, has_tables: bool) -> Verdict:
    """Whether all is well; if not, the worst of what is wrong."""
    urgent = [sink.trouble for sink in sinks if sink.trouble and sink.trouble.is_urgent]
    urgent += [warning for warning in warnings if warning.is_urgent]
    # What a stuck sink lacks waits for it. What is missed is missed for good.
    urgent.sort(key=lambda trouble: trouble.text != _MISSED)
    if urgent:
        more = f" (and {len(urgent) - 1} more)" if urgent[1:] else ""
        return Verdict(is_well=False, summary=f"{urgent[0].text}{more}", remedy=urgent[0].remedy)
    if not has_tables:
        return Verdict(
            is_well=False, summary="no table is captured", remedy="forwarder migrate --table 'public.*', for example"
        )
    if not sinks:
        return Verdict(is_well=False, summary="no listener was ever started, and nothing is delivered", remedy=START)
    if waiting := [sink.name for sink in sinks if sink.state != "delivering"]:
        return Verdict(
            is_well=False,
            summary=f"no listener leads sink {waiting[0]!r} yet, one is about to",
            remedy="look again in some seconds",
        )
    if warnings:
        more = f" (and {len(warnings) - 1} more)" if warnings[1:] else ""
        return Verdict(is_well=True, summary=f"{_well(sinks)}; but {warnings[0].text}{more}", remedy=warnings[0].remedy)
    return Verdict(is_well=True, summary=_well(sinks))


def _well(sinks: Sequence[Sink]) -> str:
    names = f"sink {sinks[0].name!r} is" if len(sinks) == 1 else f"all {len(sinks)} sinks are"
    waiting = sum(sink.lag_events or 0 for sink in sinks)
    oldest = max(sink.lag_seconds or 0.0 for sink in sinks)
    if not waiting:
        return f"{names} delivered to, and nothing waits"
    changes = "1 change waits" if waiting == 1 else f"{waiting:,} changes wait"
    return f"{names} delivered to; {changes}, the oldest for {duration(oldest)}"
