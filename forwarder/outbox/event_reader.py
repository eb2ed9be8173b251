"""Turns rows of the outbox, or of the dead letters, into events.

A row comes without its images in two cases, and then ``look_apart.sql`` says what there is to know of them:

1. They are large, more than ``LARGE_BYTES`` together. They stay in the database until a sink needs them; the event has their lengths.
2. An image of its page cannot become UTF-8. The error does not say which one, so the page is read again without any image. Each image is
   then tried by itself on the server, and only the illegible ones are missing in the end, with a fault that says so.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from operator import itemgetter
from typing import Any

from forwarder.database.queries import query
from forwarder.database.sessions import ILLEGIBLE, Connection
from forwarder.events import NO_DATA, CapturedTable, Event, Stored
from forwarder.outbox.columns import unknown_columns
from forwarder.outbox.commit_times import CommitTimes
from forwarder.outbox.contexts import context_json
from forwarder.outbox.keys import first_key
from forwarder.outbox.registry import Registry, Row
from forwarder.outbox.transactions import Transactions

logger = logging.getLogger(__name__)

_NO_KEY = None, None
# The place of the one change of a transaction.
_ONLY_CHANGE = 1, 1

# A change whose images have more bytes together is large. Few sinks take it: Kinesis takes records of 1 MiB by default.
LARGE_BYTES = 1 << 20
# The operations that change one row, or make an event, and so have a key.
_OF_ROWS = frozenset((b"I", b"U", b"D", b"E", b"R"))
# The change of a table itself; its images are descriptions of the table.
_SCHEMA = b"S"
# Each of these changes has an image, or a fault that says why not.
_WITH_IMAGES = _OF_ROWS | {_SCHEMA}
# Places in a row.
_TABLE_ID, _OP_PLACE = 3, 5
_OP = itemgetter(_OP_PLACE)


async def fetch_rows(fetch: Callable[..., Awaitable[Sequence[Any]]], name: str, *parameters: object) -> Sequence[Any]:
    """The rows that a query returns, for an ``EventReader``; without any image, if one of them cannot be read.

    These parameters go before the last two of the query, which say which images stay behind: those of large changes, or all.
    """
    leave_all = False
    try:
        return await fetch(query(name), *parameters, LARGE_BYTES, leave_all)
    except ILLEGIBLE:
        leave_all = True
        return await fetch(query(name), *parameters, LARGE_BYTES, leave_all)


class EventReader:
    """Looks up each row's table, reads its key, and numbers it in its transaction."""

    def __init__(
        self,
        registry: Registry,
        transactions: Transactions,
        commit_times: CommitTimes,
        *,
        letters_of: str | None = None,
    ) -> None:
        """``letters_of``: the rows are dead letters of this sink; None: they are rows of the outbox."""
        self._letters_of = letters_of
        self._registry = registry
        self._transactions = transactions
        self._commit_times = commit_times

    async def read(self, connection: Connection, rows: Sequence[Row]) -> tuple[Sequence[Event], bool]:
        """The events, in the order of the rows, and whether any of them may have its images in the database.

        A dead letter that somebody has discarded meanwhile becomes no event. Asks the database only about tables that are not known yet,
        about images that were left out, and about times of commits, if it keeps them.

        Raises:
            Refused: a row names a table that the registry has not.
        """
        await self._registry.learn(connection, rows)
        if _SCHEMA in map(_OP, rows):
            await self._registry.refresh(connection, {row[_TABLE_ID] for row in rows if row[_OP_PLACE] == _SCHEMA})
        events, bare = self._events(rows)
        if bare:
            apart = {event.seq: event for event in events if event.seq in bare}
            if gone := await self._look_apart(connection, apart):
                events = self._without(events, gone)
        if unread := [
            event for event in events if event.key is None and _should_have_key(event) and event.seq not in bare
        ]:
            # Most likely a key column was renamed since the registry was read. If it was dropped instead, reading it again does not help,
            # and happens with every page that has such a row.
            await self._registry.refresh(connection, {event.table.id for event in unread})
            for event in unread:
                _, read_key = self._registry.tables[event.table.id]
                event.key, event.key_values = read_key(event.after or event.before or "") or _NO_KEY
        unknown = unknown_columns(events) if self._registry.with_columns else {}
        if unknown:
            await self._registry.learn_columns(connection, unknown)
        if bare or unread or unknown:
            # The registry may have been read again meanwhile. All changes of a table that come together have one name, and so one stream.
            for event in events:
                event.table, _ = self._registry.tables[event.table.id]
        await self._commit_times.complete(connection, events)
        return events, bool(bare)

    def _without(self, events: Sequence[Event], gone: set[int]) -> Sequence[Event]:
        """The events, where the rows with these seqs are gone since they were read."""
        if self._letters_of is not None:
            # Somebody has discarded these letters.
            return [event for event in events if event.seq not in gone]
        for seq in sorted(gone):
            logger.error("a change was taken out of the outbox while it was being read", extra={"seq": seq})
        for event in events:
            if event.seq in gone:
                # A sink is still told that the row has changed, though not how.
                event.fault = NO_DATA
        return events

    def _moved_key(self, table: CapturedTable, members: str) -> str:
        """The key that is in ``members``, a JSON object of the key columns alone, written as ``Event.key`` is."""
        _, read_key = self._registry.tables[table.id]
        found = read_key(members)
        return found[0] if found else members

    async def _look_apart(self, connection: Connection, events: Mapping[int, Event]) -> set[int]:
        """Complete these events, by seq, whose images were left out. Returns the seqs of those whose rows are gone."""
        keyless: list[int] = []
        rows = await connection.fetch(query("look_apart"), list(events), self._letters_of, LARGE_BYTES)
        for row in rows:
            event = events[row["seq"]]
            event.before, event.after, event.fault = row["before"], row["after"], row["fault"]
            if moved := row["moved"]:
                event.moved = self._moved_key(event.table, moved)
            if row["is_large"]:
                event.stored = Stored(row["before_bytes"], row["after_bytes"], self._letters_of)
            if event.op == _SCHEMA:
                continue
            key = first_key(event.table, row["head"] or "")
            event.key, event.key_values = key or _NO_KEY
            if not key and event.table.key_columns:
                keyless.append(event.seq)
        if keyless and not await self._read_keys(connection, events, keyless):
            # As in `read`: a key column was renamed, most likely.
            await self._registry.refresh(connection, {events[seq].table.id for seq in keyless})
            await self._read_keys(connection, events, keyless)
        return set(events) - {row["seq"] for row in rows}

    async def _read_keys(self, connection: Connection, events: Mapping[int, Event], seqs: Sequence[int]) -> bool:
        """Have the server parse the images for the keys. Returns False if an image has no such columns; an illegible key counts as found."""
        found_all = True
        for seq, members in await connection.fetch(query("key_members"), seqs, self._letters_of):
            event = events[seq]
            _, read_key = self._registry.tables[event.table.id]
            event.key, event.key_values = (members and read_key(members)) or _NO_KEY
            found_all = found_all and (event.key is not None or members is None)
        return found_all

    def _events(self, rows: Sequence[Row]) -> tuple[Sequence[Event], set[int]]:
        """All events, and the seqs of those whose images were left out.

        This runs for every row, so it is one loop, and calls nothing that most rows do not need.
        """
        # Of most pages every transaction made one change: then no row has to be numbered.
        tables, number, any_together = self._registry.tables, self._transactions.number, bool(self._transactions)
        events: list[Event] = []
        bare: set[int] = set()
        # Each context of the page, and what becomes of it: most transactions have one for all their changes.
        contexts: dict[str, str] = {}
        for seq, txid, at, table_id, relation, op, before, after, fault, context, extra, image_bytes in rows:
            table, read_key = tables[table_id]
            moved = None
            if before and after and op != b"U" and op != _SCHEMA:
                # An update that changed the key was captured as a delete and an insert. In place of the image that each cannot have, the
                # trigger has written the other one's key: the delete's `after` is the new key, the insert's `before` the old one.
                moved, before, after = (after, before, None) if op == b"D" else (before, None, after)
                moved = self._moved_key(table, moved)
            image = after or before
            if image and op != _SCHEMA:
                key, key_values = read_key(image) or _NO_KEY
            else:
                key, key_values = _NO_KEY
                if not image and fault is None and op in _WITH_IMAGES:
                    bare.add(seq)
            index, count = number(txid, seq) if any_together else _ONLY_CHANGE
            partition = None if relation == table.relation else self._registry.partition(table, relation)
            # All by position, in the order of its fields: by keyword it takes 0.1 µs more, of the 12 µs of CPU that the listener spends on an
            # event (`python -m bench drain`).
            event = Event(
                seq, txid, at, table, partition, op, before, after, fault, index, count, key, key_values, moved, image_bytes
            )  # fmt: skip
            if context is not None or extra is not None:
                _tell(event, context, extra, contexts)
            events.append(event)
        return events, bare


def _tell(event: Event, context: str | None, extra: str | None, contexts: dict[str, str]) -> None:
    """Complete an event by what its row says beside the images. Empty stands for what the record has to leave out."""
    if context:
        if (told := contexts.get(context)) is None:
            told = contexts[context] = context_json(context)
        event.context = told
    elif context is not None:
        event.omitted += ("context",)
    if extra:
        event.extra = extra
    elif extra is not None:
        event.omitted += ("extra",)


def _should_have_key(event: Event) -> bool:
    return bool(event.table.key_columns and (event.after or event.before) and event.op in _OF_ROWS)
