from __future__ import annotations

from forwarder.health import OutboxState, Phase, ServiceState
from forwarder.status.readiness import is_ready, readiness


def test_all_sinks_have_to_be_ready() -> None:
    states = {"one": ServiceState(phase=Phase.LEADING), "other": ServiceState(phase=Phase.STANDBY)}
    assert is_ready(states, when_stuck=False)
    states["other"].phase = Phase.STARTING
    assert not is_ready(states, when_stuck=False)
    assert not is_ready(states, when_stuck=True)


def test_a_stuck_sink_counts_as_it_is_asked_to() -> None:
    for state in (
        ServiceState(phase=Phase.LEADING, trouble="no stream"),
        ServiceState(phase=Phase.LEADING, halt="a lane waits"),
        ServiceState(phase=Phase.STANDBY, usurpation="a stranger has the lock"),
    ):
        assert not is_ready({"default": state}, when_stuck=False)
        assert is_ready({"default": state}, when_stuck=True)


def test_it_says_what_is_in_the_way_although_it_counts_as_ready() -> None:
    state = ServiceState(phase=Phase.LEADING, trouble="no stream", load_warnings=("a load has failed",))
    told = readiness({"default": state}, OutboxState(warnings=("large",)), ready=True)
    assert told == {
        "status": "ready",
        "sinks": {"default": {"phase": "leading", "trouble": "no stream"}},
        "warnings": ["large", "a load has failed"],
    }
