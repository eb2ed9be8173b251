"""Loads of a part of a table: by a condition, by columns, from a value of a column on."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

import pytest

from forwarder.database.sessions import session
from forwarder.errors import LoadFailed
from forwarder.load.making import Making
from forwarder.load.part import Part
from forwarder.load.portions import Portions
from forwarder.load.reader import ChunkReader
from tests.cases import some
from tests.databases import Database, connected
from tests.loading import Loading
from tests.migrating import migrate_tables
from tests.ruled import rule

if TYPE_CHECKING:
    from forwarder.database.sessions import Connection


@pytest.fixture
async def owner(database: Database) -> AsyncIterator[Connection]:
    async with connected(database.url) as connection:
        await connection.execute(
            "CREATE TABLE public.item (id integer PRIMARY KEY, at timestamptz NOT NULL, n integer, note text);"
            "CREATE INDEX ON public.item (at DESC); CREATE INDEX ON public.item (n)"
        )
        await connection.execute(
            "INSERT INTO public.item SELECT n, '2026-01-01 00:00Z'::timestamptz + n % 4 * interval '1 day', nullif(n % 3, 0), 'x'"
            " FROM generate_series(1, 12) AS n"
        )
        await migrate_tables(connection, "item")
        yield connection


@pytest.fixture
async def loading(database: Database, owner: Connection) -> AsyncIterator[Loading]:
    async with session(database.url, purpose="tests") as connection:
        yield Loading(ChunkReader(connection), owner)


async def ids(loading: Loading, part: Part, *, rows: int = 2) -> list[int]:
    return [json.loads(str(image))["id"] for image in await loading.images(part=part, rows=rows)]


@pytest.mark.parametrize("rows", some(2, of=[1, 2, 5, 100]))
async def test_rows_are_read_by_another_column_from_a_value_on(loading: Loading, rows: int) -> None:
    newest_first = [3, 7, 11, 2, 6, 10, 1, 5, 9, 4, 8, 12]
    assert await ids(loading, Part(order_by="at"), rows=rows) == newest_first
    assert await ids(loading, Part(order_by="at >= '2026-01-02 00:00Z'"), rows=rows) == newest_first[:9]
    assert await ids(loading, Part(order_by="id>=10"), rows=rows) == [10, 11, 12]
    assert await ids(loading, Part(order_by="n>=2"), rows=rows) == [2, 5, 8, 11]


async def test_columns_are_chosen_and_the_key_stays(owner: Connection, loading: Loading) -> None:
    part = Part(columns=("note",), where="id = 7")
    assert await loading.images(part=part) == ['{"id":7,"note":"x"}']
    await rule(owner, columns={"mask": {"note": "***"}, "exclude": ["n"]})
    assert await loading.images(part=part) == ['{"id":7,"note":"***"}']
    assert await loading.images(part=Part(columns=("n",), where="id = 7")) == ['{"id":7}']


@pytest.mark.parametrize(
    ("part", "complaint"),
    [
        (Part(where="nobody = 1"), 'column "nobody" does not exist'),
        (Part(where="id = 'x'"), "invalid input syntax for type integer"),
        (Part(where="id ="), "syntax error"),
        (Part(where="true); DELETE FROM public.item; --"), "syntax error"),
        (Part(where="id"), "must be type boolean"),
        (Part(where="count(*) > 1"), "aggregate functions are not allowed"),
        (Part(where="1 / (id - 5) > 0"), "SQLSTATE 22012"),
        (Part(columns=("nobody",)), "column new.nobody does not exist"),
        (Part(order_by="nobody"), "column new.nobody does not exist"),
        (
            Part(order_by="note"),
            r'has no index that begins with it; CREATE INDEX CONCURRENTLY ON public\.item \("note"\)',
        ),
        (Part(order_by="n"), "it may be null in public.item; write n>=VALUE"),
        (Part(order_by="at >= nonsense"), "invalid input syntax for type timestamp"),
        (Part(order_by="at <= 7"), "write COLUMN, or COLUMN>=VALUE"),
    ],
)
async def test_a_part_that_does_not_fit_is_refused_in_one_line(loading: Loading, part: Part, complaint: str) -> None:
    with pytest.raises(LoadFailed, match=complaint) as raised:
        await loading.rows(part=part)
    assert "\n" not in str(raised.value)
    assert ";" in str(raised.value) or "write COLUMN" in str(raised.value)


@pytest.mark.parametrize("after", ["changed", "key"])
async def test_where_updates_do_not_tell_whole_rows_a_table_is_read_by_its_key_alone(
    owner: Connection, loading: Loading, after: str
) -> None:
    await rule(owner, after=after)
    # An update could move a row behind what was read already.
    with pytest.raises(LoadFailed, match=r'updates of public\.item do not tell whole rows; set after = "full"'):
        await ids(loading, Part(order_by="at"))
    assert await ids(loading, Part(order_by="id>=10")) == [10, 11, 12]


async def test_rows_are_estimated_and_not_counted(owner: Connection, loading: Loading) -> None:
    await owner.execute(
        "INSERT INTO public.item SELECT n, now(), n, 'x' FROM generate_series(13, 10000) AS n; ANALYZE public.item"
    )
    id = await loading.id()
    assert 9000 < (await loading.reader.plan(id, Part())).estimated_rows < 11000
    assert 500 < (await loading.reader.plan(id, Part(where="n < 1000"))).estimated_rows < 2000
    assert 500 < (await loading.reader.plan(id, Part(order_by="n>=9000"))).estimated_rows < 2000
    assert (await loading.reader.plan(id, Part(limit=10))).estimated_rows == 10


async def test_a_chunk_in_the_order_of_another_column_walks_along_the_index_of_that_column(
    owner: Connection, loading: Loading, monkeypatch: pytest.MonkeyPatch
) -> None:
    await owner.execute(
        "INSERT INTO public.item SELECT n, '2026-02-01'::timestamptz + n / 7 * interval '1 minute', n, 'x' FROM generate_series(13, 20000) AS n;"
        "ANALYZE public.item"
    )
    plans: list[str] = []
    fetch = Portions.fetch

    async def explained(self: Portions, connection: Connection, statement: str, making: Making) -> None:
        plans.extend(line for (line,) in await connection.fetch(f"EXPLAIN {statement}"))
        await fetch(self, connection, statement, making)

    monkeypatch.setattr(Portions, "fetch", explained)
    assert len(await ids(loading, Part(order_by="at>=2026-02-01"), rows=5000)) == 19988
    scans = [line for line in plans if "Scan" in line and "Subquery" not in line]
    assert len(scans) > 6
    assert all("Index Scan using item_at_idx" in line for line in scans)
