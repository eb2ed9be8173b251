"""Large objects on their way, beside the requests: what they hold up, what is said of them, and what becomes of their records."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import replace

import anyio
import pytest

from forwarder.delivery import uploads as uploads_module
from forwarder.delivery.buffer import Schedule
from forwarder.delivery.schedules.lanes import Lanes
from forwarder.delivery.schedules.unordered import Unordered
from forwarder.delivery.sink import Rejection
from forwarder.delivery.uploads import MAX_UPLOADS
from forwarder.errors import ForwarderError, Unavailable, Vanished
from forwarder.health import Phase, ServiceState
from forwarder.records.record import Attachment, Record
from forwarder.sinks.kinesis.pacing import Pacing
from tests.large import Whole
from tests.support.relays import START, ReadySink, page_of, relay_to, running
from tests.waiting import eventually

END = replace(START, last_seq=1000)


class Stream(ReadySink):
    """Stores everything, and remembers its order."""

    max_in_flight = 1

    def __init__(self) -> None:
        self.stored: list[int] = []

    async def publish(self, records: Sequence[Record]) -> Sequence[Rejection]:
        for record in records:
            assert record.attachment is None
            self.stored += [record.seq, *(follower.seq for follower in record.followers)]
        return ()


class Objects:
    """A store that answers as it is told: by holding, by an error, or by storing."""

    def __init__(self) -> None:
        self.stored: list[str] = []
        self.error: ForwarderError | None = None
        self.attempts = 0
        self.under_way = self.most_under_way = 0
        self.opened = anyio.Event()

    async def prepare(self) -> None:
        """Always there."""

    async def watch(self) -> None:
        """Nothing to look after."""

    async def put(self, attachment: Attachment) -> None:
        self.attempts += 1
        self.under_way += 1
        self.most_under_way = max(self.most_under_way, self.under_way)
        try:
            await self.opened.wait()
            if self.error:
                raise self.error
            self.stored.append(attachment.key)
        finally:
            self.under_way -= 1


class Rig:
    """A relay with a stream and a store."""

    def __init__(self, schedule: Schedule) -> None:
        self.state = ServiceState(phase=Phase.LEADING)
        self.stream, self.objects = Stream(), Objects()
        self.relay = relay_to(self.stream, schedule=schedule, object_store=self.objects, state=self.state)

    def running(self) -> AbstractAsyncContextManager[None]:
        return running(self.relay)

    def offer(self, *records: tuple[str, bool]) -> None:
        """A page of records in order of seq: the key of each, and whether it is large."""
        undelivered = set(range(1, len(records) + 1))
        packed = [
            Record(seq, key, b"x", undelivered, attachment=Attachment("b", str(seq), Whole(b"y")) if large else None)
            for seq, (key, large) in enumerate(records, start=1)
        ]
        self.relay.offer(page_of(*packed), END)

    async def settled(self) -> None:
        with anyio.fail_after(5):
            await self.relay.settled()


@pytest.fixture(autouse=True)
def _short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uploads_module, "RETRY_MAX_SECONDS", 0.001)


def schedules() -> list[Schedule]:
    return [Lanes(Pacing()), Lanes(Pacing(), aggregate_bytes=1000), Unordered(Pacing())]


@pytest.mark.parametrize("schedule", range(3), ids=["lanes", "aggregated", "unordered"])
async def test_a_store_that_hangs_takes_no_request_and_holds_up_its_own_lanes_alone(schedule: int) -> None:
    rig = Rig(schedules()[schedule])
    large = [(f"large {number}", True) for number in range(20)]
    small = [(f"small {number}", False) for number in range(300)]
    async with rig.running():
        rig.offer(*large, *small, ("large 0", False))
        await anyio.wait_all_tasks_blocked()
        last = 321
        waiting = {*range(1, 21)} | (set() if schedule == 2 else {last})
        assert set(rig.stream.stored) == {*range(1, last + 1)} - waiting
        assert rig.relay.position == START
        assert rig.objects.most_under_way == MAX_UPLOADS

        rig.objects.opened.set()
        await rig.settled()
    assert sorted(rig.stream.stored) == list(range(1, last + 1))
    assert rig.relay.position == END
    assert len(rig.objects.stored) == 20
    assert rig.objects.most_under_way == MAX_UPLOADS


@pytest.mark.parametrize("aggregate_bytes", [0, 1000])
async def test_a_lane_of_small_and_large_records_keeps_its_order(aggregate_bytes: int) -> None:
    rig = Rig(Lanes(Pacing(), aggregate_bytes=aggregate_bytes))
    rig.objects.opened.set()
    async with rig.running():
        rig.offer(*[("key", number % 3 == 1) for number in range(30)])
        await rig.settled()
    assert rig.stream.stored == list(range(1, 31))
    assert rig.objects.stored == [str(seq) for seq in range(2, 31, 3)]


async def test_why_something_is_not_stored_shows_until_everything_is_whatever_else_is_delivered() -> None:
    rig = Rig(Lanes(Pacing()))
    rig.objects.opened.set()
    rig.objects.error = Unavailable("AccessDenied")
    async with rig.running():
        rig.offer(("large", True), ("small", False), ("other", True))
        await eventually(rig_is(rig, attempts=6))
        assert rig.stream.stored == [2]
        assert "AccessDenied" in (rig.state.reason or "")
        assert not rig.state.ready

        rig.objects.error = None
        await rig.settled()
    assert rig.state.ready


def rig_is(rig: Rig, *, attempts: int) -> Callable[[], Awaitable[bool]]:
    async def so_often() -> bool:
        return rig.objects.attempts >= attempts

    return so_often


@pytest.mark.parametrize("schedule", range(3), ids=["lanes", "aggregated", "unordered"])
async def test_a_change_that_was_given_up_meanwhile_is_not_sent_and_its_lane_goes_on(schedule: int) -> None:
    rig = Rig(schedules()[schedule])
    rig.objects.opened.set()
    rig.objects.error = Vanished("discarded")
    async with rig.running():
        rig.offer(("key", True), ("key", False))
        await rig.settled()
    assert rig.stream.stored == [2]
    assert rig.relay.position == END
    assert rig.state.ready


async def test_what_is_on_its_way_when_the_tenure_ends_leaves_no_trouble_behind() -> None:
    rig = Rig(Lanes(Pacing()))
    rig.objects.opened.set()
    rig.objects.error = Unavailable("gone")
    async with rig.running():
        rig.offer(("large", True))
        await eventually(rig_is(rig, attempts=2))
        assert rig.state.upload_trouble
    assert rig.state.upload_trouble is None
