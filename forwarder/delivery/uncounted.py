"""What is not counted yet of a page that is not delivered, and of the delivered pages that it has taken in. Pure.

A change counts when the position passes over it, so that each counts once, whatever is sent again after a crash. The position stands at the end of
a page, or inside it before a change that is not delivered. A page that has taken in others is passed in this way too: whatever of all of them
has a lower seq is before the position.
"""

from __future__ import annotations

from collections import deque

from forwarder.records.tally import PageCount, Tally


class Uncounted:
    """The pages that are counted together."""

    __slots__ = ("_pages", "_rest")

    def __init__(self, page: PageCount | None) -> None:
        self._pages = deque([page] if page else ())
        # Of pages that no position can stand in, since all of their changes come after the last one that is not delivered.
        self._rest = Tally()

    def take_in(self, other: Uncounted, *, last_undelivered_seq: int) -> None:
        """Count these pages together with ours, of which no change above a seq is undelivered, and none of theirs."""
        self._rest.add(other._rest)
        for page in other._pages:
            if page.first_seq is not None and page.first_seq <= last_undelivered_seq:
                self._pages.append(page)
            else:
                page.count(self._rest)

    def count_before(self, seq: int, tally: Tally) -> None:
        """The position is inside, before a seq."""
        for page in self._pages:
            page.count(tally, before_seq=seq)
        while self._pages and self._pages[-1].is_counted:
            self._pages.pop()

    def count_all(self, tally: Tally) -> None:
        """The position has passed all of it."""
        for page in self._pages:
            page.count(tally)
        tally.add(self._rest)
