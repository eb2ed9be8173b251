"""The relay against the far side of its seam: a sink that rejects, fails after storing, holds, is slow, or stores a part."""

from __future__ import annotations

import random
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

import anyio
import anyio.lowlevel
import pytest

from forwarder.delivery import linger, retries
from forwarder.delivery import relay as relay_module
from forwarder.delivery.buffer import READY_REQUESTS
from forwarder.delivery.lease import LEASE_SECONDS, Lease
from forwarder.delivery.quarantine import Quarantine
from forwarder.delivery.relay import Relay
from forwarder.delivery.schedules.fifo import Fifo
from forwarder.delivery.schedules.lanes import Lanes
from forwarder.delivery.schedules.unordered import Unordered
from forwarder.delivery.sink import Rejection
from forwarder.delivery.uptime import uptime_seconds
from forwarder.errors import Invalid, Refused, Torn, Unavailable, Vanished
from forwarder.health import Phase, ServiceState
from forwarder.metrics import Metrics
from forwarder.outbox.position import Position, Snapshot
from forwarder.records.packing import Packed
from forwarder.records.record import Record, Stretch
from forwarder.sinks.kinesis.pacing import Pacing
from tests.support.relays import METRICS, START, ReadySink, page_of, relay_to, running

Answer = Sequence[Rejection]


class ScriptedSink(ReadySink):
    """Keeps what it stores in a list, and does with a request what its script says."""

    def __init__(
        self, script: Callable[[ScriptedSink, Sequence[Record]], Awaitable[Answer]], *, max_in_flight: int = 16
    ) -> None:
        self.max_in_flight = max_in_flight
        self.stored: list[Record] = []
        self.under_way: list[Sequence[Record]] = []
        self.most_in_flight = 0
        self.requests = 0
        self._script = script

    async def publish(self, records: Sequence[Record]) -> Answer:
        keys = [record.partition_key for request in [*self.under_way, records] for record in request]
        assert len(keys) == len(set(keys)), "two records of one key are under way"
        assert len(records) <= self.max_records
        self.under_way.append(records)
        self.most_in_flight = max(self.most_in_flight, len(self.under_way))
        try:
            return await self._script(self, records)
        finally:
            self.under_way.remove(records)

    def first_occurrences(self) -> dict[str, list[int]]:
        """By key, the seqs in the order they were stored first."""
        first = dict.fromkeys((record.partition_key, record.seq) for record in self.stored)
        by_key: dict[str, list[int]] = {}
        for key, seq in first:
            by_key.setdefault(key, []).append(seq)
        return by_key

    def stored_without_gap(self) -> int:
        """The seq up to which all is stored."""
        stored = {record.seq for record in self.stored}
        return next(seq for seq in range(len(stored) + 1) if seq + 1 not in stored)


async def store(sink: ScriptedSink, records: Sequence[Record]) -> Answer:
    sink.stored += records
    return ()


class Gate:
    """A script that holds every request until it is told how to answer."""

    def __init__(self) -> None:
        self._answers: list[tuple[Sequence[Record], anyio.Event]] = []

    async def __call__(self, sink: ScriptedSink, records: Sequence[Record]) -> Answer:
        opened = anyio.Event()
        self._answers.append((records, opened))
        await opened.wait()
        return await store(sink, records)

    def held(self) -> list[list[int]]:
        return [[record.seq for record in records] for records, opened in self._answers if not opened.is_set()]

    def open(self, seq: int) -> None:
        """Let the request with this seq pass."""
        next(opened for records, opened in self._answers if seq in [record.seq for record in records]).set()


def offer(relay: Relay, *records: tuple[int, str], size: int = 1) -> Position:
    """Offer one page; the position after it is told by its last seq."""
    undelivered = {seq for seq, _ in records}
    last_seq = records[-1][0] if records else relay.position.last_seq
    position = Position(delivered=Snapshot(1, 1), floor_seq=0, last_seq=last_seq)
    packed = [Record(seq, key, b"x" * size, undelivered) for seq, key in records]
    relay.offer(page_of(*packed), position)
    return position


@pytest.fixture(autouse=True)
def _short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retries, "FIRST_SECONDS", 0.0001)
    monkeypatch.setattr(retries, "MAX_SECONDS", 0.001)
    monkeypatch.setattr(retries, "REJECTED_MAX_SECONDS", 0.001)


class Chaos:
    """A script of chances: rejections, failures before, amid and after storing, pauses; in the end all is stored."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        self.relay: Relay | None = None

    async def __call__(self, sink: ScriptedSink, records: Sequence[Record]) -> Answer:
        assert self.relay is not None
        for _ in range(self.chance.randrange(5)):
            await anyio.lowlevel.checkpoint()
        fate = self.chance.choice(["store", "store", "reject", "reject all", "lose", "lose after", "lose amid", "slow"])
        kept = list(records)
        if fate in ("reject", "lose amid"):
            kept = [record for record in records if self.chance.random() < 0.5]
        elif fate in ("lose", "reject all"):
            kept = []
        self.chance.shuffle(kept)
        sink.stored += kept
        assert self.relay.position.last_seq <= sink.stored_without_gap()
        if fate == "slow":
            await anyio.sleep(0.002)
        if fate.startswith("lose"):
            raise Unavailable("the response was lost")
        return [Rejection(record=record, code="Throttled") for record in records if record not in kept]


@pytest.mark.parametrize("seed", range(12))
async def test_order_per_key_survives_rejections_and_lost_responses(seed: int) -> None:
    chaos = Chaos(seed)
    sink = ScriptedSink(chaos, max_in_flight=chaos.chance.choice([1, 3, 16]))
    sink.max_records = chaos.chance.choice([1, 3, 500])
    relay = chaos.relay = relay_to(sink, max_events=40)
    keys = [f"key {chaos.chance.randrange(8)}" for _ in range(200)]
    changes = list(enumerate(keys, start=1))

    with anyio.fail_after(30):
        async with running(relay):
            for start in range(0, 200, 10):
                await relay.room()
                offer(relay, *changes[start : start + 10])
            await relay.settled()

    assert sink.first_occurrences() == {key: [seq for seq, k in changes if k == key] for key in set(keys)}
    assert relay.position.last_seq == 200


async def test_many_requests_are_in_flight_and_never_two_of_one_key() -> None:
    gate = Gate()
    sink = ScriptedSink(gate, max_in_flight=4)
    sink.max_records = 1
    relay = relay_to(sink)

    async with running(relay):
        offer(relay, *[(seq, f"key {seq % 3}") for seq in range(1, 10)])
        await anyio.wait_all_tasks_blocked()
        assert gate.held() == [[1], [2], [3]]

        gate.open(2)
        await anyio.wait_all_tasks_blocked()
        assert gate.held() == [[1], [3], [5]]


async def test_no_more_requests_are_in_flight_than_the_sink_takes() -> None:
    gate = Gate()
    sink = ScriptedSink(gate, max_in_flight=2)
    sink.max_records = 1
    relay = relay_to(sink)

    async with running(relay):
        offer(relay, (1, "a"), (2, "b"), (3, "c"))
        await anyio.wait_all_tasks_blocked()
        assert gate.held() == [[1], [2]]

        gate.open(2)
        await anyio.wait_all_tasks_blocked()
        assert gate.held() == [[1], [3]]


async def test_no_more_bytes_are_under_way_than_memory_has_room_for_twice_over(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(relay_module, "UNDER_WAY_BYTES", 100)
    gate = Gate()
    sink = ScriptedSink(gate)
    sink.max_records = 1
    relay = relay_to(sink)

    async with running(relay):
        offer(relay, (1, "a"), (2, "b"), (3, "c"), size=60)
        offer(relay, (4, "d"), size=500)
        offer(relay, (5, "e"))
        await anyio.wait_all_tasks_blocked()
        assert gate.held() == [[1], [2]]

        gate.open(2)
        await anyio.wait_all_tasks_blocked()
        assert gate.held() == [[1], [3]]

        gate.open(1)
        gate.open(3)
        await anyio.wait_all_tasks_blocked()
        assert gate.held() == [[4]]

        gate.open(4)
        await anyio.wait_all_tasks_blocked()
        assert gate.held() == [[5]]


async def test_lost_response_delivers_the_batch_again() -> None:
    async def lose_the_first(sink: ScriptedSink, records: Sequence[Record]) -> Answer:
        first = not sink.stored
        await store(sink, records)
        if first:
            raise Unavailable("the response was lost")
        return ()

    sink = ScriptedSink(lose_the_first)
    relay = relay_to(sink)

    async with running(relay):
        offer(relay, (1, "a"), (2, "b"), (3, "a"))
        with anyio.fail_after(5):
            await relay.settled()

    assert sorted(record.seq for record in sink.stored) == [1, 1, 2, 2, 3]
    assert sink.first_occurrences() == {"a": [1, 3], "b": [2]}


async def test_a_rejected_record_holds_up_its_own_lane_and_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retries, "FIRST_SECONDS", 3600.0)
    monkeypatch.setattr(retries, "MAX_SECONDS", 3600.0)

    async def reject_a(sink: ScriptedSink, records: Sequence[Record]) -> Answer:
        await store(sink, [record for record in records if record.partition_key != "a"])
        return [Rejection(record=record, code="Throttled") for record in records if record.partition_key == "a"]

    sink = ScriptedSink(reject_a)
    relay = relay_to(sink)

    async with running(relay):
        offer(relay, (1, "a"), (2, "b"), (3, "a"), (4, "b"))
        await anyio.wait_all_tasks_blocked()

    assert [record.seq for record in sink.stored] == [2, 4]


async def test_the_position_moves_only_past_a_gap_free_prefix() -> None:
    gate = Gate()
    sink = ScriptedSink(gate)
    sink.max_records = 1
    relay = relay_to(sink)

    async with running(relay):
        first = offer(relay, (1, "a"), (2, "b"))
        second = offer(relay, (3, "c"))
        await anyio.wait_all_tasks_blocked()

        gate.open(3)
        gate.open(2)
        await anyio.wait_all_tasks_blocked()
        assert relay.position is START

        gate.open(1)
        await anyio.wait_all_tasks_blocked()
        assert relay.position is second
        assert first is not second


async def test_inside_a_page_the_position_stands_before_the_first_undelivered_change() -> None:
    gate = Gate()
    sink = ScriptedSink(gate)
    sink.max_records = 1
    relay = relay_to(sink)

    async with running(relay):
        end = offer(relay, (1, "a"), (2, "b"), (5, "c"))
        await anyio.wait_all_tasks_blocked()
        gate.open(1)
        gate.open(2)
        await anyio.wait_all_tasks_blocked()

        assert relay.position == START.within(end, before_seq=5, ceiling_seq=5)
        assert relay.position.batch is not None
        assert relay.position.batch.last_seq == 4


async def test_a_page_without_records_moves_the_position_when_its_turn_comes() -> None:
    gate = Gate()
    relay = relay_to(ScriptedSink(gate))

    async with running(relay):
        offer(relay, (1, "a"))
        await anyio.wait_all_tasks_blocked()
        empty = offer(relay)
        assert relay.position is START

        gate.open(1)
        await anyio.wait_all_tasks_blocked()
        assert relay.position is empty


async def test_a_later_snapshot_alone_is_no_progress() -> None:
    relay = relay_to(ScriptedSink(store))
    before = relay.progress

    empty = offer(relay)

    assert relay.position is empty
    assert relay.progress == before


async def test_the_end_of_a_batch_is_progress_even_without_records() -> None:
    relay = relay_to(ScriptedSink(store))
    entered = START.entering(Snapshot(5, 5), floor_seq=1, ceiling_seq=9)
    async with running(relay):
        relay.offer(page_of(Record(1, "a", b"x", {1})), entered.advanced(1))
        await relay.settled()
    before = relay.progress

    relay.offer(page_of(), entered.advanced(1).finished())

    assert relay.progress > before


async def test_each_change_of_an_aggregate_is_progress() -> None:
    relay = relay_to(ScriptedSink(store), schedule=Lanes(Pacing(), aggregate_bytes=1 << 20))
    async with running(relay):
        offer(relay, *((seq, "key") for seq in range(1, 301)))
        with anyio.fail_after(5):
            await relay.settled()

    assert relay.progress == 300


async def test_whoever_waits_for_progress_is_woken_by_a_delivery() -> None:
    gate = Gate()
    relay = relay_to(ScriptedSink(gate))
    progress = relay.progress

    async with running(relay), anyio.create_task_group() as tasks:
        tasks.start_soon(relay.moved_to, progress + 1)
        offer(relay, (1, "a"))
        await anyio.wait_all_tasks_blocked()
        assert relay.progress == progress
        gate.open(1)

    assert relay.progress != progress


@pytest.mark.parametrize(("max_events", "max_bytes"), [(3, 1000), (1000, 30)])
async def test_reading_waits_while_memory_is_full(max_events: int, max_bytes: int) -> None:
    gate = Gate()
    sink = ScriptedSink(gate)
    sink.max_records = 1
    relay = relay_to(sink, max_events=max_events, max_bytes=max_bytes)
    has_room = anyio.Event()

    async def wait_for_room() -> None:
        await relay.room()
        has_room.set()

    async with running(relay), anyio.create_task_group() as tasks:
        await relay.room()
        offer(relay, (1, "a"), (2, "b"), (3, "c"), size=10)
        tasks.start_soon(wait_for_room)
        await anyio.wait_all_tasks_blocked()
        assert not has_room.is_set()

        gate.open(2)
        await anyio.wait_all_tasks_blocked()
        assert has_room.is_set()


async def test_reading_waits_while_the_next_requests_can_be_filled_from_memory() -> None:
    gate = Gate()
    sink = ScriptedSink(gate, max_in_flight=1)
    sink.max_records = 2
    relay = relay_to(sink)
    enough = READY_REQUESTS * sink.max_records
    wanted = anyio.Event()

    async def wait_for_room() -> None:
        await relay.room()
        wanted.set()

    async with running(relay), anyio.create_task_group() as tasks:
        offer(relay, *[(seq, f"key {seq}") for seq in range(1, enough + 3)])
        await anyio.wait_all_tasks_blocked()
        tasks.start_soon(wait_for_room)
        await anyio.wait_all_tasks_blocked()
        assert not wanted.is_set()

        gate.open(1)
        await anyio.wait_all_tasks_blocked()
        assert wanted.is_set()


async def test_reading_goes_on_while_every_lane_waits() -> None:
    gate = Gate()
    relay = relay_to(ScriptedSink(gate))

    async with running(relay):
        offer(relay, *[(seq, "hot") for seq in range(1, 501)])
        await anyio.wait_all_tasks_blocked()
        with anyio.fail_after(1):
            await relay.room()


@pytest.mark.parametrize(("linger_seconds", "held"), [(3600.0, [[3, 4]]), (0.0, [[3, 4], [5]])])
async def test_a_small_request_waits_a_moment_for_a_page_that_is_on_its_way(
    linger_seconds: float, held: list[list[int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(linger, "LINGER_SECONDS", linger_seconds)
    gate = Gate()
    sink = ScriptedSink(gate)
    sink.max_records = 2
    relay = relay_to(sink)

    async with running(relay):
        offer(relay, (1, "a"), (2, "b"), (3, "c"), (4, "d"), (5, "a"))
        relay.expect_page()
        await anyio.wait_all_tasks_blocked()
        gate.open(1)
        await anyio.wait_all_tasks_blocked()
        assert gate.held() == held

        offer(relay, (6, "e"))
        await anyio.wait_all_tasks_blocked()
        assert [seq for request in gate.held() for seq in request] == [3, 4, 5, 6]


async def test_a_small_request_waits_for_no_page_while_nothing_is_under_way() -> None:
    gate = Gate()
    relay = relay_to(ScriptedSink(gate))

    async with running(relay):
        offer(relay, (1, "a"))
        relay.expect_page()
        await anyio.wait_all_tasks_blocked()
        assert gate.held() == [[1]]


@pytest.mark.parametrize("is_page_held", [False, True])
async def test_few_lanes_that_fill_the_memory_travel_in_several_requests(
    monkeypatch: pytest.MonkeyPatch, *, is_page_held: bool
) -> None:
    monkeypatch.setattr(linger, "LINGER_SECONDS", 3600.0)
    gate = Gate()
    relay = relay_to(ScriptedSink(gate), max_events=400)

    async with running(relay):
        offer(relay, *[(seq, f"key {seq % 200}") for seq in range(1, 401)])
        if is_page_held:
            # It has to wait for room, so nothing waits for it.
            relay.expect_page()
        await anyio.wait_all_tasks_blocked()
        assert [len(request) for request in gate.held()] == [100, 100]


async def test_the_last_requests_wait_for_no_page(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(linger, "LINGER_SECONDS", 3600.0)
    gate = Gate()
    relay = relay_to(ScriptedSink(gate))

    async with running(relay):
        offer(relay, (1, "a"), (2, "a"), (3, "b"))
        await anyio.wait_all_tasks_blocked()
        relay.expect_page()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(relay.settled)
            await anyio.wait_all_tasks_blocked()
            gate.open(1)
            await anyio.wait_all_tasks_blocked()
            assert gate.held() == [[2]]
            gate.open(2)


async def test_settled_waits_for_the_last_record_and_its_retries() -> None:
    attempts = 0

    async def fail_twice(sink: ScriptedSink, records: Sequence[Record]) -> Answer:
        nonlocal attempts
        attempts += 1
        if attempts < 3:
            return [Rejection(record=record, code="Throttled") for record in records]
        return await store(sink, records)

    sink = ScriptedSink(fail_twice)
    relay = relay_to(sink)

    async with running(relay):
        await relay.settled()
        offer(relay, (1, "a"))
        with anyio.fail_after(5):
            await relay.settled()

    assert [record.seq for record in sink.stored] == [1]


async def test_a_refusal_ends_the_relay() -> None:
    async def refuse(_: ScriptedSink, __: Sequence[Record]) -> Answer:
        raise Refused("the record is too large")

    relay = relay_to(ScriptedSink(refuse))
    offer(relay, (1, "a"))

    with pytest.raises(ExceptionGroup) as error:
        await relay.run()

    assert error.group_contains(Refused, match="too large")


async def test_trouble_shows_until_the_sink_stores_something_again() -> None:
    answers = [Unavailable("no answer"), "reject", "store"]
    state = ServiceState()
    seen: list[str | None] = []

    async def scripted(sink: ScriptedSink, records: Sequence[Record]) -> Answer:
        seen.append(state.trouble)
        answer = answers.pop(0)
        if isinstance(answer, Unavailable):
            raise answer
        if answer == "reject":
            return [Rejection(record=record, code="Throttled") for record in records]
        return await store(sink, records)

    relay = relay_to(ScriptedSink(scripted), state=state)
    async with running(relay):
        offer(relay, (1, "a"))
        with anyio.fail_after(5):
            await relay.settled()

    assert seen == [None, "no answer", "no answer"]
    assert state.trouble is None


@pytest.mark.parametrize("seed", range(4))
async def test_a_line_keeps_the_order_of_all_records_over_failed_writes(seed: int) -> None:
    chance = random.Random(seed)

    async def write_or_fail(sink: ScriptedSink, records: Sequence[Record]) -> Answer:
        await anyio.lowlevel.checkpoint()
        written = chance.randrange(len(records) + 1)
        if chance.random() < 0.5:
            sink.stored += records[:written]
            raise Unavailable("the disk is full")
        return await store(sink, records)

    sink = ScriptedSink(write_or_fail, max_in_flight=1)
    sink.max_records = 3
    relay = relay_to(sink, schedule=Fifo())
    async with running(relay):
        for start in range(1, 40, 4):
            # Unlike a lane's, a line's records need no keys in common to keep their order.
            offer(relay, *[(seq, str(seq)) for seq in range(start, start + 4)])
            await anyio.lowlevel.checkpoint()
        with anyio.fail_after(10):
            await relay.settled()

    assert list(dict.fromkeys(record.seq for record in sink.stored)) == list(range(1, 41))


def poisoned(*seqs: int) -> Callable[[ScriptedSink, Sequence[Record]], Awaitable[Answer]]:
    """A script that refuses any request with one of these, and does not say for which."""

    async def refuse(sink: ScriptedSink, records: Sequence[Record]) -> Answer:
        if not {record.seq for record in records}.isdisjoint(seqs):
            raise Invalid("one of them is odd", code="ValidationException")
        return await store(sink, records)

    return refuse


async def test_poison_is_found_set_aside_and_holds_nothing_else_up() -> None:
    sink, quarantine = ScriptedSink(poisoned(7, 300)), Quarantine(METRICS)
    relay = relay_to(sink, quarantine=quarantine)
    async with running(relay):
        last = offer(relay, *((seq, f"key {seq}") for seq in range(1, 501)))
        with anyio.fail_after(5):
            await relay.settled()

    assert sorted(record.seq for record in sink.stored) == [seq for seq in range(1, 501) if seq not in (7, 300)]
    assert sorted(change.seq for change in quarantine.take()) == [7, 300]
    assert relay.position is last


async def test_behind_poison_its_own_lane_goes_on() -> None:
    sink, quarantine = ScriptedSink(poisoned(1)), Quarantine(METRICS)
    relay = relay_to(sink, quarantine=quarantine)
    async with running(relay):
        offer(relay, (1, "a"), (2, "a"), (3, "b"))
        with anyio.fail_after(5):
            await relay.settled()

    assert sink.first_occurrences() == {"a": [2], "b": [3]}


def aggregates_poisoned(*seqs: int) -> Callable[[ScriptedSink, Sequence[Record]], Awaitable[Answer]]:
    """As ``poisoned``; what travels with a record is stored with it, or refused with it."""

    async def refuse(sink: ScriptedSink, records: Sequence[Record]) -> Answer:
        together = [each for record in records for each in (record, *record.followers)]
        if not {record.seq for record in together}.isdisjoint(seqs):
            raise Invalid("one of them is odd", code="ValidationException")
        sink.requests += 1
        return await store(sink, together)

    return refuse


@pytest.mark.parametrize("poison", [(1,), (77,), (1000,), (1, 2, 500, 999)])
async def test_of_an_aggregate_that_is_refused_only_what_is_at_fault_is_set_aside(poison: tuple[int, ...]) -> None:
    sink, quarantine = ScriptedSink(aggregates_poisoned(*poison)), Quarantine(METRICS)
    relay = relay_to(sink, schedule=Lanes(Pacing(), aggregate_bytes=1 << 20), quarantine=quarantine)
    async with running(relay):
        last = offer(relay, *((seq, "key") for seq in range(1, 1001)))
        offer(relay, (1001, "other"))
        with anyio.fail_after(5):
            await relay.settled()

    good = [seq for seq in range(1, 1001) if seq not in poison]
    assert sink.first_occurrences() == {"key": good, "other": [1001]}
    assert len(sink.stored) == len(good) + 1
    assert [change.seq for change in quarantine.take()] == list(poison)
    assert relay.position.last_seq > last.last_seq
    assert sink.requests < 20 * len(poison)


async def test_a_lane_that_is_halted_for_one_change_has_delivered_what_travelled_before_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(retries, "REFUSED_SECONDS", 0.001)
    poison = {500}
    sink = ScriptedSink(lambda sink, records: aggregates_poisoned(*poison)(sink, records))
    quarantine = Quarantine(METRICS, halts_lanes=True)
    relay = relay_to(sink, schedule=Lanes(Pacing(), aggregate_bytes=1 << 20), quarantine=quarantine)
    async with running(relay):
        offer(relay, *((seq, "key") for seq in range(1, 1001)))
        with anyio.fail_after(5):
            while len(sink.stored) < 499:
                await anyio.lowlevel.checkpoint()
        poison.clear()
        with anyio.fail_after(5):
            await relay.settled()

    assert [record.seq for record in sink.stored] == [*range(1, 1001)]
    assert not quarantine.take()


@pytest.mark.parametrize("seed", range(8))
async def test_order_per_key_survives_requests_that_are_refused_for_their_size(seed: int) -> None:
    chance = random.Random(seed)

    async def refuse_some(sink: ScriptedSink, records: Sequence[Record]) -> Answer:
        await anyio.lowlevel.checkpoint()
        fate = chance.choice(["store", "too large", "too large", "throttle", "lose", "lose after"])
        together = [each for record in records for each in (record, *record.followers)]
        if fate == "too large":
            divides = len(together) > 1
            wait = 0.0 if divides else 0.001
            is_final = divides and len(records) == 1
            return [Rejection(record=r, code="413", is_final=is_final, wait_seconds=wait) for r in records]
        if fate == "throttle":
            return [Rejection(record=record, code="Throttled") for record in records]
        if fate != "lose":
            sink.stored += together
        if fate.startswith("lose"):
            raise Unavailable("the response was lost")
        return ()

    sink, quarantine = ScriptedSink(refuse_some, max_in_flight=4), Quarantine(METRICS)
    relay = relay_to(
        sink, schedule=Lanes(Pacing(), aggregate_bytes=chance.choice([0, 200, 1 << 20])), quarantine=quarantine
    )
    changes = [(seq, f"key {chance.randrange(4)}") for seq in range(1, 301)]
    with anyio.fail_after(30):
        async with running(relay):
            for start in range(0, 300, 30):
                offer(relay, *changes[start : start + 30])
                await anyio.lowlevel.checkpoint()
            await relay.settled()

    keys = {key for _, key in changes}
    assert sink.first_occurrences() == {key: [seq for seq, k in changes if k == key] for key in keys}
    assert not quarantine.take()
    assert relay.position.last_seq == 300


async def test_a_halted_lane_waits_and_the_others_do_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retries, "REFUSED_SECONDS", 0.001)
    poison = {1}
    sink = ScriptedSink(lambda sink, records: poisoned(*poison)(sink, records))
    state = ServiceState()
    relay = relay_to(sink, quarantine=Quarantine(METRICS, halts_lanes=True), state=state)
    async with running(relay):
        offer(relay, (1, "a"), (2, "a"), (3, "b"), (4, "b"))
        with anyio.fail_after(5):
            while sink.first_occurrences() != {"b": [3, 4]}:
                await anyio.lowlevel.checkpoint()
        assert relay.position is START
        poison.clear()
        with anyio.fail_after(5):
            await relay.settled()

    assert sink.first_occurrences() == {"b": [3, 4], "a": [1, 2]}


async def test_a_halted_lane_shows_for_as_long_as_it_is_halted_whatever_others_deliver(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(retries, "REFUSED_SECONDS", 0.001)
    poison = {1, 2}
    sink = ScriptedSink(lambda sink, records: poisoned(*poison)(sink, records))
    state = ServiceState(phase=Phase.LEADING)
    relay = relay_to(sink, quarantine=Quarantine(METRICS, halts_lanes=True), state=state)

    async def stored(seq: int) -> None:
        while seq not in [record.seq for record in sink.stored]:
            await anyio.lowlevel.checkpoint()

    async with running(relay):
        with anyio.fail_after(5):
            offer(relay, (1, "row 7"), (2, "row 8"), (3, "b"))
            await stored(3)
            for seq in range(4, 20):
                offer(relay, (seq, "b"))
                await stored(seq)
                assert "change 1 for good" in (state.reason or "")
                assert "1 more" in (state.reason or "")
                assert "row" not in (state.reason or "")
            poison.remove(1)
            await stored(1)
            assert "change 2 for good" in (state.reason or "")
            assert not state.ready
            poison.clear()
            await relay.settled()
    assert state.ready


async def deliver_again(relay: Relay, packed: Packed) -> None:
    """Send dead letters again, to the end."""
    await relay.offer_again(packed)
    await relay.delivered(packed)


async def test_what_was_set_aside_is_delivered_again_without_moving_the_position() -> None:
    sink = ScriptedSink(store)
    relay = relay_to(sink)
    async with running(relay):
        last = offer(relay, (8, "a"), (9, "b"))
        with anyio.fail_after(5):
            await deliver_again(relay, page_of(Record(5, "a", b"x", {5})))
            await relay.settled()

    assert 5 in [record.seq for record in sink.stored]
    assert relay.position is last


@pytest.mark.parametrize("refused", ["letter", "live"])
async def test_a_letter_and_the_change_it_was_made_of_in_one_request_are_not_confused(refused: str) -> None:
    sent: list[list[str]] = []
    state = ServiceState(trouble="an earlier one")

    async def refuse_once(sink: ScriptedSink, records: Sequence[Record]) -> Answer:
        sent.append([record.partition_key for record in records])
        first = len(sent) == 1
        return [Rejection(record=r, code="Throttled") for r in records if first and r.partition_key == refused]

    relay = relay_to(ScriptedSink(refuse_once), schedule=Unordered(Pacing()), state=state)
    end = offer(relay, (1, "live"))
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(deliver_again, relay, page_of(Record(1, "letter", b"x", {1})))
        await anyio.wait_all_tasks_blocked()
        async with running(relay):
            with anyio.fail_after(5):
                await relay.settled()

    assert sent == [["live", "letter"], [refused]]
    assert relay.position == end
    assert state.trouble is None


class Due(Lanes):
    """Lanes of which some shard could have been asked again a second ago, and how often they were asked about it."""

    asked = 0

    def next_due(self) -> float | None:
        Due.asked += 1
        return anyio.current_time() - 1


async def test_while_no_further_request_may_be_sent_nothing_is_done_about_what_is_due() -> None:
    gate = Gate()
    relay = relay_to(ScriptedSink(gate, max_in_flight=1), schedule=Due(Pacing()))
    async with running(relay):
        offer(relay, (1, "a"), (2, "a"))
        await anyio.wait_all_tasks_blocked()
        assert gate.held() == [[1]]
        before = Due.asked
        for _ in range(100):
            await anyio.lowlevel.checkpoint()
        assert Due.asked == before


async def test_nothing_is_sent_when_the_lease_is_over() -> None:
    sink = ScriptedSink(store)
    relay = relay_to(sink, lease=Lease(asked_at=uptime_seconds() - LEASE_SECONDS))
    offer(relay, (1, "a"))

    with pytest.raises(ExceptionGroup) as raised:
        await relay.run()

    assert raised.group_contains(Unavailable, match="the leadership could not be proved")
    assert sink.stored == []


async def test_a_record_that_comes_back_is_not_sent_again_when_the_lease_is_over_by_then() -> None:
    class Ending(Lease):
        """Over as soon as the first request was made."""

        def check(self, *, now: float) -> None:
            super().check(now=now if offers == 0 else now + LEASE_SECONDS)

    offers = 0

    async def lose_the_answer(sink: ScriptedSink, records: Sequence[Record]) -> Answer:
        nonlocal offers
        offers += 1
        raise Unavailable("no answer")

    sink = ScriptedSink(lose_the_answer)
    relay = relay_to(sink, lease=Ending(asked_at=uptime_seconds()))
    offer(relay, (1, "a"))

    with pytest.raises(ExceptionGroup) as raised, anyio.fail_after(30):
        await relay.run()

    assert raised.group_contains(Unavailable, match="the leadership could not be proved")
    assert offers == 1


TRUNCATE = "TRUNCATE"


def page_of_changes(*changes: tuple[int, str, str]) -> Packed:
    """A page of changes: seq, table, and the row's key or TRUNCATE."""
    stretches: list[Stretch] = []
    records = []
    for seq, table, key in changes:
        is_barrier = key == TRUNCATE
        last = next((stretch for stretch in reversed(stretches) if stretch.table == ord(table)), None)
        if last is None or last.is_barrier is not is_barrier:
            last = Stretch(ord(table), set(), is_barrier)
            stretches.append(last)
        last.undelivered.add(seq)
        records.append(Record(seq, table if is_barrier else f"{table}.{key}", b"x", last.undelivered))
    return Packed(records=records, stretches=stretches)


def after(packed: Packed) -> Position:
    return Position(delivered=Snapshot(1, 1), floor_seq=0, last_seq=packed.records[-1].seq)


@pytest.mark.parametrize("seed", range(12))
async def test_a_truncate_keeps_its_place_over_rejections_and_lost_responses_and_in_a_small_memory(seed: int) -> None:
    chaos = Chaos(seed)
    sink = ScriptedSink(chaos, max_in_flight=chaos.chance.choice([1, 3, 16]))
    sink.max_records = chaos.chance.choice([1, 3, 500])
    relay = chaos.relay = relay_to(sink, max_events=20)
    keys = ["1", "2", "3", "4", TRUNCATE, TRUNCATE] if seed % 2 else [*map(str, range(20)), TRUNCATE]
    changes = [(seq, chaos.chance.choice("ab"), chaos.chance.choice(keys)) for seq in range(1, 201)]
    with anyio.fail_after(30):
        async with running(relay):
            for start in range(0, 200, 10):
                await relay.room()
                packed = page_of_changes(*changes[start : start + 10])
                relay.offer(packed, after(packed))
            await relay.settled()

    assert relay.position.last_seq == 200
    assert (relay.records, relay.bytes) == (0, 0)
    for truncate, table, key in changes:
        if key == TRUNCATE:
            stored = [record.seq for record in sink.stored if record.partition_key[0] == table]
            first, last = stored.index(truncate), len(stored) - 1 - stored[::-1].index(truncate)
            assert all(seq < truncate for seq in stored[:first])
            assert all(seq > truncate for seq in stored[last + 1 :])
            assert set(stored[first : last + 1]) == {truncate}


async def test_a_table_whose_truncate_waits_holds_no_other_up_and_memory_counts_what_waits() -> None:
    gate = Gate()
    sink = ScriptedSink(gate)
    sink.max_records = 1
    relay = relay_to(sink, max_events=6)
    first = page_of_changes((1, "a", "1"), (2, "a", TRUNCATE), (3, "a", "1"), (4, "a", "2"), (5, "b", "1"))
    second = page_of_changes((6, "a", "3"), (7, "b", "1"))
    async with running(relay):
        relay.offer(first, after(first))
        await relay.room()
        relay.offer(second, after(second))
        await anyio.wait_all_tasks_blocked()
        assert gate.held() == [[1], [5]]
        assert (relay.records, relay.bytes, relay.waiting_for_barriers) == (7, 7, 4)
        with anyio.move_on_after(0.01) as waited:
            await relay.room()
        assert waited.cancelled_caught

        gate.open(5)
        await anyio.wait_all_tasks_blocked()
        assert gate.held() == [[1], [7]]
        gate.open(1)
        await anyio.wait_all_tasks_blocked()
        assert gate.held() == [[7], [2]]
        assert relay.position == START.within(after(first), before_seq=2, ceiling_seq=5)
        gate.open(2)
        await anyio.wait_all_tasks_blocked()
        assert gate.held() == [[7], [3], [4], [6]]
        for seq in (3, 4, 6, 7):
            gate.open(seq)
        with anyio.fail_after(5):
            await relay.settled()
    assert relay.position == after(second)


async def test_what_was_set_aside_before_waits_for_no_truncate_of_today_but_keeps_its_own_in_place() -> None:
    gate = Gate()
    relay = relay_to(ScriptedSink(gate))
    live = page_of_changes((8, "a", "1"), (9, "a", TRUNCATE))
    async with running(relay), anyio.create_task_group() as tasks:
        relay.offer(live, after(live))
        tasks.start_soon(deliver_again, relay, page_of_changes((1, "a", "2"), (2, "a", TRUNCATE), (3, "a", "2")))
        await anyio.wait_all_tasks_blocked()
        assert gate.held() == [[8], [1]]
        gate.open(1)
        await anyio.wait_all_tasks_blocked()
        assert gate.held() == [[8], [2]]
        gate.open(8)
        await anyio.wait_all_tasks_blocked()
        # One lane with the other TRUNCATE.
        assert gate.held() == [[2]]
        gate.open(2)
        await anyio.wait_all_tasks_blocked()
        assert gate.held() == [[9, 3]]
        gate.open(9)


@pytest.mark.parametrize(("halts_lanes", "stored"), [(True, [1, 2, 3]), (False, [2, 3])])
async def test_a_halted_lane_holds_the_truncate_of_its_table_and_a_change_that_is_set_aside_does_not(
    monkeypatch: pytest.MonkeyPatch, *, halts_lanes: bool, stored: list[int]
) -> None:
    monkeypatch.setattr(retries, "REFUSED_SECONDS", 0.001)
    poison = {1}
    sink = ScriptedSink(lambda sink, records: poisoned(*poison)(sink, records))
    relay = relay_to(sink, quarantine=Quarantine(METRICS, halts_lanes=halts_lanes))
    changes = page_of_changes((1, "a", "1"), (2, "a", TRUNCATE), (3, "a", "2"), (4, "b", "1"), (5, "b", "1"))
    async with running(relay):
        relay.offer(changes, after(changes))
        with anyio.fail_after(5):
            while 5 not in [record.seq for record in sink.stored]:
                await anyio.lowlevel.checkpoint()
            if halts_lanes:
                assert [record.seq for record in sink.stored] == [4, 5]
                poison.clear()
            await relay.settled()
    assert [record.seq for record in sink.stored if record.partition_key[0] == "a"] == stored


class Body:
    """Data that is read when it is asked for; of which nothing is left once it was given up."""

    is_too_large = False

    def __init__(self, data: bytes, *, is_gone: bool = False) -> None:
        self._data = data
        self._is_gone = is_gone
        self.was_read = False

    @property
    def size(self) -> int:
        return len(self._data)

    async def parts(self) -> AsyncIterator[bytes]:
        if self._is_gone:
            raise Vanished("discarded")
        self.was_read = True
        for byte in self._data:
            yield bytes([byte])


def large_page_of(*records: tuple[int, Body | None]) -> Packed:
    """Records of one lane, the first with a body and all after it for later."""
    undelivered = {seq for seq, _ in records}
    made = [Record(seq, "a", b"" if body else b"x", undelivered, body=body) for seq, body in records]
    now = next(number for number, record in enumerate(made) if record.body)
    stretches = [Stretch(1, undelivered)]
    return Packed(records=made[:now], later=deque(made[now:]), stretches=stretches)


class TornBody(Body):
    """Of which a part was read when somebody took it away, and which is another one then."""

    async def parts(self) -> AsyncIterator[bytes]:
        yield b"old"
        if not self.was_read:
            self.was_read = True
            raise Torn("taken away")


async def test_what_is_taken_away_while_it_is_read_is_read_from_the_beginning() -> None:
    sink = ScriptedSink(store)
    relay = relay_to(sink)
    packed = large_page_of((1, None), (2, TornBody(b"xxxxx")), (3, None))

    async with running(relay):
        relay.offer(packed, START)
        await relay.follow(packed.later)
        with anyio.fail_after(5):
            await relay.settled()

    assert [(record.seq, len(record.data)) for record in sink.stored] == [(1, 1), (2, 3), (3, 1)]
    assert packed.is_delivered


async def test_large_records_are_read_one_after_the_other_when_there_is_room_and_keep_their_places() -> None:
    gate = Gate()
    sink = ScriptedSink(gate)
    relay = relay_to(sink, max_bytes=10)
    first, second = Body(b"x" * 12), Body(b"y" * 12)
    packed = large_page_of((1, None), (2, first), (3, None), (4, second), (5, None))

    async with running(relay), anyio.create_task_group() as tasks:
        relay.offer(packed, START)
        tasks.start_soon(relay.follow, packed.later)
        await anyio.wait_all_tasks_blocked()
        assert (first.was_read, second.was_read) == (True, False)
        # What was handed over is nobody's but the relay's, or it would be in memory until the last of its page has its turn.
        assert [record.seq for record in packed.later] == [5]
        for seq in range(1, 6):
            gate.open(seq)
            await anyio.wait_all_tasks_blocked()
        assert second.was_read
        with anyio.fail_after(5):
            await relay.settled()

    assert [(record.seq, len(record.data)) for record in sink.stored] == [(1, 1), (2, 12), (3, 1), (4, 12), (5, 1)]
    assert packed.is_delivered


async def test_a_large_letter_that_was_given_up_before_it_was_read_holds_nothing_up() -> None:
    sink = ScriptedSink(store)
    relay = relay_to(sink)

    async with running(relay):
        with anyio.fail_after(5):
            await deliver_again(relay, large_page_of((1, None), (2, Body(b"", is_gone=True)), (3, None)))

    assert [record.seq for record in sink.stored] == [1, 3]


async def test_the_bytes_that_are_stored_include_those_of_followers() -> None:
    metrics = Metrics()
    relay = relay_to(
        ScriptedSink(store),
        schedule=Lanes(Pacing(), aggregate_bytes=1000),
        metrics=metrics.sink("default"),
    )
    offer(relay, (1, "a"), (2, "a"), (3, "a"), size=20)

    async with running(relay):
        with anyio.fail_after(5):
            await relay.settled()

    assert b'forwarder_sink_bytes_total{sink="default"} 60.0' in metrics.exposition()
