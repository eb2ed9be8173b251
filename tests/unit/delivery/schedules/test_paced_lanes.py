from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from itertools import islice

from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from forwarder.delivery.schedules.aggregates import part
from forwarder.delivery.schedules.lanes import Lanes
from forwarder.delivery.schedules.turns import LONGEST_REST_SECONDS, ShardOf
from forwarder.records import kpl
from forwarder.records.record import Record
from forwarder.sinks.kinesis.pacing import Pacing
from tests.machines import machine_tests

MANY = 1 << 30


def records(*keys: str, size: int = 100) -> list[Record]:
    undelivered = set(range(len(keys)))
    return [Record(seq, key, bytes(size), undelivered) for seq, key in enumerate(keys)]


def first_letter(key: str | int) -> str:
    return str(key)[0]


def upper(key: str | int) -> str:
    return str(key).upper()


def lanes_by_letter(pacing: Pacing | None = None, *, aggregate_bytes: int = 0) -> Lanes:
    return Lanes(pacing or Pacing(), shard_of=first_letter, aggregate_bytes=aggregate_bytes)


def regroup(lanes: Lanes, shard_of: ShardOf) -> int:
    """Regroup all at once; how many steps that took."""
    return sum(1 for _ in lanes.regroup(shard_of))


def take(lanes: Lanes, now: float, *, max_records: int = 500) -> Sequence[Record]:
    return lanes.take(max_records=max_records, max_bytes=MANY, now=now)


def keys_of(offered: Sequence[Record]) -> list[str]:
    return [record.partition_key for record in offered]


def exhausted(shard: str, now: float) -> Pacing:
    pacing = Pacing()
    pacing.throttled(shard, now, sent=now)
    while pacing.admits(shard, 10 << 10, now):
        pass
    return pacing


def test_without_a_shard_map_the_longest_ready_is_offered_first() -> None:
    lanes = Lanes(Pacing())
    lanes.extend(records("c", "a", "c", "b"))
    assert keys_of(take(lanes, 0.0)) == ["c", "a", "b"]


def test_a_hot_shard_slows_only_its_own_lanes() -> None:
    lanes = lanes_by_letter(exhausted("h", 0.0))
    lanes.extend(records("h1", "h2", "c1", "h3", "c2"))
    assert keys_of(take(lanes, 0.0)) == ["c1", "c2"]


def test_heads_of_a_resting_shard_are_not_ready() -> None:
    lanes = lanes_by_letter(exhausted("h", 0.0))
    lanes.extend(records("h1", "h2", "c1"))
    take(lanes, 0.0, max_records=1)
    take(lanes, 0.0, max_records=1)
    assert lanes.ready == 0
    due = lanes.next_due()
    assert due is not None
    take(lanes, due, max_records=1)
    assert lanes.ready == 1


def test_next_due_is_when_the_resting_shard_admits_again() -> None:
    lanes = lanes_by_letter(exhausted("h", 0.0))
    assert lanes.next_due() is None
    lanes.extend(records("h1"))
    assert not take(lanes, 0.0)
    due = lanes.next_due()
    assert due is not None
    assert not take(lanes, due - 0.001)
    assert keys_of(take(lanes, due)) == ["h1"]


def test_a_throttled_shard_rests_although_it_has_tokens() -> None:
    pacing = Pacing()
    lanes = lanes_by_letter(pacing)
    lanes.extend(records("h1", "c1"))
    pacing.throttled("h", 0.0, sent=0.0)
    assert keys_of(take(lanes, 0.0)) == ["c1"]
    assert keys_of(take(lanes, 0.1)) == ["h1"]


def test_shards_share_a_request() -> None:
    lanes = lanes_by_letter()
    lanes.extend(records(*(f"h{number}" for number in range(400)), *(f"c{number}" for number in range(400))))
    offered = keys_of(take(lanes, 0.0, max_records=100))
    assert sum(key.startswith("h") for key in offered) == 50
    assert len(offered) == 100


def test_a_request_is_filled_from_one_shard_if_the_others_have_nothing() -> None:
    lanes = lanes_by_letter()
    lanes.extend(records("c1", *(f"h{number}" for number in range(400))))
    assert len(take(lanes, 0.0, max_records=300)) == 300


def test_many_middling_heads_of_a_shard_keep_no_other_shard_waiting() -> None:
    lanes = lanes_by_letter()
    lanes.extend([*records(*(f"s{number}" for number in range(200)), size=10), *records("l", size=990)])
    taken = [keys_of(lanes.take(max_records=500, max_bytes=1000, now=0.0)) for _ in range(3)]
    assert ["l"] in taken


def test_a_request_that_is_full_spends_nothing_for_what_it_leaves() -> None:
    class Counting(Pacing):
        spent = 0

        def admits(self, shard: str, size: int, now: float) -> bool:
            self.spent += 1
            return super().admits(shard, size, now)

    pacing = Counting()
    lanes = lanes_by_letter(pacing)
    lanes.extend(records("a1", "a2", "a3"))
    assert len(lanes.take(max_records=500, max_bytes=210, now=0.0)) == 2
    assert pacing.spent == 2


def test_after_the_map_changes_ready_heads_go_to_their_new_shards() -> None:
    lanes = lanes_by_letter(exhausted("h", 0.0))
    lanes.extend(records("h1", "h2", "h2"))
    assert not take(lanes, 0.0)
    regroup(lanes, lambda key: f"new-{key}")
    assert keys_of(take(lanes, 0.0)) == ["h1", "h2"]


def test_a_step_of_regrouping_moves_one_lane_and_everything_goes_on_meanwhile() -> None:
    asked: list[str] = []

    def counted(key: str | int) -> str:
        asked.append(str(key))
        return f"new-{key}"

    lanes = lanes_by_letter()
    lanes.extend(records("a", "b", "c", "c", "d"))
    offered = take(lanes, 0.0, max_records=1)
    steps = lanes.regroup(counted)
    for number, _ in enumerate(steps, start=1):
        assert len(asked) == number
        if number == 1:
            assert lanes.ready == 3
            under_way = take(lanes, 0.0)
            assert sorted(keys_of(under_way)) == ["b", "c", "d"]
            lanes.extend(records("e"))
            asked.remove("e")
            lanes.settle(offered)
    assert lanes.ready == 1
    assert asked == ["b"]
    # What was under way moves when it comes back.
    lanes.put_back(under_way)
    assert asked == ["b", *keys_of(under_way)]


def test_the_work_of_regrouping_does_not_grow_with_the_number_of_shards() -> None:
    lanes = Lanes(Pacing(), shard_of=str)
    lanes.extend(records(*(str(number) for number in range(3000))))
    assert regroup(lanes, upper) == 3000


def test_what_moves_from_a_shard_that_rests_for_long_need_not_wait_for_it() -> None:
    pacing = exhausted("h", 0.0)
    for number in range(1, 40):
        pacing.throttled("h", float(number), sent=float(number))
    while pacing.admits("h", 10 << 10, 39.2):
        pass
    lanes = lanes_by_letter(pacing)
    lanes.extend(records("h1", size=1 << 20))
    assert not take(lanes, 40.0)
    assert pacing.wait_seconds("h", 40.0) > 5
    # Whoever waits until it is due has not heard of the new map.
    due = lanes.next_due()
    assert due is not None
    assert due - 40.0 <= LONGEST_REST_SECONDS
    regroup(lanes, lambda key: f"new-{key}")
    assert keys_of(take(lanes, due)) == ["h1"]


def test_what_was_offered_before_the_map_changed_comes_back_to_its_new_shard() -> None:
    lanes = lanes_by_letter()
    lanes.extend(records("a", "b", "b"))
    offered = take(lanes, 0.0)
    regroup(lanes, lambda _: "one")
    lanes.put_back(offered[:1])
    lanes.settle(offered[1:])
    assert keys_of(take(lanes, 0.0)) == ["a", "b"]


def test_an_aggregate_fills_its_target_and_never_exceeds_it() -> None:
    target = 1000
    lanes = lanes_by_letter(aggregate_bytes=target)
    given_records = records(*["key"] * 50)
    lanes.extend(given_records)
    (head,) = take(lanes, 0.0)
    together = [head, *head.followers]
    assert together == given_records[: len(together)]
    size = len(kpl.encode("key", [record.data for record in together])) + len("key")
    assert size <= target < size + kpl.entry_bytes(100)


def test_a_record_alone_is_not_aggregated() -> None:
    lanes = lanes_by_letter(aggregate_bytes=1000)
    lanes.extend(records("a", "b", "b", size=900))
    assert [record.followers for record in take(lanes, 0.0)] == [(), ()]


def test_an_aggregate_that_comes_back_is_sent_again_as_it_was() -> None:
    lanes = lanes_by_letter(aggregate_bytes=10_000)
    lanes.extend(records("k", "k"))
    (head,) = take(lanes, 0.0)
    lanes.extend(records("k"))
    lanes.put_back([head])
    (again,) = take(lanes, 1.0)
    assert again is head
    assert len(again.followers) == 1
    lanes.settle([again])
    assert lanes.records == 1


def test_an_aggregate_that_is_parted_travels_in_halves_that_take_nothing_along() -> None:
    lanes = lanes_by_letter(aggregate_bytes=10_000)
    given_records = records(*["k"] * 5)
    lanes.extend(given_records)
    (head,) = take(lanes, 0.0)
    lanes.extend(records("k"))
    part(head)
    lanes.put_back([head])
    parts = []
    while lanes.records:
        (head,) = take(lanes, 0.0)
        parts.append([head, *head.followers])
        lanes.settle([head])
    assert [len(together) for together in parts] == [2, 3, 1]
    assert [record for together in parts[:2] for record in together] == given_records


def test_of_two_that_are_parted_neither_takes_the_other_along_again() -> None:
    lanes = lanes_by_letter(aggregate_bytes=10_000)
    lanes.extend(records("k", "k"))
    (head,) = take(lanes, 0.0)
    part(head)
    lanes.put_back([head])
    assert [(record, record.followers) for record in take(lanes, 0.0)] == [(head, ())]


def test_followers_that_their_shard_does_not_admit_wait_in_order() -> None:
    lanes = lanes_by_letter(exhausted("k", 0.0), aggregate_bytes=10_000)
    given_records = records(*["k"] * 5)
    lanes.extend(given_records)
    assert not take(lanes, 0.0)
    (head,) = take(lanes, 10.0)
    assert [head, *head.followers] == given_records


class Model(RuleBasedStateMachine):
    """Any sequence of calls, with throttles and new maps, against one queue a key."""

    @initialize(aggregate_bytes=st.sampled_from([0, 400, 5000]))
    def begin(self, aggregate_bytes: int) -> None:
        self.pacing = Pacing()
        self.lanes = Lanes(self.pacing, aggregate_bytes=aggregate_bytes)
        self.aggregate_bytes = aggregate_bytes
        self.now = 0.0
        self.seq = 0
        self.waiting: dict[str, deque[Record]] = {}
        self.offered: list[Record] = []
        self.undelivered: set[int] = set()
        self.regrouping: Iterator[None] = iter(())

    @rule(keys=st.lists(st.tuples(st.sampled_from("abcdefgh"), st.sampled_from([1, 50, 300, 1 << 20])), max_size=40))
    def extend(self, keys: list[tuple[str, int]]) -> None:
        new = []
        for key, size in keys:
            self.seq += 1
            new.append(Record(self.seq, key, bytes(size), self.undelivered))
            self.waiting.setdefault(key, deque()).append(new[-1])
        self.undelivered.update(record.seq for record in new)
        self.lanes.extend(new)

    @rule(seconds=st.floats(0, 0.3))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds

    @rule(max_records=st.integers(1, 10), max_bytes=st.sampled_from([100, 1000, MANY]))
    def take(self, max_records: int, max_bytes: int) -> None:
        offered = self.lanes.take(max_records=max_records, max_bytes=max_bytes, now=self.now)
        assert len(offered) <= max_records
        for record in offered:
            together = [record, *record.followers]
            assert record.partition_key not in {other.partition_key for other in self.offered}
            assert together == list(self.waiting[record.partition_key])[: len(together)]
            assert self.aggregate_bytes or not record.followers
            self.offered.append(record)
        if not offered and self.lanes.records and not self.offered:
            due = self.lanes.next_due()
            assert due is not None
            assert due >= self.now

    @rule(count=st.integers(1, 5))
    def settle(self, count: int) -> None:
        done, self.offered = self.offered[:count], self.offered[count:]
        for record in done:
            for expected in [record, *record.followers]:
                assert self.waiting[record.partition_key].popleft() is expected
        self.lanes.settle(done)

    @rule(count=st.integers(1, 5))
    def put_back(self, count: int) -> None:
        back, self.offered = self.offered[:count], self.offered[count:]
        self.lanes.put_back(back)

    @rule(count=st.integers(1, 5))
    def part_aggregates(self, count: int) -> None:
        back, self.offered = self.offered[:count], self.offered[count:]
        for record in back:
            if record.followers:
                part(record)
        self.lanes.put_back(back)

    @rule(shard=st.sampled_from("012"))
    def throttle(self, shard: str) -> None:
        self.pacing.throttled(shard, self.now, sent=self.now)

    @rule(count=st.integers(0, 3))
    def new_map(self, count: int) -> None:
        self.regrouping = self.lanes.regroup((lambda key: str(ord(str(key)) % count)) if count else (lambda _: None))

    @rule(steps=st.integers(1, 10))
    def regroup_some(self, steps: int) -> None:
        for _ in islice(self.regrouping, steps):
            pass

    @invariant()
    def everything_is_counted(self) -> None:
        if hasattr(self, "lanes"):
            waiting = [record for lane in self.waiting.values() for record in lane]
            assert self.lanes.records == len(waiting) == len(self.undelivered)
            assert self.lanes.bytes == sum(len(record.data) for record in waiting)
            heads = sum(1 for lane in self.waiting.values() if lane) - len(self.offered)
            resting = sum(len(queue.heads) for _, _, queue in self.lanes._resting)
            assert self.lanes.ready == heads - resting == sum(len(queue.heads) for queue in self.lanes._turn)

    def teardown(self) -> None:
        """Whatever happened, everything can be delivered in the end."""
        if not hasattr(self, "lanes"):
            return
        self.lanes.put_back(self.offered)
        for _ in range(10_000):
            if not self.lanes.records:
                break
            offered = self.lanes.take(max_records=500, max_bytes=MANY, now=self.now)
            self.lanes.settle(offered)
            if not offered:
                due = self.lanes.next_due()
                assert due is not None
                self.now = max(self.now, due)
        assert not self.lanes.records
        assert not self.undelivered


TestModel, TestModelAtLength = machine_tests(Model, runs=25, steps=50)


@given(keys=st.lists(st.sampled_from("abc"), max_size=60))
def test_a_lane_is_delivered_in_order_one_record_at_a_time(keys: list[str]) -> None:
    lanes, delivered = lanes_by_letter(), []
    lanes.extend(records(*keys))
    while lanes.records:
        offered = take(lanes, 0.0)
        assert len({record.partition_key for record in offered}) == len(offered)
        delivered += [(record.partition_key, record.seq) for record in offered]
        lanes.settle(offered)
    for key in "abc":
        seqs = [seq for other, seq in delivered if other == key]
        assert seqs == sorted(seqs)
