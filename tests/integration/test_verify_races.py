"""A table is verified while it changes: nothing is told that is only on its way, and what is wrong is."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from random import Random

import anyio
import asyncpg
import pytest

from forwarder.cli.verify_records import RecordsRequest, verify_records
from forwarder.cli.verify_request import Request
from forwarder.config.settings import SinkSettings
from forwarder.config.sink_url import parse
from forwarder.errors import Refused
from forwarder.verify import delivery
from forwarder.verify.recorded_table import ReadSink
from forwarder.verify.verification import Difference, Tally
from tests.databases import Database, connected
from tests.listening import CREDENTIALS, STREAM, Served, client_of, leads, listening
from tests.migrating import migrate_tables

pytestmark = pytest.mark.slow

ROWS = 1000
# How often a table is verified in a row: each time is seconds of work, since its writers go on meanwhile.
rounds = pytest.mark.parametrize("rounds", [1, pytest.param(10, marks=pytest.mark.long)])


@pytest.fixture(autouse=True)
def _credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)


@pytest.fixture
async def accounts(connection: asyncpg.Connection[asyncpg.Record]) -> asyncpg.Connection[asyncpg.Record]:
    await connection.execute(
        "CREATE TABLE public.accounts (id integer PRIMARY KEY, version integer NOT NULL, note text)"
    )
    await migrate_tables(connection, "public.accounts")
    await connection.execute(
        "INSERT INTO public.accounts SELECT id, 0, 'x' FROM generate_series(1, $1::integer) AS id", ROWS
    )
    return connection


async def write(database: Database, random: Random, stop: anyio.Event) -> int:
    """Change rows until told to stop: some all the time, most now and then. Returns in how many transactions."""
    written = 0
    async with connected(database.url) as connection:
        while not stop.is_set():
            id = random.choice((1, 2, random.randrange(1, 2 * ROWS)))
            match random.randrange(6):
                case 0:
                    await connection.execute("DELETE FROM public.accounts WHERE id = $1", id)
                case 1:
                    moved = "UPDATE public.accounts SET id = -id WHERE id = $1"
                    with suppress(asyncpg.UniqueViolationError):
                        await connection.execute(moved, id)
                case _:
                    upsert = "INSERT INTO public.accounts VALUES ($1, 0) ON CONFLICT (id) DO UPDATE SET version = accounts.version + 1"
                    await connection.execute(upsert, id)
            written += 1
            # So that the listener, which is in this process too, keeps up.
            await anyio.sleep(0.01)
    return written


async def verified(database: Database, url: str) -> tuple[Tally, list[Difference]]:
    """What `forwarder verify public.accounts --sink URL --complete` finds."""
    found: list[Difference] = []
    sink = ReadSink(settings=SinkSettings(url=url), url=parse(url), mappings=None)
    outcome = await verify_records(
        database.url,
        Request(table="accounts", tell=found.append),
        RecordsRequest(sink=sink, start="oldest", is_complete=True, is_by_url=False),
    )
    return outcome.tally, found


@rounds
@pytest.mark.parametrize("options", ["", "&format=dms", "&format=debezium&aggregation=kpl"])
async def test_nothing_that_is_only_on_its_way_is_told(
    database: Database, accounts: asyncpg.Connection[asyncpg.Record], served: Served, options: str, rounds: int
) -> None:
    stop = anyio.Event()
    url = f"{served.sink}{options}"
    async with listening(database.url, url) as service, anyio.create_task_group() as tasks:
        await leads(service)
        for seed in range(4):
            tasks.start_soon(write, database, Random(seed), stop)
        for _ in range(rounds):
            tally, found = await verified(database, url)
            assert (found, tally.untold, tally.unknown) == ([], 0, 0)
            assert tally.rows > ROWS / 2
        stop.set()


@rounds
@pytest.mark.parametrize("options", ["", "&format=dms"])
async def test_a_table_that_is_emptied_now_and_then_is_told_as_it_is(
    database: Database, accounts: asyncpg.Connection[asyncpg.Record], served: Served, options: str, rounds: int
) -> None:
    stop = anyio.Event()
    url = f"{served.sink}{options}"

    async def empty() -> None:
        while not stop.is_set():
            await accounts.execute("TRUNCATE public.accounts")
            await accounts.execute(
                "INSERT INTO public.accounts SELECT id, 0 FROM generate_series(1, 500) AS id ON CONFLICT DO NOTHING"
            )
            await anyio.sleep(0.2)

    async with listening(database.url, url) as service, anyio.create_task_group() as tasks:
        await leads(service)
        tasks.start_soon(empty)
        for seed in range(2):
            tasks.start_soon(write, database, Random(seed), stop)
        for _ in range(rounds):
            tally, found = await verified(database, url)
            kinds = [(one.kind, one.key["id"], one.columns) for one in found]
            assert (kinds[:3], len(kinds), tally.untold, tally.unknown) == ([], 0, 0, 0)
        stop.set()


async def test_what_is_wrong_is_told_while_the_table_changes(
    database: Database, accounts: asyncpg.Connection[asyncpg.Record], served: Served
) -> None:
    stop = anyio.Event()
    async with listening(database.url, served.sink) as service, anyio.create_task_group() as tasks:
        await leads(service)
        # Nobody else writes to these rows.
        async with accounts.transaction():
            await accounts.execute("ALTER TABLE public.accounts DISABLE TRIGGER ALL")
            await accounts.execute("INSERT INTO public.accounts VALUES (100001, 1)")
            await accounts.execute("INSERT INTO public.accounts VALUES (100003, 1)")
            await accounts.execute("ALTER TABLE public.accounts ENABLE TRIGGER ALL")
        await accounts.execute("INSERT INTO public.accounts VALUES (100002, 1), (100004, 1)")
        async with accounts.transaction():
            await accounts.execute("ALTER TABLE public.accounts DISABLE TRIGGER ALL")
            await accounts.execute("DELETE FROM public.accounts WHERE id = 100002")
            await accounts.execute("UPDATE public.accounts SET version = 2 WHERE id = 100004")
            await accounts.execute("ALTER TABLE public.accounts ENABLE TRIGGER ALL")
        for seed in range(2):
            tasks.start_soon(write, database, Random(seed), stop)
        _, found = await verified(database, served.sink)
        stop.set()
    assert sorted((difference.key["id"], difference.kind, difference.columns) for difference in found) == [
        (100001, "missing", ()),
        (100002, "extra", ()),
        (100003, "missing", ()),
        (100004, "stale", ("version",)),
    ]


async def test_the_stream_is_followed_through_a_reshard(
    database: Database, accounts: asyncpg.Connection[asyncpg.Record], served: Served
) -> None:
    async with listening(database.url, served.sink) as service:
        await leads(service)
        for count in (8, 5):
            await accounts.execute("UPDATE public.accounts SET version = version + 1")
            async with client_of(served) as client:
                await client.update_shard_count(
                    StreamName=STREAM, TargetShardCount=count, ScalingType="UNIFORM_SCALING"
                )
            await accounts.execute("UPDATE public.accounts SET version = version + 1 WHERE id % 2 = 0")
        tally, found = await verified(database, served.sink)
    assert (found, tally.rows) == ([], ROWS)


async def test_a_sink_that_does_not_move_is_not_waited_for_for_ever(
    database: Database,
    accounts: asyncpg.Connection[asyncpg.Record],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    url = f"file:{tmp_path}/changes.jsonl"
    async with listening(database.url, url) as service:
        await leads(service)
    await accounts.execute("UPDATE public.accounts SET version = 7 WHERE id = 7")
    monkeypatch.setattr(delivery, "PATIENCE_SECONDS", 0.3)
    with pytest.raises(Refused, match="has not delivered changes"):
        await verified(database, url)
