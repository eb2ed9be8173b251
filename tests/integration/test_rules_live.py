"""`forwarder migrate` changes the options of a table that is in use: no change is lost or doubled, and none is captured by halves."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import asyncpg
import pytest

from forwarder.capture import migrations, plan
from forwarder.capture.apply import Installation
from forwarder.capture.selection import Pattern, Rule
from forwarder.capture.uncaptured import look_at_triggers
from forwarder.database.sessions import session
from tests.cases import each_value_once, some
from tests.databases import Database, connected
from tests.migrating import Outcome
from tests.ruled import MARKER, assert_hidden, changes, create, rule
from tests.waiting import eventually

if TYPE_CHECKING:
    from forwarder.database.sessions import Connection

WRITERS = 4
# By turns. None of them leaves out a change that these writers make.
OPTIONS: list[Mapping[str, Any]] = [
    {"columns": {"mask": {"secret": "*"}}},
    {"columns": {"exclude": ["secret"]}, "audit": True},
    {"columns": {"include": ["n"]}, "where": "NEW.n >= 0", "before": "key"},
    {"columns": {"hash": ["secret"]}, "skip_unchanged": True, "before": "changed", "after": "changed"},
    {"columns": {"exclude": ["secret"]}, "only_when": ["n"], "before": "none"},
]
TABLES = {
    "plain": ("CREATE TABLE public.item (id integer PRIMARY KEY, secret text, n integer)",),
    "partitioned": (
        "CREATE TABLE public.item (id integer PRIMARY KEY, secret text, n integer) PARTITION BY HASH (id)",
        "CREATE TABLE public.item_0 PARTITION OF public.item FOR VALUES WITH (MODULUS 2, REMAINDER 0)",
        "CREATE TABLE public.item_1 (n integer, x text, secret text, id integer NOT NULL)",
        "ALTER TABLE public.item_1 DROP x",
        "ALTER TABLE public.item ATTACH PARTITION public.item_1 FOR VALUES WITH (MODULUS 2, REMAINDER 1)",
    ),
}


@pytest.fixture
async def owner(database: Database) -> AsyncIterator[Connection]:
    session = await asyncpg.connect(database.url)
    yield session
    await session.close()


@asynccontextmanager
async def writing(database: Database, counts: list[int], *, isolation: str) -> AsyncIterator[None]:
    """Writers that insert a row each, and count it up until the block ends, in transactions of two statements; ``counts`` is what they have
    committed."""
    ended = asyncio.Event()

    async def write(number: int) -> None:
        async with connected(database.writer_url) as writer:
            while not ended.is_set():
                async with writer.transaction(isolation=isolation):  # type: ignore[arg-type]
                    for step in range(1, 3):
                        await writer.execute(
                            "INSERT INTO public.item VALUES ($1, $2, $3)"
                            " ON CONFLICT (id) DO UPDATE SET n = excluded.n, secret = excluded.secret",
                            number,
                            f"{MARKER}{counts[number] + step}",
                            counts[number] + step,
                        )
                counts[number] += 2

    async with asyncio.TaskGroup() as tasks:
        for number in range(WRITERS):
            tasks.create_task(write(number))
        yield
        ended.set()


@each_value_once(table=list(TABLES), isolation=["read_committed", "repeatable_read"])
async def test_options_that_change_under_load_lose_and_double_nothing(
    owner: Connection, database: Database, table: str, isolation: str
) -> None:
    counts = [0] * WRITERS
    await create(owner, *TABLES[table], table="public.item", **OPTIONS[0])
    async with writing(database, counts, isolation=isolation):
        for options in [*OPTIONS[1:], *OPTIONS]:
            target = [count + 10 for count in counts]

            async def have_written(target: list[int] = target) -> bool:
                return all(count >= least for count, least in zip(counts, target, strict=True))

            await eventually(have_written, within_seconds=30)
            await rule(owner, table="public.item", **options)
    found: dict[int, list[int]] = {number: [] for number in range(WRITERS)}
    for change in await changes(owner):
        assert change.fault is None
        assert change.after
        found[change.after["id"]].append(change.after["n"])
    assert found == {number: list(range(1, counts[number] + 1)) for number in range(WRITERS)}
    assert not await owner.fetchval("SELECT count(*) FROM forwarder.outbox WHERE op = 'G'")
    await assert_hidden(database)


async def test_two_migrates_at_once_leave_the_options_of_one(owner: Connection, database: Database) -> None:
    await create(owner, *TABLES["partitioned"], table="public.item", **OPTIONS[0])

    async def run(options: Mapping[str, Any]) -> Outcome:
        outcome = Outcome()
        async with session(database.url, purpose="migrate") as connection, migrations.alone(connection):
            rules = [Rule(match=Pattern("public.item"), options=options)]
            found = await plan.from_selection(connection, rules)
            await Installation(connection, outcome).carry_out([*found.mending, *found.changes])
        return outcome

    for first, second in zip(OPTIONS, [*OPTIONS[1:], OPTIONS[0]], strict=True):
        outcomes = await asyncio.gather(run(first), run(second))
        assert not any(outcome.problems for outcome in outcomes)
        await owner.execute("TRUNCATE forwarder.outbox")
        await owner.execute(f"INSERT INTO public.item VALUES (1, '{MARKER}', 1), (2, '{MARKER}', 2)")
        await owner.execute("DELETE FROM public.item")
        assert [change.op for change in await changes(owner)] == list("IIDD")
        # What is there is what one of them wanted, whole.
        remaining = [await settled(owner, options) for options in (first, second)]
        assert sorted(remaining) == [False, True]
    await assert_hidden(database)


async def settled(owner: Connection, options: Mapping[str, Any]) -> bool:
    """Whether `migrate` with these options would change nothing."""
    found = await plan.from_selection(owner, [Rule(match=Pattern("public.item"), options=options)])
    return not found.changes


@pytest.mark.parametrize("first", some(0, of=range(len(OPTIONS))))
async def test_every_change_of_options_is_made_once_and_leaves_nothing_of_the_others(
    owner: Connection, first: int
) -> None:
    await create(owner, *TABLES["partitioned"], table="public.item", **OPTIONS[first])
    for options in (*OPTIONS, {}):
        await rule(owner, table="public.item", **options)
        assert await settled(owner, {"before": "full", **options})
        assert await look_at_triggers(owner) == []
        wanted = await owner.fetchval(
            "SELECT array_agg(listed ->> 'name' ORDER BY 1) FROM forwarder.captured_table, jsonb_array_elements(triggers) AS listed"
            " WHERE id > 0"
        )
        for table in ("item", "item_0", "item_1"):
            names = await owner.fetchval(
                "SELECT array_agg(tgname::text) FROM pg_trigger"
                " WHERE tgrelid = $1::text::regclass AND (NOT tgisinternal OR tgparentid <> 0)",
                f"public.{table}",
            )
            assert sorted(names) == sorted(wanted), table


async def test_a_trigger_that_was_dropped_or_altered_is_seen_and_mended_with_its_rules(
    owner: Connection, database: Database
) -> None:
    options = {"columns": {"exclude": ["secret"]}, "where": "NEW.n > 0"}
    await create(owner, *TABLES["plain"], table="public.item", **options)
    for damage in (
        'DROP TRIGGER "00_forwarder_capture" ON public.item',
        'DROP TRIGGER "00_forwarder_capture_leave" ON public.item',
        'ALTER TABLE public.item DISABLE TRIGGER "00_forwarder_capture_enter"',
        'ALTER TRIGGER "00_forwarder_capture_update" ON public.item RENAME TO mine',
    ):
        await owner.execute(damage)
        assert not await settled(owner, {"before": "full", **options}), damage
        await rule(owner, table="public.item", **options)
        assert await settled(owner, {"before": "full", **options}), damage
    await owner.execute("DELETE FROM forwarder.outbox")
    await owner.execute(f"INSERT INTO public.item VALUES (1, '{MARKER}', 0), (2, '{MARKER}', 1)")
    await owner.execute("UPDATE public.item SET n = 1 - n")
    assert [change.op for change in await changes(owner) if change.op != "G"] == ["I", "I", "D"]
    await assert_hidden(database)


async def test_no_writer_of_a_partitioned_table_is_undone_for_a_deadlock(owner: Connection, database: Database) -> None:
    """Several have a partition each, and end one after the other, while another writer comes the other way round."""
    await create(
        owner,
        "CREATE TABLE public.part (g integer, id integer, PRIMARY KEY (g, id)) PARTITION BY LIST (g)",
        *(
            f"CREATE TABLE public.part_{number} PARTITION OF public.part FOR VALUES IN ({number})"
            for number in range(4)
        ),
        table="public.part",
    )
    async with (
        connected(database.writer_url) as back,
        connected(database.writer_url) as one,
        connected(database.writer_url) as two,
    ):
        await back.execute("BEGIN; INSERT INTO public.part_3 VALUES (3, 1)")
        for number, holder in enumerate((one, two), start=1):
            await holder.execute(f"BEGIN; INSERT INTO public.part_{number} VALUES ({number}, 1)")
        changing = asyncio.create_task(rule(owner, table="public.part", where="NEW.id > 0"))

        async def is_waiting() -> bool:
            return bool(
                await one.fetchval(
                    "SELECT count(*) FROM pg_locks WHERE relation = 'public.part_1'::regclass AND NOT granted"
                )
            )

        await eventually(is_waiting)
        writing_back = asyncio.create_task(back.execute("INSERT INTO public.part_0 VALUES (0, 1); COMMIT"))
        # Each for as long as a lock is waited for, but a little.
        for holder in (one, two):
            await asyncio.sleep(0.42)
            await holder.execute("COMMIT")
        await writing_back
    await changing
    assert [change.op for change in await changes(owner)] == ["I"] * 4
