"""Reading the rows of a table in chunks: all of them, in the order of the key, each with the image that the trigger makes of it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import TYPE_CHECKING, Any

import pytest

from forwarder.database.sessions import session
from forwarder.load.chunk import Chunk, Place, ReadRow
from forwarder.load.part import Part
from forwarder.load.reader import ChunkReader
from forwarder.outbox.position import NOTHING
from tests.databases import Database, connected
from tests.migrating import migrate

if TYPE_CHECKING:
    from forwarder.database.sessions import Connection


@pytest.fixture
async def owner(database: Database) -> AsyncIterator[Connection]:
    """The role that owns the tables and migrates."""
    async with connected(database.url) as connection:
        yield connection


@pytest.fixture
async def reader(database: Database) -> AsyncIterator[ChunkReader]:
    async with session(database.url, purpose="tests") as connection:
        yield ChunkReader(connection)


async def table_id(owner: Connection, name: str = "item") -> int:
    id: int = await owner.fetchval(
        "SELECT id FROM forwarder.captured_table WHERE table_name = $1 AND removed_at IS NULL", name
    )
    return id


async def chunks(reader: ChunkReader, id: int, *, rows: int = 2, part: Part = Part(), **options: Any) -> list[Chunk]:  # noqa: B008
    """The table from its beginning to its end."""
    plan = await reader.plan(id, part)
    place: Place | None = None
    found = []
    while not found or place is not None:
        options = {"bytes": 1 << 20, "begun": NOTHING, **options}
        found.append(await reader.read(plan, place, rows=rows, **options))
        place = found[-1].place
    return found


async def read(reader: ChunkReader, id: int, **options: Any) -> list[ReadRow]:
    return [row for chunk in await chunks(reader, id, **options) for row in chunk.rows]


def images(rows: Sequence[ReadRow]) -> list[str | None]:
    return [row.after for row in rows]


async def test_a_table_is_read_in_the_order_of_its_key(owner: Connection, reader: ChunkReader) -> None:
    await owner.execute("CREATE TABLE public.item (id integer PRIMARY KEY, note text)")
    await owner.execute("INSERT INTO public.item SELECT 8 - n, 'note ' || n FROM generate_series(1, 7) AS n")
    await migrate(owner, "item")
    found = await chunks(reader, await table_id(owner), rows=3)
    assert [len(chunk.rows) for chunk in found] == [3, 3, 1]
    assert images([row for chunk in found for row in chunk.rows]) == [
        f'{{"id":{id},"note":"note {8 - id}"}}' for id in range(1, 8)
    ]
