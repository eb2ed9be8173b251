"""Table statistics while listeners are killed: each change counts once, and what is told again by `forwarder replay` and loads counts as often."""

from __future__ import annotations

import random
from collections.abc import Mapping
from pathlib import Path

import pytest

from forwarder.database.sessions import Connection
from forwarder.local.kinesis.faults import FailRecords, LoseResponse, Script
from forwarder.store.statistics import TableStatistics, read_statistics
from tests.databases import Database, connected
from tests.listening import CREDENTIALS, STREAM, Operator, Served, command
from tests.waiting import eventually

ROWS = 4000
TABLES = """
    CREATE TABLE a (id integer PRIMARY KEY, note text);
    CREATE TABLE b (id integer PRIMARY KEY, note text)
"""
# One transaction after the other, of one change and of many, in letters that are longer in UTF-8.
WRITE = (
    f"INSERT INTO a SELECT n, repeat('ä', n % 50) FROM generate_series(1, {ROWS}) AS n",
    "INSERT INTO b SELECT id, note FROM a WHERE id % 3 = 0",
    "UPDATE a SET note = 'ö' || id WHERE id % 2 = 0",
    "DELETE FROM b WHERE id % 2 = 0",
    "UPDATE b SET id = -id WHERE id % 9 = 0",
)
# The statistics as they should be.
WRITTEN = """
    SELECT
        count(*) FILTER (WHERE op = 'I') AS inserts,
        count(*) FILTER (WHERE op = 'U') AS updates,
        count(*) FILTER (WHERE op = 'D') AS deletes,
        count(*) FILTER (WHERE op = 'T') AS truncates,
        count(*) FILTER (WHERE op NOT IN ('I', 'U', 'D', 'T')) AS others,
        coalesce(sum(coalesce(octet_length(before), 0)::bigint + coalesce(octet_length(after), 0)), 0)::bigint AS bytes
    FROM forwarder.outbox
    WHERE table_id = (SELECT id FROM forwarder.captured_table WHERE table_name = $1)
"""

pytestmark = pytest.mark.slow


@pytest.fixture
def env(database: Database, served: Served) -> Mapping[str, str]:
    return {
        **CREDENTIALS,
        "FORWARDER_DATABASE_URL": database.url,
        "FORWARDER_SINK": served.sink,
        "FORWARDER_LISTEN_CHECKPOINT_INTERVAL_SECONDS": "0.02",
        "FORWARDER_LOAD_CHUNK_SECONDS": "0.001",
    }


async def statistics(looking: Connection) -> Mapping[str, TableStatistics]:
    return {found.table: found for found in await read_statistics(looking)}


async def written(looking: Connection, table: str) -> Mapping[str, int]:
    row = await looking.fetchrow(WRITTEN, table)
    assert row
    return dict(row)


def told(found: TableStatistics, *, others: int = 0) -> Mapping[str, int]:
    """What is to be as ``written``."""
    return {
        "inserts": found.inserts,
        "updates": found.updates,
        "deletes": found.deletes,
        "truncates": found.truncates,
        "others": found.others + found.schema_changes + others,
        "bytes": found.bytes,
    }


async def all_is_told(env: Mapping[str, str], directory: Path) -> None:
    async with command("listen", "--once", env=env, directory=directory) as last:
        assert await last.ends(within_seconds=120) == 0, last.stderr


async def test_each_change_counts_once_however_often_the_listener_is_killed(
    database: Database, env: Mapping[str, str], served: Served, tmp_path: Path
) -> None:
    operator, choice = Operator(env, tmp_path), random.Random(1)
    async with connected(database.url) as owner:
        await owner.execute(TABLES)
        await operator.says("migrate", "--table", "public.*")
        for statement in WRITE:
            await owner.execute(statement)
        for number in range(200):
            await owner.execute(f"UPDATE a SET note = repeat('ß', {number}) WHERE id % 500 = 0")
        # It makes a record that Kinesis does not take.
        await owner.execute("INSERT INTO a VALUES (0, repeat('x', 2000000)); TRUNCATE b; INSERT INTO b VALUES (1, '')")
        # Requests are answered in part, and sent again: the position is inside a page most of the time.
        served.kinesis.faults = Script(
            [FailRecords(probability=0.2), LoseResponse(operation="PutRecords", every=7, times=3)]
        )
        for kill in range(6):
            async with command("listen", env=env, directory=tmp_path / f"listener {kill}") as listener:
                await served.kinesis.wait_for_records(len(served.data()) + choice.randint(1, 1500), stream=STREAM)
                await listener.kill()
            between = await statistics(owner)
            for one in between.values():
                assert one.inserts <= (await written(owner, one.table.removeprefix("public.")))["inserts"]
        await all_is_told(env, tmp_path / "last")

        found = await statistics(owner)
        for table in "ab":
            assert told(found[f"public.{table}"]) == await written(owner, table)
        changes = await owner.fetchval("SELECT count(*) FROM forwarder.outbox")
        assert len(served.data()) > changes, "nothing was sent twice, so this proves little"
        assert (found["public.a"].errors, found["public.b"].errors) == (1, 0)
        last_change = await owner.fetchval("SELECT max(at) FROM forwarder.outbox WHERE op <> 'S'")
        assert found["public.b"].last_change_at == last_change
        assert found["public.b"].last_delivered_at
        assert found["public.b"].last_delivered_at > last_change


async def test_what_is_told_again_counts_again(database: Database, env: Mapping[str, str], tmp_path: Path) -> None:
    operator = Operator(env, tmp_path)
    async with connected(database.url) as owner:
        await owner.execute(TABLES)
        await operator.says("migrate", "--table", "public.*")
        for statement in WRITE:
            await owner.execute(statement)
        await all_is_told(env, tmp_path / "first")
        await operator.says("replay", "--sink", "default", "--from", "oldest")
        await all_is_told(env, tmp_path / "second")
        await operator.says("replay", "--sink", "default", "--from", "oldest", "--table", "public.b")
        await all_is_told(env, tmp_path / "third")

        found = await statistics(owner)
        for table, times in (("a", 2), ("b", 3)):
            expected = {name: times * count for name, count in (await written(owner, table)).items()}
            assert told(found[f"public.{table}"]) == expected
        assert {one.errors for one in found.values()} == {0}

        # A listener that soon stops adds up what those before it have left.
        await owner.execute("DELETE FROM a WHERE id = 1")
        await all_is_told(env, tmp_path / "fourth")
        assert await owner.fetchval("SELECT sum(deletes)::integer FROM forwarder.tally") == 1
        assert await owner.fetchval("SELECT count(*) FROM forwarder.tally") == 1


async def test_a_row_that_a_load_has_read_counts_once_however_often_the_listener_is_killed(
    database: Database, env: Mapping[str, str], tmp_path: Path
) -> None:
    operator, choice = Operator(env, tmp_path), random.Random(1)
    async with connected(database.url) as owner:
        await owner.execute(TABLES)
        await owner.execute(WRITE[0])
        await operator.says("migrate", "--table", "public.*")
        await all_is_told(env, tmp_path / "first")
        await operator.says("load", "a", "--detach")
        for kill in range(3):
            async with command("listen", env=env, directory=tmp_path / f"listener {kill}") as listener:
                goal = await owner.fetchval("SELECT rows FROM forwarder.load") + choice.randint(1, ROWS // 5)

                async def has_advanced(goal: int = goal) -> bool:
                    return bool(await owner.fetchval("SELECT rows >= $1 FROM forwarder.load", goal))

                await eventually(has_advanced)
                await listener.kill()
            await assert_counted_as_loaded(owner)
        async with command("listen", "--load-only", env=env, directory=tmp_path / "last") as last:
            assert await last.ends(within_seconds=120) == 0, last.stderr
        await assert_counted_as_loaded(owner)
        assert (await statistics(owner))["public.a"].reads == ROWS


async def assert_counted_as_loaded(looking: Connection) -> None:
    found = (await statistics(looking))["public.a"]
    rows, size = await looking.fetchrow("SELECT rows, bytes FROM forwarder.load") or (0, 0)
    assert (found.reads, found.bytes - (await written(looking, "a"))["bytes"]) == (rows, size)
    assert found.inserts == 0
