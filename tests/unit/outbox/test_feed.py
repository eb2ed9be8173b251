"""The feed: every sink is handed every page in order, however far the others have come."""

from __future__ import annotations

import anyio
import pytest

from forwarder.errors import Unavailable
from forwarder.events import CapturedTable, Event
from forwarder.outbox import feed as feed_module
from forwarder.outbox.feed import Feed
from forwarder.outbox.pages import Page
from forwarder.outbox.position import Position, Snapshot

ITEM = CapturedTable(id=1, relation=1, schema="public", name="item", key_columns=(), before_image="full")


def position(number: int, *, last_seq: int = 0) -> Position:
    return Position(delivered=Snapshot(number, number), floor_seq=0, last_seq=last_seq)


def page(number: int, *, size: int = 1) -> Page:
    """The page that leads to this position."""
    event = Event(
        seq=number,
        txid=1,
        at=0,
        table=ITEM,
        partition=None,
        op=b"I",
        before=None,
        after="x" * size,
        fault=None,
        index=1,
        count=1,
        key=None,
        key_values=None,
    )
    return Page(events=[event], position=position(number, last_seq=number))


async def next_page(feed: Feed, at: Position) -> Page:
    with anyio.fail_after(5):
        found = await feed.after(at)
    assert found is not None
    return found


async def test_whoever_waits_at_the_head_is_handed_the_next_page() -> None:
    feed, handed = Feed(position(0), shared=True), []

    async def wait() -> None:
        handed.append((await next_page(feed, position(0))).position)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(wait)
        tasks.start_soon(wait)
        await feed.wanted()
        await anyio.wait_all_tasks_blocked()
        feed.publish(page(1), after=feed.head)

    assert handed == [position(1, last_seq=1)] * 2


async def test_nothing_is_wanted_as_long_as_nobody_waits_at_the_head() -> None:
    feed = Feed(position(0), shared=True)
    with anyio.move_on_after(0.01) as patience:
        await feed.wanted()
    assert patience.cancelled_caught


async def test_a_slower_sink_finds_what_it_missed() -> None:
    feed = Feed(position(0), shared=True)
    for number in range(1, 4):
        feed.publish(page(number), after=feed.head)
    at, seen = position(0), []
    while not feed.is_head(at):
        found = await next_page(feed, at)
        seen += [event.seq for event in found.events]
        at = found.position

    assert seen == [1, 2, 3]


async def test_a_page_that_leads_nowhere_is_not_kept() -> None:
    feed = Feed(position(0), shared=True)
    feed.publish(Page(events=(), position=position(0)), after=feed.head)
    feed.jump(position(9))

    assert await feed.after(position(0)) is None


async def test_what_is_kept_is_bounded_by_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feed_module, "KEPT_BYTES", 2 * feed_module._size(page(1, size=40)) + 10)
    feed = Feed(position(0), shared=True)
    for number in range(1, 5):
        feed.publish(page(number, size=40), after=feed.head)

    assert await feed.after(position(0)) is None
    assert await feed.after(position(1)) is None
    assert (await next_page(feed, position(2))).events[0].seq == 3


def test_a_text_counts_as_what_it_takes_in_memory() -> None:
    plain, wide = page(1, size=1000), page(1, size=1000)
    wide.events[0].after = "x" * 999 + "\N{GRINNING FACE}"

    assert feed_module._size(wide) - feed_module._size(plain) >= 3000


async def test_a_jump_leaves_everybody_behind() -> None:
    feed = Feed(position(0), shared=True)
    feed.jump(position(9))

    assert await feed.after(position(0)) is None
    assert feed.is_head(position(9))


@pytest.mark.parametrize("shared", [True, False])
async def test_what_one_that_is_behind_has_read_is_kept_for_others_if_there_are_any(*, shared: bool) -> None:
    feed = Feed(position(9), shared=shared)
    behind = position(0)
    inside = behind.entering(Snapshot(9, 9), floor_seq=0, ceiling_seq=9).advanced(1)
    first = Page(events=page(1).events, position=inside)

    feed.share(behind, first)

    found = await feed.after(behind)
    assert (found.events if found else None) == (first.events if shared else None)
    assert await feed.after(inside) is None


async def test_a_page_for_the_only_sink_is_not_kept_once_it_has_it() -> None:
    feed = Feed(position(0), shared=False)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(next_page, feed, position(0))
        await feed.wanted()
        feed.publish(page(1), after=feed.head)

    assert feed.kept(position(0)) is None


async def test_small_changes_are_not_kept_without_bound_either(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feed_module, "KEPT_BYTES", 10 * feed_module._size(page(1, size=0)))
    feed = Feed(position(0), shared=True)
    for number in range(1, 21):
        feed.publish(page(number, size=0), after=feed.head)

    kept = [number for number in range(20) if await feed.after(position(number))]
    assert kept == list(range(10, 20))


async def test_a_sink_keeps_the_highest_seq_that_it_has_delivered() -> None:
    feed = Feed(position(0), shared=True)
    feed.publish(page(1), after=feed.head)

    assert (await next_page(feed, position(0, last_seq=50))).position.last_seq == 50


async def test_a_failure_is_told_to_those_who_wait_and_to_those_who_come() -> None:
    feed = Feed(position(0), shared=True)

    async def wait() -> None:
        with pytest.raises(Unavailable, match="gone"):
            await feed.after(position(0))

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(wait)
        await feed.wanted()
        feed.fail(Unavailable("gone"))
    with pytest.raises(Unavailable, match="gone"):
        await feed.after(position(0))


async def test_the_head_moves_to_somebody_who_comes_from_further_on_and_the_others_read_up_to_it() -> None:
    feed, waiting = Feed(position(3), shared=True), []

    async def wait() -> None:
        waiting.append(await feed.after(position(3)))

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(wait)
        await feed.wanted()
        feed.join(position(9, last_seq=50))

    assert waiting == [None]
    assert feed.head == position(9)


@pytest.mark.parametrize("running", [(), (5,)])
async def test_the_head_does_not_move_back_to_somebody_who_comes_from_before(running: tuple[int, ...]) -> None:
    at = Position(delivered=Snapshot(5, 9, (5,)), floor_seq=7)
    feed = Feed(at, shared=True)
    feed.join(Position(delivered=Snapshot(3, 8, running), floor_seq=4))
    feed.join(Position(delivered=Snapshot(5, 9, (5, 6)), floor_seq=4))

    assert feed.head == at


async def test_a_batch_that_somebody_brings_along_is_read_to_its_end() -> None:
    feed = Feed(position(3), shared=True)
    feed.join(position(2).entering(Snapshot(9, 9), floor_seq=8, ceiling_seq=20).advanced(15))

    assert feed.head == Position(delivered=Snapshot(9, 9), floor_seq=8)


async def test_a_page_that_was_read_while_the_head_moved_on_is_for_those_where_it_begins() -> None:
    feed, before = Feed(position(3), shared=True), position(3)
    feed.join(position(9))
    feed.publish(page(5), after=before)

    assert feed.head == position(9)
    assert (await next_page(feed, before)).position.delivered == Snapshot(5, 5)
    assert await feed.after(position(5)) is None


async def test_a_page_of_a_batch_is_no_use_to_whoever_reads_on_to_another_end_of_it() -> None:
    feed = Feed(position(0), shared=True)
    # Both begin again inside a page; for one of them it had fewer changes, so its batch ends earlier.
    short, long = (position(0).entering(Snapshot(9, 9), floor_seq=0, ceiling_seq=seq).advanced(1) for seq in (2, 502))
    feed.share(short, Page(events=(), position=short.finished()))

    assert feed.kept(long) is None
    assert feed.kept(short)
