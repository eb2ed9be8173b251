"""One reading of the status for all who ask within a second: as many viewers as there are cost the database what one costs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from operator import is_
from typing import Protocol

import anyio
import anyio.lowlevel
from pydantic import TypeAdapter

from forwarder.status.document import Document, History, Table

# As often as viewers are sent a snapshot. One that is a little younger is good for whoever else asks.
SECOND = 1.0
FRESH_SECONDS = 0.9

# So many tables are made into text in 3 ms.
_AT_ONCE = 200
_TABLES = TypeAdapter(Sequence[Table])


class Source(Protocol):
    """Where snapshots come from."""

    async def document(self) -> Document:
        """How everything is. If the database does not answer, the document says so."""

    def history(self) -> History:
        """What the charts show of the time before."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """The status, as it was less than a second ago."""

    document: Document
    # 1, 2, 3, … since the start.
    number: int
    # When it was asked for, by the event loop's clock.
    asked_at: float

    def without_tables(self) -> bytes:
        """As each second of an event stream has it."""
        return self.document.model_dump_json(exclude={"tables"}).encode()


class _TableTexts:
    """Makes JSON of the list of tables. There may be tens of thousands, each second: it makes it anew only where it is another list, and then some
    tables at a time, so that delivery does not wait for all.
    """

    def __init__(self) -> None:
        self._turn = anyio.Lock()
        self._tables: Sequence[Table] = ()
        self._text = b"[]"

    async def of(self, tables: Sequence[Table]) -> bytes:
        async with self._turn:
            # What is the same is the same object (``forwarder.status.table_states.TableList``).
            if len(tables) != len(self._tables) or not all(map(is_, tables, self._tables)):
                parts = []
                for first in range(0, len(tables), _AT_ONCE):
                    parts.append(_TABLES.dump_json(tables[first : first + _AT_ONCE])[1:-1])
                    await anyio.lowlevel.checkpoint()
                self._tables, self._text = tables, b"[%b]" % b",".join(parts)
            return self._text


class Snapshots:
    """Takes snapshots when somebody asks, one at a time."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._turn = anyio.Lock()
        self._last: Snapshot | None = None
        self._whole: tuple[int, bytes] = (0, b"")
        self._tables = _TableTexts()
        self._history: tuple[float, bytes] | None = None

    async def latest(self) -> Snapshot:
        """The last one, if it is fresh, else a new one."""
        async with self._turn:
            now = anyio.current_time()
            if self._last is None or now - self._last.asked_at >= FRESH_SECONDS:
                document = await self._source.document()
                number = self._last.number + 1 if self._last else 1
                self._last = Snapshot(document=document, number=number, asked_at=now)
            return self._last

    async def whole(self) -> bytes:
        """The latest as ``/api/status`` has it, with a line break, made once for all who ask."""
        snapshot = await self.latest()
        if self._whole[0] < snapshot.number:
            tables = await self.tables(snapshot)
            self._whole = snapshot.number, b'%b,"tables":%b}\n' % (snapshot.without_tables().removesuffix(b"}"), tables)
        return self._whole[1]

    async def tables(self, snapshot: Snapshot) -> bytes:
        """The list of tables of a snapshot, which is the longest part of it, as JSON."""
        return await self._tables.of(snapshot.document.tables)

    def history(self) -> bytes:
        """What the charts show of the time before, as JSON; made once a second for all who come."""
        now = anyio.current_time()
        if self._history is None or now - self._history[0] >= FRESH_SECONDS:
            self._history = now, self._source.history().model_dump_json().encode()
        return self._history[1]
