"""The cursor against a model of PostgreSQL's transactions, one statement at a time.

The reader (Outbox, Positions, Position, Snapshot, Transactions, Registry) is the real one. The database is a model that knows
what the queries promise: transactions take their id late and end in any order; a snapshot's xmax is the latest *completed* id
plus one, so a running transaction with a higher id is not listed in it; a row has one writer at a time. Between any two
statements of the reader, anything else may happen, a crash of the reader included.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Coroutine, Generator, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from forwarder.cursor import Batch, Position, Snapshot
from forwarder.events import Event
from forwarder.positions import Positions
from forwarder.queries import query
from forwarder.registry import Registry
from tests.reading import Reader, Reading

T = TypeVar("T")

COLUMNS = ("seq", "txid", "at", "table_id", "relation", "op", "before", "after", "fault")


class Row(tuple[Any, ...]):
    """A row of the outbox that is read by place and by name, as asyncpg's records are."""

    __slots__ = ()

    def __getitem__(self, name: Any) -> Any:
        return super().__getitem__(COLUMNS.index(name) if isinstance(name, str) else name)


@dataclass(eq=False)
class Transaction:
    by_reader: bool = False
    xid: int | None = None
    locked: set[int] = field(default_factory=set)
    changes: list[Row] = field(default_factory=list)
    committed: bool | None = None

    @property
    def running(self) -> bool:
        return self.committed is None


class World:
    """The model database: transactions, row locks, the sequence, and one sink's row."""

    def __init__(self) -> None:
        self.next_xid = 100
        self.latest_completed = 99
        self.last_seq = 0
        self.transactions: list[Transaction] = []
        self.commits = itertools.count()
        # The place of every committed change among all commits.
        self.commit_place: dict[int, int] = {}
        self.stored: dict[str, Any] = {
            "delivered": (1, 1, ()),
            "floor_seq": 0,
            "batch": None,
            "batch_floor_seq": None,
            "batch_ceiling_seq": None,
            "batch_last_seq": None,
            "batch_by_seq": None,
            "last_seq": 0,
        }

    def begin(self, *, by_reader: bool = False) -> Transaction:
        transaction = Transaction(by_reader=by_reader)
        self.transactions.append(transaction)
        return transaction

    def assign_xid(self, transaction: Transaction) -> None:
        if transaction.xid is None:
            transaction.xid = self.next_xid
            self.next_xid += 1

    def lock(self, transaction: Transaction, row: int) -> bool:
        """Change a row, if nobody else has; its trigger has not run yet."""
        if any(row in other.locked for other in self.transactions if other.running and other is not transaction):
            return False
        transaction.locked.add(row)
        self.assign_xid(transaction)
        return True

    def capture(self, transaction: Transaction, row: int, *, padding: int) -> None:
        """The trigger of a changed row runs."""
        self.last_seq += 1
        image = json.dumps({"id": row, "padding": "x" * padding})
        transaction.changes.append(Row((self.last_seq, transaction.xid, 0, 1, 1000, b"U", None, image, None)))

    def end(self, transaction: Transaction, *, commit: bool) -> None:
        transaction.committed = commit
        if transaction.xid is not None:
            self.latest_completed = max(self.latest_completed, transaction.xid)
        if commit:
            self.commit_place.update((change["seq"], next(self.commits)) for change in transaction.changes)

    def snapshot(self) -> Snapshot:
        xmax = self.latest_completed + 1
        running = sorted(t.xid for t in self.transactions if t.running and t.xid is not None and t.xid < xmax)
        return Snapshot(running[0] if running else xmax, xmax, tuple(running))

    @property
    def visible(self) -> list[Row]:
        return sorted(change for t in self.transactions if t.committed for change in t.changes)

    @property
    def all_changes(self) -> list[Row]:
        return sorted(change for t in self.transactions for change in t.changes)

    def drain(self, xmax: int, running: Sequence[int], floor_seq: int, page_rows: int, page_bytes: int) -> list[Row]:
        """What drain.sql promises."""
        by_txid = sorted(self.visible, key=lambda row: (row["txid"], row["seq"]))
        found = [row for txid in running for row in [r for r in by_txid if r["txid"] == txid][: page_rows + 1]]
        found += [row for row in by_txid if row["txid"] >= xmax and row["seq"] > floor_seq][: page_rows + 1]
        complete = len(found) <= page_rows and sum(map(size, found)) <= page_bytes
        header = {"snapshot": str(self.snapshot()), "complete": complete}
        first = Row((0, None, None, None, None, b"H", None, json.dumps(header), None))
        return [first, *(sorted(found) if complete else ())]

    def page(
        self,
        xmax: int,
        running: Sequence[int],
        floor_seq: int,
        page_rows: int,
        page_bytes: int,
        batch: Snapshot,
        ceiling_seq: int,
        last_seq: int,
        by_seq: bool,  # noqa: FBT001
    ) -> list[Row]:
        """What page.sql promises."""
        assert not by_seq, "this cluster is the only one"
        of_batch = [row for row in self.visible if batch.sees(row["txid"])]
        found = [
            row
            for txid in running
            for row in [r for r in of_batch if r["txid"] == txid and r["seq"] > last_seq][:page_rows]
        ]
        low = max(last_seq, floor_seq)
        found += [r for r in of_batch if low < r["seq"] <= ceiling_seq and r["txid"] >= xmax][:page_rows]
        rows = sorted(found)[:page_rows]
        total = itertools.accumulate(map(size, rows))
        return [
            row
            for number, (row, bytes_) in enumerate(zip(rows, total, strict=True))
            if bytes_ <= page_bytes or not number
        ]

    def count_transactions(self, txids: Sequence[int], up_to: int) -> list[tuple[int, int, int]]:
        """What count_transactions.sql promises."""
        groups = itertools.groupby(sorted(self.visible, key=txid_of), key=txid_of)
        seqs = {txid: [row["seq"] for row in rows] for txid, rows in groups if txid in txids}
        return [(txid, len(mine), sum(seq <= up_to for seq in mine)) for txid, mine in seqs.items()]


class Pause:
    """Where a statement begins or, inside save_position.sql, where another session may overtake it."""

    def __await__(self) -> Generator[None, None, None]:
        yield


class Session:
    """What the reader takes for its connection."""

    def __init__(self, world: World) -> None:
        self._world = world

    async def fetch(self, text: str, *arguments: Any) -> list[Any]:
        await Pause()
        answers: dict[str, Callable[..., list[Any]]] = {
            query("drain"): self._world.drain,
            query("page"): self._world.page,
            query("count_transactions"): self._world.count_transactions,
            query("tables"): tables,
        }
        return answers[text](*arguments)

    async def execute(self, text: str, *_: Any) -> None:
        await Pause()

    async def fetchrow(self, text: str, *_: Any) -> dict[str, Any]:
        await Pause()
        if text == query("present"):
            return {"snapshot": self._world.snapshot(), "last_seq": max(self._world.last_seq, 1)}
        assert text == query("load_position")
        return self._world.stored | {"foreign_history": False, "epoch": 1}

    async def fetchval(self, text: str, *arguments: Any, timeout: float = 0) -> int:  # noqa: ASYNC109 - asyncpg's own
        """save_position.sql and floor.sql: they read the sequence, then take a transaction id, then commit."""
        await Pause()
        floor_seq = self._world.last_seq
        await Pause()
        own = self._world.begin(by_reader=True)
        self._world.assign_xid(own)
        await Pause()
        if text == query("save_position"):
            _name, *position, system_identifier, epoch = arguments
            assert system_identifier is None
            assert epoch == 1
            self._world.stored = dict(zip(self._world.stored, position, strict=True))
        else:
            assert text == query("floor")
        self._world.end(own, commit=True)
        return floor_seq


def tables() -> list[dict[str, Any]]:
    key_columns = '[{"attnum": 1, "names": ["id"]}]'
    return [
        {"id": 1, "relation": 1000, "schema": "public", "name": "t", "key_columns": key_columns, "before_image": "full"}
    ]


def size(row: Row) -> int:
    return len(row["after"])


def txid_of(row: Row) -> int:
    txid: int = row["txid"]
    return txid


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
        session: Any = Session(self.world)
        self.store = Positions(session, sink="default")
        position = finish(self.store.load())
        registry = Registry()
        finish(registry.refresh(session))
        self.outbox = Reader(
            session, position=position, registry=registry, page_rows=self.page_rows, page_bytes=self.page_bytes
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

    @rule(statements=st.sampled_from([1, 1, 2, 5]))
    def save(self, statements: int) -> None:
        if self.saving is None and self.relay_position != self.saved:
            self.saving = Steps(self.save_position())
        for _ in range(statements):
            if self.saving and not self.saving.done:
                self.saving.advance()
        if self.saving and self.saving.done:
            self.saving = None

    async def save_position(self) -> None:
        position = self.relay_position
        self.outbox.floor_seq = await self.store.save(position)
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
                if change["txid"] >= position.delivered.xmax:
                    assert change["seq"] > position.floor_seq
                if position.batch and change["txid"] >= position.batch.snapshot.xmax:
                    assert change["seq"] > position.batch.floor_seq

    @invariant()
    def no_ceiling_cuts_off_a_change(self) -> None:
        for batch in [position.batch for position in self.positions if position.batch]:
            for change in self.world.visible:
                assert not batch.snapshot.sees(change["txid"]) or change["seq"] <= batch.ceiling_seq

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
            change["seq"]: (number, len(transaction.changes))
            for transaction in self.world.transactions
            for number, change in enumerate(transaction.changes, start=1)
        }
        assert all((event.index, event.count) == places[event.seq] for event in self.stream)


def finish(work: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine without letting anything come between its statements."""
    while True:
        try:
            work.send(None)
        except StopIteration as end:
            result: T = end.value
            return result


TestCursor = pytest.mark.timeout(300)(CursorMachine.TestCase)
TestCursor.settings = settings(max_examples=80, stateful_step_count=150, deadline=None)


@pytest.mark.parametrize("writes_at", list(itertools.combinations(range(6), 2)))
@pytest.mark.parametrize("page_rows", [1, 10])
def test_a_writer_that_begins_while_the_position_is_saved_is_not_lost(
    page_rows: int, writes_at: tuple[int, int]
) -> None:
    machine = CursorMachine()
    machine.start(page_rows=page_rows, page_bytes=10_000)
    machine.write(writer=0, row=0, times=2, padding=0)
    machine.end(writer=0, commit=True)
    machine.read(statements=6)
    machine.deliver_all()

    for step in range(6):
        if step in writes_at:
            machine.write(writer=1, row=1, times=step, padding=0)
        else:
            machine.save(statements=1)
    machine.save(statements=4)
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
