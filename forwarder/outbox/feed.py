"""Shares each page of the outbox among all sinks that have come as far as where it begins. No I/O: pages come in, and are handed on.

The head of the feed is the position up to which the outbox has been read for all. Each sink is in one of three places:

1. At the head. It waits, and is handed the next page as soon as the head reader has read it (``head_reader.py``).
2. At a kept page. The head has moved on, but the page that follows the sink's position is still in memory, and it is handed that.
3. Behind. What follows its position is not in memory. The sink reads page after page by itself (``listen/intake.py``) until it comes to
   a kept page or to the head.

    behind ──comes to a kept page, or to the head──► at a kept page ◄──► at the head
       ▲                                                  │                  │
       └──────────────what follows is not kept────────────┴──────────────────┘

When more is new than one page holds, nothing is published: the head jumps past all of it, and every sink is behind. Sinks that are
behind by the same, as after a start, read each page once: whoever reads it shares it, and the others find it among the kept ones.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import replace
from sys import getsizeof
from typing import TypeAlias

import anyio

from forwarder.errors import ForwarderError, Unavailable
from forwarder.outbox.pages import Page
from forwarder.outbox.position import Position, Snapshot

# How much is kept for sinks that are a little slower, whichever comes first.
KEPT_PAGES = 512
KEPT_BYTES = 16 << 20
# About the memory that an event takes besides its images.
EVENT_BYTES = 500

# Snapshots, floors and seqs: see `_mark`.
_Mark: TypeAlias = "tuple[Snapshot | int, ...]"


class Feed:
    """Pages in order, each for everybody who has come as far as where it begins."""

    def __init__(self, head: Position, *, shared: bool) -> None:
        """``shared``: several sinks read along, or will once they have started, so pages are kept for them."""
        self.head = head
        self._shared = shared
        # By where each begins, the oldest first.
        self._pages: OrderedDict[_Mark, Page] = OrderedDict()
        self._bytes = 0
        # How many sinks wait at the head.
        self._waiting = 0
        self._advanced = anyio.Event()
        self._wanted = anyio.Event()
        self._failure: ForwarderError | None = None
        # Held by a sink that is behind while it reads a page: the next one looks for that page first, before it reads one.
        self.behind = anyio.Lock()

    def is_head(self, position: Position) -> bool:
        """Whether nothing that was read follows this position."""
        return _mark(position) == _mark(self.head)

    async def after(self, position: Position) -> Page | None:
        """The page that follows a position; at the head, waits for it. None: it is not kept, and the caller is behind.

        Raises:
            Unavailable: nothing more will come.
        """
        while self.is_head(position):
            await self._advance()
        self._check()
        return self.kept(position)

    def kept(self, position: Position) -> Page | None:
        """The page that follows a position, if it is kept."""
        page = self._pages.get(_mark(position))
        if page and not self._shared:
            self._forget_first()
        # The page has the last seq of the sink that it was read for; this one may have delivered a higher one.
        return page and replace(page, position=page.position.at_least(position.last_seq))

    def join(self, position: Position) -> None:
        """A sink reads along from this position on.

        The position may be beyond the head: another process has led this sink, while all sinks of ours were stuck and nobody moved the
        head. Then the head jumps to where the sink will be, or reading up to the head would set the sink back.
        """
        end = position.finished() if position.batch else position
        # The last seq is this sink's own. Other sinks that come to the head have not delivered that change.
        self.jump(replace(end, last_seq=0))

    def publish(self, page: Page, *, after: Position) -> None:
        """The head was at ``after`` when this page was read. From now on it is behind the page."""
        if _mark(page.position) == _mark(after):
            # No transaction has ended since.
            return
        if self._waiting or self._shared:
            self._keep(after, page)
        self.jump(page.position)

    def jump(self, head: Position) -> None:
        """Move the head here, unless it is further already. Sinks that were at the old head are behind, if no page leads them on."""
        if head.delivered.is_after(self.head.delivered):
            self.head = head
            self._notify()

    def share(self, position: Position, page: Page) -> None:
        """A sink that was behind, at this position, has read this page. Keep it for others that are behind."""
        if self._shared:
            self._keep(position, page)

    async def wanted(self) -> None:
        """Wait until a sink waits at the head."""
        while not self._waiting:
            self._wanted = anyio.Event()
            await self._wanted.wait()

    def fail(self, error: ForwarderError) -> None:
        """Nothing more can be read: everybody who asks is told."""
        self._failure = error
        self._notify()

    def _notify(self) -> None:
        self._advanced.set()
        self._advanced = anyio.Event()

    async def _advance(self) -> None:
        self._check()
        self._waiting += 1
        self._wanted.set()
        try:
            await self._advanced.wait()
        finally:
            self._waiting -= 1

    def _keep(self, position: Position, page: Page) -> None:
        if earlier := self._pages.pop(_mark(position), None):
            self._bytes -= _size(earlier)
        self._pages[_mark(position)] = page
        self._bytes += _size(page)
        while len(self._pages) > 1 and (self._bytes > KEPT_BYTES or len(self._pages) > KEPT_PAGES):
            self._forget_first()

    def _check(self) -> None:
        if self._failure:
            raise Unavailable(str(self._failure)) from self._failure

    def _forget_first(self) -> None:
        _, page = self._pages.popitem(last=False)
        self._bytes -= _size(page)


def _size(page: Page) -> int:
    # By getsizeof, not by length: with one character above U+FFFF, Python keeps a text in four bytes a character.
    return sum(EVENT_BYTES + getsizeof(event.before) + getsizeof(event.after) for event in page.events)


def _mark(position: Position) -> _Mark:
    """The part of a position that decides what follows it: sinks with equal marks read the same page next."""
    batch = position.batch
    if batch is None:
        # Not the floor: two sinks may have different floors for one snapshot, and both are true.
        return (position.delivered,)
    of_batch = (batch.snapshot, batch.floor_seq, batch.ceiling_seq, batch.last_seq)
    return position.delivered, position.floor_seq, *of_batch
