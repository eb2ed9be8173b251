"""How far delivery has come: the pages in memory, and the position up to which nothing is missing. Pure; time is an argument."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from forwarder.cursor import Position
from forwarder.packing import Packed


@dataclass(slots=True, kw_only=True)
class _Page:
    """A page that is not delivered, or that waits for one before it."""

    # The seqs of its changes that are not delivered, in one set or several.
    undelivered: list[set[int]]
    first_seq: int
    last_seq: int
    # What holds once the page and all before it are delivered.
    position: Position
    attached_bytes: int
    offered_at: float

    def is_delivered(self) -> bool:
        while self.undelivered and not self.undelivered[-1]:
            self.undelivered.pop()
        return not self.undelivered


class Frontier:
    """Pages enter in order, are delivered in any order, and leave in order."""

    def __init__(self, position: Position) -> None:
        # Every change up to here is delivered, the whole of the last page that is done.
        self._position = position
        self._pages: deque[_Page] = deque()
        # Grows whenever the position may have become worth saving again; a later snapshot alone is not worth it.
        self.progress = 0
        # Of what is attached to the records in memory, or is to be read for it.
        self.attached_bytes = 0

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

    def enter(self, packed: Packed, position: Position, *, now: float) -> None:
        """Take a page in. ``position`` holds once it and all before it are delivered."""
        records, later = packed.records, packed.later
        if self._pages and not (records or later):
            self._pages[-1].position = position
            return
        first_seq, last_seq = ((records or later)[0].seq, (later or records)[-1].seq) if records or later else (0, 0)
        page = _Page(
            undelivered=[stretch.undelivered for stretch in packed.stretches],
            first_seq=first_seq,
            last_seq=last_seq,
            position=position,
            attached_bytes=packed.attached_bytes,
            offered_at=now,
        )
        self.attached_bytes += packed.attached_bytes
        self._pages.append(page)
        self._advance()

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
            batch_is_done = self._position.batch is not None and page.position.batch is None
            self.progress += batch_is_done
            self.attached_bytes -= page.attached_bytes
            self._position = page.position
