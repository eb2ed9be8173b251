"""Where a sink stands in the outbox: snapshots, not numbers. Pure.

``seq`` says in which order one row's changes were committed, but not which changes have been seen: a lower ``seq`` may
commit later. What has been seen is a snapshot. The next batch is every change not visible in the snapshot delivered so far
(S1) and visible in one taken now (S2), in order of ``seq``. docs/design/cursor.md explains the bounds that spare a large
batch from being read to find where it begins and ends.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple


class Snapshot(NamedTuple):
    """PostgreSQL's ``pg_snapshot``: which transactions had ended when it was taken. asyncpg takes it as it is."""

    xmin: int
    xmax: int
    # Transactions between xmin and xmax that were still running.
    running: tuple[int, ...] = ()

    @classmethod
    def parse(cls, text: str) -> Snapshot:
        """Read ``xmin:xmax:xip,xip,…``, PostgreSQL's text form."""
        xmin, xmax, running = text.split(":")
        return cls(int(xmin), int(xmax), tuple(int(txid) for txid in running.split(",") if txid))

    def __str__(self) -> str:
        return f"{self.xmin}:{self.xmax}:{','.join(map(str, self.running))}"

    def sees(self, txid: int) -> bool:
        """Whether the transaction had ended; the same rule as ``pg_visible_in_snapshot``."""
        return txid < self.xmax and txid not in self.running

    def is_after(self, other: Snapshot) -> bool:
        """Whether it sees more than another one of the same server. Of two, the later sees all that the earlier does.

        As time goes on the xmax never falls, and as long as it stays, transactions only leave those that are running.
        """
        return (self.xmax, len(other.running)) > (other.xmax, len(self.running))


# Sees no transaction at all.
NOTHING = Snapshot(1, 1)


class Numbered(NamedTuple):
    """How many changes of some transactions have a seq of at most this: of those that are too large to be counted again."""

    seq: int = 0
    places: tuple[tuple[int, int], ...] = ()


UNNUMBERED = Numbered()


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """A batch too large for one page, read in order of ``seq`` by one page after another."""

    # S2. It and `floor_seq` become the position's own when the batch is done.
    snapshot: Snapshot
    floor_seq: int
    # Every change visible in S2 has a seq of at most this.
    ceiling_seq: int
    # Every change of the batch up to this seq is delivered.
    last_seq: int
    # At a seq that is delivered, so at `last_seq` or before it.
    numbered: Numbered = UNNUMBERED


@dataclass(frozen=True, slots=True, kw_only=True)
class Position:
    """What is delivered: all that ``delivered`` (S1) sees and, of the batch under way, all up to its ``last_seq``."""

    delivered: Snapshot
    # No transaction that S1 counts as not yet begun has a change with a seq of at most this.
    floor_seq: int
    batch: Batch | None = None
    # The highest seq delivered, for when the snapshots mean nothing any more (a restore into another cluster or database).
    last_seq: int = 0

    @property
    def furthest(self) -> Snapshot:
        """The snapshot up to which it leads, once the batch under way is done."""
        return self.batch.snapshot if self.batch else self.delivered

    def sees(self, txid: int, seq: int) -> bool:
        """Whether a change of this transaction, with this seq, is delivered: ``forwarder.sees`` of the database says the same."""
        if _sees(self.delivered, self.floor_seq, txid, seq):
            return True
        batch = self.batch
        return batch is not None and seq <= batch.last_seq and _sees(batch.snapshot, batch.floor_seq, txid, seq)

    def covers(self, other: Position) -> bool:
        """Whether it surely sees all that another one of the same sink sees.

        A batch that leads as far as the other position does not say so: it may have come to lower seqs only.
        """
        if not other.furthest.is_after(self.delivered):
            return True
        ours, theirs = self.batch, other.batch
        if ours is None or theirs is None or ours.snapshot != theirs.snapshot:
            return False
        return ours.last_seq >= theirs.last_seq and not other.delivered.is_after(self.delivered)

    def entering(self, snapshot: Snapshot, *, floor_seq: int, ceiling_seq: int) -> Position:
        """At the start of a batch up to ``snapshot`` that takes more than one page."""
        batch = Batch(snapshot=snapshot, floor_seq=floor_seq, ceiling_seq=ceiling_seq, last_seq=0)
        return replace(self, batch=batch)

    def advanced(self, seq: int, *, places: Sequence[tuple[int, int]] = ()) -> Position:
        """Inside the batch, past every change up to ``seq``; ``places`` are those that very large transactions have come to."""
        if self.batch is None:
            raise ValueError("no batch is under way")
        batch = replace(self.batch, last_seq=seq, numbered=Numbered(seq, tuple(places)))
        return replace(self, batch=batch, last_seq=max(self.last_seq, seq))

    def finished(self) -> Position:
        """Past the whole batch."""
        if self.batch is None:
            raise ValueError("no batch is under way")
        return Position(delivered=self.batch.snapshot, floor_seq=self.batch.floor_seq, last_seq=self.last_seq)

    def within(self, end: Position, *, before_seq: int, ceiling_seq: int) -> Position:
        """Inside the page that leads from here to ``end``, past every change below ``before_seq``.

        ``ceiling_seq`` is the seq of the page's last change. A page that was a batch of its own becomes one that is under way.
        """
        batch = end.batch or Batch(
            snapshot=end.delivered, floor_seq=end.floor_seq, ceiling_seq=ceiling_seq, last_seq=before_seq - 1
        )
        numbered = self.batch.numbered if self.batch else UNNUMBERED
        return replace(self, batch=replace(batch, last_seq=before_seq - 1, numbered=numbered))

    def drained(self, snapshot: Snapshot, *, floor_seq: int, last_seq: int) -> Position:
        """Past a batch that one statement returned as a whole; ``last_seq`` is its last change's, or 0."""
        return Position(delivered=snapshot, floor_seq=floor_seq, last_seq=max(self.last_seq, last_seq))

    def at_least(self, last_seq: int) -> Position:
        """The same position of a sink that has delivered ``last_seq`` as well."""
        return self if last_seq <= self.last_seq else replace(self, last_seq=last_seq)

    @classmethod
    def resending(cls, snapshot: Snapshot, *, after_seq: int, floor_seq: int, ceiling_seq: int) -> Position:
        """Sent again: every change after a seq that S2 sees, as the rest of a batch, then what comes after S2.

        That S2 sees them says what is delivered up to that seq. A floor would say it of transactions too that are still running.
        """
        batch = Batch(snapshot=snapshot, floor_seq=floor_seq, ceiling_seq=ceiling_seq, last_seq=after_seq)
        return cls(delivered=NOTHING, floor_seq=0, batch=batch, last_seq=after_seq)


def _sees(snapshot: Snapshot, floor_seq: int, txid: int, seq: int) -> bool:
    return snapshot.sees(txid) or (txid >= snapshot.xmax and seq <= floor_seq)
