"""The member ``transaction`` of records, for ``provide.transaction.metadata``. Pure."""

from __future__ import annotations

from collections import Counter

from forwarder.events import Event
from forwarder.records.formats.debezium.fields import Transaction


class Transactions:
    """Counts the changes of each table, or partition, within a transaction."""

    def __init__(self, *, whole_tables: bool) -> None:
        """``whole_tables``: partitions are not told apart."""
        self._whole_tables = whole_tables
        self._txid = 0
        # Of the last change that was counted, in its transaction.
        self._index = 0
        self._counts: Counter[tuple[int, str | None]] = Counter()

    def of(self, event: Event) -> Transaction:
        """The member for the next event: ``{"id":"1140:267505","total_order":2,"data_collection_order":1}``.

        What nobody knows is null: the place of a change in its table, if the changes before it were not seen (after a start in the middle of a
        transaction, or where the sink leaves tables out).
        """
        if event.index == 1 and event.txid != self._txid:
            self._txid, self._index = event.txid, 0
            self._counts.clear()
        place = event.table.id, None if self._whole_tables else event.partition
        is_next = event.txid == self._txid and event.index == self._index + 1
        if is_next:
            self._index = event.index
            self._counts[place] += 1
        # The last one again: it is made anew, since its record was too large.
        is_last = event.txid == self._txid and event.index == self._index
        order = self._counts[place] if is_next or is_last else None
        return Transaction(f"{event.txid}:{event.seq}", event.index or None, order)
