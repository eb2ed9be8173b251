"""Whether each sink is delivered to, by this process or by one that it stands by for, and what an operator should look at. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict
from typing import Any

from forwarder.health import OutboxState, Phase, ServiceState


def is_ready(states: Mapping[str, ServiceState], *, when_stuck: bool) -> bool:
    """Whether all sinks are ready; ``when_stuck``: also those that are led, or stood by for, and that something is in the way of."""
    return all(
        state.ready or (when_stuck and state.phase in (Phase.LEADING, Phase.STANDBY)) for state in states.values()
    )


def readiness(states: Mapping[str, ServiceState], outbox: OutboxState, *, ready: bool) -> dict[str, Any]:
    """What ``/readyz`` answers."""
    return {
        "status": "ready" if ready else "not ready",
        "sinks": {name: _shown(state) for name, state in states.items()},
        "warnings": [*outbox.warnings, *_warnings(states)],
    }


def _shown(state: ServiceState) -> dict[str, Any]:
    loads = {"loads": [asdict(load) for load in state.loads]} if state.loads else {}
    return {"phase": state.phase.value, "trouble": state.reason, **loads}


def _warnings(states: Mapping[str, ServiceState]) -> Iterator[str]:
    yield from (state.warning for state in states.values() if state.warning)
    for state in states.values():
        yield from state.stream_warnings
        yield from state.load_warnings
