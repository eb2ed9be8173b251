"""Reads tables as a load does, without a listener."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, NamedTuple

from forwarder.load.chunk import Chunk, Place, ReadRow
from forwarder.load.part import Part
from forwarder.load.reader import ChunkReader
from forwarder.outbox.position import Snapshot

if TYPE_CHECKING:
    from forwarder.database.sessions import Connection

ALL = Part()


class Loading(NamedTuple):
    """A reader, and the session of the role that owns the tables."""

    reader: ChunkReader
    owner: Connection

    async def id(self, name: str = "item") -> int:
        """The id of the captured table with this name."""
        id: int = await self.owner.fetchval(
            "SELECT id FROM forwarder.captured_table WHERE table_name = $1 AND removed_at IS NULL", name
        )
        return id

    async def now(self) -> Snapshot:
        """The snapshot of this moment."""
        return Snapshot.parse(await self.owner.fetchval("SELECT pg_current_snapshot()::text"))

    async def chunks(
        self,
        name: str = "item",
        *,
        rows: int = 2,
        bytes: int = 1 << 20,
        part: Part = ALL,
        begun: Snapshot | None = None,
    ) -> list[Chunk]:
        """A table from its beginning to its end."""
        begun = begun or await self.now()
        plan = await self.reader.plan(await self.id(name), part)
        place: Place | None = None
        found: list[Chunk] = []
        while not found or place is not None:
            found.append(await self.reader.read(plan, place, rows=rows, bytes=bytes, begun=begun))
            place = found[-1].place
        return found

    async def rows(
        self, name: str = "item", *, rows: int = 2, part: Part = ALL, begun: Snapshot | None = None
    ) -> list[ReadRow]:
        """All rows of a table, in the order in which they are read."""
        return rows_of(await self.chunks(name, rows=rows, part=part, begun=begun))

    async def images(
        self, name: str = "item", *, rows: int = 2, part: Part = ALL, begun: Snapshot | None = None
    ) -> list[str | None]:
        """The images of these rows."""
        return [row.after for row in await self.rows(name, rows=rows, part=part, begun=begun)]

    async def captured(self, name: str, update: str) -> list[str | None]:
        """The images that the trigger makes of the rows of a table when all of them are updated, sorted."""
        seq = await self.owner.fetchval("SELECT coalesce(max(seq), 0) FROM forwarder.outbox")
        await self.owner.execute(update)
        rows = await self.owner.fetch(
            "SELECT after FROM forwarder.outbox WHERE seq > $1 AND table_id = $2", seq, await self.id(name)
        )
        return sorted(row["after"] for row in rows)


def rows_of(chunks: Iterable[Chunk]) -> list[ReadRow]:
    return [row for chunk in chunks for row in chunk.rows]
