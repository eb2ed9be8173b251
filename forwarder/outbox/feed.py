"""The outbox, read once for all sinks that have come equally far. No I/O: what was read comes in, and is handed on.

The head is how far the outbox has been read. A sink that keeps up waits at the head and is handed each page that follows. One
that is slower finds what it missed among the pages that are kept. One that is slower still reads up to the head by itself, and
joins the others again. When more is new than one page holds, the head goes past it all, and everybody reads it by himself:

    behind ──has read up to the head──► at a kept page ◄──► at the head
       ▲                                      │                  │
       └────what follows is not kept──────────┴──────────────────┘

Two sinks that are behind by the same, as after a start, share the pages that they read, the second one to start those of the first.
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

# What is kept for sinks that are a little slower: so many pages, of so many bytes.
KEPT_PAGES = 512
KEPT_BYTES = 16 << 20
# What an event takes besides its images.
EVENT_BYTES = 500

# Snapshots, floors and seqs.
_Mark: TypeAlias = "tuple[Snapshot | int, ...]"


class Feed:
    """Pages in order, each for everybody who has come as far as where it begins."""

    def __init__(self, head: Position, *, shared: bool) -> None:
        """``shared``: there are several who read along, or will once they have started, so pages are kept for them."""
        self.head = head
        self._shared = shared
        self._pages: OrderedDict[_Mark, Page] = OrderedDict()
        self._bytes = 0
        self._waiting = 0
        self._advanced = anyio.Event()
        self._wanted = anyio.Event()
        self._failure: ForwarderError | None = None
        # Those who are behind read one after the other, so that each may find what the one before it has read.
        self.behind = anyio.Lock()

    def is_head(self, position: Position) -> bool:
        """Whether nothing that was read follows this position."""
        return _mark(position) == _mark(self.head)

    async def after(self, position: Position) -> Page | None:
        """The page that follows a position; at the head, waits for it. None if it is not kept.

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
        return page and replace(page, position=page.position.at_least(position.last_seq))

    def join(self, position: Position) -> None:
        """Somebody reads along from here on.

        If another process has brought him further than the head is, because everybody here is stuck, the head moves to him: led up to
        the head, he would go back.
        """
        end = position.finished() if position.batch else position
        # Others who come to the head have not delivered his last change by that.
        self.jump(replace(end, last_seq=0))

    def publish(self, page: Page, *, after: Position) -> None:
        """This page follows a position, at which the head was when it was read; now the head follows it."""
        if _mark(page.position) == _mark(after):
            # Nothing has happened in the database at all.
            return
        if self._waiting or self._shared:
            self._keep(after, page)
        self.jump(page.position)

    def jump(self, head: Position) -> None:
        """The head is here now, if it was not further already; what lies between may be read by nobody yet."""
        if head.delivered.is_after(self.head.delivered):
            self.head = head
            self._notify()

    def share(self, position: Position, page: Page) -> None:
        """Somebody who is behind has read this page, which follows a position: others may be there soon."""
        if self._shared:
            self._keep(position, page)

    async def wanted(self) -> None:
        """Wait until somebody waits at the head."""
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
    # Not their lengths: one character beyond the usual makes a text take four bytes for each.
    return sum(EVENT_BYTES + getsizeof(event.before) + getsizeof(event.after) for event in page.events)


def _mark(position: Position) -> _Mark:
    """What decides which page follows: two sinks at the same mark read the same."""
    batch = position.batch
    if batch is None:
        # There may be several floors for one snapshot, all of them true.
        return (position.delivered,)
    of_batch = (batch.snapshot, batch.floor_seq, batch.ceiling_seq, batch.last_seq)
    return position.delivered, position.floor_seq, *of_batch
