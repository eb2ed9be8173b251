"""Triggers that somebody switches off: noticed, told in the stream where changes may be missing, and put right by migrate."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

import asyncpg
import pytest

from forwarder.capture.uncaptured import look_at_triggers, warnings
from forwarder.database.sessions import session
from forwarder.outbox.registry import Registry
from tests.databases import Database
from tests.migrating import migrate_tables

if TYPE_CHECKING:
    from forwarder.database.sessions import Connection

INTERRUPTED = "capture interrupted"
RESUMED = "capture resumed"


@pytest.fixture
async def owner(database: Database) -> AsyncIterator[Connection]:
    async with session(database.url, purpose="janitor") as connection:
        await connection.execute(
            """
            CREATE TABLE public.item (id integer PRIMARY KEY);
            CREATE TABLE public.other (id integer PRIMARY KEY);
            CREATE TABLE public.log (day integer, id integer, PRIMARY KEY (day, id)) PARTITION BY LIST (day);
            CREATE TABLE public.log_1 PARTITION OF public.log FOR VALUES IN (1);
            CREATE TABLE public.log_2 PARTITION OF public.log FOR VALUES IN (2);
            """
        )
        await migrate_tables(connection, "public.*")
        yield connection


async def gaps(owner: Connection) -> list[tuple[str, str]]:
    """What the outbox has of them, oldest first: the table or partition, and what is said of it."""
    rows = await owner.fetch("SELECT relation::regclass::text, fault FROM forwarder.outbox WHERE op = 'G' ORDER BY seq")
    return [(relation, fault) for relation, fault in rows]


async def flaws(owner: Connection) -> list[tuple[str, str]]:
    return [(f"{found}", found.flaw) for found in await look_at_triggers(owner)]


async def test_sound_triggers_are_no_news(owner: Connection) -> None:
    assert await flaws(owner) == []
    assert await flaws(owner) == []
    assert await gaps(owner) == []


async def test_a_trigger_that_is_switched_off_is_named_until_it_is_on_again_and_each_is_told_once(
    owner: Connection,
) -> None:
    await owner.execute("ALTER TABLE public.item DISABLE TRIGGER USER")
    for _ in range(2):
        assert await flaws(owner) == [("public.item", "disabled"), ("public.item", "disabled")]
    assert await gaps(owner) == [("public.item", INTERRUPTED)]

    await owner.execute("ALTER TABLE public.item ENABLE TRIGGER USER")
    for _ in range(2):
        assert await flaws(owner) == []
    assert await gaps(owner) == [("public.item", INTERRUPTED), ("public.item", RESUMED)]


async def test_a_trigger_that_is_renamed_counts_as_missing_until_migrate_has_put_its_own_in_its_place(
    owner: Connection,
) -> None:
    await owner.execute('ALTER TRIGGER "00_forwarder_capture" ON public.item RENAME TO another')
    assert await flaws(owner) == [("public.item", "missing")]
    await migrate_tables(owner)
    assert await flaws(owner) == []
    assert await gaps(owner) == [("public.item", INTERRUPTED), ("public.item", RESUMED)]


async def test_a_trigger_that_was_off_between_two_looks_is_told_of(owner: Connection) -> None:
    await owner.execute("ALTER TABLE public.item DISABLE TRIGGER ALL")
    await owner.execute("ALTER TABLE public.item ENABLE TRIGGER ALL")

    assert await flaws(owner) == []
    assert await gaps(owner) == [("public.item", RESUMED)]


async def test_a_partition_that_was_detached_and_attached_again_is_told_of_alone(owner: Connection) -> None:
    await owner.execute("ALTER TABLE public.log DETACH PARTITION public.log_1")
    assert await flaws(owner) == []
    await owner.execute("INSERT INTO public.log_1 VALUES (1, 1)")
    await owner.execute("ALTER TABLE public.log ATTACH PARTITION public.log_1 FOR VALUES IN (1)")

    assert await flaws(owner) == []
    assert await gaps(owner) == [("public.log_1", RESUMED)]


async def test_a_new_partition_is_no_gap_and_its_truncate_is_asked_for(owner: Connection) -> None:
    await owner.execute("CREATE TABLE public.log_3 PARTITION OF public.log FOR VALUES IN (3)")

    assert await flaws(owner) == [("public.log_3", "truncate")]
    await migrate_tables(owner, "public.*")
    assert await flaws(owner) == []
    assert await gaps(owner) == []


async def test_one_gap_stands_for_all_partitions_of_a_table(owner: Connection) -> None:
    for table in ("log", "log_1", "log_2"):
        await owner.execute(f"ALTER TABLE public.{table} DISABLE TRIGGER USER")

    assert {name for name, _ in await flaws(owner)} == {"public.log", "public.log_1", "public.log_2"}
    assert await gaps(owner) == [("public.log", INTERRUPTED)]


async def test_a_table_that_is_dropped_and_created_anew_is_missed_and_put_right_by_migrate(owner: Connection) -> None:
    await owner.execute("DROP TABLE public.item; CREATE TABLE public.item (id integer PRIMARY KEY)")

    assert ("public.item", "missing") in await flaws(owner)
    assert await gaps(owner) == [("public.item", INTERRUPTED)]
    await migrate_tables(owner, "public.*")
    assert await flaws(owner) == []
    assert await gaps(owner) == [("public.item", INTERRUPTED), ("public.item", RESUMED)]


async def test_a_table_that_migrate_finds_made_anew_before_anybody_has_looked_is_told_of(owner: Connection) -> None:
    await owner.execute("DROP TABLE public.item; CREATE TABLE public.item (id integer PRIMARY KEY)")
    await owner.execute("INSERT INTO public.item VALUES (1)")
    await migrate_tables(owner, "public.*")

    assert await gaps(owner) == [("public.item", INTERRUPTED), ("public.item", RESUMED)]
    assert await flaws(owner) == []


async def restore(owner: Connection, *, look_between: bool = False) -> None:
    """Give the table back as a dump of it does: with our triggers."""
    triggers = await owner.fetch(
        "SELECT pg_get_triggerdef(oid) FROM pg_trigger WHERE tgrelid = 'public.item'::regclass AND NOT tgisinternal"
    )
    async with AsyncExitStack() as stack:
        if not look_between:
            await stack.enter_async_context(owner.transaction())
        await owner.execute("DROP TABLE public.item")
        if look_between:
            assert await flaws(owner) == []
            await stack.enter_async_context(owner.transaction())
        await owner.execute("CREATE TABLE public.item (id integer PRIMARY KEY); INSERT INTO public.item VALUES (1)")
        for (statement,) in triggers:
            await owner.execute(statement)


@pytest.mark.parametrize("look_between", [False, True])
async def test_a_table_that_came_anew_with_its_triggers_is_told_of_once(
    owner: Connection, *, look_between: bool
) -> None:
    await restore(owner, look_between=look_between)

    for _ in range(2):
        assert await flaws(owner) == []
    assert await gaps(owner) == [("public.item", RESUMED)]
    await migrate_tables(owner, "public.*")
    assert await flaws(owner) == []
    assert await gaps(owner) == [("public.item", RESUMED)]


async def test_a_table_that_came_anew_with_its_triggers_and_that_migrate_comes_to_first_is_told_of(
    owner: Connection,
) -> None:
    await restore(owner)
    await migrate_tables(owner, "public.*")

    assert await gaps(owner) == [("public.item", RESUMED)]
    assert await flaws(owner) == []
    assert await gaps(owner) == [("public.item", RESUMED)]


async def test_what_is_known_of_tables_that_are_gone_goes_when_migrate_has_seen_that(owner: Connection) -> None:
    await owner.execute("DROP TABLE public.item, public.log_1")
    await flaws(owner)
    await migrate_tables(owner)
    await flaws(owner)

    watched = await owner.fetch("SELECT DISTINCT relation::regclass::text FROM forwarder.watched_trigger ORDER BY 1")
    assert [name for (name,) in watched] == ["public.log", "public.log_2", "public.other"]


async def test_a_captured_table_is_attached_to_a_captured_one_without_its_own_triggers_and_misses_nothing(
    owner: Connection,
) -> None:
    await owner.execute("CREATE TABLE public.log_3 (day integer, id integer, PRIMARY KEY (day, id))")
    await migrate_tables(owner, "public.*")
    await owner.execute("INSERT INTO public.log_3 VALUES (3, 1)")
    attach = "ALTER TABLE public.log ATTACH PARTITION public.log_3 FOR VALUES IN (3)"
    with pytest.raises(asyncpg.DuplicateObjectError, match="00_forwarder_capture"):
        await owner.execute(attach)

    # As docs/operations.md says.
    await owner.execute(
        f"""
        BEGIN;
        DROP TRIGGER "00_forwarder_capture" ON public.log_3;
        DROP TRIGGER "zz_forwarder_truncate" ON public.log_3;
        {attach};
        COMMIT;
        """
    )
    await owner.execute("INSERT INTO public.log VALUES (3, 2)")

    assert await flaws(owner) == [("public.log_3", "truncate")]
    await migrate_tables(owner, "public.*")
    assert await flaws(owner) == []
    assert set(await gaps(owner)) == {("public.log_3", INTERRUPTED), ("public.log_3", RESUMED)}
    assert await owner.fetchval("SELECT count(*) FROM forwarder.outbox WHERE op = 'I'") == 2


async def test_a_table_that_migrate_finds_dropped_or_captures_no_longer_is_no_gap(owner: Connection) -> None:
    await owner.execute("DROP TABLE public.item")
    await migrate_tables(owner, "public.other", remove=True)

    assert await gaps(owner) == []


async def test_a_gap_of_a_table_that_was_made_anew_names_no_partition(owner: Connection) -> None:
    await owner.execute("DROP TABLE public.item; CREATE TABLE public.item (id integer PRIMARY KEY)")
    await flaws(owner)
    await owner.execute("ALTER TABLE public.log_1 DISABLE TRIGGER USER")
    await flaws(owner)
    registry = Registry()
    rows = await owner.fetch(
        "SELECT seq, txid, at, table_id, relation, op, before, after, fault FROM forwarder.outbox ORDER BY seq"
    )
    await registry.learn(owner, rows)

    tables = [registry.tables[row["table_id"]][0] for row in rows]
    named = [(table.name, registry.partition(table, row["relation"])) for table, row in zip(tables, rows, strict=True)]
    assert named == [("item", None), ("log", "log_1")]


async def test_a_table_that_is_dropped_is_none_of_our_business(owner: Connection) -> None:
    await owner.execute("DROP TABLE public.item")
    assert await flaws(owner) == []
    assert await gaps(owner) == []


async def test_what_migrate_changes_is_no_gap(owner: Connection) -> None:
    await migrate_tables(owner, "public.*", before="none")
    assert await flaws(owner) == []
    assert await gaps(owner) == []


async def test_what_migrate_puts_right_before_anybody_has_looked_is_told_of(owner: Connection) -> None:
    await owner.execute("ALTER TABLE public.item DISABLE TRIGGER USER")
    await migrate_tables(owner, "public.*")

    assert await gaps(owner) == [("public.item", INTERRUPTED), ("public.item", RESUMED)]
    assert await flaws(owner) == []


async def test_a_copy_of_the_database_begins_anew(owner: Connection) -> None:
    await owner.execute("UPDATE forwarder.watched_trigger SET seen_in = 'elsewhere', version = '1', trigger_oid = 1")
    assert await flaws(owner) == []
    assert await gaps(owner) == []


async def test_the_warnings_name_a_few_tables_and_count_the_rest(owner: Connection) -> None:
    for number in range(7):
        await owner.execute(f"CREATE TABLE public.t{number} (id integer PRIMARY KEY)")
    await migrate_tables(owner, "public.*")
    for number in range(7):
        await owner.execute(f"ALTER TABLE public.t{number} DISABLE TRIGGER USER")

    [line] = warnings(await look_at_triggers(owner))
    assert line == (
        "changes are missed: our trigger on public.t0, public.t1, public.t2, public.t3, public.t4 and 2 more is disabled or altered;"
        " run `forwarder migrate`, and compare with what the stream has"
    )
