"""One load as the database has it: what is to be loaded, and how far that has come."""

from __future__ import annotations

from collections.abc import Awaitable

import anyio
import msgspec

from forwarder.listen.leader_session import LeaderSession
from forwarder.load.chunk import Chunk, Place
from forwarder.load.part import Part
from forwarder.outbox.position import Snapshot
from forwarder.store.loads import Load, Loads


class StoredLoad:
    """Saves each step on the leader's session. Every method returns False if the load is not ours any more: somebody has paused it or given it up."""

    def __init__(self, load: Load, loads: Loads, session: LeaderSession) -> None:
        """``loads`` are on the leader's ``session``."""
        self.load = load
        self._loads = loads
        self._session = session
        self.part = msgspec.json.decode(load.part, type=Part)
        # What the sink had been told when the load began; None: it has not begun.
        self.begun: Snapshot | None = load.begun
        # Where the next chunk begins; None: at the beginning of the table.
        self.place = msgspec.json.decode(load.place, type=Place) if load.place else None
        # What was read and delivered so far.
        self.rows = load.rows
        self._bytes = load.bytes

    async def begin(self, begun: Snapshot, *, estimated_rows: int) -> bool:
        """The sink has been told that the load begins."""
        self.begun = begun
        return await self._saved(self._loads.begin(self.load, begun=begun, estimated_rows=estimated_rows))

    def count(self, chunk: Chunk) -> None:
        """A chunk is delivered, or set aside and stored."""
        self.rows += len(chunk.rows)
        self._bytes += chunk.bytes

    async def advance(self, place: Place) -> bool:
        """All before this place is delivered."""
        self.place = place
        text = msgspec.json.encode(place).decode()
        return await self._saved(self._loads.advance(self.load, place=text, rows=self.rows, bytes=self._bytes))

    async def runs(self) -> bool:
        """Whether the load still runs."""
        return await self._saved(self._loads.runs(self.load))

    async def finish(self) -> bool:
        """All rows are delivered, and the sink has been told so."""
        return await self._saved(self._loads.finish(self.load, rows=self.rows, bytes=self._bytes))

    async def _saved(self, change: Awaitable[bool]) -> bool:
        # Whoever stops the load meanwhile: a statement that is broken off would end the leader's session.
        with anyio.CancelScope(shield=True):
            async with self._session.turn:
                is_ours = await change
        return is_ours
