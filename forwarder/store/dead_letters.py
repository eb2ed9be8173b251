"""Changes that could not be delivered, in ``forwarder.dead_letter``: kept, looked at, sent again or given up."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Collection, Sequence
from datetime import datetime
from functools import partial
from operator import attrgetter
from typing import NamedTuple

import msgspec

from forwarder.database.conflicts import past_conflicts
from forwarder.database.queries import query
from forwarder.database.sessions import Connection, database_errors
from forwarder.events import Column, Event
from forwarder.outbox.event_reader import EventReader, fetch_rows
from forwarder.records.record import SetAside
from forwarder.store.portions import MAX_BYTES, MAX_ROWS, portions


class Letter(msgspec.Struct, frozen=True, kw_only=True):
    """A dead letter without its row images. ``schema`` and ``name`` are those of its table."""

    sink: str
    seq: int
    schema: str
    name: str
    # As `Event.op`: I(nsert), U(pdate), D(elete), T(runcate), G(ap), E(vent) or R(ead).
    op: str
    code: str
    record_bytes: int
    attempts: int
    changed_at: datetime
    set_aside_at: datetime
    # Since when it waits to be sent again.
    retry_at: datetime | None


_LETTER = msgspec.json.Decoder(Letter)
_COLUMNS = msgspec.json.Decoder(tuple[Column, ...])

# A row of due_letters.sql begins with the columns that `EventReader` reads. Then come tx_index, tx_count and attempts.
_OUTBOX_COLUMNS = 12
# How many letters are sent again at once, and how many bytes of images.
BATCH_LETTERS = 2000
_BATCH_BYTES = 4 << 20
# How many letters are read at once, to be listed or changed.
PAGE_LETTERS = 5000

logger = logging.getLogger(__name__)


async def keep(connection: Connection, changes: Sequence[SetAside], *, sink: str) -> int:
    """Store what was set aside, in the transaction that the caller has begun.

    Returns:
        How many could not be stored: somebody has taken the change out of the outbox, or discarded the letter that was sent again.
    """
    if rows_read := [change for change in changes if change.read]:
        await _keep_rows(connection, rows_read, sink=sink)
        changes = [change for change in changes if not change.read]
    rows = await connection.fetch(
        query("set_aside"),
        sink,
        [change.seq for change in changes],
        [_storable(change.partition_key, connection) for change in changes],
        [change.size for change in changes],
        [change.code for change in changes],
        [_storable(change.reason, connection) for change in changes],
        [change.index for change in changes],
        [change.count for change in changes],
    )
    kept = {row["seq"] for row in rows}
    lost = sorted({change.seq for change in changes} - kept)
    for seq in lost:
        logger.error(
            "a change that was set aside is nowhere any more: it was taken out of the outbox, or discarded",
            extra={"sink": sink, "seq": seq},
        )
    return len(lost)


async def _keep_rows(connection: Connection, rows: Sequence[SetAside], *, sink: str) -> None:
    """Store rows that a load has read: they are in memory only."""
    events = [row.read for row in rows if row.read]
    await connection.execute(
        query("set_aside_rows"),
        sink,
        [event.table.id for event in events],
        [event.partition for event in events],
        [event.at for event in events],
        [event.after for event in events],
        [event.fault for event in events],
        [event.extra for event in events],
        [_storable(row.partition_key, connection) for row in rows],
        [row.size for row in rows],
        [row.code for row in rows],
        [_storable(row.reason, connection) for row in rows],
        [event.op.decode() for event in events],
    )


class Due(NamedTuple):
    """Letters to be sent again: their events, and how many attempts each of them has had. ``last_seq``: later ones are still to be read."""

    events: Sequence[Event]
    attempts: Sequence[int]
    last_seq: int


async def due_seqs(
    connection: Connection, *, sink: str, after_seq: int, table_ids: Collection[int] | None = None
) -> Sequence[int]:
    """The next letters after a seq that somebody has asked for to be sent again, the oldest first, ``BATCH_LETTERS`` at most.

    With ``table_ids``: those of these tables, except for ``no-stream`` letters, which ``forwarder.store.stranded`` has.
    """
    with database_errors("cannot read the dead letters"):
        if table_ids is None:
            rows = await connection.fetch(query("due_seqs"), sink, after_seq, BATCH_LETTERS)
        else:
            rows = await connection.fetch(query("due_seqs_of_tables"), sink, list(table_ids), after_seq, BATCH_LETTERS)
    return [seq for (seq,) in rows]


async def due_tables(connection: Connection, *, sink: str) -> Sequence[int]:
    """The ids of the tables that have letters that somebody has asked for to be sent again."""
    with database_errors("cannot read the dead letters"):
        return [table_id for (table_id,) in await connection.fetch(query("due_tables"), sink)]


async def read_due(connection: Connection, reader: EventReader, *, sink: str, seqs: Sequence[int]) -> Due:
    """The first of these letters, as many as may be in memory at once. Those that were discarded meanwhile are left out, perhaps all."""
    with database_errors("cannot read the dead letters"):
        rows = await fetch_rows(connection.fetch, "due_letters", sink, seqs, _BATCH_BYTES)
        events, _ = await reader.read(connection, [row[:_OUTBOX_COLUMNS] for row in rows])
    row_of = {row["seq"]: row for row in rows}
    for event in events:
        event.index, event.count = row_of[event.seq]["tx_index"], row_of[event.seq]["tx_count"]
    return Due(events, [row_of[event.seq]["attempts"] for event in events], max(row_of, default=seqs[-1]))


async def drop_delivered(connection: Connection, letters: Due, *, sink: str) -> None:
    """Drop letters that were sent again and delivered. One that was set aside again meanwhile has more attempts, and stays."""
    with database_errors("cannot drop delivered dead letters"):
        seqs = [event.seq for event in letters.events]
        await connection.execute(query("drop_delivered_letters"), sink, seqs, letters.attempts)


async def drop_all(connection: Connection, *, sink: str) -> None:
    """Drop all letters of a sink, a portion at a time."""
    with database_errors("cannot drop the dead letters"):
        last_seq: int | None = 0
        while last_seq is not None:
            last_seq = await connection.fetchval(query("drop_letters"), sink, last_seq, MAX_ROWS, MAX_BYTES)


async def find(
    connection: Connection,
    *,
    sink: str | None = None,
    seqs: Sequence[int] | None = None,
    code: str | None = None,
    since: datetime | None = None,
    tables: Sequence[int] | None = None,
) -> AsyncIterator[Sequence[Letter]]:
    """The dead letters that pass all filters, by sink and seq, in pages; ``tables`` are ids of the registry.

    Raises:
        Refused: the schema is missing or older than this program.
        Unavailable: the database does not answer.
    """
    filters = sink, seqs, code, since and since.isoformat(), tables
    last = "", 0
    while True:
        with database_errors("cannot read the dead letters"):
            rows = await connection.fetch(query("dead_letters"), *filters, *last, PAGE_LETTERS)
        if not rows:
            return
        page = [_LETTER.decode(row[0]) for row in rows]
        yield page
        last = page[-1].sink, page[-1].seq


async def read(connection: Connection, letter: Letter) -> str:
    """All that is known of a letter, its row images included, as a JSON object; ``null`` if it is gone."""
    with database_errors("cannot read a dead letter"):
        found: str | None = await connection.fetchval(query("dead_letter"), letter.sink, letter.seq)
        return found or "null"


async def columns(connection: Connection, letter: Letter) -> Sequence[Column]:
    """The columns that a letter's table has and had; none if nobody has looked them up."""
    with database_errors("cannot read the columns of a dead letter's table"):
        found: str | None = await connection.fetchval(query("columns_of_letter"), letter.sink, letter.seq)
        return _COLUMNS.decode(found or "[]")


async def retry(connection: Connection, letters: Sequence[Letter]) -> None:
    """Ask the listener of each sink to send these letters again. If this is interrupted, only some of them are asked for."""
    await _change(connection, "retry_letters", letters)


async def discard(connection: Connection, letters: Sequence[Letter]) -> None:
    """Give these letters up. If this is interrupted, only some of them are gone."""
    await _change(connection, "discard_letters", letters)


def _storable(text: str, connection: Connection) -> str:
    """The text with escapes where the database's encoding has fewer characters than UTF-8: an answer of the stream may hold any."""
    if connection.get_settings().server_encoding == "UTF8":
        return text
    return text.encode("ascii", "backslashreplace").decode()


async def _change(connection: Connection, statement: str, letters: Sequence[Letter]) -> None:
    """Change letters a portion at a time, so that the leader does not wait long for a letter that such a statement has locked."""
    for portion in portions(letters, size=attrgetter("record_bytes")):
        await past_conflicts(partial(_change_some, connection, statement, portion))


async def _change_some(connection: Connection, statement: str, letters: Sequence[Letter]) -> None:
    with database_errors("cannot change the dead letters"):
        sinks, seqs = [letter.sink for letter in letters], [letter.seq for letter in letters]
        await connection.execute(query(statement), sinks, seqs)
