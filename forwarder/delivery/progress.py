"""How far delivery has come: the pages in memory, and the position up to which nothing is missing. Pure; time is an argument.

Pages enter in order, their changes are delivered in any order, and pages leave in order. Example: pages A (changes 1 to 3), B (4 to 6) and
C (7 to 9), of which 1, 4, 5, 6 and 8 are delivered.

    position   inside A, before 2     the first change that is not delivered
    ahead      up to the end of C, except 2, 3, 7 and 9

When 2 and 3 are delivered, A and B leave, and the position is inside C, before 7.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from forwarder.delivery.uncounted import Uncounted
from forwarder.outbox.delivered_ahead import MAX_UNDELIVERED, Ahead
from forwarder.outbox.position import Position
from forwarder.records.packing import Packed
from forwarder.records.tally import PageCount, Tally

# A lane that is halted for days keeps its page here, and delivered ones pile up behind it. They are joined whenever so many have come.
MANY_PAGES = 64


@dataclass(slots=True, kw_only=True)
class _Page:
    """A page that is not delivered, or that waits for one before it, and the delivered pages that it has taken in."""

    # The sets of its stretches: the seqs of its changes that are not delivered. Whoever delivers a change removes its seq.
    undelivered: list[set[int]]
    first_seq: int
    last_seq: int
    # As `last_seq`, without the pages that it has taken in.
    last_undelivered_seq: int
    # What holds once the page and all before it are delivered.
    position: Position
    # How many changes there were to deliver.
    changes: int
    offered_at: float
    uncounted: Uncounted

    def is_delivered(self) -> bool:
        """Whether no change is left. Forgets sets that are empty."""
        while self.undelivered and not self.undelivered[-1]:
            self.undelivered.pop()
        return not self.undelivered

    def may_take_in(self, next_page: _Page) -> bool:
        """Whether the next page is delivered, and the two can be one without a position in it passing what is still to come.

        A position inside a page says that every change of the page's batch below a seq is delivered. So a page must not take in one that
        ends inside another batch: changes of that batch with lower seqs may still have to be read.
        """
        ours, theirs = self.position.batch, next_page.position.batch
        is_ours = theirs is None or (ours is not None and ours.snapshot == theirs.snapshot)
        return is_ours and not next_page.undelivered

    def take_in(self, next_page: _Page) -> None:
        """Become one page with the next."""
        self.last_seq = max(self.last_seq, next_page.last_seq)
        self.position = next_page.position
        self.changes += next_page.changes
        # A page without anything undelivered is never passed in part.
        last_undelivered_seq = self.last_undelivered_seq if self.undelivered else 0
        self.uncounted.take_in(next_page.uncounted, last_undelivered_seq=last_undelivered_seq)


class Frontier:
    """The pages from the first that is not delivered on."""

    def __init__(self, position: Position) -> None:
        # The end of the last page that has left.
        self._position = position
        self._pages: deque[_Page] = deque()
        # Grows whenever the position may have become worth saving again; a later snapshot alone is not worth it.
        self.progress = 0
        self._join_at = MANY_PAGES
        # What the position has passed since the last `take_passed`, apart from the first page.
        self._passed = Tally()

    @property
    def pages(self) -> int:
        """How many pages are kept."""
        return len(self._pages)

    @property
    def position(self) -> Position:
        """Every change up to here is delivered. Inside a page, it stands before the first change that is not."""
        before_seq = self._before_seq
        if before_seq is None:
            return self._position
        page = self._pages[0]
        return self._position.within(page.position, before_seq=before_seq, ceiling_seq=page.last_seq)

    def take_passed(self) -> Tally:
        """The changes that the position has passed since this was called last, by table. Whoever saves the position stores them with it."""
        passed, self._passed = self._passed, Tally()
        if (before_seq := self._before_seq) is not None:
            self._pages[0].uncounted.count_before(before_seq, passed)
        return passed

    @property
    def _before_seq(self) -> int | None:
        """The first change of the first page that is not delivered; None: the position is not inside a page."""
        if not self._pages:
            return None
        page = self._pages[0]
        before_seq = min(min(seqs) for seqs in page.undelivered if seqs)
        return None if before_seq == page.first_seq else before_seq

    @property
    def ahead(self) -> Ahead | None:
        """What is delivered beyond the position; None if nothing is. It ends where more than ``MAX_UNDELIVERED`` changes are not."""
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

    def enter(self, packed: Packed, position: Position, *, count: PageCount | None = None, now: float) -> None:
        """Take a page in. ``position`` holds once it and all before it are delivered. ``count`` has its changes; None: none is counted."""
        page = _page_of(packed, position, count, now=now)
        if self._pages and self._pages[-1].may_take_in(page):
            self._pages[-1].take_in(page)
            return
        self._pages.append(page)
        self._advance()
        if len(self._pages) >= self._join_at:
            self._join()

    def delivered(self, count: int) -> None:
        """So many changes need not be delivered any more. The seqs of those that were records are removed from the ``undelivered`` sets."""
        self.progress += count
        self._advance()

    def oldest_seconds(self, *, now: float) -> float:
        """How long the first page has been in memory."""
        return now - self._pages[0].offered_at if self._pages else 0.0

    def _advance(self) -> None:
        while self._pages and self._pages[0].is_delivered():
            page = self._pages.popleft()
            if self._position.batch is not None and page.position.batch is None:
                # The end of a batch is worth saving even if its last page had nothing to deliver.
                self.progress += 1
            self._position = page.position
            page.uncounted.count_all(self._passed)

    def _join(self) -> None:
        """Join delivered pages to those before them, so that not more pages are kept than have records in memory."""
        joined: deque[_Page] = deque()
        for page in self._pages:
            page.undelivered = [seqs for seqs in page.undelivered if seqs]
            if joined and joined[-1].may_take_in(page):
                joined[-1].take_in(page)
            else:
                joined.append(page)
        self._pages = joined
        self._join_at = len(joined) + MANY_PAGES


def _page_of(packed: Packed, position: Position, count: PageCount | None, *, now: float) -> _Page:
    undelivered = [stretch.undelivered for stretch in packed.stretches]
    # Those of `later` come after the others.
    records, later = packed.records, packed.later
    if records or later:
        first_seq, last_seq = (records or later)[0].seq, (later or records)[-1].seq
    else:
        first_seq = last_seq = 0
    return _Page(
        undelivered=undelivered,
        first_seq=first_seq,
        last_seq=last_seq,
        last_undelivered_seq=last_seq,
        position=position,
        changes=sum(map(len, undelivered)),
        offered_at=now,
        uncounted=Uncounted(count),
    )
