from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pytest

from forwarder.config.settings import OutboxSettings
from forwarder.health import OutboxState, Phase, ServiceState
from forwarder.listen.sampler import Sampler
from forwarder.metrics import Metrics
from forwarder.outbox.backlog_warnings import Backlog
from forwarder.outbox.survey import Survey


@dataclass
class Memory:
    in_flight: int = 1
    records: int = 0
    bytes: int = 0
    waiting_for_barriers: int = 0
    done: int = 0

    def oldest_seconds(self) -> float:
        return 0.2

    def hottest(self, count: int) -> Sequence[int]:
        return [5, 1, 1][:count]


class Measured(Survey):
    """What is waiting is set here."""

    waiting: Backlog | None = None
    measured_at = 0.0

    def backlog(self, sink: str) -> Backlog | None:
        return self.waiting


@pytest.fixture
def metrics() -> Metrics:
    return Metrics()


@pytest.fixture
def survey(metrics: Metrics) -> Measured:
    return Measured(settings=OutboxSettings(), state=OutboxState(), metrics=metrics.outbox)


@pytest.fixture
def state() -> ServiceState:
    return ServiceState(phase=Phase.LEADING)


@pytest.fixture
def sampler(metrics: Metrics, survey: Measured, state: ServiceState) -> Sampler:
    return Sampler(survey, metrics.doorbell, {"changes": (state, metrics.sink("changes").totals)})


def test_what_comes_and_goes_is_told_by_what_is_in_memory_and_what_is_done(sampler: Sampler, metrics: Metrics) -> None:
    memory = Memory()
    metrics.sink("changes").watch(memory)
    sampler.sample(now=0.0)
    memory.records, memory.done = 30, 70
    sampler.sample(now=1.0)
    figures = sampler.figures("changes")
    assert figures is not None
    assert (figures.now.captured, figures.now.delivered) == (100.0, 70.0)
    assert (figures.memory_records, figures.in_flight, figures.hot_lanes) == (30, 1, [5])


def test_another_tenure_begins_anew(sampler: Sampler, metrics: Metrics) -> None:
    metrics.sink("changes").watch(Memory(done=1_000_000))
    sampler.sample(now=0.0)
    sampler.sample(now=1.0)
    metrics.sink("changes").watch(Memory(done=3))
    sampler.sample(now=2.0)
    assert sampler.points()["changes"] == ()


def test_a_standby_has_no_figures(sampler: Sampler, metrics: Metrics, state: ServiceState) -> None:
    metrics.sink("changes").watch(Memory())
    sampler.sample(now=0.0)
    state.phase = Phase.STANDBY
    sampler.sample(now=1.0)
    assert sampler.figures("changes") is None
    assert sampler.points() == {}


def test_the_age_of_the_oldest_change_is_that_of_the_outbox_where_it_has_waited_there(
    sampler: Sampler, metrics: Metrics, survey: Measured
) -> None:
    metrics.sink("changes").watch(Memory())
    ages = []
    for now, waiting in enumerate((None, 0.4, 3600.0)):
        survey.waiting, survey.measured_at = Backlog(sink="changes", waiting_seconds=waiting), now - 2.0
        sampler.sample(now=float(now))
        figures = sampler.figures("changes")
        assert figures is not None
        ages.append(figures.now.oldest_seconds)
    assert ages == [None, 0.2, 3602.0]


def test_rings_are_told_as_a_rate(sampler: Sampler, metrics: Metrics) -> None:
    assert sampler.rings_per_second is None
    sampler.sample(now=0.0)
    for _ in range(6):
        metrics.doorbell.rung()
    sampler.sample(now=2.0)
    assert sampler.rings_per_second == 3.0
