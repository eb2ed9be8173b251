"""What one sink takes, and how far it reads ahead of that."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

import anyio
import pytest
from anyio.lowlevel import checkpoint

from forwarder.errors import Oversized, Refused, Unavailable, plain_errors
from forwarder.health import Phase, ServiceState
from forwarder.listen.intake import Intake
from forwarder.outbox.delivered_ahead import Ahead
from forwarder.outbox.feed import Feed
from forwarder.outbox.pages import Page
from forwarder.outbox.position import Position, Snapshot
from forwarder.records.tally import PageCount
from tests.support.unwatched import Unwatched

START = Position(delivered=Snapshot(1, 1), floor_seq=0)
HEAD = Position(delivered=Snapshot(9, 9), floor_seq=0)
PAGES = 5


@pytest.fixture(autouse=True)
def uncounted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Events are numbers here, or have a seq and no more, so nobody can count them."""
    monkeypatch.setattr("forwarder.listen.intake.PageCount", lambda _: PageCount([]))


class Outbox:
    """Pages of one event each; the last one is the end of the batch."""

    def __init__(self, *, fails_at: int | None = None) -> None:
        self.read_pages: list[int] = []
        self._fails_at = fails_at

    async def entering(self, position: Position, *, head: Position) -> Position:
        return position.entering(head.delivered, floor_seq=0, ceiling_seq=PAGES)

    async def read(self, position: Position, transactions: object) -> Page:
        await checkpoint()
        number = len(self.read_pages) + 1
        if number == self._fails_at:
            raise Unavailable("the connection is lost")
        self.read_pages.append(number)
        after = position.finished() if number == PAGES else position.advanced(number, places=())
        return Page(events=[number], position=after)  # type: ignore[list-item]


class Relay:
    """Has room for as many pages as it is told."""

    def __init__(self, *, room: int) -> None:
        self.offered: list[Any] = []
        self.positions: list[Position] = []
        self._room = anyio.Semaphore(room)

    def make_room(self) -> None:
        self._room.release()

    async def room(self) -> None:
        await self._room.acquire()

    def expect_page(self) -> None:
        """It sends nothing, so it holds nothing back."""

    def offer(self, events: Sequence[Any], position: Position, *, count: PageCount, skipped: int) -> None:
        self.offered += events
        self.positions.append(position)


class Maker:
    """Leaves events as they are, but for one that it refuses."""

    def __init__(self, *, refuses: int | None = None) -> None:
        self._refuses = refuses

    async def records(self, events: Sequence[Any], *, any_stored: bool) -> Sequence[Any]:
        if self._refuses in events:
            raise Refused(f"change {self._refuses} is too large")
        return events


def intake_of(
    outbox: Outbox,
    relay: Relay,
    maker: Maker | None = None,
    *,
    position: Position = START,
    ahead: Ahead | None = None,
    state: ServiceState | None = None,
) -> Intake:
    feed: Any = Feed(HEAD, shared=False)
    parts: Any = {"relay": relay, "maker": maker or Maker(), "state": state or ServiceState(), "arrivals": Unwatched()}
    reads_from: Any = outbox
    return Intake(feed, reads_from, position=position, ahead=ahead, **parts)


@asynccontextmanager
async def running(intake: Intake) -> AsyncIterator[None]:
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(intake.run)
        yield
        tasks.cancel_scope.cancel()


async def standstill() -> None:
    """Let everybody go on until nobody can."""
    for _ in range(50):
        await checkpoint()


async def test_the_next_page_is_read_before_there_is_room_for_it_and_no_other_is() -> None:
    outbox, relay = Outbox(), Relay(room=0)
    async with running(intake_of(outbox, relay)):
        for taken in range(PAGES):
            await standstill()
            assert outbox.read_pages == list(range(1, taken + 2))
            assert relay.offered == list(range(1, taken + 1))
            relay.make_room()


async def test_catching_up_ends_with_the_last_page_and_not_before() -> None:
    outbox, relay = Outbox(), Relay(room=PAGES + 1)
    await intake_of(outbox, relay).catch_up()
    assert relay.offered == [1, 2, 3, 4, 5]
    assert relay.positions[-1].delivered == HEAD.delivered


async def test_a_page_that_is_held_when_reading_stops_is_not_passed() -> None:
    outbox, relay = Outbox(), Relay(room=2)
    async with running(intake_of(outbox, relay)):
        await standstill()
    assert outbox.read_pages == [1, 2, 3]
    assert [position.last_seq for position in relay.positions] == [1, 2]


async def test_a_change_that_is_refused_ends_it_after_all_before_it_was_offered() -> None:
    relay = Relay(room=PAGES)
    with pytest.raises(Refused, match="change 3 is too large"), plain_errors():
        await intake_of(Outbox(), relay, Maker(refuses=3)).run()
    assert relay.offered == [1, 2]


class Change(NamedTuple):
    seq: int
    txid: int = 2


class OnePage(Outbox):
    """All in one page, which is the whole of what is new."""

    async def read(self, position: Position, transactions: object) -> Page:
        self.read_pages.append(1)
        events: Any = [Change(seq) for seq in range(1, PAGES + 1) if not position.sees(2, seq)]
        return Page(events=events, position=position.advanced(PAGES).finished())


class Stopping(Maker):
    """Stops before a change, until it is allowed."""

    def allow(self) -> None:
        self._refuses = None

    async def records(self, events: Sequence[Any], *, any_stored: bool) -> Sequence[Any]:
        for event in events:
            if event.seq == self._refuses:
                raise Oversized(f"change {event.seq} is too large", seq=event.seq)
        return events


async def test_what_is_before_an_oversized_change_on_its_page_is_taken_and_only_that_passed() -> None:
    relay = Relay(room=PAGES)
    with pytest.raises(Oversized, match="change 3 is too large"), plain_errors():
        await intake_of(OnePage(), relay, Stopping(refuses=3)).catch_up()
    assert [event.seq for event in relay.offered] == [1, 2]
    [position] = relay.positions
    assert [seq for seq in range(1, PAGES + 1) if position.sees(2, seq)] == [1, 2]
    assert position.batch is not None
    assert position.batch.ceiling_seq == PAGES


async def test_what_was_delivered_ahead_is_not_taken_again_before_an_oversized_change() -> None:
    relay = Relay(room=PAGES)
    ahead = Ahead(end=HEAD, undelivered=frozenset({2, 3}))
    with pytest.raises(Oversized), plain_errors():
        await intake_of(OnePage(), relay, Stopping(refuses=3), ahead=ahead).catch_up()
    assert [event.seq for event in relay.offered] == [2]


async def test_an_oversized_change_is_tried_again_and_passed_once_the_sink_takes_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("forwarder.listen.intake.OVERSIZED_RETRY_SECONDS", 0)
    state = ServiceState(phase=Phase.LEADING)
    outbox, relay, maker = OnePage(), Relay(room=1000), Stopping(refuses=3)
    async with running(intake_of(outbox, relay, maker, state=state)):
        while len(outbox.read_pages) < 3:
            await checkpoint()
        assert (state.reason, state.ready) == ("change 3 is too large", False)
        maker.allow()
        while state.reason:
            await checkpoint()
    assert [event.seq for event in relay.offered] == list(range(1, PAGES + 1))


@pytest.mark.parametrize("room", [2, PAGES])
async def test_a_lost_connection_ends_it_whether_there_is_room_or_not(room: int) -> None:
    with pytest.raises(Unavailable, match="connection is lost"), plain_errors():
        await intake_of(Outbox(fails_at=3), Relay(room=room)).run()


async def test_whoever_is_beyond_the_head_is_not_led_back_to_it() -> None:
    outbox, relay = Outbox(), Relay(room=PAGES)
    ahead = Position(delivered=Snapshot(20, 20), floor_seq=0)
    async with running(intake_of(outbox, relay, position=ahead)):
        await standstill()
    assert (outbox.read_pages, relay.positions) == ([], [])
