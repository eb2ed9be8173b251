"""The member ``transaction`` of records, for ``provide.transaction.metadata``. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from msgspec.structs import replace

from forwarder.events import Event
from forwarder.records.formats.debezium.fields import Transaction

# A table by its id, and its partition; None: its partitions are not told apart, or it has none.
_Place = tuple[int, str | None]
# As many transactions may write at once, each of whose changes stand between those of others.
_MOST_OPEN = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class TableCounts:
    """How many changes each table, or partition, has had in each transaction that is not at its end.

    It never changes: ``number`` gives the counts after the events. So whoever has a page again goes on from the counts before it.
    """

    # Partitions are not told apart.
    whole_tables: bool
    # By transaction: the index of its last change that was counted, and the counts.
    open: Mapping[int, tuple[int, Mapping[_Place, int]]] = field(default_factory=dict)

    def number(self, events: Sequence[Event]) -> tuple[list[Event], TableCounts]:
        """The next events, each with its ``table_index``; and the counts after them.

        It stays None where an event before it in its transaction was not seen: after a start in the middle, or where a sink leaves tables out.
        """
        open = {txid: (index, dict(counts)) for txid, (index, counts) in self.open.items()}
        numbered: list[Event] = []
        for event in events:
            found = open.pop(event.txid, None)
            index, counts = found if found and event.index != 1 else (0, {})
            if event.index == index + 1:
                place = event.table.id, None if self.whole_tables else event.partition
                counts[place] = counts.get(place, 0) + 1
                if event.index != event.count:
                    open[event.txid] = event.index, counts
                # A copy: other sinks have the same event.
                event = replace(event, table_index=counts[place])
            numbered.append(event)
        # Of a transaction whose last changes are of a table that the sink leaves out, the end is never seen.
        latest = dict(list(open.items())[-_MOST_OPEN:])
        return numbered, TableCounts(whole_tables=self.whole_tables, open=latest)


def transaction_of(event: Event) -> Transaction | None:
    """The member: ``{"id":"1140:267505","total_order":2,"data_collection_order":1}``. What nobody knows is null; None of what a load has read."""
    if not event.txid:
        return None
    # The first change of a transaction is the first one of its table, so that is known of an event that nobody has numbered: a dead letter.
    order = 1 if event.index == 1 else event.table_index
    return Transaction(f"{event.txid}:{event.seq}", event.index or None, order)
