"""Which change of how many: every change's place in its transaction, across the pages of a batch. Pure."""

from __future__ import annotations

from collections.abc import Iterable


class Transactions:
    """Numbers the changes of each transaction in order of ``seq``.

    A transaction is forgotten with its last change, so what is kept is only the transactions that straddle pages.
    """

    __slots__ = ("_counts",)

    def __init__(self) -> None:
        # By transaction of more than one change: how many of them are numbered, of how many.
        self._counts: dict[int, tuple[int, int]] = {}

    def copy(self) -> Transactions:
        """The same, to go on with apart from this."""
        copy = Transactions()
        copy._counts = self._counts.copy()
        return copy

    def unknown(self, txids: Iterable[int]) -> list[int]:
        """Which of these have to be counted before their changes can be numbered, each once."""
        return list(set(txids) - self._counts.keys())

    def learn(self, txid: int, *, total: int, earlier: int = 0) -> None:
        """A transaction has ``total`` changes in the batch, at least two; ``earlier`` of them were numbered before."""
        self._counts[txid] = (earlier, total)

    def number(self, txid: int) -> tuple[int, int]:
        """The place of the transaction's next change, from 1, and how many changes there are.

        A transaction that nobody taught has one change: it is what most have, so it is what costs nothing.
        """
        if txid not in self._counts:
            return 1, 1
        numbered, total = self._counts[txid]
        numbered += 1
        if numbered == total:
            del self._counts[txid]
        else:
            self._counts[txid] = (numbered, total)
        return numbered, total
