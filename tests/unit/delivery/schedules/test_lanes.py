from __future__ import annotations

import sys

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from forwarder.delivery.schedules.lanes import Lanes
from forwarder.records.record import Record
from forwarder.sinks.kinesis.pacing import Pacing
from tests.machines import machine_tests

KEYS = ("a", "b", "c", "schlüssel")
MANY = 10**9


def records_of(*keys: str, size: int = 1) -> list[Record]:
    undelivered = set(range(1, len(keys) + 1))
    return [Record(seq, key, b"x" * size, undelivered) for seq, key in enumerate(keys, start=1)]


def take_all(lanes: Lanes) -> list[Record]:
    return list(lanes.take(max_records=MANY, max_bytes=MANY, now=0.0))


class LanesMachine(RuleBasedStateMachine):
    """Any order of arrivals, offers, deliveries and rejections, against one list a key."""

    @initialize()
    def start(self) -> None:
        self.lanes = Lanes(Pacing())
        self.waiting: dict[str, list[Record]] = {key: [] for key in KEYS}
        self.offered: list[Record] = []
        self.settled: dict[str, list[int]] = {key: [] for key in KEYS}
        self.arrived: dict[str, list[int]] = {key: [] for key in KEYS}
        self.seq = 0

    @rule(keys=st.lists(st.sampled_from(KEYS), max_size=6), size=st.integers(0, 20))
    def arrive(self, keys: list[str], size: int) -> None:
        undelivered = set(range(self.seq + 1, self.seq + len(keys) + 1))
        arrivals = []
        for key in keys:
            self.seq += 1
            arrivals.append(Record(self.seq, key, b"x" * size, undelivered))
        self.lanes.extend(arrivals)
        for record in arrivals:
            self.waiting[record.partition_key].append(record)
            self.arrived[record.partition_key].append(record.seq)

    @rule(max_records=st.integers(1, 4), max_bytes=st.integers(1, 40))
    def take(self, max_records: int, max_bytes: int) -> None:
        ready = sum(1 for lane in self.waiting.values() if lane) - len(self.offered)
        taken = self.lanes.take(max_records=max_records, max_bytes=max_bytes, now=0.0)

        assert len(taken) <= max_records
        assert bool(taken) == bool(ready)
        size = sum(len(record.data) + len(record.partition_key.encode()) for record in taken)
        assert size <= max_bytes or len(taken) == 1
        for record in taken:
            assert record is self.waiting[record.partition_key][0]
        self.offered.extend(taken)

    @precondition(lambda self: self.offered)
    @rule(picks=st.lists(st.integers(0, 5), min_size=1, max_size=4))
    def settle(self, picks: list[int]) -> None:
        delivered = self.remove_from_offered(picks)
        self.lanes.settle(delivered)
        for record in delivered:
            self.waiting[record.partition_key].remove(record)
            self.settled[record.partition_key].append(record.seq)

    @precondition(lambda self: self.offered)
    @rule(picks=st.lists(st.integers(0, 5), min_size=1, max_size=4))
    def put_back(self, picks: list[int]) -> None:
        self.lanes.put_back(self.remove_from_offered(picks))

    def remove_from_offered(self, picks: list[int]) -> list[Record]:
        return [self.offered.pop(pick % len(self.offered)) for pick in picks if self.offered]

    @invariant()
    def a_key_has_one_record_offered_at_most(self) -> None:
        keys = [record.partition_key for record in self.offered]
        assert len(keys) == len(set(keys))

    @invariant()
    def a_key_is_settled_in_the_order_of_arrival(self) -> None:
        for key in KEYS:
            assert self.settled[key] == self.arrived[key][: len(self.settled[key])]

    @invariant()
    def the_counters_are_exact(self) -> None:
        records = [record for lane in self.waiting.values() for record in lane]
        assert self.lanes.records == len(records)
        assert self.lanes.bytes == sum(len(record.data) for record in records)
        assert self.lanes.ready == sum(1 for lane in self.waiting.values() if lane) - len(self.offered)
        assert set().union(*(record.undelivered for record in records)) == {record.seq for record in records}

    def teardown(self) -> None:
        self.lanes.put_back(self.offered)
        while taken := take_all(self.lanes):
            self.lanes.settle(taken)
            for record in taken:
                self.settled[record.partition_key].append(record.seq)
        assert self.settled == self.arrived
        assert (self.lanes.records, self.lanes.bytes) == (0, 0)


TestLanes, TestLanesAtLength = machine_tests(LanesMachine, runs=25, steps=50)


def test_the_request_limit_counts_the_bytes_of_partition_keys() -> None:
    lanes = Lanes(Pacing())
    lanes.extend(records_of("ä", "ö", size=1))

    assert len(lanes.take(max_records=500, max_bytes=5, now=0.0)) == 1
    assert len(lanes.take(max_records=500, max_bytes=5, now=0.0)) == 1


def test_a_rejected_record_does_not_hold_up_other_lanes() -> None:
    lanes = Lanes(Pacing())
    lanes.extend(records_of("a", "a", "b", "b"))
    a, b = take_all(lanes)

    lanes.settle([b])

    assert [record.seq for record in take_all(lanes)] == [4]
    lanes.put_back([a])
    assert [record.seq for record in take_all(lanes)] == [1]


def test_a_lane_of_a_million_records_can_be_dropped() -> None:
    lanes = Lanes(Pacing())
    lanes.extend(records_of(*["hot"] * 1_000_000))

    del lanes  # A chain of that length, freed record by record, would overflow the stack.


def test_lanes_that_are_dropped_free_what_they_hold_whatever_has_become_of_it() -> None:
    """A listener that loses its connection drops them; the garbage collector does not look at records."""
    data = b"x" * 1000
    references = sys.getrefcount(data)
    lanes = Lanes(Pacing(), aggregate_bytes=3000)
    undelivered = set(range(40))
    lanes.extend([Record(seq, f"key {seq % 8}", data, undelivered) for seq in range(40)])
    settled, back, *_ = lanes.take(max_records=4, max_bytes=MANY, now=0.0)
    lanes.settle([settled])
    lanes.put_back([back])

    del lanes, settled, back, _

    assert sys.getrefcount(data) == references
