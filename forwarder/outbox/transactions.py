"""Which change of how many: every change's place in its transaction, across the pages of a batch. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from copy import copy

import msgspec

# The place of a change of whose transaction others may be gone.
NOBODY_KNOWS = 0, None


class Count(msgspec.Struct, gc=False):
    """How many changes a transaction has; more than one."""

    txid: int
    # None: so many that nobody has counted them all.
    total: int | None
    # How many of them are numbered.
    earlier: int = 0
    # The last change's; only where it tells the end, for want of the total.
    last_seq: int = 0


class Transactions:
    """Numbers the changes of each transaction in order of ``seq``.

    A transaction is forgotten with its last change, so what is kept is only the transactions that straddle pages.
    """

    __slots__ = ("_counts", "_doubtful_txid")

    def __init__(self) -> None:
        # Of transactions up to this one, some changes may be gone.
        self._doubtful_txid = 0
        # By transaction, of those of more than one change.
        self._counts: dict[int, Count] = {}

    def __bool__(self) -> bool:
        """Whether any transaction is known that has more than one change, or may have had."""
        return bool(self._counts) or self._doubtful_txid > 0

    def copy(self) -> Transactions:
        """The same, to go on with apart from this."""
        same = Transactions()
        same._doubtful_txid = self._doubtful_txid
        same._counts = {txid: copy(count) for txid, count in self._counts.items()}
        return same

    def unknown(self, txids: Iterable[int]) -> list[int]:
        """Which of these have to be counted before their changes can be numbered, each once."""
        return [txid for txid in set(txids) - self._counts.keys() if txid > self._doubtful_txid]

    def doubt(self, newest_txid: int) -> None:
        """Of transactions up to this one there may be a part left: what that is numbered by says nothing."""
        self._doubtful_txid = max(self._doubtful_txid, newest_txid)
        self._counts = {txid: count for txid, count in self._counts.items() if txid > self._doubtful_txid}

    def learn(self, count: Count) -> None:
        """Go on numbering a transaction after its earlier changes."""
        self._counts[count.txid] = count

    def places(self) -> Sequence[tuple[int, int]]:
        """Of the transactions that nobody has counted to their ends, each one's id and how many changes are numbered."""
        return [(count.txid, count.earlier) for count in self._counts.values() if count.total is None]

    def number(self, txid: int, seq: int) -> tuple[int, int | None]:
        """The place of the transaction's next change, from 1, and how many changes there are.

        A transaction that nobody taught has one change: it is what most have, so it is what costs nothing. One that was not
        counted to its end has None, up to its last change. One of which changes may be gone has 0 and None.
        """
        count = self._counts.get(txid)
        if count is None:
            return (1, 1) if txid > self._doubtful_txid else NOBODY_KNOWS
        count.earlier = place = count.earlier + 1
        if place == count.total or seq == count.last_seq:
            del self._counts[txid]
            return place, place
        return place, count.total
