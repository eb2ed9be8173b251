"""The running processes as their announcements show them: who leads each sink, who stands by, and what they say of it. Pure."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from forwarder.health import Phase
from forwarder.status.document import Live, Point, Process, Shard
from forwarder.store.listeners import Listener, Standing

_BEGINNING = (Phase.STARTING.value, Phase.RECONNECTING.value)


@dataclass(frozen=True, slots=True, kw_only=True)
class Processes:
    """Those that have announced themselves."""

    alive: Sequence[Listener]
    # Those that are gone: what they were set up for may hold still.
    gone: Sequence[Listener] = ()

    def leader(self, sink: str) -> tuple[Listener, Standing] | None:
        """Who says that it leads a sink, and has said so last: one that was killed or frozen a moment ago says it no more."""
        return next(iter(self._standing(sink, Phase.LEADING.value, Phase.STOPPING.value)), None)

    def beginner(self, sink: str) -> tuple[Listener, Standing] | None:
        """Who is about to lead it, and would rather be: one with a trouble comes first."""
        found = self._standing(sink, *_BEGINNING)
        return min(found, key=lambda pair: pair[1].trouble is None, default=None)

    def standby(self, sink: str) -> tuple[Listener, Standing] | None:
        """Somebody who waits to lead it."""
        return next(iter(self._standing(sink, Phase.STANDBY.value)), None)

    def target(self, sink: str) -> str | None:
        """Where a sink sends, as a process says that serves it."""
        return next((found.target for one in self._known if (found := one.says.sinks.get(sink))), None)

    def patterns(self, sink: str) -> Sequence[str] | None:
        """The tables that a sink is for, as a process says that serves it; None: nobody says it."""
        return next((found.tables for one in self._known if (found := one.says.sinks.get(sink))), None)

    @property
    def _known(self) -> Sequence[Listener]:
        return [*self.alive, *self.gone]

    def _standing(self, sink: str, *phases: str) -> Sequence[tuple[Listener, Standing]]:
        found = [(one, one.says.sinks[sink]) for one in self.alive if sink in one.says.sinks]
        chosen = [(one, standing) for one, standing in found if standing.phase in phases]
        return sorted(chosen, key=lambda pair: pair[0].silent_seconds)


def sorted_out(listeners: Sequence[Listener], own: Listener | None, *, led: Collection[str]) -> Processes:
    """Who of them is there still.

    Args:
        own: this process, as it is now; None: it is no listener.
        led: the sinks whose leader's lock is held. Who says that it leads some, and has none of these locks, was killed a moment ago.
    """
    others = [one for one in listeners if not (own and one.id == own.id)]
    gone = [one for one in others if one.is_gone or _has_lost(one, led)]
    alive = [one for one in others if one not in gone]
    return Processes(alive=[*alive, own] if own else alive, gone=gone)


def _has_lost(listener: Listener, led: Collection[str]) -> bool:
    leads = listener.says.of_phase(Phase.LEADING.value)
    return bool(leads) and not any(sink in led for sink in leads)


def process(listener: Listener) -> Process:
    """A process as the document shows it."""
    says = listener.says
    return Process(
        host=listener.host,
        pid=listener.pid,
        version=listener.version,
        started_at=listener.started_at,
        seen_at=listener.seen_at,
        leads=says.of_phase(Phase.LEADING.value),
        stands_by=says.of_phase(Phase.STANDBY.value),
    )


def live(standing: Standing) -> Live | None:
    """What the leader says of a sink; None: it has no figures yet."""
    figures = standing.figures
    if figures is None:
        return None
    return Live(
        phase=standing.phase,
        now=Point(
            captured=figures.now.captured,
            delivered=figures.now.delivered,
            oldest_seconds=figures.now.oldest_seconds,
            p50_ms=figures.now.p50_ms,
            p99_ms=figures.now.p99_ms,
        ),
        captured_per_second=figures.captured_per_second,
        delivered_per_second=figures.delivered_per_second,
        bytes_per_second=figures.bytes_per_second,
        requests_per_second=figures.requests_per_second,
        in_flight=figures.in_flight,
        memory_records=figures.memory_records,
        memory_bytes=figures.memory_bytes,
        request_p50_ms=figures.request_p50_ms,
        request_p99_ms=figures.request_p99_ms,
        latency_p50_ms=figures.latency_p50_ms,
        latency_p99_ms=figures.latency_p99_ms,
        shards=[Shard(name=shard.name, share=shard.share, throttles=shard.throttles) for shard in figures.shards],
        hot_lanes=list(figures.hot_lanes),
    )
