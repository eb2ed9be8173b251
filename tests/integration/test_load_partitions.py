"""Reading partitioned tables, partition after partition, and tables that inherit."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

import msgspec
import pytest

from forwarder.database.sessions import session
from forwarder.errors import LoadFailed, Rewritten
from forwarder.load.chunk import Chunk, Place, ReadRow
from forwarder.load.part import Part
from forwarder.load.reader import ChunkReader
from forwarder.load.table_plan import TablePlan
from forwarder.outbox.position import Snapshot
from tests.databases import Database, connected
from tests.loading import ALL, Loading
from tests.migrating import migrate_tables

if TYPE_CHECKING:
    from forwarder.database.sessions import Connection


@pytest.fixture
async def owner(database: Database) -> AsyncIterator[Connection]:
    async with connected(database.url) as connection:
        yield connection


@pytest.fixture
async def loading(database: Database, owner: Connection) -> AsyncIterator[Loading]:
    async with session(database.url, purpose="tests") as connection:
        yield Loading(ChunkReader(connection), owner)


PARTITIONED = (
    "CREATE TABLE public.item (id integer, region text, note text, PRIMARY KEY (region, id)) PARTITION BY LIST (region)",
    "CREATE TABLE public.item_eu PARTITION OF public.item FOR VALUES IN ('eu')",
    # Its columns are in another order, and numbered otherwise.
    "CREATE TABLE public.item_us (gone text, note text, region text NOT NULL, id integer NOT NULL)",
    "ALTER TABLE public.item_us DROP COLUMN gone",
    "ALTER TABLE public.item ATTACH PARTITION public.item_us FOR VALUES IN ('us')",
    "CREATE TABLE public.item_more PARTITION OF public.item DEFAULT PARTITION BY RANGE (id)",
    "CREATE TABLE public.item_more_1 PARTITION OF public.item_more FOR VALUES FROM (0) TO (100)",
    "INSERT INTO public.item SELECT n, region, 'x' FROM generate_series(1, 3) AS n, unnest('{us,eu,as}'::text[]) AS region",
)


async def partitioned(owner: Connection) -> None:
    for statement in PARTITIONED:
        await owner.execute(statement)
    await migrate_tables(owner, "public.item")


async def names(owner: Connection, rows: list[ReadRow]) -> list[str]:
    return [await owner.fetchval("SELECT relname FROM pg_class WHERE oid = $1", row.relation) for row in rows]


async def test_partitions_are_read_one_after_the_other(owner: Connection, loading: Loading) -> None:
    await partitioned(owner)
    rows = await loading.rows()
    assert await names(owner, rows) == [*["item_eu"] * 3, *["item_us"] * 3, *["item_more_1"] * 3]
    assert sorted(str(row.after) for row in rows) == await loading.captured(
        "item", "UPDATE public.item SET note = note"
    )
    assert rows[3].after == '{"note":"x","region":"us","id":1}'
    plan = await loading.reader.plan(await loading.id(), Part(where="region = 'eu'"))
    assert 0 < plan.estimated_rows < 100


async def test_partitions_come_and_go_while_they_are_read(owner: Connection, loading: Loading) -> None:
    await partitioned(owner)
    begun = await loading.now()
    plan = await loading.reader.plan(await loading.id(), ALL)
    chunk = await loading.reader.read(plan, None, rows=2, bytes=1 << 20, begun=begun)
    await owner.execute("ALTER TABLE public.item DETACH PARTITION public.item_eu")
    await owner.execute("DROP TABLE public.item_us")
    await owner.execute("CREATE TABLE public.item_af PARTITION OF public.item FOR VALUES IN ('af')")
    await owner.execute("INSERT INTO public.item VALUES (1, 'af', 'x')")
    rows: list[ReadRow] = []
    while chunk.place is not None:
        chunk = await loading.reader.read(plan, chunk.place, rows=2, bytes=1 << 20, begun=begun)
        rows += chunk.rows
    assert await names(owner, rows) == [*["item_more_1"] * 3, "item_af"]


async def test_a_partition_that_is_captured_alone_is_read_alone(owner: Connection, loading: Loading) -> None:
    for statement in PARTITIONED:
        await owner.execute(statement)
    await migrate_tables(owner, "public.item_us")
    assert len(await loading.rows("item_us")) == 3


async def test_tables_that_inherit_are_read_by_themselves(owner: Connection, loading: Loading) -> None:
    await owner.execute("CREATE TABLE public.item (id integer PRIMARY KEY); INSERT INTO public.item VALUES (1)")
    await owner.execute(
        "CREATE TABLE public.child (PRIMARY KEY (id)) INHERITS (public.item); INSERT INTO public.child VALUES (2)"
    )
    await migrate_tables(owner, "public.*")
    assert await loading.images("item") == ['{"id":1}']
    assert await loading.images("child") == ['{"id":2}']


async def test_partitions_without_a_key_are_read_by_place(owner: Connection, loading: Loading) -> None:
    await owner.execute("CREATE TABLE public.item (id integer) PARTITION BY HASH (id)")
    for number in range(3):
        await owner.execute(
            f"CREATE TABLE public.item_{number} PARTITION OF public.item FOR VALUES WITH (MODULUS 3, REMAINDER {number})"
        )
    await owner.execute("INSERT INTO public.item SELECT generate_series(1, 50)")
    await migrate_tables(owner, "public.item")
    begun = await loading.now()
    await owner.execute("CREATE TABLE public.other (id integer)")
    assert len(await loading.rows(rows=4, begun=begun)) == 50


async def keyless(owner: Connection) -> None:
    await owner.execute("CREATE TABLE public.item (n integer, r integer) PARTITION BY LIST (r)")
    for number in range(3):
        await owner.execute(f"CREATE TABLE public.item_{number} PARTITION OF public.item FOR VALUES IN ({number})")
    await owner.execute("INSERT INTO public.item SELECT n, n % 3 FROM generate_series(1, 30) AS n")
    await owner.execute("CREATE TABLE public.item_3 (n integer, r integer); INSERT INTO public.item_3 VALUES (31, 3)")
    await migrate_tables(owner, "public.item")


async def rest(loading: Loading, plan: TablePlan, chunk: Chunk, begun: Snapshot) -> list[ReadRow]:
    """The rows of the chunks behind this one, each read from a place that was saved as JSON."""
    rows: list[ReadRow] = []
    while chunk.place is not None:
        place = msgspec.json.decode(msgspec.json.encode(chunk.place), type=Place)
        chunk = await loading.reader.read(plan, place, rows=4, bytes=1 << 20, begun=begun)
        rows += chunk.rows
    return rows


async def test_a_partition_without_a_key_may_be_granted_and_attached_before_it_is_read(
    owner: Connection, loading: Loading
) -> None:
    await keyless(owner)
    begun = await loading.now()
    plan = await loading.reader.plan(await loading.id(), ALL)
    chunk = await loading.reader.read(plan, None, rows=4, bytes=1 << 20, begun=begun)
    await owner.execute("GRANT SELECT ON public.item_1 TO PUBLIC; ALTER TABLE public.item_2 SET (fillfactor = 90)")
    await owner.execute("ALTER TABLE public.item ATTACH PARTITION public.item_3 FOR VALUES IN (3)")
    images = [row.after for row in [*chunk.rows, *await rest(loading, plan, chunk, begun)]]
    assert sorted(images, key=str) == sorted([f'{{"n":{n},"r":{n % 3}}}' for n in range(1, 31)] + ['{"n":31,"r":3}'])


@pytest.mark.parametrize("moment", ["before the first chunk", "behind it"])
async def test_a_partition_without_a_key_that_is_written_anew_has_to_be_begun_again(
    owner: Connection, loading: Loading, moment: str
) -> None:
    await keyless(owner)
    begun = await loading.now()
    plan = await loading.reader.plan(await loading.id(), ALL)
    deed = "VACUUM FULL public.item_1"
    if moment == "before the first chunk":
        await owner.execute(deed)
    chunk = await loading.reader.read(plan, None, rows=10, bytes=1 << 20, begun=begun)
    if moment == "behind it":
        await owner.execute(deed)
    with pytest.raises(Rewritten):
        await rest(loading, plan, chunk, begun)


async def test_a_table_without_partitions_is_empty(owner: Connection, loading: Loading) -> None:
    await owner.execute("CREATE TABLE public.item (id integer PRIMARY KEY) PARTITION BY RANGE (id)")
    await migrate_tables(owner, "public.item")
    assert await loading.rows() == []


async def test_a_table_that_is_dropped_or_captured_no_longer_is_said_to_be(owner: Connection, loading: Loading) -> None:
    await partitioned(owner)
    plan = await loading.reader.plan(await loading.id(), ALL)
    chunk = await loading.reader.read(plan, None, rows=2, bytes=1 << 20, begun=await loading.now())
    await owner.execute("DROP TABLE public.item")
    with pytest.raises(LoadFailed, match=r"public\.item was dropped, or is captured no longer"):
        await loading.reader.read(plan, chunk.place, rows=2, bytes=1 << 20, begun=await loading.now())
    with pytest.raises(LoadFailed, match="is gone"):
        await loading.rows()
