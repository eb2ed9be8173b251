"""The cursor against a model of PostgreSQL's transactions, one statement at a time.

The reader (Outbox, Positions, Position, Snapshot, Transactions, Registry) is the real one. The database is the model of
tests/world.py. Between any two statements of the reader, anything else may happen, a crash of the reader included.
"""

from __future__ import annotations

import itertools
from collections.abc import Coroutine, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from forwarder.events import Event
from forwarder.outbox import event_reader, transaction_counts
from forwarder.outbox.position import Batch, Numbered, Position, Snapshot
from forwarder.outbox.registry import Registry
from forwarder.records.record import SetAside
from forwarder.store.positions import Positions
from tests.machines import machine_tests
from tests.reading import Reader, Reading
from tests.world import Session, Transaction, World

T = TypeVar("T")

# So that the larger transactions are counted by parts, or not to their ends.
MAX_COUNTED = 6
MAX_TOTAL = 8
# So that the images of some stay in the database.
LARGE_BYTES = 50

# Which change it is does not matter here: it is written beside the position, as dead letters are.
ASIDE = SetAside(seq=1, partition_key="", size=0, code="oversize", reason="")


@pytest.fixture(autouse=True, scope="module")
def _small_things_are_large() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(event_reader, "LARGE_BYTES", LARGE_BYTES)
        patch.setattr(transaction_counts, "MAX_COUNTED", MAX_COUNTED)
        patch.setattr(transaction_counts, "MAX_TOTAL", MAX_TOTAL)
        yield


class Steps:
    """A coroutine that is advanced by one statement at a time."""

    def __init__(self, work: Coroutine[Any, Any, None]) -> None:
        self._work = work
        self.done = False

    def advance(self) -> None:
        try:
            self._work.send(None)
        except StopIteration:
            self.done = True

    def abandon(self) -> None:
        self._work.close()


@dataclass(eq=False)
class Waiting:
    """A page in memory, and which of its events the sink has."""

    page: Reading
    delivered: set[int] = field(default_factory=set)

    @property
    def done(self) -> bool:
        return len(self.delivered) == len(self.page.events)


class CursorMachine(RuleBasedStateMachine):
    """Writers, one reader, its checkpoints and its crashes, in any order."""

    @initialize(page_rows=st.integers(1, 4), page_bytes=st.sampled_from([30, 90, 10_000]))
    def start(self, page_rows: int, page_bytes: int) -> None:
        self.world = World()
        self.page_rows, self.page_bytes = page_rows, page_bytes
        self.crashes = 0
        self.stream: list[Event] = []
        self.positions: list[Position] = []
        self.sessions: dict[int, Transaction] = {}
        self.restart()

    def restart(self) -> None:
        leader: Any = Session(self.world)
        self.store = Positions(leader, sink="default")
        position = finish(self.store.load())
        reader: Any = Session(self.world)
        registry = Registry()
        finish(registry.refresh(reader))
        self.outbox = Reader(
            reader, position=position, registry=registry, page_rows=self.page_rows, page_bytes=self.page_bytes
        )
        self.relay_position = self.saved = position
        self.memory: list[Waiting] = []
        self.batch = 0
        # By transaction: the batch its changes came in, and their numbering.
        self.batches_of: dict[int, set[int]] = {}
        self.reading: Steps | None = None
        self.saving: Steps | None = None

    # The application.

    @rule(writer=st.integers(0, 3), row=st.integers(0, 2), times=st.integers(0, 3), padding=st.sampled_from([0, 0, 40]))
    def write(self, writer: int, row: int, times: int, padding: int) -> None:
        """One of four sessions changes a row; it takes the row's lock and its transaction id even if no trigger ran yet."""
        transaction = self.sessions.get(writer) or self.sessions.setdefault(writer, self.world.begin())
        if self.world.lock(transaction, row):
            for _ in range(times):
                self.world.capture(transaction, row, padding=padding)

    @rule(writer=st.integers(0, 3), commit=st.sampled_from([True, True, True, False]))
    def end(self, writer: int, commit: bool) -> None:  # noqa: FBT001
        if transaction := self.sessions.pop(writer, None):
            self.world.end(transaction, commit=commit)

    # The reader.

    @rule(statements=st.integers(1, 3))
    def read(self, statements: int) -> None:
        for _ in range(statements):
            if self.reading is None:
                self.reading = Steps(self.read_page())
            self.reading.advance()
            if self.reading.done:
                self.reading = None

    async def read_page(self) -> None:
        page = await self.outbox.read()
        self.positions.append(page.position)
        self.memory.append(Waiting(page))
        for event in page.events:
            self.batches_of.setdefault(event.txid, set()).add(self.batch)
        if page.position.batch is None:
            self.batch += 1
        self.pass_delivered()

    @precondition(lambda self: self.memory)
    @rule(pick=st.integers(0, 20))
    def deliver(self, pick: int) -> None:
        """The sink takes one event: any that is the first of its row."""
        heads: dict[str | None, tuple[Waiting, Event]] = {}
        for waiting in self.memory:
            for event in waiting.page.events:
                if event.seq not in waiting.delivered:
                    heads.setdefault(event.key, (waiting, event))
        if heads:
            waiting, event = list(heads.values())[pick % len(heads)]
            waiting.delivered.add(event.seq)
            self.stream.append(event)
            self.pass_delivered()

    @rule()
    def deliver_all(self) -> None:
        for waiting in self.memory:
            self.stream.extend(event for event in waiting.page.events if event.seq not in waiting.delivered)
            waiting.delivered = {event.seq for event in waiting.page.events}
        self.pass_delivered()

    def pass_delivered(self) -> None:
        while self.memory and self.memory[0].done:
            self.relay_position = self.memory.pop(0).page.position

    @rule(statements=st.sampled_from([1, 1, 2, 5]), aside=st.sampled_from([(), (ASIDE,)]))
    def save(self, statements: int, aside: Sequence[SetAside] = ()) -> None:
        """Save the position, and with it, in one transaction, what was set aside."""
        if self.saving is None and self.relay_position != self.saved:
            self.saving = Steps(self.save_position(aside))
        for _ in range(statements):
            if self.saving and not self.saving.done:
                self.saving.advance()
        if self.saving and self.saving.done:
            self.saving = None

    async def save_position(self, aside: Sequence[SetAside]) -> None:
        position = self.relay_position
        self.outbox.floor_seq = await self.store.save(position, aside=aside)
        self.saved = position

    @rule(saves=st.booleans(), chance=st.integers(1, 3))
    def crash(self, saves: bool, chance: int) -> None:  # noqa: FBT001
        """The reader dies. The server does a save that was under way, or undoes it."""
        if chance > 1:
            return
        self.crashes += 1
        if self.reading:
            self.reading.abandon()
        if self.saving:
            while saves and not self.saving.done:
                self.saving.advance()
            self.saving.abandon()
        for transaction in self.world.transactions:
            if transaction.running and transaction.by_reader:
                self.world.end(transaction, commit=False)
        self.restart()

    # What must hold.

    @invariant()
    def no_floor_cuts_off_a_change(self) -> None:
        for position in self.positions:
            for change in self.world.all_changes:
                if change.txid >= position.delivered.xmax:
                    assert change.seq > position.floor_seq
                if position.batch and change.txid >= position.batch.snapshot.xmax:
                    assert change.seq > position.batch.floor_seq

    @invariant()
    def no_ceiling_cuts_off_a_change(self) -> None:
        for batch in [position.batch for position in self.positions if position.batch]:
            for change in self.world.visible:
                assert not batch.snapshot.sees(change.txid) or change.seq <= batch.ceiling_seq

    @invariant()
    def nothing_uncommitted_is_delivered(self) -> None:
        assert {event.seq for event in self.stream} <= self.world.commit_place.keys()

    @invariant()
    def without_a_crash_nothing_is_delivered_twice(self) -> None:
        if not self.crashes:
            assert len({event.seq for event in self.stream}) == len(self.stream)

    @invariant()
    def a_batch_holds_all_or_none_of_a_transaction(self) -> None:
        assert all(len(batches) == 1 for batches in self.batches_of.values())

    @invariant()
    def a_rows_first_occurrences_come_in_commit_order(self) -> None:
        seen: set[int] = set()
        newest: dict[str | None, int] = {}
        for event in self.stream:
            if event.seq not in seen:
                seen.add(event.seq)
                place = self.world.commit_place[event.seq]
                assert newest.get(event.key, -1) < place
                newest[event.key] = place

    def teardown(self) -> None:
        """When all writers have ended, the reader catches up: nothing is missing."""
        for transaction in self.sessions.values():
            self.world.end(transaction, commit=True)
        if self.saving:
            while not self.saving.done:
                self.saving.advance()
        if self.reading:
            while not self.reading.done:
                self.reading.advance()
        # The first read that finds nothing may be the end of a batch; the second one's snapshot is taken after all ended.
        found_nothing = 0
        while found_nothing < 2:
            self.deliver_all()
            finish(self.read_page())
            found_nothing = 0 if self.memory else found_nothing + 1
        assert {event.seq for event in self.stream} == self.world.commit_place.keys()
        self.every_change_is_numbered_within_its_transaction()
        self.without_a_crash_nothing_is_delivered_twice()
        self.a_rows_first_occurrences_come_in_commit_order()
        self.a_batch_holds_all_or_none_of_a_transaction()

    def every_change_is_numbered_within_its_transaction(self) -> None:
        places = {
            change.seq: (number, len(transaction.changes))
            for transaction in self.world.transactions
            for number, change in enumerate(transaction.changes, start=1)
        }
        for event in self.stream:
            place, total = places[event.seq]
            # A transaction that is too large says only with its last change how many there are.
            assert (event.index, event.count) == (place, total if total <= MAX_TOTAL or place == total else None)


def finish(work: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine without letting anything come between its statements."""
    while True:
        try:
            work.send(None)
        except StopIteration as end:
            result: T = end.value
            return result


TestCursor, TestCursorAtLength = machine_tests(CursorMachine, runs=40, steps=100)


# The statements of a save that sets something aside, each with what happens amid it.
STEPS_OF_A_SAVE = 7


@pytest.mark.parametrize("writes_at", list(itertools.combinations(range(STEPS_OF_A_SAVE + 1), 2)))
@pytest.mark.parametrize("page_rows", [1, 10])
@pytest.mark.parametrize("aside", [(), (ASIDE,)], ids=["nothing aside", "something aside"])
def test_a_writer_that_begins_while_the_position_is_saved_is_not_lost(
    page_rows: int, writes_at: tuple[int, int], aside: Sequence[SetAside]
) -> None:
    machine = CursorMachine()
    machine.start(page_rows=page_rows, page_bytes=10_000)
    machine.write(writer=0, row=0, times=2, padding=0)
    machine.end(writer=0, commit=True)
    machine.read(statements=6)
    machine.deliver_all()

    for step in range(STEPS_OF_A_SAVE + 1):
        if step in writes_at:
            machine.write(writer=1, row=1, times=step, padding=0)
        else:
            machine.save(statements=1, aside=aside)
    machine.save(statements=STEPS_OF_A_SAVE)
    machine.write(writer=2, row=2, times=2, padding=0)
    machine.read(statements=4)
    machine.end(writer=1, commit=True)

    machine.no_floor_cuts_off_a_change()
    machine.teardown()


def test_the_floor_after_a_batch_is_not_put_back_by_the_next_drain() -> None:
    machine = CursorMachine()
    machine.start(page_rows=1, page_bytes=10_000)
    machine.write(writer=0, row=0, times=3, padding=0)
    machine.end(writer=0, commit=True)

    for _ in range(6):
        finish(machine.read_page())

    floors = [position.floor_seq for position in machine.positions]
    assert floors == sorted(floors)


@pytest.mark.parametrize("pages_before_the_crash", [1, 3, 5])
def test_a_restart_in_the_middle_of_a_large_transaction_goes_on_numbering(pages_before_the_crash: int) -> None:
    machine = CursorMachine()
    machine.start(page_rows=2, page_bytes=10_000)
    for row in range(3):
        machine.write(writer=row % 2, row=row, times=MAX_TOTAL, padding=0)
    machine.end(writer=0, commit=True)
    machine.end(writer=1, commit=True)
    for _ in range(1 + pages_before_the_crash):
        finish(machine.read_page())
        machine.deliver_all()
    finish(machine.store.save(machine.relay_position))
    machine.crash(saves=True, chance=0)

    machine.teardown()


@given(xmax=st.integers(1, 50), running=st.sets(st.integers(1, 50)), txid=st.integers(1, 60))
def test_what_a_snapshot_does_not_see_is_what_the_queries_ask_for(xmax: int, running: set[int], txid: int) -> None:
    running = {each for each in running if each < xmax}
    snapshot = Snapshot(min(running, default=xmax), xmax, tuple(sorted(running)))

    assert snapshot.sees(txid) != (txid >= snapshot.xmax or txid in snapshot.running)
    assert Snapshot.parse(str(snapshot)) == snapshot


def test_only_a_batch_can_be_advanced_or_finished() -> None:
    position = Position(delivered=Snapshot(1, 1), floor_seq=0)

    with pytest.raises(ValueError, match="no batch"):
        position.advanced(7)
    with pytest.raises(ValueError, match="no batch"):
        position.finished()


def test_a_finished_batch_leaves_its_own_snapshot_and_floor_and_the_highest_seq() -> None:
    position = Position(delivered=Snapshot(1, 1), floor_seq=0, last_seq=9)

    entered = position.entering(Snapshot(5, 8, (5,)), floor_seq=3, ceiling_seq=12)

    assert entered.batch == Batch(snapshot=Snapshot(5, 8, (5,)), floor_seq=3, ceiling_seq=12, last_seq=0)
    assert entered.advanced(7).last_seq == 9
    assert entered.advanced(7).advanced(11).finished() == Position(
        delivered=Snapshot(5, 8, (5,)), floor_seq=3, last_seq=11
    )


def test_inside_a_page_what_was_numbered_is_what_was_at_its_beginning() -> None:
    entered = Position(delivered=Snapshot(1, 1), floor_seq=0).entering(Snapshot(5, 8), floor_seq=3, ceiling_seq=30)
    first = entered.advanced(10, places=[(7, 4)])
    second = first.advanced(20, places=[(7, 9)])

    inside = first.within(second, before_seq=15, ceiling_seq=20)

    assert inside.batch == Batch(
        snapshot=Snapshot(5, 8), floor_seq=3, ceiling_seq=30, last_seq=14, numbered=Numbered(10, ((7, 4),))
    )
    assert entered.within(first, before_seq=5, ceiling_seq=10).batch == Batch(
        snapshot=Snapshot(5, 8), floor_seq=3, ceiling_seq=30, last_seq=4
    )
