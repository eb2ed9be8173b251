"""Turns rows, as the trigger captured them, into events."""

from __future__ import annotations

from collections.abc import Sequence

from forwarder.database import Connection
from forwarder.events import Event
from forwarder.registry import Registry, Row
from forwarder.transactions import Transactions


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
        events = [self._event(row) for row in rows]
        if unread := [event for event in events if event.key is None and _should_have_key(event)]:
            # Most likely a key column was renamed since the registry was read.
            await self._registry.refresh(connection)
            for event in unread:
                event.table, event.key, event.key_values = self._registry.key(
                    event.table.id, event.after or event.before
                )
        return events

    def _event(self, row: Row) -> Event:
        seq, txid, at, table_id, relation, op, before, after, fault = row
        table, key, key_values = self._registry.key(table_id, after or before)
        index, count = self._transactions.number(txid, seq)
        partition = None if relation == table.relation else self._registry.relation_name(relation)
        # By position, which is twice as fast.
        return Event(seq, txid, at, table, partition, op, before, after, fault, index, count, key, key_values)


def _should_have_key(event: Event) -> bool:
    return bool(event.table.key_columns and (event.after or event.before))
