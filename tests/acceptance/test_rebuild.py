"""A database that is rebuilt from the stream alone is the first one to the byte, whatever was done to that, and to the listener."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path

import pytest

from forwarder.local.postgres import EmbeddedPostgres
from tests.clusters import Clusters
from tests.databases import BARE_TEMPLATE, FRESH_TEMPLATE, Database, connected, copy_of
from tests.listening import Served
from tests.support import bank, every_type, library, visits
from tests.support.librarians import librarians
from tests.support.pipeline import Pipeline
from tests.support.rows import Rows
from tests.support.type_tables import SESSIONS, type_tables

pytestmark = pytest.mark.slow


@pytest.fixture
async def pipeline(
    postgres: EmbeddedPostgres, fresh_database: Database, served: Served, tmp_path: Path
) -> AsyncIterator[Pipeline]:
    async with copy_of(BARE_TEMPLATE, postgres) as copy:
        yield Pipeline(fresh_database, copy, served, tmp_path)


@pytest.fixture
async def preparing_pipeline(clusters: Clusters, served: Served, tmp_path: Path) -> AsyncIterator[Pipeline]:
    """On a server that allows two-phase commit, so that no writer rings the doorbell."""
    async with (
        clusters.server(max_prepared_transactions=20, deadlock_timeout="50ms") as server,
        copy_of(FRESH_TEMPLATE, server) as database,
        copy_of(BARE_TEMPLATE, server) as copy,
    ):
        yield Pipeline(database, copy, served, tmp_path)


async def are_plain(database: Database, *tables: str) -> list[bool]:
    """Which tables are captured in the way of plain rows."""
    async with connected(database.url) as owner:
        ask = "SELECT forwarder.needs_of(NULL::public.{}) IS NOT NULL"
        return [await owner.fetchval(ask.format(table)) for table in tables]


def difference(table: str, was: str, *back: str) -> tuple[Rows, Rows]:
    """Of the one row of a table."""
    missing, *extra = [(f"public.{table}", "'1'", literal) for literal in (was, *back)]
    return Counter([missing]), Counter(extra)


async def test_a_bank_is_rebuilt(pipeline: Pipeline) -> None:
    transact = partial(bank.transact, pipeline.database.writer_url, clients=6, transactions=8)

    async def open_and_transact() -> None:
        await bank.load(pipeline.database.writer_url)
        await transact(seed=1)

    await pipeline.create(bank.SCHEMA)
    await pipeline.migrate("--table", "public.*")
    await pipeline.deliver(open_and_transact, partial(transact, seed=2))
    rebuilt = await pipeline.rebuild()

    found = await pipeline.compare()
    assert found.differences == {}
    assert found.counts == {
        "pgbench_accounts": bank.ACCOUNTS,
        "pgbench_branches": 1,
        "pgbench_history": 2 * 6 * 8,
        "pgbench_tellers": bank.TELLERS,
    }
    assert not rebuilt.surprises
    assert rebuilt.consumer.repeats


async def test_what_odd_sessions_write_is_rebuilt_in_every_type_but_for_what_json_does_not_carry(
    pipeline: Pipeline,
) -> None:
    losses = every_type.documented_losses()
    await pipeline.create(every_type.SCHEMA)
    async with connected(pipeline.database.url) as owner:
        types = await every_type.types(owner, without={loss.type for loss in losses if loss.comes_back_as is None})
        lost = {f"loss_{number}": await loss.literals(owner) for number, loss in enumerate(losses)}
    tables = type_tables(types, losses)
    await pipeline.create(*(table.create for table in tables))
    await pipeline.migrate("--table", "public.*")
    assert await are_plain(pipeline.database, "plain", "careful") == [True, False]
    async with AsyncExitStack() as stack:
        sessions = [await stack.enter_async_context(connected(pipeline.database.writer_url)) for _ in SESSIONS]
        for session, settings in zip(sessions, SESSIONS, strict=True):
            await session.execute(settings)

        async def write() -> None:
            for table in tables:
                for statement in table.first:
                    await sessions[0].execute(statement)

        async def write_again() -> None:
            for table in tables:
                for number, statement in table.second:
                    await sessions[number].execute(statement)

        await pipeline.deliver(write, write_again)
    rebuilt = await pipeline.rebuild()

    found = await pipeline.compare()
    assert found.differences == {table: difference(table, *literals) for table, literals in lost.items()}
    assert all(found.counts.values())
    assert not rebuilt.surprises
    assert sorted(change.table for change in rebuilt.refused) == sorted(
        name for name, (_, *back) in lost.items() if not back
    )


async def test_partitioned_tables_are_rebuilt_but_for_what_was_written_to_a_detached_partition(
    pipeline: Pipeline, tmp_path: Path
) -> None:
    write = partial(visits.write, pipeline.database.writer_url, writers=3, transactions=30)
    rules = tmp_path / "forwarder.toml"
    rules.write_text(visits.RULES)

    async def write_to_the_end() -> None:
        await write(seed=2)
        async with connected(pipeline.database.url) as owner:
            await owner.execute(visits.LAST_ROWS)
        await pipeline.tells(b'"op":"gap"')

    await pipeline.create(visits.SCHEMA)
    await pipeline.migrate("--config", str(rules))
    async with connected(pipeline.database.url) as owner:
        await owner.execute(visits.DETACHED_FOR_A_TIME)
    await pipeline.deliver(partial(write, seed=1), write_to_the_end)
    rebuilt = await pipeline.rebuild()

    found = await pipeline.compare()
    assert found.differences == {
        "fair": (
            visits.rows_of("fair_jan", {2: "missed", 8: "missed"}),
            visits.rows_of("fair_jan", {2: "old", 4: "old"}),
        )
    }
    assert all(found.counts.values())
    assert {(gap.partition, gap.fault) for gap in rebuilt.consumer.gaps} == {("fair_jan", "capture resumed")}
    # The old image of a row that was changed meanwhile.
    assert {change.before for change in rebuilt.surprises} == {'{"day":"2026-01-01","id":1,"note":"missed"}'}
    assert rebuilt.consumer.repeats


async def test_what_an_orm_writes_is_rebuilt(preparing_pipeline: Pipeline) -> None:
    pipeline = preparing_pipeline
    await pipeline.create(*library.schema())
    assert "max_prepared_transactions is 20" in await pipeline.migrate("--table", "public.*")
    async with librarians(pipeline.database.writer_url) as staff:

        async def open_and_work() -> None:
            await staff.open()
            await staff.work(workers=3, units=8, seed=1)

        async def work_and_compete() -> None:
            await staff.work(workers=3, units=8, seed=2)
            await staff.compete()

        await pipeline.deliver(open_and_work, work_and_compete)
    rebuilt = await pipeline.rebuild()

    found = await pipeline.compare()
    assert found.differences == {}
    assert all(found.counts.values())
    assert not rebuilt.surprises
    assert rebuilt.consumer.repeats
    assert staff.retries
    assert staff.prepared
