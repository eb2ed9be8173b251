"""What each sink was told of each table: ``forwarder.table_statistics``, and ``forwarder.tally``, which is not added to it yet.

    a save of a position ──its counts──► tally ──added up by the leader every few seconds──► table_statistics

Counts are written by the statement that moves the sink on, so each change is counted once, whatever dies and is sent again.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import asyncpg
import msgspec
from anyio import to_thread

from forwarder.database.queries import query
from forwarder.database.sessions import ANSWER_SECONDS, Connection, database_errors
from forwarder.errors import ForwarderError
from forwarder.logs import Throttled
from forwarder.records.tally import TableTally, Tally

# From one time that a leader adds up to the next.
INTERVAL_SECONDS = 10.0
# So many rows are added up at once, while no position is saved; fewer where that has failed.
MOST_ROWS, FEWEST_ROWS = 20_000, 100

logger = logging.getLogger(__name__)

# In which column a change of `Event.op` is counted.
_COLUMNS = {
    b"I": "inserts",
    b"U": "updates",
    b"D": "deletes",
    b"T": "truncates",
    b"S": "schema_changes",
    b"G": "others",
    b"E": "others",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class TableStatistics:
    """What one sink was told of one table since the sink was created. What was sent again by ``forwarder replay`` counts each time."""

    sink: str
    # Its id in the registry; a table that was captured no longer for a while, and dropped, has another one afterwards.
    table_id: int
    # Its name when `forwarder migrate` saw it last: public.orders; not quoted.
    table: str
    inserts: int
    updates: int
    deletes: int
    truncates: int
    # Rows that loads have read.
    reads: int
    schema_changes: int
    # Gaps, and events of the application's own.
    others: int
    # Of the images of all these, as the outbox has them.
    bytes: int
    # Of all these, how many were set aside as dead letters.
    errors: int
    # When the last of the changes was committed, or captured where that is not known; None: there was none.
    last_change_at: datetime | None
    # When the sink's position has passed over the last of the changes, or a load has told rows the last time.
    last_delivered_at: datetime | None


async def read_statistics(connection: Connection) -> Sequence[TableStatistics]:
    """The statistics of every sink and table that had a change, by sink and table.

    Raises:
        Refused: the schema is missing or older than this program.
        Unavailable: the database does not answer.
    """
    with database_errors("cannot read the table statistics"):
        rows = await connection.fetch(query("statistics"))
    # There may be tens of thousands, and a listener has other things to do meanwhile.
    return await to_thread.run_sync(lambda: [_statistics(row) for row in rows])


def _statistics(row: asyncpg.Record) -> TableStatistics:
    times = {name: row[name] for name in ("last_change_at", "last_delivered_at")}
    known = {name: datetime.fromtimestamp(seconds, UTC) for name, seconds in times.items() if seconds is not None}
    return TableStatistics(**{**row, **times, **known})


class Statistics:
    """The statistics of one sink, on the session of its leader. They are for operators alone: delivery goes on without them."""

    def __init__(self, connection: Connection, *, sink: str) -> None:
        self._connection = connection
        self._sink = sink
        # The highest number that was added up.
        self._last = 0
        self._most_rows = MOST_ROWS
        self._throttled = Throttled(seconds=300.0)

    async def add_up(self) -> bool:
        """Add what was counted to the totals, and say whether that was all of it, or nothing more can be done now.

        Where it fails, since somebody has the tables locked, say, nothing is lost: what was counted is added up later. Raises nothing but
        what ends the session.
        """
        try:
            with database_errors("cannot add them up"):
                async with self._connection.transaction():
                    await self._connection.execute(query("in_passing"), timeout=ANSWER_SECONDS)
                    row = await self._connection.fetchrow(
                        query("add_up"), self._sink, self._last, self._most_rows, timeout=ANSWER_SECONDS
                    )
        except ForwarderError as error:
            if self._connection.is_closed():
                raise
            self._most_rows = max(self._most_rows // 4, FEWEST_ROWS)
            if self._throttled.due("failed"):
                logger.warning(
                    "the table statistics are not added up; trying again",
                    extra={"sink": self._sink, "reason": str(error)},
                )
            return True
        assert row is not None
        is_all: bool = row["rows"] < self._most_rows
        # Where there was nothing, the next look begins with the first number: it may be that they are drawn for a second time.
        self._last, self._most_rows = row["last"] or 0, MOST_ROWS if is_all else self._most_rows
        return is_all


def tally_json(tally: Tally | None) -> str | None:
    """What save_position.sql is given: an object for each table; None if nothing was counted."""
    if not tally:
        return None
    return msgspec.json.encode([_row(table.id, counted) for table, counted in tally.tables.items()]).decode()


def _row(table_id: int, counted: TableTally) -> dict[str, int]:
    row = {"table_id": table_id, **dict.fromkeys(_COLUMNS.values(), 0), "bytes": counted.bytes}
    for op, changes in counted.changes.items():
        row[_COLUMNS[op]] += changes
    if counted.last_at:
        row["last_change"] = counted.last_at
    return row
