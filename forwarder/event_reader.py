"""Turns rows, as the trigger captured them, into events."""

from __future__ import annotations

from collections.abc import Sequence

from forwarder.database import Connection
from forwarder.events import Event
from forwarder.registry import Registry, Row
from forwarder.transactions import Transactions

_NO_KEY = None, None
# The place of the one change of a transaction.
_ALONE = 1, 1


class EventReader:
    """Knows the tables, and the place of each change in its transaction."""

    def __init__(self, registry: Registry, transactions: Transactions) -> None:
        self._registry = registry
        self._transactions = transactions

    async def read(self, connection: Connection, rows: Sequence[Row]) -> Sequence[Event]:
        """The events, in the order of the rows; asks the database only about tables that are not known yet.

        Raises:
            Refused: a row names a table that the registry has not.
        """
        await self._registry.know(connection, rows)
        events = self._events(rows)
        if unread := [event for event in events if event.key is None and _should_have_key(event)]:
            # Most likely a key column was renamed since the registry was read.
            await self._registry.refresh(connection)
            for event in unread:
                event.table, read_key = self._registry.tables[event.table.id]
                event.key, event.key_values = read_key(event.after or event.before or "") or _NO_KEY
        return events

    def _events(self, rows: Sequence[Row]) -> Sequence[Event]:
        """This runs for every row: hence nothing is called that most rows do not need."""
        tables, number, any_together = self._registry.tables, self._transactions.number, bool(self._transactions)
        events: list[Event] = []
        for seq, txid, at, table_id, relation, op, before, after, fault in rows:
            table, read_key = tables[table_id]
            moved = None
            if before and after and op != b"U":
                # An update that changed the key: the image that a delete or an insert cannot have is the other one's key.
                moved, before, after = (after, before, None) if op == b"D" else (before, None, after)
                moved = (read_key(moved) or (moved,))[0]
            image = after or before
            key, key_values = (image and read_key(image)) or _NO_KEY
            index, count = number(txid, seq) if any_together else _ALONE
            partition = None if relation == table.relation else self._registry.relation_name(relation)
            # By position, which is twice as fast.
            events.append(
                Event(seq, txid, at, table, partition, op, before, after, fault, index, count, key, key_values, moved)
            )
        return events


def _should_have_key(event: Event) -> bool:
    return bool(event.table.key_columns and (event.after or event.before))
