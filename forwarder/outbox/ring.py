"""Decides which leaves of the outbox are worth emptying, and when to close the one in use. Pure.

The outbox is a ring of eight leaves. A change with seq 600,000 is in leaf 2 where a leaf takes 262,144 seqs: 600,000 / 262,144 is 2, modulo 8.
As ``seq`` rises, writers fill one leaf and go on to the next, and a leaf behind them is emptied as a whole. Seen from the leaf in use:

1. The leaf in use and the next one are never emptied.
2. The two after those are emptied as soon as they are delivered: writers need them soon.
3. The other four are emptied when they are delivered and older than the retention.

Whether a leaf is delivered is decided by ``forwarder.reclaim``, under its lock.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

LEAVES = 8

# The leaf in use is closed when its first change has reached this part of the retention. Without that, a leaf that fills slowly would keep its
# changes for as long as it takes to fill.
OPEN_PART = 0.25
# But not sooner than this, however short the retention is: closing a leaf of 2^18 seqs takes some 80 ms and 800 kB of WAL.
MIN_OPEN_SECONDS = 300.0

# So many leaves after the next one are emptied before the retention is over, so that writers find room: the disk is worth more than history.
EARLY_LEAVES = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Leaf:
    """A leaf as it was a moment ago."""

    number: int
    # As SQL writes it, with its schema.
    name: str
    # Whether its file has no page. Rows that were rolled back take pages too.
    is_empty: bool
    # On disk, with indexes and TOAST.
    bytes: int
    # Of its newest change; None if there is none.
    newest_seq: int | None
    newest_age_seconds: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Ring:
    """The eight leaves, in order of their numbers, and where the writers are."""

    leaves: Sequence[Leaf]
    # How many seqs a leaf takes.
    leaf_events: int
    # The last one drawn.
    last_seq: int
    # The age of the first change that was written to the leaf in use on this lap of the ring; None if there is none.
    open_seconds: float | None

    @property
    def bytes(self) -> int:
        """Of all the leaves, on disk."""
        return sum(leaf.bytes for leaf in self.leaves)

    @property
    def ahead(self) -> list[Leaf]:
        """The leaves in the order in which writers come to them: first the one in use, then the next."""
        in_use = self.last_seq // self.leaf_events % LEAVES
        return [*self.leaves[in_use:], *self.leaves[:in_use]]

    def to_reclaim(self, *, retention_seconds: float) -> list[tuple[Leaf, float]]:
        """The leaves that are worth trying, each with how old its newest change has to be, in seconds. Those that writers need first come first."""
        early, later = self.ahead[2 : 2 + EARLY_LEAVES], self.ahead[2 + EARLY_LEAVES :]
        candidates = [*((leaf, 0.0) for leaf in early), *((leaf, retention_seconds) for leaf in later)]
        return [(leaf, seconds) for leaf, seconds in candidates if _is_worth_trying(leaf, seconds)]

    def to_draw(self, *, retention_seconds: float) -> int:
        """How many seqs to draw so that writers go on to the next leaf; 0 if it is too early."""
        if self.open_seconds is None or self.open_seconds < max(OPEN_PART * retention_seconds, MIN_OPEN_SECONDS):
            return 0
        # Up to the first seq of the next leaf: with the last one of this leaf drawn, this one would still be in use.
        return self.leaf_events - self.last_seq % self.leaf_events


def has_hole(seqs: Sequence[int], *, leaf_events: int, jumps: Sequence[int]) -> bool:
    """Whether a leaf may have been emptied between two of these changes, given by their seqs in order.

    Example: with leaves of 100 seqs, no change is found between 150 and 320. The leaf of 200 to 299 may have been emptied, so there is a hole.
    Between 150 and 220 there is none: leaves are emptied as a whole, and both of these are there still. ``jumps`` are the first seqs of
    histories: below such a seq, some were never drawn, and nothing is missing.
    """
    return any(
        after // leaf_events - before // leaf_events > 1 and not any(before < jump <= after for jump in jumps)
        for before, after in pairwise(seqs)
    )


def _is_worth_trying(leaf: Leaf, retention_seconds: float) -> bool:
    return not leaf.is_empty and (leaf.newest_age_seconds is None or leaf.newest_age_seconds >= retention_seconds)
