"""The member ``transaction`` of records, for ``provide.transaction.metadata``. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from msgspec.structs import replace

from forwarder.events import Event
from forwarder.records.formats.debezium.fields import Transaction

# A table by its id, and its partition; None: its partitions are not told apart, or it has none.
_Place = tuple[int, str | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class TableCounts:
    """How many changes each table, or partition, has had in the transaction of the last event.

    It never changes: ``number`` gives the counts after the events. So whoever has a page again goes on from the counts before it.
    """

    # Partitions are not told apart.
    whole_tables: bool
    txid: int = 0
    # Of the last event that was counted, in its transaction.
    index: int = 0
    counts: Mapping[_Place, int] = field(default_factory=dict)

    def number(self, events: Sequence[Event]) -> tuple[list[Event], TableCounts]:
        """The next events, each with its ``table_index``; and the counts after them.

        It stays None where an event before it in its transaction was not seen: after a start in the middle, or where a sink leaves tables out.
        """
        txid, index, counts = self.txid, self.index, dict(self.counts)
        numbered: list[Event] = []
        for event in events:
            if event.index == 1:
                txid, index = event.txid, 0
                counts.clear()
            if event.txid == txid and event.index == index + 1:
                index = event.index
                place = event.table.id, None if self.whole_tables else event.partition
                counts[place] = counts.get(place, 0) + 1
                # A copy: other sinks have the same event.
                event = replace(event, table_index=counts[place])
            numbered.append(event)
        return numbered, TableCounts(whole_tables=self.whole_tables, txid=txid, index=index, counts=counts)


def transaction_of(event: Event) -> Transaction:
    """The member: ``{"id":"1140:267505","total_order":2,"data_collection_order":1}``. What nobody knows is null."""
    # The first change of a transaction is the first one of its table, so that is known of an event that nobody has numbered: a dead letter.
    order = 1 if event.index == 1 else event.table_index
    return Transaction(f"{event.txid}:{event.seq}", event.index or None, order)
