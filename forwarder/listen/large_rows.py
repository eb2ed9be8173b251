"""Reads the columns of which a sink makes partition keys out of images that stay in the database, since they are large."""

from __future__ import annotations

import logging
from collections.abc import Sequence

import asyncpg
from msgspec.structs import replace

from forwarder.config.partition_key import KeyRule
from forwarder.config.table_mappings.table_mappings import TableMappings
from forwarder.database.queries import query
from forwarder.database.sessions import ILLEGIBLE, database_errors
from forwarder.events import CapturedTable, Event
from forwarder.listen.leader_session import LeaderSession

# An image that PostgreSQL cannot take apart: its characters are odd, or it is nested too deep.
_ODD: tuple[type[Exception], ...] = (*ILLEGIBLE, asyncpg.DataError, asyncpg.StatementTooComplexError)

logger = logging.getLogger(__name__)


class LargeRows:
    """Completes the large events of one sink."""

    def __init__(self, session: LeaderSession, rule: KeyRule, mappings: TableMappings | None = None) -> None:
        """``rule`` is the sink's; ``mappings`` may make the keys of some tables of other columns."""
        self._session = session
        self._rule = rule
        self._mappings = mappings

    async def completed(self, events: Sequence[Event]) -> Sequence[Event]:
        """The events, where large ones have the columns of their keys in ``stored``.

        The others, and the given ones, stay as they are: other sinks share them.

        Raises:
            Unavailable: the database does not answer.
        """
        return [await self._completed(event) if event.stored else event for event in events]

    async def _completed(self, event: Event) -> Event:
        assert event.stored is not None
        columns = self._columns_of(event.table)
        if not columns:
            return event
        parameters = event.seq, event.stored.letter_of, columns
        async with self._session.turn:
            with database_errors("cannot read the columns of a large change"):
                try:
                    row = await self._session.connection.fetchrow(query("image_columns"), *parameters)
                except _ODD as error:
                    facts = {"seq": event.seq, "table": event.table.qualified_name, "reason": type(error).__name__}
                    logger.warning(
                        "cannot read the partition key of a large change: it goes by its primary key", extra=facts
                    )
                    return event
        if row is None:
            return event
        return replace(event, stored=replace(event.stored, before_columns=row["before"], after_columns=row["after"]))

    def _columns_of(self, table: CapturedTable) -> list[str]:
        """The columns that make the keys of a table's changes, as the database calls them."""
        mapped = self._mappings.key_columns(table.schema, table.name) if self._mappings else ()
        return [*self._rule.row_columns, *mapped]
