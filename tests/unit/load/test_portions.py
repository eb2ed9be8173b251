"""How many rows are fetched at once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

from forwarder.load.chunk_query import NOT_MADE, ChunkQuery
from forwarder.load.images import Needs
from forwarder.load.making import Making
from forwarder.load.portions import Portions

QUERY = ChunkQuery(
    name="public.item",
    relation=4711,
    needs=Needs(is_plain=True, max_bytes=100, columns=("id",)),
    key=(),
    paging=(),
    conditions=(),
    is_careful=False,
)


class Table:
    """A connection whose every statement has these images as its rows."""

    def __init__(self, images: Sequence[str | None]) -> None:
        self.asked: list[int] = []
        self._rows = [(image, None) for image in images]

    async def prepare(self, statement: str) -> Table:
        return self

    async def cursor(self) -> Table:
        return self

    async def fetch(self, count: int) -> Sequence[tuple[str | None, None]]:
        self.asked.append(count)
        portion, self._rows = self._rows[:count], self._rows[count:]
        return portion


async def fetched(
    images: Sequence[str | None], *, rows: int = 1000, bytes: int = 1 << 20, largest: int | None = None
) -> tuple[Portions, list[int]]:
    table = Table(images)
    found = Portions(rows=rows, bytes=bytes, largest_bytes=largest)
    await found.fetch(cast(Any, table), "SELECT", Making(QUERY))
    return found, table.asked


async def test_portions_grow_until_the_chunk_has_its_rows() -> None:
    found, asked = await fetched(["x"] * 2000)
    assert asked[:2] == [16, 128]
    assert sum(asked) == len(found.rows) == 1000
    assert not found.is_end


async def test_where_fewer_rows_come_than_were_asked_for_there_are_no_more() -> None:
    found, _ = await fetched(["x"] * 10)
    assert found.is_end
    assert len(found.rows) == 10
    nothing, _ = await fetched([])
    assert nothing.is_end


async def test_a_chunk_ends_with_the_row_by_which_it_has_its_bytes() -> None:
    found, asked = await fetched(["ä" * 50] * 100, bytes=950)
    assert (len(found.rows), found.looked_at, found.bytes) == (10, 10, 1000)
    assert not found.is_end
    assert asked == [16]
    found, _ = await fetched(["x" * 100] * 5, bytes=1)
    assert (len(found.rows), found.is_end) == (1, False)


async def test_no_more_rows_are_asked_for_than_have_room_if_they_are_as_large_as_the_largest() -> None:
    found, asked = await fetched(["x" * 100] * 100, bytes=1000, largest=300)
    assert asked[0] == 3
    assert found.bytes == 1000


async def test_rows_that_do_not_meet_the_conditions_count_as_looked_at() -> None:
    found, _ = await fetched([None, "x"] * 20, rows=10)
    assert (found.looked_at, len(found.rows)) == (10, 5)


async def test_a_chunk_ends_before_the_first_image_that_was_not_made() -> None:
    found, asked = await fetched(["x", None, "y", NOT_MADE, NOT_MADE])
    assert ([row.after for row in found.rows], found.looked_at) == (["x", "y"], 3)
    assert (found.is_end, asked) == (False, [16])


class Restraint:
    read_rows = 100

    def __init__(self) -> None:
        self.rests = 0

    async def rest(self, *, worked_seconds: float) -> None:
        assert worked_seconds >= 0
        self.rests += 1


async def test_a_load_that_holds_back_fetches_no_more_than_it_may_and_rests_in_between() -> None:
    table, restraint = Table(["x"] * 2000), Restraint()
    found = Portions(rows=350, bytes=1 << 20, largest_bytes=1, restraint=restraint)
    await found.fetch(cast(Any, table), "SELECT", Making(QUERY))
    assert table.asked == [100, 100, 100, 50]
    # Not behind the last one, where a transaction would stay open for nothing.
    assert restraint.rests == 3
