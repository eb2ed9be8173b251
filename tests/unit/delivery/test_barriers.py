"""A TRUNCATE among the changes of its table: what waits for what, whatever becomes of single records."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from forwarder.delivery import barriers as barriers_module
from forwarder.delivery.barriers import Barriers
from forwarder.delivery.schedules.lanes import Lanes
from forwarder.records.packing import Packed
from forwarder.records.record import Record, Stretch
from forwarder.sinks.kinesis.pacing import Pacing
from tests.machines import machine_tests

MANY = 1 << 30
TRUNCATE = "TRUNCATE"
MANY_STRETCHES = 5


@pytest.fixture(autouse=True, scope="module")
def _few_stretches_are_many() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(barriers_module, "MANY_STRETCHES", MANY_STRETCHES)
        yield


def page(*changes: tuple[int, int, str | None], prefix: bool = True) -> Packed:
    """A page of changes: seq, table, and the row's key or TRUNCATE."""
    stretches: list[Stretch] = []
    records: list[Record] = []
    for seq, table, key in changes:
        is_barrier = key == TRUNCATE
        last = next((stretch for stretch in reversed(stretches) if stretch.table == table), None)
        if last is None or last.is_barrier is not is_barrier:
            last = Stretch(table, set(), is_barrier)
            stretches.append(last)
        last.undelivered.add(seq)
        name = f"table {table}" if is_barrier else f"{f'table {table}.' if prefix else ''}{key}"
        records.append(Record(seq, name, b"x" * seq, last.undelivered))
    return Packed(records=records, stretches=stretches)


def deliver(*records: Record) -> None:
    for record in records:
        record.undelivered.remove(record.seq)


def seqs_of(records: Sequence[Record]) -> list[int]:
    return [record.seq for record in records]


def test_without_a_truncate_a_page_goes_through_as_it_came() -> None:
    barriers = Barriers()
    first, second = page((1, 1, "a"), (2, 2, "a")), page((3, 1, "a"))
    assert barriers.admit(first) is first.records
    assert barriers.admit(second) is second.records
    assert barriers.release() == ()


def test_a_truncate_waits_for_all_before_it_in_its_table_and_for_no_other_table() -> None:
    barriers = Barriers()
    a, b, other = barriers.admit(page((1, 1, "a"), (2, 1, "b"), (3, 2, "a")))
    assert not barriers.admit(page((4, 1, TRUNCATE)))
    deliver(a, other)
    assert barriers.release() == []
    deliver(b)
    assert seqs_of(barriers.release()) == [4]


def test_what_comes_after_a_truncate_waits_until_it_is_delivered_and_other_tables_do_not() -> None:
    barriers = Barriers()
    truncate, other = barriers.admit(page((1, 1, TRUNCATE), (2, 1, "a"), (3, 2, "a")))
    assert seqs_of([truncate, other]) == [1, 3]
    assert seqs_of(barriers.admit(page((4, 1, "b"), (5, 2, "b")))) == [5]
    assert barriers.release() == []
    deliver(truncate)
    assert seqs_of(barriers.release()) == [2, 4]
    assert seqs_of(barriers.admit(page((6, 1, "c")))) == [6]


def test_a_truncate_behind_a_waiting_one_waits_for_what_is_between_them() -> None:
    barriers = Barriers()
    (before,) = barriers.admit(page((1, 1, "a"), (2, 1, TRUNCATE), (3, 1, "a"), (4, 1, TRUNCATE)))
    released = []
    deliver(before)
    while waiting := barriers.release():
        released.append(seqs_of(waiting))
        deliver(*waiting)
    assert released == [[2], [3], [4]]


def test_truncates_that_follow_each_other_go_together() -> None:
    barriers = Barriers()
    (row,) = barriers.admit(page((1, 1, "a"), (2, 1, TRUNCATE), (3, 1, TRUNCATE), (4, 1, "a")))
    deliver(row)
    together = barriers.release()
    assert seqs_of(together) == [2, 3]
    deliver(together[0])
    assert not barriers.release()
    deliver(together[1])
    assert seqs_of(barriers.release()) == [4]


def test_a_page_that_comes_before_a_delivery_was_acted_on_overtakes_nothing() -> None:
    barriers = Barriers()
    (row,) = barriers.admit(page((1, 1, "a"), (2, 1, TRUNCATE)))
    deliver(row)
    assert not barriers.admit(page((3, 1, "b")))
    assert seqs_of(barriers.release()) == [2]


def test_what_waits_is_counted_as_memory() -> None:
    barriers = Barriers()
    (row,) = barriers.admit(page((1, 1, "a"), (2, 1, TRUNCATE), (3, 1, "a")))
    assert (barriers.records, barriers.bytes) == (2, 5)
    deliver(row)
    barriers.release()
    assert (barriers.records, barriers.bytes) == (1, 3)


def test_no_more_is_remembered_than_is_under_way() -> None:
    """A listener runs for months, over tables that come and go."""
    barriers = Barriers()
    for seq in range(1, 1000):
        deliver(*barriers.admit(page((seq, seq, "a"), (seq + 1000, seq, TRUNCATE))))
        deliver(*barriers.release())
    barriers.admit(Packed(records=(), stretches=()))
    assert not barriers._tables
    assert not barriers._under_way


@pytest.mark.parametrize("table", [1, 2])
def test_behind_a_lane_that_is_halted_no_more_is_remembered_than_is_under_way(table: int) -> None:
    barriers = Barriers()
    (halted,) = barriers.admit(page((1, 1, "a")))
    for seq in range(2, 200, 2):
        deliver(*barriers.admit(page((seq, table, "b"), (seq + 1, 7, "b"))))
        assert len(barriers._under_way) <= MANY_STRETCHES + 2
        assert len(barriers._tables[1].under_way) <= MANY_STRETCHES + 2
    assert not barriers.admit(page((1000, 1, TRUNCATE)))
    deliver(halted)
    assert seqs_of(barriers.release()) == [1000]


class BarriersMachine(RuleBasedStateMachine):
    """Pages of any changes, in lanes that share keys or do not, with requests that are stored, refused or half refused."""

    @initialize(prefix=st.booleans(), aggregate_bytes=st.sampled_from([0, 2000]))
    def start(self, *, prefix: bool, aggregate_bytes: int) -> None:
        self.prefix = prefix
        self.lanes = Lanes(Pacing(), aggregate_bytes=aggregate_bytes)
        self.barriers = Barriers()
        self.offered: list[Record] = []
        self.seq = 0
        # By table, in order of seq.
        self.undelivered: dict[int, dict[int, bool]] = {table: {} for table in (1, 2, 3)}
        self.bytes = 0

    @rule(
        changes=st.lists(st.tuples(st.sampled_from((1, 2, 3)), st.sampled_from(("a", "b", "c", TRUNCATE))), max_size=8)
    )
    def arrive(self, changes: list[tuple[int, str]]) -> None:
        numbered = [(self.seq + place, table, key) for place, (table, key) in enumerate(changes, start=1)]
        self.seq += len(changes)
        for seq, table, key in numbered:
            self.undelivered[table][seq] = key == TRUNCATE
            self.bytes += seq
        self.lanes.extend(self.barriers.admit(page(*numbered, prefix=self.prefix)))

    @rule(max_records=st.integers(1, 5))
    def take(self, max_records: int) -> None:
        taken = self.lanes.take(max_records=max_records, max_bytes=MANY, now=0.0)
        self.offered += taken
        for record in taken:
            self.check(record.seq)

    def check(self, seq: int) -> None:
        """A change that is sent, now for the first time or again: nothing that it must not meet is undelivered before it."""
        [of_table] = [seqs for seqs in self.undelivered.values() if seq in seqs]
        before = [other for other in of_table if other < seq]
        if of_table[seq]:
            assert all(of_table[other] for other in before), f"{seq} is sent before {before}"
        else:
            assert not any(of_table[other] for other in before), f"{seq} is sent before a TRUNCATE among {before}"

    @precondition(lambda self: self.offered)
    @rule(picks=st.lists(st.integers(0, 5), min_size=1, max_size=4), is_stored=st.booleans())
    def answer(self, picks: list[int], *, is_stored: bool) -> None:
        answered = [self.offered.pop(pick % len(self.offered)) for pick in picks if self.offered]
        if is_stored:
            self.settle(answered)
        else:
            self.lanes.put_back(answered)

    def settle(self, records: Sequence[Record]) -> None:
        for record in [inner for head in records for inner in (head, *head.followers)]:
            [of_table] = [seqs for seqs in self.undelivered.values() if record.seq in seqs]
            del of_table[record.seq]
            self.bytes -= record.seq
        self.lanes.settle(records)
        self.lanes.extend(self.barriers.release())

    @invariant()
    def everything_is_counted(self) -> None:
        assert self.lanes.records + self.barriers.records == sum(map(len, self.undelivered.values()))
        assert self.lanes.bytes + self.barriers.bytes == self.bytes

    @invariant()
    def something_can_always_be_done_and_no_table_waits_for_another(self) -> None:
        """A table of which something is undelivered has something in the lanes: nothing new has to be read for it to go on."""
        for of_table in self.undelivered.values():
            first = min(of_table, default=None)
            assert first is None or first not in self.waiting()

    def waiting(self) -> set[int]:
        tables = self.barriers._tables.values()
        return {record.seq for table in tables for _, records in table.waiting for record in records}

    def teardown(self) -> None:
        self.lanes.put_back(self.offered)
        while taken := self.lanes.take(max_records=MANY, max_bytes=MANY, now=0.0):
            for record in taken:
                self.check(record.seq)
            self.settle(taken)
        assert not any(self.undelivered.values())
        self.barriers.admit(page())
        assert not self.barriers._tables


TestBarriers, TestBarriersAtLength = machine_tests(BarriersMachine, runs=25, steps=40)
