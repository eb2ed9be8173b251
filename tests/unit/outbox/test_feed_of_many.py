"""Many sinks on the feeds of two processes against a model of PostgreSQL's transactions, whatever comes in between.

HeadReader, Feed, Intake, Outbox and Frontier are the real ones, the database is the model of tests/world.py. Some sinks keep up, some are slow, some
are for one table of two, some crash and begin again from a position that they had reached, there or in the other process. What they have in
memory they deliver in any order.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any

import anyio
import anyio.lowlevel
import pytest

from forwarder.delivery.progress import Frontier
from forwarder.events import CapturedTable, Event
from forwarder.health import ServiceState
from forwarder.listen.intake import Intake
from forwarder.metrics import Metrics
from forwarder.outbox import feed as feed_module
from forwarder.outbox import transaction_counts
from forwarder.outbox.delivered_ahead import Ahead
from forwarder.outbox.feed import Feed
from forwarder.outbox.head_reader import HeadReader
from forwarder.outbox.pages import Outbox
from forwarder.outbox.position import Position, Snapshot
from forwarder.outbox.registry import Registry
from forwarder.records.packing import Packed
from forwarder.records.record import Record, Stretch
from forwarder.records.tally import PageCount
from tests.support.unwatched import Unwatched
from tests.waiting import eventually
from tests.world import HISTORY_STAMP, Session, Transaction, World

SINKS = 4
WRITERS = 4
ROWS = 5
START = Position(delivered=Snapshot(1, 1), floor_seq=0)


@dataclass
class Sink:
    """Takes what an intake offers, at its own pace, and delivers it in any order."""

    chance: Random
    slowness: int
    # The tables that it is for.
    table_ids: frozenset[int]
    frontier: Frontier = field(default_factory=lambda: Frontier(START))
    pending: list[Record] = field(default_factory=list)
    delivered: set[int] = field(default_factory=set)
    # What was handed to it, in that order.
    stream: list[Event] = field(default_factory=list)
    # What may be stored at a crash.
    standings: list[tuple[Position, Ahead | None]] = field(default_factory=lambda: [(START, None)])
    crashes: int = 0

    def begin(self) -> tuple[Position, Ahead | None]:
        """Forget what is in memory, and go on from what was stored."""
        position, ahead = self.standings[-1]
        self.frontier, self.pending = Frontier(position), []
        return position, ahead

    def wants(self, table: CapturedTable) -> bool:
        return table.id in self.table_ids

    async def room(self) -> None:
        for _ in range(self.chance.randrange(self.slowness)):
            await anyio.lowlevel.checkpoint()
        self.deliver_some()

    async def records(self, events: Sequence[Event], *, any_stored: bool) -> Packed:
        """As records without content."""
        self.stream += events
        undelivered = {event.seq for event in events}
        records = [Record(event.seq, "key", b"", undelivered) for event in events]
        return Packed(records=records, stretches=[Stretch(1, undelivered)] if records else [])

    def expect_page(self) -> None:
        """It sends nothing, so it holds nothing back."""

    def offer(self, packed: Packed, position: Position, *, count: PageCount, skipped: int) -> None:
        self.frontier.enter(packed, position, count=count, now=0.0)
        self.pending += packed.records
        self.store()

    def deliver_some(self) -> None:
        """The first of all waits longest, as behind a shard that throttles."""
        for record in self.chance.sample(self.pending, k=self.chance.randrange(len(self.pending) + 1)):
            if record is not self.pending[0] or self.chance.random() < 0.05:
                self.pending.remove(record)
                self.delivered.add(record.seq)
                record.undelivered.remove(record.seq)
                self.frontier.delivered(1)
        self.store()

    def store(self) -> None:
        assert not self.standings[-1][0].delivered.is_after(self.frontier.position.delivered)
        self.standings.append((self.frontier.position, self.frontier.ahead))


@dataclass
class Run:
    """Writers, a pump and sinks for as long as the writers write, and until all sinks have everything."""

    seed: int
    world: World = field(default_factory=World)

    def __post_init__(self) -> None:
        self.chance = Random(self.seed)
        # One of them keeps up; the others are slower and slower. Every second one is for one table.
        self.sinks = [
            Sink(
                Random(self.seed + number),
                slowness=1 + 20 * (number // 2),
                table_ids=frozenset({1} if number % 2 else {1, 2}),
            )
            for number in range(SINKS)
        ]

    async def go(self) -> None:
        session: Any = Session(self.world, pause=self.pause)
        registry = Registry()
        await registry.refresh(session)
        outbox = Outbox(
            session,
            anyio.Lock(),
            registry=registry,
            history_stamp=HISTORY_STAMP,
            page_rows=3,
            page_bytes=10_000,
            metrics=Metrics().outbox,
        )
        feeds = [Feed(await outbox.here(), shared=True) for _ in range(2)]
        async with anyio.create_task_group() as tasks:
            for feed in feeds:
                tasks.start_soon(self.poll, HeadReader(outbox, feed))
            for sink in self.sinks:
                tasks.start_soon(self.keep_going, sink, feeds, outbox)
            async with anyio.create_task_group() as writers:
                for _ in range(WRITERS):
                    writers.start_soon(self.write)
            await eventually(self.everybody_has_everything, within_seconds=20)
            tasks.cancel_scope.cancel()

    async def pause(self) -> None:
        for _ in range(self.chance.randrange(3)):
            await anyio.lowlevel.checkpoint()

    async def poll(self, head_reader: HeadReader) -> None:
        await head_reader.poll(interval_seconds=0.0001)

    async def keep_going(self, sink: Sink, feeds: Sequence[Feed], outbox: Outbox) -> None:
        """Read along, and begin again now and then from a position that was reached before."""
        while True:
            feed = sink.chance.choice(feeds)
            position, ahead = sink.begin()
            intake = Intake(
                feed,
                outbox,
                position=position,
                relay=sink,  # type: ignore[arg-type]
                maker=sink,  # type: ignore[arg-type]
                state=ServiceState(),
                arrivals=Unwatched(),
                wants=sink.wants,
                ahead=ahead,
            )
            if sink.crashes == 3:
                await intake.run()
            with anyio.move_on_after(sink.chance.uniform(0.005, 0.05)):
                await intake.run()
            sink.crashes += 1
            sink.standings.append(sink.chance.choice(sink.standings[-5:]))

    async def write(self) -> None:
        """Transactions that take their ids late, overlap, roll back, and are sometimes larger than a page."""
        for _ in range(25):
            transaction = self.world.begin()
            for _ in range(self.chance.choice([1, 1, 2, 9])):
                row = self.chance.randrange(ROWS)
                if self.world.lock(transaction, row):
                    await self.pause()
                    self.world.capture(transaction, row, padding=0, table_id=1 + row % 2)
                await self.pause()
            await self.end(transaction)

    async def end(self, transaction: Transaction) -> None:
        for _ in range(self.chance.choice([0, 1, 30])):
            await anyio.lowlevel.checkpoint()
        self.world.end(transaction, commit=self.chance.random() < 0.8)

    async def everybody_has_everything(self) -> bool:
        for sink in self.sinks:
            sink.deliver_some()
        return all(self.of(sink) == sink.delivered for sink in self.sinks)

    def of(self, sink: Sink) -> set[int]:
        return {change.seq for change in self.world.visible if change.table_id in sink.table_ids}


# The seeds of programs that take a tenth of a second or two, however much is kept; others take up to five.
SHORT = {12, 30}


@pytest.mark.parametrize(
    "seed", [pytest.param(seed, marks=() if seed in SHORT else pytest.mark.long) for seed in range(50)]
)
@pytest.mark.parametrize("kept_bytes", [100, 1 << 20], ids=["little is kept", "much is kept"])
async def test_every_sink_gets_every_change_of_its_tables_in_the_order_of_its_row(
    seed: int, kept_bytes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feed_module, "KEPT_BYTES", kept_bytes)
    # So that the larger transactions are counted by parts.
    monkeypatch.setattr(transaction_counts, "MAX_COUNTED", 7)
    run = Run(seed * 100)

    await run.go()

    places = {
        change.seq: (number, len(transaction.changes))
        for transaction in run.world.transactions
        for number, change in enumerate(transaction.changes, start=1)
    }
    for sink in run.sinks:
        firsts = list({event.seq: event for event in sink.stream}.values())
        for key in {event.key for event in firsts}:
            commits = [run.world.commit_place[event.seq] for event in firsts if event.key == key]
            assert commits == sorted(commits)
        assert all((event.index, event.count) == places[event.seq] for event in sink.stream)
