"""Which leaf of the outbox may be emptied, and when the one in use is to be closed. Pure.

The outbox is a ring of eight leaves. Writers fill one and go on to the next, as ``seq`` rises; a leaf that lies behind them is
emptied as a whole. ``forwarder.reclaim`` has the last word, under its lock; what is decided here is only what is worth trying.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

LEAVES = 8

# The leaf in use is closed after this part of the retention, so that a change stays at most that much longer than it should.
OPEN_PART = 0.25
# Closing takes some 80 ms and 800 kB of WAL for a leaf of 2^18, so even without any retention it is not done all the time.
MIN_OPEN_SECONDS = 300.0

# Of the leaves that writers reach after the next one, so many are emptied before their time: the disk is worth more than history.
EARLY_LEAVES = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Leaf:
    """A leaf as it was a moment ago."""

    number: int
    # As SQL writes it, with its schema.
    name: str
    # Whether its file has no page. What was rolled back takes pages too.
    is_empty: bool
    # On disk, with indexes and TOAST.
    bytes: int
    # Of its newest change; null if there is none.
    newest_seq: int | None
    newest_age_seconds: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Ring:
    """The eight leaves, in order of their numbers, and where the writers are."""

    leaves: Sequence[Leaf]
    # How many values of seq a leaf takes.
    leaf_events: int
    last_seq: int
    # How long the leaf in use has held a change of this lap; None if it holds none.
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
        """The leaves worth trying, those that writers will need first, each with how old its newest change must be, in seconds.

        Never the leaf in use or the next.
        """
        early, later = self.ahead[2 : 2 + EARLY_LEAVES], self.ahead[2 + EARLY_LEAVES :]
        candidates = [*((leaf, 0.0) for leaf in early), *((leaf, retention_seconds) for leaf in later)]
        return [(leaf, seconds) for leaf, seconds in candidates if _is_worth_trying(leaf, seconds)]

    def to_draw(self, *, retention_seconds: float) -> int:
        """How many seqs to draw so that writers go on to the next leaf; 0 if it is too early."""
        if self.open_seconds is None or self.open_seconds < max(OPEN_PART * retention_seconds, MIN_OPEN_SECONDS):
            return 0
        # The first seq of the next leaf too: only who draws it leaves this one.
        return self.leaf_events - self.last_seq % self.leaf_events


def has_hole(seqs: Sequence[int], *, leaf_events: int, jumps: Sequence[int]) -> bool:
    """Whether a leaf may have been emptied between changes that follow each other, while the one before it was kept.

    Leaves are emptied as a whole. ``jumps``: the seqs from which on they were made to go on, where the ones below were never drawn.
    """
    return any(
        after // leaf_events - before // leaf_events > 1 and not any(before < jump <= after for jump in jumps)
        for before, after in pairwise(seqs)
    )


def _is_worth_trying(leaf: Leaf, retention_seconds: float) -> bool:
    return not leaf.is_empty and (leaf.newest_age_seconds is None or leaf.newest_age_seconds >= retention_seconds)
