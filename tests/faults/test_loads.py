"""Rows are loaded while they change and the listener is killed: a consumer ends with the table, and never goes back."""

from __future__ import annotations

import random
import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import asyncpg
import pytest

from forwarder.database.sessions import Connection
from forwarder.local.postgres import EmbeddedPostgres
from tests.databases import BARE_TEMPLATE, Database, connected, copy_of
from tests.listening import CREDENTIALS, STREAM, Operator, Served, command
from tests.support.consumer import at_different_speeds
from tests.support.rebuilt import Rebuilt
from tests.support.rows import compare
from tests.support.versions import steps_back
from tests.waiting import eventually

# More than the first chunk of a table takes.
ROWS = 1200
WRITERS = 3
TABLES = """
    CREATE SEQUENCE versions;
    CREATE TABLE items (id integer PRIMARY KEY, v bigint NOT NULL DEFAULT nextval('versions'), note text);
    CREATE TABLE pairs (a text COLLATE "C", b uuid, v bigint NOT NULL DEFAULT nextval('versions'), PRIMARY KEY (a, b));
    CREATE TABLE parts (id integer, region integer, v bigint NOT NULL DEFAULT nextval('versions'), PRIMARY KEY (region, id))
        PARTITION BY LIST (region);
    CREATE TABLE parts_0 PARTITION OF parts FOR VALUES IN (0);
    CREATE TABLE parts_1 PARTITION OF parts FOR VALUES IN (1);
    CREATE TABLE notes (v bigint NOT NULL DEFAULT nextval('versions'), note text)
"""
FILL = f"""
    INSERT INTO items (id, note) SELECT n, repeat('x', n % 300) FROM generate_series(1, {ROWS}) AS n;
    INSERT INTO pairs (a, b) SELECT 'k' || n % 50, md5(n::text)::uuid FROM generate_series(1, {ROWS}) AS n;
    INSERT INTO parts (id, region) SELECT n, n % 2 FROM generate_series(1, {ROWS}) AS n
"""
# These have no key, so their records go one after the other, each in a request of its own.
FILL_NOTES = "INSERT INTO notes (note) SELECT md5(n::text) FROM generate_series(1, $1::integer) AS n"
# What a writer does at random; $1 is a number from 1 to 1.2 times as many as there are rows.
CHANGES = (
    "UPDATE items SET v = nextval('versions') WHERE id = $1",
    "UPDATE items SET v = nextval('versions') WHERE id = $1",
    "DELETE FROM items WHERE id = $1",
    "INSERT INTO items (id) VALUES ($1) ON CONFLICT (id) DO UPDATE SET v = nextval('versions')",
    f"UPDATE items SET id = {2 * ROWS} - id, v = nextval('versions') WHERE id = $1",
    "UPDATE pairs SET v = nextval('versions') WHERE a = 'k' || ($1::integer % 50) AND b = md5($1::integer::text)::uuid",
    "UPDATE pairs SET a = 'm' || $1::integer, v = nextval('versions') WHERE a = 'k' || ($1::integer % 50) AND b = md5($1::integer::text)::uuid",
    "DELETE FROM pairs WHERE a = 'k' || ($1::integer % 50) AND b = md5($1::integer::text)::uuid",
    "UPDATE parts SET v = nextval('versions') WHERE id = $1",
    "UPDATE parts SET region = 1 - region, v = nextval('versions') WHERE id = $1",
    "DELETE FROM parts WHERE id = $1 AND region = 1",
    "INSERT INTO notes (note) VALUES ($1::integer::text)",
    "DELETE FROM notes WHERE note = md5($1::integer::text)",
    "UPDATE notes SET v = nextval('versions') WHERE note = md5($1::integer::text)",
)
TRUNCATE = "TRUNCATE parts_1"
ROW_ID = re.compile(rb'"op":"read".*"after":\{"id":(\d+),')


class Workload:
    """Writers that change rows at random until they are told to stop. Most transactions are of one change, some of many."""

    def __init__(self, database: Database, seed: int, *, truncates: bool) -> None:
        self._database = database
        self._seed = seed
        self._truncates = truncates
        self._stops = False

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        async with anyio.create_task_group() as tasks:
            for number in range(WRITERS):
                tasks.start_soon(self._write, random.Random(f"{self._seed}/{number}"))
            try:
                yield
            finally:
                self._stops = True

    async def _write(self, choice: random.Random) -> None:
        async with connected(self._database.writer_url) as writer:
            while not self._stops:
                many = choice.choice((1, 1, 1, 5, 20))
                try:
                    async with writer.transaction():
                        for _ in range(many):
                            await self._change(writer, choice)
                            if many > 1:
                                await anyio.sleep(0.002 * choice.random())
                except (asyncpg.TransactionRollbackError, asyncpg.UniqueViolationError):
                    # Writers meet, so the server undoes some transactions: there is nothing to be told of them.
                    continue
                await anyio.sleep(0.04 * choice.random())

    async def _change(self, writer: Connection, choice: random.Random) -> None:
        if self._truncates and choice.random() < 0.002:
            await writer.execute(TRUNCATE)
        else:
            await writer.execute(choice.choice(CHANGES), choice.randint(1, int(1.2 * ROWS)))


@pytest.fixture
async def copy_database(postgres: EmbeddedPostgres) -> AsyncIterator[Database]:
    async with copy_of(BARE_TEMPLATE, postgres) as copy:
        yield copy


@pytest.fixture
def env(database: Database, served: Served) -> Mapping[str, str]:
    return {
        **CREDENTIALS,
        "FORWARDER_DATABASE_URL": database.url,
        "FORWARDER_SINK": served.sink,
        # A chunk is small, so that there are many.
        "FORWARDER_LOAD_CHUNK_SECONDS": "0.001",
        "FORWARDER_LOAD_YIELD_SECONDS": "60",
    }


async def all_are_loaded(database: Database) -> None:
    """Wait until all tables are loaded."""
    async with connected(database.superuser_url) as looking:

        async def are_finished() -> bool:
            loads = await looking.fetch("SELECT state, error FROM forwarder.load")
            assert all(load["state"] != "failed" for load in loads), loads
            return all(load["state"] == "finished" for load in loads)

        await eventually(are_finished, within_seconds=180)


async def all_is_told(database: Database, env: Mapping[str, str], directory: Path) -> None:
    async with command("listen", "--once", env=env, directory=directory / "last") as last:
        assert await last.ends(within_seconds=120) == 0, last.stderr


def shards_of(served: Served) -> list[list[bytes]]:
    stream = served.kinesis.stream(STREAM)
    return [[record.data for record in stream.records(shard.shard_id)] for shard in stream.shards]


@pytest.mark.parametrize(
    ("seed", "kills", "notes"),
    [(1, 2, 300), *(pytest.param(seed, 4, ROWS, marks=pytest.mark.long) for seed in range(2, 31))],
)
async def test_whoever_applies_the_stream_ends_with_the_tables_and_never_goes_back(
    seed: int,
    kills: int,
    notes: int,
    env: Mapping[str, str],
    database: Database,
    copy_database: Database,
    served: Served,
    tmp_path: Path,
) -> None:
    for each in (database, copy_database):
        async with connected(each.url) as owner:
            await owner.execute(TABLES)
    async with connected(database.url) as owner:
        await owner.execute(FILL)
        await owner.execute(FILL_NOTES, notes)
    operator = Operator(env, tmp_path)
    await operator.says("migrate", "--table", "public.*")
    workload, choice = Workload(database, seed, truncates=seed % 2 == 1), random.Random(seed)
    async with workload.running():
        await operator.says("load", "public.*", "--detach")
        for kill in range(kills):
            async with command("listen", env=env, directory=tmp_path / f"listener {kill}") as listener:
                await listener.says("load ")
                await served.kinesis.wait_for_records(len(served.data()) + choice.randint(1, 500), stream=STREAM)
                await listener.kill()
        async with command("listen", env=env, directory=tmp_path / "listener") as listener:
            await all_are_loaded(database)
            assert await listener.stop() == 0, listener.stderr
    await all_is_told(database, env, tmp_path)
    shards = shards_of(served)
    assert [step for shard in shards for step in steps_back(shard)] == []
    async with connected(copy_database.superuser_url) as copy:
        rebuilt = Rebuilt(copy)
        await rebuilt.prepare()
        await rebuilt.apply(at_different_speeds(shards, seed=seed))
        async with connected(database.superuser_url) as ours:
            compared = await compare(ours, copy)
    assert compared.differences == {}


@pytest.mark.parametrize("rows", [20_000, pytest.param(5_000_000, marks=pytest.mark.long)])
async def test_a_load_that_is_killed_ten_times_tells_every_row(rows: int, database: Database, tmp_path: Path) -> None:
    env = {"FORWARDER_DATABASE_URL": database.url, "FORWARDER_SINK": f"file:{tmp_path}/changes.jsonl"}
    async with connected(database.url) as owner:
        await owner.execute("CREATE TABLE many (id bigint PRIMARY KEY, note text)")
        await owner.execute(f"INSERT INTO many SELECT n, 'row ' || n FROM generate_series(1, {rows}) AS n")
    operator = Operator(env, tmp_path)
    await operator.says("migrate", "--table", "public.many")
    await operator.says("listen", "--once")
    await operator.says("load", "many", "--detach")
    choice = random.Random(rows)
    async with connected(database.url) as looking:
        for kill in range(10):
            async with command("listen", env=env, directory=tmp_path / f"listener {kill}") as listener:
                await listener.says("load ")
                before = await looking.fetchval("SELECT rows FROM forwarder.load")
                await advances(looking, before + choice.randint(1, rows // 15))
                await listener.kill()
        async with command("listen", "--load-only", env=env, directory=tmp_path / "last") as listener:
            assert await listener.ends(within_seconds=600) == 0, listener.stderr
        assert await looking.fetchval("SELECT rows FROM forwarder.load WHERE state = 'finished'") == rows
    seen = bytearray(rows + 1)
    with (tmp_path / "changes.jsonl").open("rb") as lines:
        for line in lines:
            if found := ROW_ID.search(line):
                seen[int(found[1])] = 1
    assert seen.count(1) == rows


async def advances(looking: Connection, rows: int) -> None:
    """Wait until a load has told so many rows, or has ended."""

    async def has_advanced() -> bool:
        load = await looking.fetchrow("SELECT rows, finished_at FROM forwarder.load")
        assert load is not None
        return load["rows"] >= rows or load["finished_at"] is not None

    await eventually(has_advanced, within_seconds=120)
