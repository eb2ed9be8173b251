"""Where a sink stands in the outbox: a snapshot, not a number. Pure.

``seq`` is the order of one row's changes, but it does not tell what was delivered: a lower ``seq`` may be committed later. So what was
delivered is a snapshot of PostgreSQL, S1. The next batch is every change that S1 does not see and a snapshot of now, S2, does, in order
of ``seq``:

1. Transaction 10 draws seq 1 and stays open. Transaction 11 draws seq 2 and commits.
2. The snapshot ``10:12:10`` sees 11, but not 10, which is running. Seq 2 is delivered, and this snapshot is S1 from now on.
3. Transaction 10 commits. Transaction 12 draws seq 3 and commits.
4. The snapshot ``13:13:`` is S2. The batch is seq 1 (10 was running in S1) and seq 3 (12 had not begun in S1).

docs/design/cursor.md has the states of a position, and explains the bounds (floor and ceiling) that spare a large batch from being read to
find where it begins and ends.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple


class Snapshot(NamedTuple):
    """PostgreSQL's ``pg_snapshot``: which transactions had ended when it was taken. asyncpg passes it on as a parameter."""

    # All transactions below had ended, all from xmax on had not.
    xmin: int
    xmax: int
    # Transactions between the two that were still running.
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
        """Whether it was taken later than another one of the same server, and sees more. It then sees all that the other one sees.

        The xmax never falls. While it stays the same, transactions leave the running ones and none joins them.
        """
        if self.xmax != other.xmax:
            return self.xmax > other.xmax
        return len(self.running) < len(other.running)


# Sees no transaction at all.
NOTHING = Snapshot(1, 1)


class Numbered(NamedTuple):
    """How far the transactions that are too large to be counted (``transaction_counts.MAX_TOTAL``) are numbered."""

    # The changes that are numbered have a seq of at most this.
    seq: int = 0
    # Of each transaction its id, and how many changes are numbered.
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
    # Its seq is never above `last_seq`.
    numbered: Numbered = UNNUMBERED


@dataclass(frozen=True, slots=True, kw_only=True)
class Position:
    """What is delivered: all that ``delivered`` (S1) sees and, of the batch under way, all up to its ``last_seq``."""

    # S1.
    delivered: Snapshot
    # No transaction that S1 counts as not yet begun has a change with a seq of at most this.
    floor_seq: int
    batch: Batch | None = None
    # The highest seq delivered. It counts where the snapshots mean nothing: after a restore into another cluster or database.
    last_seq: int = 0

    @property
    def furthest(self) -> Snapshot:
        """The snapshot that will be delivered when the batch under way is done."""
        return self.batch.snapshot if self.batch else self.delivered

    def sees(self, txid: int, seq: int) -> bool:
        """Whether the change of this transaction with this seq is delivered. The rule is that of the SQL function ``forwarder.sees``."""
        if _sees(self.delivered, self.floor_seq, txid, seq):
            return True
        batch = self.batch
        return batch is not None and seq <= batch.last_seq and _sees(batch.snapshot, batch.floor_seq, txid, seq)

    def covers(self, other: Position) -> bool:
        """Whether it surely sees all that another position of the same sink sees. False may mean that it cannot be told.

        1. S1 sees all that the other one leads up to: yes.
        2. Both are inside the same batch: yes, if this one has come as far in it, and S1 sees all that the other S1 sees.
        3. Else no. That the batch leads further is not enough: only a part of it is delivered.
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
        """Inside the batch, past every change up to ``seq``; ``places`` as in ``Numbered``."""
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
        """Where a sink stands that is to be sent everything after a seq again: inside a batch that leads from nothing to ``snapshot`` (S2).

        Up to ``after_seq`` only what S2 sees counts as delivered. So a transaction that is running now is still to come, whatever its seqs.
        A floor of S1 at ``after_seq`` would pass over it; hence that floor is 0.
        """
        batch = Batch(snapshot=snapshot, floor_seq=floor_seq, ceiling_seq=ceiling_seq, last_seq=after_seq)
        return cls(delivered=NOTHING, floor_seq=0, batch=batch, last_seq=after_seq)


def _sees(snapshot: Snapshot, floor_seq: int, txid: int, seq: int) -> bool:
    return snapshot.sees(txid) or (txid >= snapshot.xmax and seq <= floor_seq)
