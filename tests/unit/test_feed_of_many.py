"""Many sinks on the feeds of two processes against a model of PostgreSQL's transactions, whatever comes in between.

Pump, Feed, Intake and Outbox are the real ones, the database is the model of tests/world.py. Some sinks keep up, some are slow, some
stall for a while, some crash and begin again from a position that they had reached, there or in the other process.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any

import anyio
import anyio.lowlevel
import pytest

from forwarder import census
from forwarder import feed as feed_module
from forwarder.cursor import Position, Snapshot
from forwarder.events import Event
from forwarder.feed import Feed
from forwarder.intake import Intake
from forwarder.outbox import Outbox
from forwarder.packing import Packed
from forwarder.pump import Pump
from forwarder.registry import Registry
from tests.waiting import eventually
from tests.world import Session, Transaction, World

SINKS = 4
WRITERS = 4
ROWS = 5
START = Position(delivered=Snapshot(1, 1), floor_seq=0)


@dataclass
class Sink:
    """Takes what an intake offers, at its own pace."""

    chance: Random
    slowness: int
    stream: list[Event] = field(default_factory=list)
    positions: list[Position] = field(default_factory=lambda: [START])
    crashes: int = 0

    async def room(self) -> None:
        for _ in range(self.chance.randrange(self.slowness)):
            await anyio.lowlevel.checkpoint()

    def expect_page(self) -> None:
        """It sends nothing, so it holds nothing back."""

    def offer(self, events: Any, position: Position, *, skipped: int) -> None:
        assert not skipped
        assert not self.positions[-1].delivered.is_after(position.delivered)
        self.stream += events
        self.positions.append(position)


class Unpacked:
    """A packer that leaves events as they are."""

    def pack(self, events: Sequence[Event], *, any_stored: bool) -> Packed:
        return events  # type: ignore[return-value]


@dataclass
class Run:
    """Writers, a pump and sinks for as long as the writers write, and until all sinks have everything."""

    seed: int
    world: World = field(default_factory=World)

    def __post_init__(self) -> None:
        self.chance = Random(self.seed)
        # One of them keeps up; the others are slower and slower.
        self.sinks = [Sink(Random(self.seed + number), slowness=1 + 20 * number) for number in range(SINKS)]

    async def go(self) -> None:
        session: Any = Session(self.world, pause=self.pause)
        registry = Registry()
        await registry.refresh(session)
        outbox = Outbox(session, anyio.Lock(), registry=registry, history_stamp=None, page_rows=3, page_bytes=10_000)
        feeds = [Feed(await outbox.here(), shared=True) for _ in range(2)]
        async with anyio.create_task_group() as tasks:
            for feed in feeds:
                tasks.start_soon(self.poll, Pump(outbox, feed))
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

    async def poll(self, pump: Pump) -> None:
        await pump.poll(interval_seconds=0.0001)

    async def keep_going(self, sink: Sink, feeds: Sequence[Feed], outbox: Outbox) -> None:
        """Read along, and begin again now and then from a position that was reached before."""
        while True:
            feed, position = sink.chance.choice(feeds), sink.positions[-1]
            intake = Intake(feed, outbox, position=position, relay=sink, packer=Unpacked())  # type: ignore[arg-type]
            if sink.crashes == 3:
                await intake.run()
            with anyio.move_on_after(sink.chance.uniform(0.005, 0.05)):
                await intake.run()
            sink.crashes += 1
            sink.positions.append(sink.chance.choice(sink.positions[-5:]))

    async def write(self) -> None:
        """Transactions that take their ids late, overlap, roll back, and are sometimes larger than a page."""
        for _ in range(25):
            transaction = self.world.begin()
            for _ in range(self.chance.choice([1, 1, 1, 2, 9])):
                row = self.chance.randrange(ROWS)
                if self.world.lock(transaction, row):
                    await self.pause()
                    self.world.capture(transaction, row, padding=0)
                await self.pause()
            await self.end(transaction)

    async def end(self, transaction: Transaction) -> None:
        for _ in range(self.chance.choice([0, 1, 30])):
            await anyio.lowlevel.checkpoint()
        self.world.end(transaction, commit=self.chance.random() < 0.8)

    async def everybody_has_everything(self) -> bool:
        return all({event.seq for event in sink.stream} == self.world.commit_place.keys() for sink in self.sinks)


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("kept_bytes", [100, 1 << 20], ids=["little is kept", "much is kept"])
async def test_every_sink_gets_every_change_in_the_order_of_its_row(
    seed: int, kept_bytes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feed_module, "KEPT_BYTES", kept_bytes)
    # So that the larger transactions are counted by parts.
    monkeypatch.setattr(census, "MAX_COUNTED", 7)
    run = Run(seed * 100)

    await run.go()

    places = {
        change["seq"]: (number, len(transaction.changes))
        for transaction in run.world.transactions
        for number, change in enumerate(transaction.changes, start=1)
    }
    for sink in run.sinks:
        firsts = list({event.seq: event for event in sink.stream}.values())
        for key in {event.key for event in firsts}:
            commits = [run.world.commit_place[event.seq] for event in firsts if event.key == key]
            assert commits == sorted(commits)
        assert all((event.index, event.count) == places[event.seq] for event in sink.stream)
