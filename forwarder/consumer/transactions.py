"""Puts transactions together again, whose changes come by different shards. Pure.

It goes by ``tx`` of the record, "change 1 of 2". That counts all captured changes of the transaction, so one that has changed tables which
this consumer does not get never becomes complete; of more than 200,000 changes only the last one has the count.
"""

from __future__ import annotations

from dataclasses import dataclass

from forwarder.consumer.change import Change
from forwarder.consumer.lane import transaction_of

REMEMBERED = 100_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Incomplete:
    """A transaction of which not all changes have come. ``count`` is None as long as the change that has it is missing."""

    txid: str
    seen: int
    count: int | None


class Transactions:
    """Holds changes until all of their transaction are there.

    At most ``remembered`` of them: beyond that, those of the transaction that began first are given up, and counted in ``given_up``.
    """

    def __init__(self, *, remembered: int = REMEMBERED) -> None:
        self.given_up = 0
        self._remembered = remembered
        self._held = 0
        self._open: dict[str, _Open] = {}

    def add(self, change: Change) -> list[Change] | None:
        """All changes of its transaction, in the order in which it made them, if this was the last that was missing; else None.

        A repeat of a change that is held changes nothing. One of a transaction that was complete begins it anew, so drop repeats before. A
        change that does not say of what transaction it is, or its place in it, is None as well, and not held.
        """
        name = transaction_of(change)
        if name is None or change.tx_index is None:
            return None
        transaction = self._open.setdefault(name, _Open(change.txid or "", {}))
        if change.tx_index not in transaction.changes:
            transaction.changes[change.tx_index] = change
            transaction.count = change.tx_count or transaction.count
            self._held += 1
        if len(transaction.changes) == transaction.count:
            self._forget(name)
            return [transaction.changes[index] for index in sorted(transaction.changes)]
        while self._held > self._remembered:
            self._forget(next(iter(self._open)))
            self.given_up += 1
        return None

    def incomplete(self) -> list[Incomplete]:
        """What is held, the transaction first that began first."""
        return [
            Incomplete(txid=transaction.txid, seen=len(transaction.changes), count=transaction.count)
            for transaction in self._open.values()
        ]

    def _forget(self, name: str) -> None:
        self._held -= len(self._open.pop(name).changes)


@dataclass(slots=True)
class _Open:
    txid: str
    # By their index.
    changes: dict[int, Change]
    count: int | None = None
