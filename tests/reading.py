"""One reader of the outbox by itself: what the feed's pump and a sink's intake do together, one page a call."""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from functools import partial
from typing import Any

from forwarder.database.queries import query
from forwarder.database.sessions import Connection, session
from forwarder.events import Event
from forwarder.metrics import Metrics
from forwarder.outbox.pages import Outbox, Page
from forwarder.outbox.position import Position, Snapshot
from forwarder.outbox.registry import Registry
from forwarder.outbox.transactions import Transactions
from forwarder.records.formats.encoder import Provenance
from forwarder.records.formats.native import encoder
from forwarder.records.origins import Origin, Origins

BEGINNING = Position(delivered=Snapshot(1, 1), floor_seq=0)

_encode = encoder(Provenance(origins=Origins([Origin(0, "1/2")]), database="shop"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """A page, and whether there may be more to read right now."""

    events: Sequence[Event]
    position: Position
    more: bool


# Of readers that nobody asks what they have read.
METRICS = Metrics().outbox


class Reader:
    """Drains; where that is more than a page, reads up to a head that it fixes then."""

    def __init__(
        self, connection: Connection, *, position: Position, registry: Registry, page_rows: int, page_bytes: int
    ) -> None:
        self._connection = connection
        # Nobody else uses the connection; and some tests have no event loop that a lock could belong to.
        self._open = partial(
            Outbox,
            connection,
            nullcontext(),
            registry=registry,
            page_rows=page_rows,
            page_bytes=page_bytes,
            metrics=METRICS,
        )
        self._outbox: Outbox | None = None
        self._position = position
        self._transactions = Transactions()
        self.floor_seq = position.floor_seq

    async def read(self) -> Reading:
        page = await self._next_page()
        self._position, self._transactions = page.position, page.transactions
        return Reading(events=page.events, position=page.position, more=page.position.batch is not None)

    async def _next_page(self) -> Page:
        if self._outbox is None:
            self._outbox = self._open(history_stamp=await self._connection.fetchval(query("history_stamp")))
        if self._position.batch is None:
            if page := await self._outbox.drain(self._position, floor_seq=self.floor_seq):
                return page
            self._position = await self._outbox.entering(self._position, head=await self._outbox.here())
        return await self._outbox.read(self._position, self._transactions)

    async def look_up_names(self) -> None:
        assert self._outbox
        await self._outbox.look_up_names()


async def lines(url: str, *, page_rows: int = 1000) -> Sequence[str]:
    """The native records of all changes in the outbox, as text. Those of large rows lack their images."""
    async with session(url, purpose="test") as connection:
        reader = Reader(connection, position=BEGINNING, registry=Registry(), page_rows=page_rows, page_bytes=1 << 30)
        found: list[str] = []
        while True:
            reading = await reader.read()
            found += [line.decode() for line in _encode(reading.events)]
            if not reading.more:
                return found


async def records(url: str, *, page_rows: int = 1000) -> Sequence[dict[str, Any]]:
    """As ``lines``, read."""
    return [json.loads(line) for line in await lines(url, page_rows=page_rows)]
