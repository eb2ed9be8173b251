from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import anyio
import pytest
from anyio.lowlevel import checkpoint

from forwarder.delivery.lease import LEASE_SECONDS, Lease
from forwarder.delivery.quarantine import Quarantine
from forwarder.delivery.tenure import Tenure
from forwarder.delivery.uptime import uptime_seconds
from forwarder.listen.checkpoints import Checkpoints
from forwarder.metrics import Metrics
from forwarder.outbox.delivered_ahead import Ahead
from forwarder.outbox.position import NOTHING, Position, Snapshot
from forwarder.records.record import SetAside
from forwarder.records.tally import Tally
from tests.support.unwatched import Unwatched
from tests.waiting import eventually

# A disk that takes so many bytes a second: a portion takes less than the lease, all of what was set aside much more.
BYTES_A_SECOND = 4 << 20


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


class Relay:
    """What a checkpoint asks of it."""

    progress = 1
    position = Position(delivered=NOTHING, floor_seq=0)
    ahead: Ahead | None = None

    def take_passed(self) -> Tally:
        return Tally()

    async def moved_to(self, progress: int) -> None:
        while self.progress < progress:
            await checkpoint()


class Statistics:
    """Of a sink that was told nothing."""

    async def add_up(self) -> bool:
        return True


unchanging: Any = Statistics()


class SlowPositions:
    """Stores as fast as the disk takes it, and remembers in what order."""

    def __init__(self, clock: Clock, lease: Lease) -> None:
        self._clock = clock
        self._lease = lease
        self.kept: list[int] = []
        self.kept_at_save: int | None = None
        self.noted: list[Ahead | None] = []
        self.proofs = 0

    async def keep(self, aside: Sequence[SetAside]) -> None:
        self._clock.now += sum(change.size for change in aside) / BYTES_A_SECOND
        self._lease.check(now=self._clock.now)
        self.kept += [change.seq for change in aside]

    async def prove(self) -> None:
        self.proofs += 1

    async def save(
        self,
        position: Position,
        *,
        aside: Sequence[SetAside] = (),
        ahead: Ahead | None = None,
        tally: Tally | None = None,
    ) -> int:
        self.kept_at_save = len(self.kept)
        self.noted.append(ahead)
        await self.keep(aside)
        return 0


async def test_a_save_that_sets_gigabytes_aside_outlasts_no_lease_and_passes_nothing_before_it_is_kept(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock = Clock()
    monkeypatch.setattr("forwarder.listen.checkpoints.uptime_seconds", clock)
    lease = Lease(asked_at=0.0)
    positions = SlowPositions(clock, lease)
    quarantine = Quarantine(Metrics().sink("default"))
    quarantine.isolate(
        [SetAside(seq=seq, partition_key="", size=4 << 20, code="oversize", reason="") for seq in range(256)]
    )
    relay: Any = Relay()
    anything: Any = positions
    checkpoints = Checkpoints(
        anything,
        anyio.Lock(),
        relay=relay,
        tenure=Tenure(position=relay.position, lease=lease, quarantine=quarantine, arrivals=Unwatched()),
        raise_floor=lambda _: None,
        statistics=unchanging,
        tell_saved=lambda _: None,
        tell_passed=lambda _: None,
        interval_seconds=0.2,
    )
    relay.progress = 2

    await checkpoints.save()

    assert clock.now > LEASE_SECONDS
    assert positions.kept == list(range(256))
    # The last of them are kept in the transaction that passes them all.
    assert positions.kept_at_save == 252


async def test_what_the_leader_before_has_noted_is_kept_until_there_is_more_to_note() -> None:
    def ahead(xmax: int, *, last_seq: int | None = None) -> Ahead:
        end = Position(delivered=Snapshot(xmax, xmax), floor_seq=0)
        if last_seq is not None:
            end = replace(end, delivered=NOTHING).entering(Snapshot(xmax, xmax), floor_seq=0, ceiling_seq=99)
            end = end.advanced(last_seq)
        return Ahead(end=end, undelivered=frozenset({1}))

    lease, relay = Lease(asked_at=uptime_seconds()), Relay()
    positions: Any = SlowPositions(Clock(), lease)
    anything: Any = relay
    checkpoints = Checkpoints(
        positions,
        anyio.Lock(),
        relay=anything,
        tenure=Tenure(
            position=relay.position,
            ahead=ahead(20, last_seq=50),
            lease=lease,
            quarantine=Quarantine(Metrics().sink("default")),
            arrivals=Unwatched(),
        ),
        raise_floor=lambda _: None,
        statistics=unchanging,
        tell_saved=lambda _: None,
        tell_passed=lambda _: None,
        interval_seconds=0.0,
    )
    # A batch that leads further on, from before what is noted, has come to its lower seqs only.
    offers = [
        None,
        ahead(10),
        ahead(20, last_seq=49),
        ahead(20, last_seq=51),
        ahead(20),
        ahead(40, last_seq=30),
        ahead(30),
    ]
    for offer in offers:
        relay.progress, relay.ahead = relay.progress + 1, offer
        await checkpoints.save()

    assert positions.noted == [None, None, None, offers[3], offers[4], None, offers[6]]


async def test_the_leadership_is_proved_while_what_is_saved_waits_to_be_noted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("forwarder.listen.checkpoints.HEARTBEAT_SECONDS", 0.01)
    lease, relay = Lease(asked_at=uptime_seconds()), Relay()
    positions = SlowPositions(Clock(), lease)
    anything: Any = positions
    moving: Any = relay
    checkpoints = Checkpoints(
        anything,
        anyio.Lock(),
        relay=moving,
        tenure=Tenure(
            position=relay.position, lease=lease, quarantine=Quarantine(Metrics().sink("default")), arrivals=Unwatched()
        ),
        raise_floor=lambda _: None,
        statistics=unchanging,
        tell_saved=lambda _: None,
        tell_passed=lambda _: None,
        interval_seconds=3600.0,
    )

    async def has_saved_twice() -> bool:
        # Once with a note, and once more while the next note is not due.
        relay.progress = min(3, len(positions.noted) + 2)
        return len(positions.noted) == 2

    async def has_proved() -> bool:
        return positions.proofs > before

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(checkpoints.run)
        await eventually(has_saved_twice)
        before = positions.proofs
        await eventually(has_proved)
        tasks.cancel_scope.cancel()
