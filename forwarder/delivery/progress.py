"""How far delivery has come: the pages in memory, and the position up to which nothing is missing. Pure; time is an argument."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from forwarder.outbox.delivered_ahead import MAX_UNDELIVERED, Ahead
from forwarder.outbox.position import Position
from forwarder.records.packing import Packed

# Behind a lane that is halted for days, pages that are delivered are joined when there are so many, and again when as many have come.
MANY_PAGES = 64


@dataclass(slots=True, kw_only=True)
class _Page:
    """A page that is not delivered, or that waits for one before it."""

    # The seqs of its changes that are not delivered, in one set or several.
    undelivered: list[set[int]]
    first_seq: int
    last_seq: int
    # What holds once the page and all before it are delivered.
    position: Position
    # How many changes it has had to deliver.
    changes: int
    offered_at: float

    def is_delivered(self) -> bool:
        while self.undelivered and not self.undelivered[-1]:
            self.undelivered.pop()
        return not self.undelivered

    def may_take_in(self, next_page: _Page) -> bool:
        """Whether the next page is delivered, and a position inside the two would say no more than what is.

        Not if it ends inside a batch that this page is no part of: that has lower seqs as well, which are still to come.
        """
        ours, theirs = self.position.batch, next_page.position.batch
        is_ours = theirs is None or (ours is not None and ours.snapshot == theirs.snapshot)
        return is_ours and not next_page.undelivered

    def take_in(self, next_page: _Page) -> None:
        """Become one page with the next."""
        self.last_seq = max(self.last_seq, next_page.last_seq)
        self.position = next_page.position
        self.changes += next_page.changes


class Frontier:
    """Pages enter in order, are delivered in any order, and leave in order."""

    def __init__(self, position: Position) -> None:
        # Every change up to here is delivered, the whole of the last page that is done.
        self._position = position
        self._pages: deque[_Page] = deque()
        # Grows whenever the position may have become worth saving again; a later snapshot alone is not worth it.
        self.progress = 0
        self._join_at = MANY_PAGES

    @property
    def pages(self) -> int:
        """How many are kept."""
        return len(self._pages)

    @property
    def position(self) -> Position:
        """Every change up to here is delivered. Inside a page, it stands before the first change that is not."""
        if not self._pages:
            return self._position
        page = self._pages[0]
        before_seq = min(min(seqs) for seqs in page.undelivered if seqs)
        if before_seq == page.first_seq:
            return self._position
        return self._position.within(page.position, before_seq=before_seq, ceiling_seq=page.last_seq)

    @property
    def ahead(self) -> Ahead | None:
        """What is delivered beyond the position, as far as few words can say it; None if nothing is."""
        end: Position | None = None
        undelivered: list[int] = []
        delivered = 0
        for page in self._pages:
            left = [seq for seqs in page.undelivered for seq in seqs]
            if len(undelivered) + len(left) > MAX_UNDELIVERED:
                break
            end = page.position
            undelivered += left
            delivered += page.changes - len(left)
        return Ahead(end=end, undelivered=frozenset(undelivered)) if end and delivered else None

    def enter(self, packed: Packed, position: Position, *, now: float) -> None:
        """Take a page in. ``position`` holds once it and all before it are delivered."""
        records, later = packed.records, packed.later
        first_seq, last_seq = ((records or later)[0].seq, (later or records)[-1].seq) if records or later else (0, 0)
        page = _Page(
            undelivered=[stretch.undelivered for stretch in packed.stretches],
            first_seq=first_seq,
            last_seq=last_seq,
            position=position,
            changes=sum(len(stretch.undelivered) for stretch in packed.stretches),
            offered_at=now,
        )
        if self._pages and self._pages[-1].may_take_in(page):
            self._pages[-1].take_in(page)
            return
        self._pages.append(page)
        self._advance()
        if len(self._pages) >= self._join_at:
            self._join()

    def delivered(self, count: int) -> None:
        """So many changes need not be delivered any more; records have left their pages' ``undelivered``."""
        self.progress += count
        self._advance()

    def oldest_seconds(self, *, now: float) -> float:
        """How long the oldest page has been in memory."""
        return now - self._pages[0].offered_at if self._pages else 0.0

    def _advance(self) -> None:
        while self._pages and self._pages[0].is_delivered():
            page = self._pages.popleft()
            if self._position.batch is not None and page.position.batch is None:
                # The end of a batch is worth saving even if its last page had nothing to deliver.
                self.progress += 1
            self._position = page.position

    def _join(self) -> None:
        """Join pages that are delivered to those before them, so that no more is kept than there is in memory."""
        joined: deque[_Page] = deque()
        for page in self._pages:
            page.undelivered = [seqs for seqs in page.undelivered if seqs]
            if joined and joined[-1].may_take_in(page):
                joined[-1].take_in(page)
            else:
                joined.append(page)
        self._pages = joined
        self._join_at = len(joined) + MANY_PAGES
