from __future__ import annotations

from collections.abc import Sequence

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from forwarder.delivery.schedules.lanes import Lanes
from forwarder.delivery.schedules.routed import CERTAIN_BYTES, LOOK_SECONDS, NO_STREAM, STRAND_SECONDS, Routed
from forwarder.records.record import Record, SetAside
from forwarder.sinks.kinesis.pacing import Pacing
from tests.machines import machine_tests

STREAMS = ("one", "two")
KEYS = ("a", "b")
MANY = 1 << 30
# How many letters are asked for at once.
PORTION = 2


class Streams:
    """What is wrong with each stream."""

    def __init__(self, *, aggregate_bytes: int = 0, **objections: str) -> None:
        self._aggregate_bytes = aggregate_bytes
        self.objections = objections
        self.most_bytes = MANY

    def objection(self, stream: str) -> str | None:
        return self.objections.get(stream)

    def new_schedule(self, stream: str) -> Lanes:
        return Lanes(Pacing(), aggregate_bytes=self._aggregate_bytes)

    def max_bytes_of(self, stream: str) -> int:
        return self.most_bytes


def records(stream: str, *seqs: int, was_set_aside: bool = False) -> list[Record]:
    undelivered = set(seqs)
    return [Record(seq, f"key {seq}", b"xx", undelivered, stream=stream, was_set_aside=was_set_aside) for seq in seqs]


def take(routed: Routed, *, now: float = 0.0) -> Sequence[int]:
    return [record.seq for record in routed.take(max_records=500, max_bytes=MANY, now=now)]


def seqs_of(changes: Sequence[SetAside]) -> list[int]:
    return [change.seq for change in changes]


def test_a_request_has_records_of_one_stream_and_streams_take_turns() -> None:
    routed = Routed(Streams())
    routed.extend([*records("one", 1, 2), *records("two", 3, 4)])

    assert [take(routed), take(routed), take(routed)] == [[1, 2], [3, 4], []]


def test_a_request_is_no_larger_than_its_stream_takes() -> None:
    streams = Streams()
    streams.most_bytes = 10
    routed = Routed(streams)
    routed.extend(records("one", 1, 2))

    assert take(routed) == [1]


def test_a_barred_stream_waits_and_others_go_on() -> None:
    streams = Streams(one="missing")
    routed = Routed(streams)
    routed.extend([*records("one", 1), *records("two", 2)])

    assert (take(routed), take(routed)) == ([2], [])
    assert (routed.records, routed.bytes) == (2, 4)
    # Nobody tells when the stream is there, so it is looked for now and then.
    assert routed.next_due() == LOOK_SECONDS
    streams.objections.clear()
    assert take(routed, now=1.0) == [1]


def test_what_waits_for_a_barred_stream_is_stranded_after_a_while() -> None:
    routed = Routed(Streams(one="stream one is missing"))
    waiting = records("one", 1, 2)
    routed.extend(waiting)

    assert routed.take_stranded(is_full=False, now=0.0) == []
    assert routed.take_stranded(is_full=False, now=STRAND_SECONDS - 1) == []
    stranded = routed.take_stranded(is_full=False, now=STRAND_SECONDS)
    assert [(change.seq, change.code, change.reason) for change in stranded] == [
        (1, NO_STREAM, "stream one is missing"),
        (2, NO_STREAM, "stream one is missing"),
    ]
    assert waiting[0].undelivered == set()
    assert (routed.records, routed.bytes) == (0, 0)


def test_when_memory_is_full_what_waits_for_a_barred_stream_is_stranded_at_once() -> None:
    routed = Routed(Streams(one="missing"))
    routed.extend([*records("one", 1), *records("two", 2)])

    assert seqs_of(routed.take_stranded(is_full=True, now=0.0)) == [1]
    assert take(routed) == [2]


def test_a_change_that_a_barred_stream_may_not_take_is_stranded_at_once_and_with_it_what_is_before_it() -> None:
    streams = Streams(one="missing")
    routed = Routed(streams)
    large = [Record(seq, "key", b"x" * CERTAIN_BYTES, {seq}, stream=stream) for seq, stream in ((2, "one"), (3, "two"))]
    routed.extend([*records("one", 1), *large])
    routed.extend(records("one", 4))

    assert seqs_of(routed.take_stranded(is_full=False, now=0.0)) == [1, 2, 4]
    assert take(routed) == [3]


def test_what_would_travel_in_one_aggregate_is_stranded_change_by_change() -> None:
    routed = Routed(Streams(aggregate_bytes=1000, one="missing"))
    undelivered = {1, 2, 3}
    routed.extend([Record(seq, "key", b"xx", undelivered, stream="one") for seq in (1, 2, 3)])

    assert seqs_of(routed.take_stranded(is_full=True, now=0.0)) == [1, 2, 3]
    assert (undelivered, routed.records, routed.bytes) == (set(), 0, 0)


def test_an_outage_of_a_few_seconds_strands_nothing() -> None:
    streams = Streams(one="missing")
    routed = Routed(streams)
    routed.extend(records("one", 1))
    assert routed.take_stranded(is_full=False, now=0.0) == []
    streams.objections.clear()
    assert routed.take_stranded(is_full=False, now=STRAND_SECONDS / 2) == []
    streams.objections["one"] = "missing again"
    assert routed.take_stranded(is_full=False, now=STRAND_SECONDS) == []


def test_changes_of_a_parked_stream_are_stranded_and_its_letters_are_offered() -> None:
    routed = Routed(Streams())
    routed.park("one")
    routed.extend([*records("one", 5), *records("one", 1, was_set_aside=True)])

    assert routed.revivable == ["one"]
    assert seqs_of(routed.take_stranded(is_full=False, now=0.0)) == [5]
    assert take(routed) == [1]


def test_a_held_stream_keeps_its_changes_until_it_is_released() -> None:
    routed = Routed(Streams())
    routed.park("one")
    routed.hold("one")
    routed.extend([*records("one", 5), *records("one", 1, was_set_aside=True)])

    assert routed.take_stranded(is_full=False, now=0.0) == []
    assert take(routed) == [1]
    routed.release("one")
    assert take(routed) == [5]
    assert routed.revivable == []


def test_a_held_stream_is_parked_again_when_memory_is_full() -> None:
    routed = Routed(Streams())
    routed.park("one")
    routed.hold("one")
    assert routed.take_stranded(is_full=True, now=0.0) == []
    assert routed.is_held("one")
    routed.extend(records("one", 5))
    assert seqs_of(routed.take_stranded(is_full=True, now=0.0)) == [5]
    assert not routed.is_held("one")


class RoutedMachine(RuleBasedStateMachine):
    """Streams come and go while changes arrive, are offered, stored and rejected, and letters are sent again as ``Revival`` does it."""

    @initialize()
    def start(self) -> None:
        self.streams = Streams()
        self.routed = Routed(self.streams)
        self.now = 0.0
        self.seq = 0
        self.offered: list[Record] = []
        # By key, which names its stream, the seqs that were stored, in the order in which they came first.
        self.stored: dict[str, list[int]] = {}
        # By seq, the key.
        self.letters: dict[int, str] = {}
        # The seqs of the letters that are being sent again and are neither stored nor stranded.
        self.again: set[int] = set()
        # The seq after which the next portion of a stream's letters begins.
        self.after: dict[str, int] = dict.fromkeys(STREAMS, 0)

    @rule(stream=st.sampled_from(STREAMS), keys=st.lists(st.sampled_from(KEYS), min_size=1, max_size=4))
    def arrive(self, stream: str, keys: list[str]) -> None:
        seqs = range(self.seq + 1, self.seq + len(keys) + 1)
        self.seq += len(keys)
        undelivered = set(seqs)
        arrivals = zip(seqs, keys, strict=True)
        self.routed.extend([Record(seq, f"{stream}.{key}", b"x", undelivered, stream=stream) for seq, key in arrivals])

    @rule(stream=st.sampled_from(STREAMS))
    def bar(self, stream: str) -> None:
        self.streams.objections[stream] = "missing"
        # What is under way meanwhile begins with the first letter again.
        self.after[stream] = 0

    @rule(stream=st.sampled_from(STREAMS))
    def open(self, stream: str) -> None:
        self.streams.objections.pop(stream, None)

    @rule(seconds=st.sampled_from([1.0, STRAND_SECONDS]))
    def wait(self, seconds: float) -> None:
        self.now += seconds

    @rule()
    def take(self) -> None:
        taken = self.routed.take(max_records=3, max_bytes=MANY, now=self.now)
        assert len({record.stream for record in taken}) <= 1
        self.offered.extend(taken)

    @precondition(lambda self: self.offered)
    @rule(pick=st.integers(0, 9))
    def store(self, pick: int) -> None:
        record = self.offered.pop(pick % len(self.offered))
        self.stored.setdefault(record.partition_key, []).append(record.seq)
        self.routed.settle([record])
        if record.was_set_aside:
            del self.letters[record.seq]

    @precondition(lambda self: self.offered)
    @rule(pick=st.integers(0, 9))
    def reject(self, pick: int) -> None:
        self.routed.put_back([self.offered.pop(pick % len(self.offered))])

    @rule(is_full=st.booleans())
    def strand(self, *, is_full: bool) -> None:
        stranded = self.routed.take_stranded(is_full=is_full, now=self.now)
        self.letters |= {change.seq: change.partition_key for change in stranded}

    @precondition(lambda self: not self.again)
    @rule(pick=st.integers(0, 1))
    def revive(self, pick: int) -> None:
        if not (revivable := self.routed.revivable):
            return
        stream = revivable[pick % len(revivable)]
        is_held, after = self.routed.is_held(stream), self.after[stream]
        left = [seq for seq, key in self.letters.items() if key.startswith(f"{stream}.") and seq > after]
        portion = sorted(left)[:PORTION]
        if is_held and not portion and not after:
            self.routed.release(stream)
            return
        self.after[stream] = portion[-1] if len(portion) == PORTION else 0
        if len(portion) < PORTION:
            self.routed.hold(stream)
        self.again = set(portion)
        self.routed.extend(
            [
                Record(seq, self.letters[seq], b"x", self.again, stream=stream, was_set_aside=True)
                for seq in sorted(portion)
            ]
        )

    @invariant()
    def each_key_is_in_order(self) -> None:
        for seqs in self.stored.values():
            assert seqs == sorted(set(seqs))

    @invariant()
    def what_is_not_stored_is_in_memory_or_a_letter(self) -> None:
        stored = sum(map(len, self.stored.values()))
        in_memory_again = len(self.again)
        assert self.seq == stored + len(self.letters) + self.routed.records - in_memory_again
        assert self.routed.bytes == self.routed.records

    def teardown(self) -> None:
        if not hasattr(self, "routed"):
            return
        self.streams.objections.clear()
        while self.routed.records or self.letters or self.routed.revivable:
            self.now += 1.0
            self.strand(is_full=False)
            self.take()
            while self.offered:
                self.store(0)
            if not self.again:
                self.revive(0)
        self.each_key_is_in_order()
        self.what_is_not_stored_is_in_memory_or_a_letter()


TestRouted, TestRoutedAtLength = machine_tests(RoutedMachine, runs=40, steps=50)
