"""What the frontier keeps, and what of it may be saved."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from typing import Any

import anyio.lowlevel
import pytest

from forwarder.database.queries import query
from forwarder.delivery import progress as frontier_module
from forwarder.delivery.progress import MANY_PAGES, Frontier
from forwarder.events import Event
from forwarder.outbox.delivered_ahead import MAX_UNDELIVERED, Ahead, decode
from forwarder.outbox.floors import read_floor
from forwarder.outbox.position import Position, Snapshot
from forwarder.outbox.registry import Registry
from forwarder.records.packing import Packed
from forwarder.records.record import Record, Stretch
from forwarder.records.tally import PageCount
from tests.cases import each_value_once
from tests.reading import Reader as Reading
from tests.world import Row, Session, Transaction, World

ROWS = 100
START = Position(delivered=Snapshot(1, 1), floor_seq=0)


def position(number: int) -> Position:
    return Position(delivered=Snapshot(number, number), floor_seq=0, last_seq=number)


def page(*seqs: int) -> Packed:
    undelivered = set(seqs)
    records = [Record(seq, "key", b"x", undelivered) for seq in seqs]
    stretches = [Stretch(1, undelivered)] if seqs else []
    return Packed(records=records, stretches=stretches)


def deliver(pages: Frontier, records: Sequence[Record]) -> None:
    for record in records:
        record.undelivered.remove(record.seq)
    pages.delivered(len(records))


def test_inside_the_last_page_of_a_foreign_batch_the_floor_still_tells_what_belongs_to_it() -> None:
    resending = Position.resending(Snapshot(9, 9), after_seq=10, floor_seq=30, ceiling_seq=40)
    kept = Frontier(resending)
    last = page(11, 12)
    kept.enter(last, resending.advanced(12), now=0.0)
    # The end of the batch, which joins the page before it.
    kept.enter(page(), resending.advanced(12).finished(), now=0.0)
    deliver(kept, last.records[:1])

    batch = kept.position.batch
    assert batch
    assert (batch.last_seq, batch.floor_seq) == (11, 30)


def test_a_page_without_records_that_ends_inside_a_batch_is_no_part_of_the_page_before_it() -> None:
    kept = Frontier(START)
    drained = page(3501, 3502)
    kept.enter(drained, position(9), now=0.0)
    # A transaction that was running then has lower seqs, the first thousand of tables that the sink is not for.
    in_batch = position(9).entering(Snapshot(20, 20), floor_seq=0, ceiling_seq=3500).advanced(1000)
    kept.enter(page(), in_batch, now=0.0)
    deliver(kept, drained.records[:1])

    standing = kept.position.batch
    assert standing
    assert (standing.snapshot, standing.last_seq) == (Snapshot(9, 9), 3501)

    deliver(kept, drained.records[1:])
    assert kept.position == in_batch


@pytest.mark.parametrize("halted", [1, 2])
def test_no_more_pages_are_kept_than_hold_something_undelivered_and_some_more(halted: int) -> None:
    kept = Frontier(START)
    pages = [page(2 * number + 1, 2 * number + 2) for number in range(20 * MANY_PAGES)]
    for number, packed in enumerate(pages, start=1):
        kept.enter(packed, position(2 * number), now=float(number))
        deliver(kept, packed.records[: 2 - halted] if number == 1 else packed.records)
        assert kept.pages <= 2 * MANY_PAGES

    assert kept.oldest_seconds(now=10.0) == 9.0
    standing = kept.position
    assert standing == START if halted == 2 else standing.batch and standing.batch.last_seq == 1

    deliver(kept, pages[0].records[2 - halted :])
    assert kept.position == position(2 * len(pages))
    assert kept.pages == 0


class Reader:
    """Pages of a model database, in a frontier, delivered in any order, for a sink that a fifth of the rows are for.

    Now and then it begins again from the position that it has, or is set back.
    """

    def __init__(self, seed: int, world: World) -> None:
        self.chance = Random(seed)
        self.world = world
        self.session: Any = Session(world, pause=anyio.lowlevel.checkpoint)
        self.registry = Registry()
        self.frontier = Frontier(START)
        self.pending: list[Record] = []
        # What is committed and wanted, and was never delivered, by seq.
        self.missing: dict[int, Row] = {}
        self.unwanted: set[int] = set()
        self.noted: list[Ahead] = []
        # How many changes a position has passed that was saved, and how many of them were passed before and are sent again.
        self.passed = 0
        self.passed_again = 0

    async def run(self) -> None:
        await self.registry.refresh(self.session)
        self.begin(START)
        transactions: list[Transaction] = []
        for _ in range(300):
            self.write(transactions)
            if self.chance.random() < 0.5:
                reading = await self.reader.read()
                self.enter(reading.events, reading.position)
            if self.chance.random() < 0.01:
                self.begin(self.saved)
            if self.chance.random() < 0.01:
                await self.set_back()
            # The first lane is halted for long.
            for _ in range(self.chance.randrange(6)):
                if len(self.pending) > 1:
                    self.deliver(self.pending.pop(self.chance.randrange(1, len(self.pending))))
            if self.pending and self.chance.random() < 0.15:
                self.deliver(self.pending.pop(0))
            self.check()

    def begin(self, standing: Position) -> None:
        """Forget what is in memory, and go on from a position."""
        self.saved = standing
        self.reader = Reading(self.session, position=standing, registry=self.registry, page_rows=4, page_bytes=10_000)
        self.frontier = Frontier(standing)
        self.pending = []

    async def set_back(self) -> None:
        """What ``Replay.set_back`` does."""
        floor_seq = await read_floor(self.session)
        present = await self.session.fetchrow(query("present"))
        standing = self.frontier.position
        undelivered = [row.seq for row in self.world.visible if not standing.sees(row.txid, row.seq)]
        first_seq = self.chance.randrange(present["last_seq"]) + 1
        passed_before = self.seen_by(self.saved)
        # What was noted belongs to the epoch of before.
        self.noted = []
        self.begin(
            Position.resending(
                present["snapshot"],
                after_seq=min(first_seq, *undelivered[:1]) - 1 if undelivered else first_seq - 1,
                floor_seq=floor_seq,
                ceiling_seq=present["last_seq"],
            )
        )
        self.passed_again += passed_before - self.seen_by(self.saved)

    def write(self, running: list[Transaction]) -> None:
        if len(running) < 6:
            running.append(self.world.begin())
        transaction = self.chance.choice(running)
        for _ in range(self.chance.choice([0, 1, 1, 2, 7])):
            row = self.chance.randrange(ROWS)
            if self.world.lock(transaction, row):
                self.world.capture(transaction, row, padding=0)
                if row >= ROWS // 5:
                    self.unwanted.add(self.world.last_seq)
        if self.chance.random() < 0.15:
            running.remove(transaction)
            self.world.end(transaction, commit=self.chance.random() < 0.9)
            if transaction.committed:
                self.missing |= {row.seq: row for row in transaction.changes if row.seq not in self.unwanted}

    def enter(self, events: Sequence[Event], end: Position) -> None:
        packed = page(*(event.seq for event in events if event.seq not in self.unwanted))
        self.frontier.enter(packed, end, count=PageCount(events), now=0.0)
        self.pending += packed.records

    def deliver(self, record: Record) -> None:
        deliver(self.frontier, [record])
        self.missing.pop(record.seq, None)

    def check(self) -> None:
        """Whatever is not delivered would be read from here on, and not be taken for delivered, now or by what was noted before."""
        standing = self.frontier.position
        if self.chance.random() < 0.3:
            self.save()
        if self.frontier.ahead and self.chance.random() < 0.1:
            self.noted.append(self.frontier.ahead)
        for change in self.missing.values():
            assert follows(standing, change.txid, change.seq)
            assert not any(ahead.has(change.txid, change.seq) for ahead in self.noted)

    def save(self) -> None:
        """What is counted is, of the changes that there are, each that the position sees, and each of them once."""
        self.saved, passed = self.frontier.position, self.frontier.take_passed()
        for counted in passed.tables.values():
            self.passed += counted.changes.total()
        assert self.passed == self.seen_by(self.saved) + self.passed_again

    def seen_by(self, standing: Position) -> int:
        return sum(standing.sees(row.txid, row.seq) for row in self.world.visible)


def follows(standing: Position, txid: int, seq: int) -> bool:
    """Whether page.sql, and drain.sql after the end of the batch, find a change."""
    batch = standing.batch
    in_batch = (
        batch is not None
        and not standing.delivered.sees(txid)
        and (txid in standing.delivered.running or seq > standing.floor_seq)
        and batch.snapshot.sees(txid)
        and batch.last_seq < seq <= batch.ceiling_seq
    )
    end = standing.finished() if batch else standing
    return in_batch or (not end.delivered.sees(txid) and (txid in end.delivered.running or seq > end.floor_seq))


@each_value_once(seed=range(20), many_pages=[2, MANY_PAGES])
async def test_a_position_passes_over_nothing_that_is_not_delivered_and_each_change_it_passes_counts_once(
    seed: int, many_pages: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(frontier_module, "MANY_PAGES", many_pages)
    await Reader(seed, World()).run()


def test_what_is_delivered_behind_a_halted_change_is_known_as_far_as_few_words_can_say_it() -> None:
    kept = Frontier(START)
    pages = [page(*range(first, first + 400)) for first in range(1, 4001, 400)]
    for number, packed in enumerate(pages, start=1):
        kept.enter(packed, position(400 * number), now=0.0)
    for packed in pages[:5]:
        deliver(kept, packed.records[1:])

    ahead = kept.ahead

    # Of the pages from the sixth on nothing is delivered: so many would be named, of two of them.
    assert ahead
    assert ahead.end == position(2800)
    assert ahead.undelivered == {*range(1, 2001, 400), *range(2001, 2801)}
    assert len(ahead.undelivered) <= MAX_UNDELIVERED
    assert [seq for seq in range(1, 3001) if not ahead.has(seq, seq)] == [
        *sorted(ahead.undelivered),
        *range(2801, 3001),
    ]


def test_what_is_delivered_ahead_survives_being_kept_in_some_hundred_bytes() -> None:
    kept = Frontier(START)
    packed = page(*range(10**12, 10**12 + 4000))
    kept.enter(packed, START.entering(Snapshot(7, 9, (7,)), floor_seq=3, ceiling_seq=10**13).advanced(10**13), now=0.0)
    deliver(kept, [record for number, record in enumerate(packed.records) if number % 5])

    ahead = kept.ahead

    assert ahead
    content = ahead.encode()
    assert decode(content) == ahead
    assert len(content) < 500
    assert decode(b"of another release") is None


def test_where_nothing_is_delivered_nothing_is_ahead() -> None:
    kept = Frontier(START)
    kept.enter(page(1, 2), position(2), now=0.0)
    kept.enter(page(3), position(3), now=0.0)
    assert kept.ahead is None


def test_nothing_is_ahead_of_a_position_that_has_come_as_far() -> None:
    ahead = Ahead(end=position(10), undelivered=frozenset({3}))
    assert not ahead.is_behind(position(9))
    assert ahead.is_behind(position(10))
    assert not ahead.is_behind(position(20).entering(Snapshot(30, 30), floor_seq=0, ceiling_seq=30))
