"""Notes which stream each table's changes go to, and keeps order where a renamed table comes to another one.

Example: public.orders is renamed to public.orders2. The stream public-orders is missing, and public-orders2 is there:

1. Changes of before the rename are in memory, or are letters; those of after it are for public-orders2.
2. So public-orders2 is held before the first of these arrives: they wait in memory.
3. When all that was taken before is delivered or a letter, ``forwarder.listen.revival`` sends the table's letters to public-orders2, and opens it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

from forwarder.delivery.destination import Routes
from forwarder.delivery.relay import Relay
from forwarder.events import CapturedTable
from forwarder.outbox.position import Position, Snapshot


class TableMoves:
    """The streams of the tables of one sink during one tenure."""

    def __init__(self, routes: Routes, relay: Relay) -> None:
        self._streams, self._schedule = routes.streams, routes.schedule
        self._relay = relay
        # By the table's id; None: it has letters, and its name is not known yet.
        self._stream_of: dict[int, str | None] = {}
        # The end of the last page that the relay was given.
        self._taken = relay.position
        # Of each stream that a table has come to: what has to be delivered, or set aside, before it may be opened.
        self._earlier: dict[str, Position] = {}
        # All changes up to here are with the relay.
        self._handed_over = relay.position
        # Sees all that were letters at the beginning of the tenure; None: what these follow is delivered, or letters too.
        self._letters_of_before: Snapshot | None = None

    def expect_letters_of(self, table_ids: Iterable[int]) -> None:
        """Know that these tables have letters, so that a stream is held when it turns out to be theirs."""
        for id in table_ids:
            self._stream_of.setdefault(id, None)

    def note(self, tables: Iterable[CapturedTable]) -> None:
        """Keep changes from the streams to which tables have come since they were noted last."""
        for table in tables:
            stream = self._streams.stream_of(table)
            known = self._stream_of.get(table.id, stream)
            self._stream_of[table.id] = stream
            if known == stream:
                continue
            if known is not None:
                # What is held there may be this table's, and has to become letters, which follow the table.
                self._schedule.park_if_held(known)
            self._schedule.await_earlier(stream)
            self._earlier[stream] = self._taken

    def take(self, tables: Iterable[CapturedTable], position: Position) -> None:
        """Note the tables of a page that the relay is given now, with nothing awaited in between. ``position``: its end."""
        self.note(tables)
        self._taken = position

    def handed_over(self, position: Position) -> None:
        """Know that the relay has all records up to here."""
        self._handed_over = position

    def await_taken(self, snapshot: Snapshot) -> None:
        """Revive nothing before the relay has had all that this snapshot sees.

        Example: the position stands before seq 5, and the leader before us has stored seq 900 as a letter. Seq 800 is of the same row, and was in its
        memory only. It has to become a letter, too, before seq 900 is sent.
        """
        self._letters_of_before = snapshot

    def knows(self, table: CapturedTable) -> bool:
        """Whether the table was noted before, by whatever name."""
        return table.id in self._stream_of

    def tables_of(self, stream: str) -> Collection[int]:
        """The ids of the tables whose changes go to this stream."""
        return {id for id, known in self._stream_of.items() if known == stream}

    def may_revive(self, stream: str) -> bool:
        """Whether all changes are delivered or set aside that are older than letters of its tables, or that these had before they came to it."""
        if before := self._letters_of_before:
            if before.is_after(self._handed_over.delivered) or self._schedule.strands:
                return False
            self._letters_of_before = None
        earlier = self._earlier.get(stream)
        if earlier and self._relay.position.covers(earlier):
            del self._earlier[stream]
        return stream not in self._earlier
