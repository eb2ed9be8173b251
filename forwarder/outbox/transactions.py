"""Says of each change which of how many its transaction made, across the pages of a batch. Pure.

Example: a transaction made the changes with seqs 10, 12 and 15, and the first page ends at 12.

* ``unknown`` names the transaction. It is counted, and ``learn`` is told that it made three changes.
* ``number`` gives (1, 3) for seq 10 and (2, 3) for seq 12. The next page goes on with a ``copy``, which gives (3, 3) for seq 15 and then
  forgets the transaction. So what is kept are the transactions of which a later page has more.

Three kinds of transactions are numbered without a count:

1. Most made one change. Nothing is learnt or kept of them: ``number`` gives (1, 1).
2. One that is too large to be counted (``transaction_counts.MAX_TOTAL``) has a seq where it ends, but no total: (1, None), (2, None),
   and (n, n) for the last of n.
3. One of which the outbox may have dropped changes already (``doubt``): (0, None) for each that is left.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from copy import copy

import msgspec

# The place of a change where other changes of its transaction may be gone.
NOBODY_KNOWS = 0, None


class Count(msgspec.Struct, gc=False):
    """How many changes a transaction made, where it made more than one."""

    txid: int
    # None: more than are counted.
    total: int | None
    # How many of them are numbered already.
    earlier: int = 0
    # Where the total is None: the seq of the last change. Else 0.
    last_seq: int = 0


class Transactions:
    """The transactions under way in a batch, each with its count and how far it is numbered."""

    __slots__ = ("_counts", "_doubtful_txid")

    def __init__(self) -> None:
        # The outbox may have dropped changes of transactions up to this id.
        self._doubtful_txid = 0
        # By transaction id. Never one of a single change.
        self._counts: dict[int, Count] = {}

    def __bool__(self) -> bool:
        """False: the next changes may all be numbered (1, 1) without asking."""
        return bool(self._counts) or self._doubtful_txid > 0

    def copy(self) -> Transactions:
        """The same transactions, to be numbered further without any effect on these."""
        same = Transactions()
        same._doubtful_txid = self._doubtful_txid
        same._counts = {txid: copy(count) for txid, count in self._counts.items()}
        return same

    def unknown(self, txids: Iterable[int]) -> list[int]:
        """Which of these have to be counted before their changes can be numbered, each once."""
        if not self:
            return list(set(txids))
        return [txid for txid in set(txids) - self._counts.keys() if txid > self._doubtful_txid]

    def doubt(self, newest_txid: int) -> None:
        """The outbox may have dropped changes of transactions up to this id: from now on their counts mean nothing."""
        self._doubtful_txid = max(self._doubtful_txid, newest_txid)
        self._counts = {txid: count for txid, count in self._counts.items() if txid > self._doubtful_txid}

    def learn(self, count: Count) -> None:
        """From now on, number this transaction by its count, after its earlier changes."""
        self._counts[count.txid] = count

    def places(self) -> Sequence[tuple[int, int]]:
        """The id of each transaction that is too large to be counted, and how many of its changes are numbered."""
        return [(count.txid, count.earlier) for count in self._counts.values() if count.total is None]

    def number(self, txid: int, seq: int) -> tuple[int, int | None]:
        """The place of the transaction's next change, from 1, and how many changes it made; see the head of this module."""
        count = self._counts.get(txid)
        if count is None:
            return (1, 1) if txid > self._doubtful_txid else NOBODY_KNOWS
        count.earlier = place = count.earlier + 1
        if place == count.total or seq == count.last_seq:
            del self._counts[txid]
            return place, place
        return place, count.total
