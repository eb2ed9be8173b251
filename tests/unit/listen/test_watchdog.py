"""What the watchdog says of a sink that does not get on, beside what others have said."""

from __future__ import annotations

from collections.abc import Sequence

import anyio
import pytest

from forwarder.delivery.sink import Rejection
from forwarder.health import ServiceState
from forwarder.listen import stall
from forwarder.listen.watchdog import Watchdog
from forwarder.outbox.position import Position, Snapshot
from forwarder.records.record import Record
from tests.support.relays import ReadySink, page_of, relay_to


class Idle(ReadySink):
    """A sink that nobody asks."""

    async def publish(self, records: Sequence[Record]) -> Sequence[Rejection]:
        raise NotImplementedError


@pytest.mark.parametrize(
    ("halt", "reason"), [(None, "although 1 changes wait"), ("the sink refuses change 7", "change 7")]
)
async def test_a_halted_lane_explains_by_itself_why_nothing_is_acknowledged(
    monkeypatch: pytest.MonkeyPatch, halt: str | None, reason: str
) -> None:
    monkeypatch.setattr(stall, "STILL_SECONDS", 0.0)
    state = ServiceState(halt=halt)
    relay = relay_to(Idle(), state=state)
    relay.offer(page_of(Record(1, "a", b"x", {1})), Position(delivered=Snapshot(1, 1), floor_seq=0, last_seq=1))
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(Watchdog(relay, state).run)
        await anyio.wait_all_tasks_blocked()
        tasks.cancel_scope.cancel()
    assert reason in (state.reason or "")
