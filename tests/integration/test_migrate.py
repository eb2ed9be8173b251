"""`forwarder migrate`: the schema and the triggers come in line with what is asked, touching only what differs."""

from __future__ import annotations

import os
import pty
import re
import secrets
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import anyio
import asyncpg
import pytest

from forwarder.capture import migrations, plan
from forwarder.capture.apply import Installation
from forwarder.capture.function_definitions import Redefine
from forwarder.capture.migrations import Migration
from forwarder.capture.selection import Pattern, Rule
from forwarder.database.sessions import LOCK_TIMEOUT_MS
from forwarder.errors import Misconfigured, Refused, Unavailable
from forwarder.local.postgres import SUPERUSER
from tests.databases import OWNER, Database, from_bare
from tests.listening import command
from tests.migrating import Outcome, captured, migrate
from tests.waiting import eventually

if TYPE_CHECKING:
    from forwarder.database.sessions import Connection

_SHIPPED = migrations.shipped()
ORDERS = "CREATE TABLE public.orders (id integer PRIMARY KEY, note text)"


@pytest.fixture
async def owner(fresh_database: Database) -> AsyncIterator[Connection]:
    """The role that owns the tables and migrates."""
    async with session(fresh_database.url) as connection:
        yield connection


@pytest.fixture
async def other(fresh_database: Database) -> AsyncIterator[Connection]:
    """A second session of the same role."""
    async with session(fresh_database.url) as connection:
        yield connection


@asynccontextmanager
async def session(url: str) -> AsyncIterator[Connection]:
    connection = await asyncpg.connect(url)
    yield connection
    await connection.close()


async def forwarder(
    database: Database, *arguments: str, directory: Path, status: int = 0
) -> subprocess.CompletedProcess[str]:
    """Run the real command to its end."""
    config = directory / "forwarder.toml"
    config.touch()
    run = directory / secrets.token_hex(4)
    env = {"FORWARDER_DATABASE_URL": database.url}
    async with command("migrate", *arguments, "--config", str(config), env=env, directory=run) as migrating:
        assert await migrating.ends() == status, migrating.stderr
        return subprocess.CompletedProcess(arguments, status, migrating.stdout.decode(), migrating.stderr)


async def triggers(connection: Connection) -> set[tuple[str, str, str]]:
    """Every trigger of ours: its table, its name, and the version of its row in the catalog."""
    rows = await connection.fetch(
        "SELECT tgrelid::regclass::text, tgname::text, xmin::text FROM pg_trigger WHERE tgname LIKE '__\\_forwarder%'"
    )
    return {(row[0], row[1], row[2]) for row in rows}


async def tables_with_triggers(connection: Connection) -> set[str]:
    return {table for table, _, _ in await triggers(connection)}


async def registry(connection: Connection) -> list[tuple[int, str, bool]]:
    """Each table's id, its name, and whether it is captured."""
    rows = await connection.fetch(
        "SELECT id, table_name, removed_at IS NULL FROM forwarder.captured_table WHERE relation <> 0 ORDER BY id"
    )
    return [(row[0], row[1], row[2]) for row in rows]


async def key_columns(connection: Connection) -> str:
    columns: str = await connection.fetchval(
        "SELECT jsonb_path_query_array(key_columns, '$[*].names')::text FROM forwarder.captured_table ORDER BY id DESC"
    )
    return columns


# Migrations


@from_bare
async def test_migrations_are_applied_once_and_recorded_with_a_checksum(owner: Connection) -> None:
    applied: list[Migration] = []
    await migrations.apply(owner, report=applied.append)
    assert applied == [*migrations.shipped()]
    await migrations.apply(owner, report=lambda migration: pytest.fail(f"{migration} again"))
    rows = await owner.fetch("SELECT version, checksum FROM forwarder.migration ORDER BY version")
    assert [tuple(row) for row in rows] == [(each.version, each.checksum) for each in migrations.shipped()]


@from_bare
async def test_no_migration_that_replaces_what_captures_holds_a_leaf_that_a_writer_waits_for(owner: Connection) -> None:
    """A writer that waits within a statement would begin it with the old function and go on with the new one."""
    held = (
        "SELECT count(*) FROM pg_locks JOIN pg_inherits ON inhrelid = relation"
        " WHERE inhparent = 'forwarder.outbox'::regclass AND mode = 'AccessExclusiveLock' AND pid = pg_backend_pid()"
    )
    for migration in migrations.shipped():
        async with owner.transaction():
            await owner.execute(migration.sql)
            if migration.version >= 24 and "FUNCTION forwarder.capture()" in migration.text:
                assert await owner.fetchval(held) == 0, migration


@from_bare
async def test_two_runs_at_once_apply_each_migration_once(owner: Connection, other: Connection) -> None:
    applied: list[Migration] = []
    async with anyio.create_task_group() as tasks:
        for connection in (owner, other):
            tasks.start_soon(partial(migrations.apply, connection, report=applied.append))
    assert applied == [*migrations.shipped()]


@from_bare
async def test_a_run_waits_for_another_without_waiting_inside_the_server(owner: Connection, other: Connection) -> None:
    async def is_refused() -> bool:
        return bool(
            await other.fetchval(
                "SELECT state = 'idle' AND query LIKE '%pg_try_advisory_lock%' FROM pg_stat_activity WHERE pid = $1",
                owner.get_server_pid(),
            )
        )

    async with anyio.create_task_group() as tasks, migrations.alone(other):
        tasks.start_soon(migrations.apply, owner)
        await eventually(is_refused)
        assert len(await migrations.pending(other)) == len(migrations.shipped())
    assert await migrations.pending(owner) == []


@from_bare
async def test_pending_touches_nothing(owner: Connection) -> None:
    assert await migrations.pending(owner) == [*migrations.shipped()]
    assert await owner.fetchval("SELECT to_regnamespace('forwarder')") is None


async def test_a_migration_that_was_edited_after_it_was_applied_is_refused(owner: Connection) -> None:
    await migrations.apply(owner)
    await owner.execute("UPDATE forwarder.migration SET checksum = 'other' WHERE version = 1")
    with pytest.raises(Refused, match="migration 0001 outbox is not the file that was applied"):
        await migrations.pending(owner)


async def test_a_database_of_a_newer_program_is_refused(owner: Connection) -> None:
    await migrations.apply(owner)
    await owner.execute("INSERT INTO forwarder.migration VALUES (9999, 'future', '')")
    with pytest.raises(Refused, match="newer forwarder: migration 9999 future"):
        await migrations.apply(owner)


@from_bare
async def test_a_schema_of_somebody_else_is_refused(owner: Connection) -> None:
    await owner.execute("CREATE SCHEMA forwarder CREATE TABLE parcel (id integer)")
    with pytest.raises(Refused, match="no record of migrations"):
        await migrations.apply(owner)


@from_bare
async def test_an_empty_schema_that_was_made_for_us_is_used(fresh_database: Database, owner: Connection) -> None:
    async with session(fresh_database.superuser_url) as administrator:
        await administrator.execute(f"CREATE SCHEMA forwarder AUTHORIZATION {OWNER}")
        await administrator.execute(f"ALTER DATABASE {fresh_database.name} OWNER TO CURRENT_USER")
    await migrations.apply(owner)
    assert await migrations.pending(owner) == []


@from_bare
async def test_a_role_that_may_not_create_the_schema_is_told_what_to_grant(fresh_database: Database) -> None:
    async with session(fresh_database.writer_url) as writer:
        with pytest.raises(Refused, match=rf"GRANT CREATE ON DATABASE {fresh_database.name} TO app_writer"):
            await migrations.apply(writer)


# Selection


async def test_with_remove_exactly_the_selected_tables_are_captured(owner: Connection) -> None:
    await owner.execute(
        f'{ORDERS}; CREATE TABLE public.audit (id integer); CREATE TABLE public."Odd ""name" (id integer)'
    )
    await migrate(owner, "public.*", exclude=["audit"])
    assert await tables_with_triggers(owner) == {"orders", '"Odd ""name"'}
    outcome = await migrate(owner, "audit", "orders", remove=True)
    assert outcome.tables == ['public."Odd ""name"', "public.audit"]
    assert await tables_with_triggers(owner) == {"orders", "audit"}
    assert await registry(owner) == [(1, 'Odd "name', False), (2, "orders", True), (3, "audit", True)]


async def test_a_selection_adds_to_what_is_captured_and_mends_it(owner: Connection) -> None:
    await owner.execute(f"{ORDERS}; CREATE TABLE public.audit (id integer); CREATE TABLE public.item (id integer)")
    await migrate(owner, "audit", "orders", before="none")
    await owner.execute('DROP TRIGGER "00_forwarder_capture" ON public.audit; DROP TABLE public.orders')
    await owner.execute(ORDERS)
    assert set((await migrate(owner, "item")).tables) == {"public.audit", "public.item", "public.orders"}
    assert await tables_with_triggers(owner) == {"audit", "orders", "item"}
    rows = await owner.fetch(
        "SELECT table_name, before_image FROM forwarder.captured_table WHERE removed_at IS NULL AND relation <> 0"
    )
    assert {tuple(row) for row in rows} == {("audit", "none"), ("orders", "none"), ("item", "full")}


async def test_a_partition_that_is_selected_stays_captured_through_its_parent(owner: Connection) -> None:
    await owner.execute(PARTITIONED)
    await migrate(owner, "sale")
    assert (await migrate(owner, "sale_1")).done == []
    await owner.execute("INSERT INTO public.sale VALUES (1)")
    assert len(await captured(owner)) == 1


async def test_what_is_no_table_of_the_application_is_never_selected(
    fresh_database: Database, owner: Connection
) -> None:
    await owner.execute(
        f"{ORDERS}; CREATE VIEW public.seen AS TABLE public.orders; CREATE TEMP TABLE gone (id integer)"
    )
    await owner.execute(
        "CREATE MATERIALIZED VIEW public.kept AS TABLE public.orders; CREATE UNLOGGED TABLE public.fast ()"
    )
    await migrate(owner, "*.*")
    assert await tables_with_triggers(owner) == {"orders", "fast"}
    assert (await migrate(owner, "*.*")).done == []


@from_bare
async def test_a_selection_that_matches_nothing_is_refused_and_touches_nothing(owner: Connection) -> None:
    await owner.execute(ORDERS)
    with pytest.raises(Misconfigured, match=r"did you mean 'public\.orders'"):
        await plan.from_selection(owner, [Rule(match=Pattern("ordres"))])
    assert await owner.fetchval("SELECT to_regnamespace('forwarder')") is None


# Touching only what differs


async def test_a_second_run_touches_nothing(owner: Connection) -> None:
    await owner.execute(ORDERS)
    await migrate(owner, "public.*")
    before = await triggers(owner)
    assert (await migrate(owner, "public.*")).done == []
    assert (await migrate(owner)).done == []
    assert await triggers(owner) == before


async def test_one_table_more_leaves_the_others_alone(owner: Connection) -> None:
    await owner.execute(ORDERS)
    await migrate(owner, "public.*")
    before = await triggers(owner)
    await owner.execute("CREATE TABLE public.item (id integer)")
    assert (await migrate(owner, "public.*")).tables == ["public.item"]
    assert before < await triggers(owner)


REPLACE = 'CREATE OR REPLACE TRIGGER "00_forwarder_capture" AFTER'
ON_ORDERS = "ON public.orders FOR EACH ROW EXECUTE FUNCTION forwarder.capture"


DAMAGES = [
    'ALTER TABLE public.orders DISABLE TRIGGER "00_forwarder_capture"',
    'ALTER TABLE public.orders ENABLE REPLICA TRIGGER "zz_forwarder_truncate"',
    "ALTER TABLE public.orders DISABLE TRIGGER USER",
    'DROP TRIGGER "00_forwarder_capture" ON public.orders',
    'DROP TRIGGER "zz_forwarder_truncate" ON public.orders',
    'ALTER TRIGGER "00_forwarder_capture" ON public.orders RENAME TO "a ""name"""',
    'ALTER TRIGGER "zz_forwarder_truncate" ON public.orders RENAME TO another',
    f"{REPLACE} INSERT {ON_ORDERS}('1', 'full')",
    f"{REPLACE} INSERT OR UPDATE OF note OR DELETE {ON_ORDERS}('1', 'full')",
    f"{REPLACE} INSERT OR UPDATE OR DELETE {ON_ORDERS}('2', 'full')",
]


async def test_a_damaged_trigger_is_mended_with_and_without_a_selection(owner: Connection) -> None:
    await owner.execute(ORDERS)
    await migrate(owner, "orders")
    for damage in DAMAGES:
        await owner.execute("TRUNCATE forwarder.outbox")
        for patterns in (("orders",), ()):
            await owner.execute(damage)
            assert (await migrate(owner, *patterns)).tables == ["public.orders"], damage
            assert (await migrate(owner, *patterns)).done == [], damage
        await owner.execute(
            "INSERT INTO public.orders VALUES (1); UPDATE public.orders SET note = 'a'; DELETE FROM public.orders"
        )
        await owner.execute("TRUNCATE public.orders")
        gap = [("G", "capture interrupted"), ("G", "capture resumed")]
        changes = [(operation, None) for operation in "IUDT"]
        assert [(event.op, event.fault) for event in await captured(owner)] == [*gap, *gap, *changes], damage
        assert await registry(owner) == [(1, "orders", True)], damage


async def test_a_second_trigger_of_ours_under_another_name_is_dropped(owner: Connection) -> None:
    await owner.execute(ORDERS)
    await migrate(owner, "orders")
    await owner.execute(f"CREATE TRIGGER second AFTER INSERT {ON_ORDERS}('1', 'full')")
    assert (await migrate(owner)).tables == ["public.orders"]
    await owner.execute("INSERT INTO public.orders VALUES (1)")
    assert [event.op for event in await captured(owner)] == ["I"]


async def test_a_trigger_that_fires_always_stays_so(owner: Connection) -> None:
    await owner.execute(ORDERS)
    await migrate(owner, "orders")
    await owner.execute('ALTER TABLE public.orders ENABLE ALWAYS TRIGGER "00_forwarder_capture"')
    assert (await migrate(owner, "orders")).done == []
    assert (await migrate(owner, "orders", before="none")).tables == ["public.orders"]
    query = "SELECT tgenabled::text FROM pg_trigger WHERE tgname LIKE '00_forwarder_capture%'"
    assert await owner.fetchval(query) == "A"
    # Options that need triggers of their own for some operations do not end it.
    await migrate(owner, "orders", options={"where": "NEW.id > 0"})
    assert [row["tgenabled"] for row in await owner.fetch(query)] == ["A"] * 5
    await migrate(owner, "orders")
    assert [row["tgenabled"] for row in await owner.fetch(query)] == ["A"]


async def test_a_trigger_that_fires_always_on_a_partition_alone_stays_so(owner: Connection) -> None:
    await owner.execute(
        "CREATE TABLE public.part (id integer PRIMARY KEY) PARTITION BY RANGE (id);"
        "CREATE TABLE public.part_0 PARTITION OF public.part FOR VALUES FROM (0) TO (9);"
        "CREATE TABLE public.part_1 PARTITION OF public.part FOR VALUES FROM (9) TO (20)"
    )
    await migrate(owner, "part")
    await owner.execute('ALTER TABLE public.part_1 ENABLE ALWAYS TRIGGER "00_forwarder_capture"')
    for options in ({"before": "none"}, {"where": "NEW.id <> 3"}, {}):
        assert (await migrate(owner, "part", options=options)).tables == ["public.part"]
        rows = await owner.fetch(
            "SELECT DISTINCT tgrelid::regclass::text AS name, tgenabled::text AS enabled FROM pg_trigger WHERE tgname LIKE '00_forwarder_capture%'"
        )
        assert {row["name"]: row["enabled"] for row in rows} == {"part": "O", "part_0": "O", "part_1": "A"}
        assert len(rows) == 3


async def test_no_change_slips_through_while_the_before_image_is_changed(owner: Connection, other: Connection) -> None:
    await owner.execute(ORDERS)
    await migrate(owner, "orders")
    written = 0
    done = anyio.Event()

    async def write() -> None:
        nonlocal written
        while not done.is_set():
            written += 1
            await other.execute("INSERT INTO public.orders VALUES ($1)", written)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(write)
        for _ in range(10):
            assert (await migrate(owner, "orders", before="none")).tables == ["public.orders"]
            assert (await migrate(owner, "orders", before="full")).tables == ["public.orders"]
        done.set()
    assert len(await captured(owner)) == written > 0


# What happens to tables


async def test_a_rename_is_recorded_and_needs_no_lock(owner: Connection, other: Connection) -> None:
    await owner.execute(ORDERS)
    await migrate(owner, "orders")
    before = await triggers(owner)
    await owner.execute("ALTER TABLE public.orders RENAME TO invoices")
    async with other.transaction():
        await other.execute("LOCK TABLE public.invoices IN ROW EXCLUSIVE MODE")
        assert (await migrate(owner, "invoices", patience_seconds=0.1)).problems == {}
    assert await registry(owner) == [(1, "invoices", True)]
    assert {version for _, _, version in await triggers(owner)} == {version for _, _, version in before}


async def test_a_renamed_key_column_is_recorded_beside_its_older_name(owner: Connection) -> None:
    await owner.execute(ORDERS)
    await migrate(owner, "orders")
    await owner.execute("ALTER TABLE public.orders RENAME id TO number")
    assert (await migrate(owner, "orders")).tables == ["public.orders"]
    assert await key_columns(owner) == '[["number", "id"]]'
    assert (await migrate(owner, "orders")).done == []


async def test_a_table_dropped_and_created_again_gets_a_row_of_its_own(owner: Connection) -> None:
    await owner.execute(ORDERS)
    await migrate(owner, "orders")
    await owner.execute(f"DROP TABLE public.orders; {ORDERS}")
    await migrate(owner)
    assert await registry(owner) == [(1, "orders", False), (2, "orders", True)]


async def test_a_table_restored_with_its_triggers_keeps_its_row(owner: Connection) -> None:
    await owner.execute(f"{ORDERS}; CREATE TABLE public.item (id integer)")
    await migrate(owner, "public.*")
    # As pg_restore leaves it in another database: the same names and triggers, other oids. Here they are even exchanged.
    await owner.execute(
        "UPDATE forwarder.captured_table AS this SET relation = that.oid, removed_at = now() FROM pg_class AS that"
        " WHERE that.relname IN ('orders', 'item') AND that.relname <> this.table_name AND this.relation <> 0;"
        "UPDATE forwarder.captured_table SET removed_at = NULL"
    )
    outcome = await migrate(owner)
    assert sorted(outcome.tables) == ["public.item", "public.orders"]
    assert await registry(owner) == [(1, "item", True), (2, "orders", True)]
    assert await owner.fetchval(
        "SELECT bool_and(relation::regclass::text = table_name) FROM forwarder.captured_table WHERE relation <> 0"
    )


async def test_a_table_that_is_gone_is_registered_as_removed(owner: Connection) -> None:
    await owner.execute(ORDERS)
    await migrate(owner, "orders")
    await owner.execute("DROP TABLE public.orders")
    await migrate(owner)
    assert await registry(owner) == [(1, "orders", False)]


@pytest.mark.parametrize(
    ("definition", "expected"),
    [
        ("a integer, b integer, PRIMARY KEY (b, a)", '[["b"], ["a"]]'),
        ("a integer NOT NULL UNIQUE, b integer NOT NULL", '[["a"]]'),
        ("a integer UNIQUE, b integer NOT NULL UNIQUE", '[["b"]]'),
        ("a integer NOT NULL, b integer NOT NULL, UNIQUE (a) INCLUDE (b)", '[["a"]]'),
        ("a integer NOT NULL, CONSTRAINT z UNIQUE (a), b integer NOT NULL, CONSTRAINT y UNIQUE (b)", '[["b"]]'),
        ("a integer NOT NULL, UNIQUE (a) DEFERRABLE, b integer", "[]"),
        ("a integer, b integer", "[]"),
    ],
)
async def test_the_key_is_what_identifies_a_row(owner: Connection, definition: str, expected: str) -> None:
    await owner.execute(f"CREATE TABLE public.item ({definition})")
    await migrate(owner, "item")
    assert await key_columns(owner) == expected


async def test_the_replica_identity_goes_before_other_unique_indexes(owner: Connection) -> None:
    await owner.execute("CREATE TABLE public.item (a integer NOT NULL UNIQUE, b integer NOT NULL UNIQUE)")
    await owner.execute("ALTER TABLE public.item REPLICA IDENTITY USING INDEX item_b_key")
    await migrate(owner, "item")
    assert await key_columns(owner) == '[["b"]]'


@pytest.mark.parametrize("index", ["(a) WHERE a > 0", "(abs(a))"])
async def test_a_unique_index_of_some_rows_or_of_an_expression_is_no_key(owner: Connection, index: str) -> None:
    await owner.execute("CREATE TABLE public.item (a integer NOT NULL)")
    await owner.execute(f"CREATE UNIQUE INDEX ON public.item {index}")
    await migrate(owner, "item")
    assert await key_columns(owner) == "[]"


async def test_the_key_survives_the_loss_of_the_primary_key(owner: Connection) -> None:
    await owner.execute(ORDERS)
    await migrate(owner, "orders")
    await owner.execute("ALTER TABLE public.orders DROP CONSTRAINT orders_pkey")
    assert (await migrate(owner)).done == []
    assert await key_columns(owner) == '[["id"]]'


# Partitions

PARTITIONED = (
    "CREATE TABLE public.sale (id integer) PARTITION BY RANGE (id);"
    "CREATE TABLE public.sale_1 PARTITION OF public.sale FOR VALUES FROM (0) TO (10);"
)


async def test_a_partitioned_table_is_registered_once(owner: Connection) -> None:
    await owner.execute(PARTITIONED)
    assert (await migrate(owner, "public.*")).tables == ["public.sale"]
    assert await tables_with_triggers(owner) == {"sale", "sale_1"}
    assert (await migrate(owner, "public.*")).done == []


async def test_a_new_partition_is_given_what_it_lacks(owner: Connection) -> None:
    await owner.execute(PARTITIONED)
    await migrate(owner, "public.*")
    await owner.execute("CREATE TABLE public.sale_2 PARTITION OF public.sale FOR VALUES FROM (10) TO (20)")
    assert (await migrate(owner, "public.*")).tables == ["public.sale"]
    await owner.execute("TRUNCATE public.sale_2")
    assert [event.table for event in await captured(owner)] == ["sale_2"]


async def test_a_trigger_disabled_on_a_partition_is_mended(owner: Connection) -> None:
    await owner.execute(PARTITIONED)
    await migrate(owner, "public.*")
    await owner.execute("ALTER TABLE public.sale_1 DISABLE TRIGGER ALL")
    assert (await migrate(owner)).tables == ["public.sale"]
    await owner.execute("INSERT INTO public.sale VALUES (1)")
    assert [event.op for event in await captured(owner)] == ["G", "G", "I"]


@pytest.mark.parametrize(
    "place",
    ['"00_forwarder_capture" ON public.sale', '"zz_forwarder_truncate" ON public.sale_1'],
    ids=["parent", "partition"],
)
async def test_a_trigger_renamed_on_a_partitioned_table_or_its_partition_is_mended(
    owner: Connection, place: str
) -> None:
    await owner.execute(PARTITIONED)
    await migrate(owner, "public.*")
    await owner.execute(f"ALTER TRIGGER {place} RENAME TO another")
    assert (await migrate(owner)).tables == ["public.sale"]
    assert (await migrate(owner)).done == []
    await owner.execute("INSERT INTO public.sale VALUES (1)")
    await owner.execute("TRUNCATE public.sale_1")
    assert [event.op for event in await captured(owner)] == ["G", "G", "I", "T"]


async def test_a_trigger_that_was_renamed_is_removed_with_the_others(owner: Connection) -> None:
    await owner.execute(ORDERS)
    await migrate(owner, "orders")
    await owner.execute("CREATE TABLE public.other (id integer PRIMARY KEY)")
    await owner.execute('ALTER TRIGGER "00_forwarder_capture" ON public.orders RENAME TO another')
    await migrate(owner, "other", remove=True)
    await owner.execute("INSERT INTO public.orders VALUES (1)")
    assert {event.op for event in await captured(owner)} <= {"G"}


async def test_a_parent_takes_over_its_partition_without_a_gap_and_gives_it_back(owner: Connection) -> None:
    await owner.execute(PARTITIONED)
    await migrate(owner, "sale_1")
    assert await tables_with_triggers(owner) == {"sale_1"}
    for pattern in ("sale", "sale_1"):
        outcome = await migrate(owner, pattern, remove=True)
        assert not outcome.problems
        assert (await migrate(owner, pattern, remove=True)).done == []
        await owner.execute("INSERT INTO public.sale VALUES (1)")
    ids = [row["table_id"] for row in await owner.fetch("SELECT table_id FROM forwarder.outbox ORDER BY seq")]
    names = {row[0]: row[1] for row in await registry(owner)}
    assert [names[table_id] for table_id in ids] == ["sale", "sale_1"]


async def test_what_a_detached_partition_keeps_is_removed_with_remove(owner: Connection) -> None:
    await owner.execute(PARTITIONED)
    await migrate(owner, "sale")
    await owner.execute("ALTER TABLE public.sale DETACH PARTITION public.sale_1")
    assert (await migrate(owner, "sale")).done == []
    assert (await migrate(owner, "sale", remove=True)).tables == ["public.sale_1"]
    assert await tables_with_triggers(owner) == {"sale"}


# Locks


async def test_a_long_reader_is_no_obstacle(owner: Connection, other: Connection) -> None:
    await owner.execute(ORDERS)
    async with other.transaction():
        await other.execute("TABLE public.orders")
        assert (await migrate(owner, "orders", patience_seconds=0.1)).tables == ["public.orders"]


async def test_a_locked_table_comes_last_and_is_done_once_it_is_free(owner: Connection, other: Connection) -> None:
    await owner.execute(f"{ORDERS}; CREATE TABLE public.visit (id integer)")
    await migrate(owner)
    holder = other.transaction()
    await holder.start()
    await other.execute("INSERT INTO public.orders VALUES (1)")
    found = await plan.from_selection(owner, [Rule(match=Pattern("*"))])
    assert [change.table for change in found.changes] == ["public.orders", "public.visit"]
    outcome = Outcome()

    async def first_done() -> list[str]:
        return outcome.tables

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(run, owner, found, outcome, 30.0)
        assert await eventually(first_done) == ["public.visit"]
        await holder.commit()
    assert outcome.tables == ["public.visit", "public.orders"]
    assert outcome.problems == {}


async def test_a_table_that_stays_locked_is_reported_after_the_others(owner: Connection, other: Connection) -> None:
    await owner.execute(f"{ORDERS}; CREATE TABLE public.visit (id integer)")
    async with other.transaction():
        await other.execute("INSERT INTO public.orders VALUES (1)")
        outcome = await migrate(owner, "*", patience_seconds=0.1)
    assert outcome.tables == ["public.visit"]
    assert re.match("still locked after", outcome.problems["public.orders"])
    assert [name for _, name, _ in await registry(owner)] == ["visit"]


async def test_no_writer_queues_behind_us_for_longer_than_the_lock_timeout(
    fresh_database: Database, owner: Connection, other: Connection
) -> None:
    await owner.execute(ORDERS)
    await migrations.apply(owner)
    found = await plan.from_selection(owner, [Rule(match=Pattern("orders"))])
    async with session(fresh_database.url) as writer, other.transaction():
        await other.execute("INSERT INTO public.orders VALUES (0)")
        await writer.execute(f"SET lock_timeout = '{2 * LOCK_TIMEOUT_MS}ms'")
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(run, owner, found, Outcome(), 3.0)
            for number in range(1, 500):
                # Would be refused if it had to wait for longer than twice the time that we may wait.
                await writer.execute("INSERT INTO public.orders VALUES ($1)", number)
            tasks.cancel_scope.cancel()


async def test_we_wait_shorter_than_until_somebody_looks_for_a_deadlock(fresh_database: Database) -> None:
    superuser = await asyncpg.connect(fresh_database.superuser_url)
    seen = Redefine(
        table="any", reasons=(), sql="SELECT set_config('test.seen', current_setting('lock_timeout'), false);"
    )
    for deadlock_timeout, lock_timeout in (("200ms", "100ms"), ("1s", "500ms"), ("1min", "500ms")):
        await superuser.execute(f"ALTER DATABASE {fresh_database.name} SET deadlock_timeout = '{deadlock_timeout}'")
        async with session(fresh_database.url) as owner:
            await Installation(owner, Outcome()).carry_out([seen])
            assert await owner.fetchval("SELECT current_setting('test.seen')") == lock_timeout
    await superuser.close()


async def test_a_migration_waits_briefly_for_each_lock_and_says_what_is_locked(
    owner: Connection, other: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(migrations, "PATIENCE_SECONDS", 0.0)
    await owner.execute(ORDERS)
    await migrations.apply(owner)
    future = Migration(version=9999, name="orders", text="LOCK TABLE public.orders; LOCK TABLE forwarder.outbox;")
    monkeypatch.setattr(migrations, "shipped", lambda: [*_SHIPPED, future])
    for table, says in (
        ("public.orders", "a table that it looks at"),
        ("forwarder.outbox", r"the outbox is still locked .* by pid"),
    ):
        async with other.transaction():
            await other.execute(f"LOCK TABLE {table} IN ACCESS SHARE MODE")
            with anyio.fail_after(9.0), pytest.raises(Unavailable, match=says):
                await migrations.apply(owner)


async def run(connection: Connection, found: plan.Difference, outcome: Outcome, patience_seconds: float) -> None:
    await Installation(connection, outcome, patience_seconds=patience_seconds).carry_out(found.changes)


# Privileges


async def test_a_table_without_the_privilege_is_named_with_its_remedy_and_the_others_are_done(
    fresh_database: Database, owner: Connection
) -> None:
    await owner.execute(ORDERS)
    async with session(fresh_database.superuser_url) as administrator:
        await administrator.execute("CREATE TABLE public.foreign_to_us (id integer)")
        outcome = await migrate(owner, "public.*")
        assert outcome.tables == ["public.orders"]
        assert f"GRANT TRIGGER ON public.foreign_to_us TO {OWNER}" in outcome.problems["public.foreign_to_us"]
        await administrator.execute(f"GRANT TRIGGER ON public.foreign_to_us TO {OWNER}")
    assert (await migrate(owner, "public.*")).tables == ["public.foreign_to_us"]
    outcome = await migrate(owner, "orders", remove=True)
    assert 'DROP TRIGGER IF EXISTS "00_forwarder_capture"' in outcome.problems["public.foreign_to_us"]


async def test_a_table_in_a_schema_that_we_may_not_use_is_named_with_its_remedy_and_the_others_are_done(
    fresh_database: Database, owner: Connection
) -> None:
    await owner.execute(ORDERS)
    async with session(fresh_database.superuser_url) as administrator:
        await administrator.execute(
            f"CREATE SCHEMA hidden; CREATE TABLE hidden.item (id integer); ALTER TABLE hidden.item OWNER TO {OWNER}"
        )
        outcome = await migrate(owner, "*.*")
        assert outcome.tables == ["public.orders"]
        assert outcome.problems["hidden.item"].endswith(f"run as {SUPERUSER}: GRANT USAGE ON SCHEMA hidden TO {OWNER}")
        await administrator.execute(f"GRANT USAGE ON SCHEMA hidden TO {OWNER}")
    assert (await migrate(owner, "*.*")).tables == ["hidden.item"]


# The leaves of the outbox


async def seqs(connection: Connection) -> list[tuple[str, int]]:
    """Which leaf every change is in."""
    rows = await connection.fetch("SELECT tableoid::regclass::text, seq FROM forwarder.outbox ORDER BY seq")
    return [(row[0], row[1]) for row in rows]


@from_bare
async def test_the_outbox_of_the_previous_layout_keeps_what_is_undelivered(
    fresh_database: Database, owner: Connection, other: Connection, tmp_path: Path
) -> None:
    await owner.execute(ORDERS)
    for migration in migrations.shipped()[:4]:
        await owner.execute(migration.sql)
    await owner.fetchval("SELECT forwarder.install('public.orders', 'full', '[]')")
    await owner.execute("INSERT INTO public.orders SELECT generate_series(1, 1500)")
    (tmp_path / "forwarder.toml").write_text("[outbox]\nleaf_events = 1024\n")
    plan = await forwarder(fresh_database, "--check", directory=tmp_path, status=1)
    assert "forwarder.outbox: would be laid out anew (events a leaf: 262144 -> 1024)" in plan.stdout

    done = await forwarder(fresh_database, directory=tmp_path)

    assert "forwarder.outbox: laid out anew (events a leaf: 262144 -> 1024)" in done.stdout
    await owner.execute("INSERT INTO public.orders VALUES (0)")
    found = await seqs(owner)
    assert [seq for _, seq in found] == list(range(1, 1502))
    assert {leaf for leaf, seq in found if seq < 1024} == {"forwarder.outbox_10_0"}
    assert {leaf for leaf, seq in found if seq >= 1024} == {"forwarder.outbox_10_1"}
    await forwarder(fresh_database, "--check", directory=tmp_path)


async def test_leaves_stay_as_they_are_unless_asked_for(owner: Connection) -> None:
    await migrate(owner)
    await owner.execute("SELECT forwarder.lay_out(1024)")
    for leaf_events, exists in ((None, False), (1024, False), (2048, True)):
        assert (await plan.from_selection(owner, [], leaf_events=leaf_events)).exists is exists


async def test_what_every_sink_has_stays_behind_when_leaves_are_laid_out_anew(owner: Connection) -> None:
    await owner.execute(ORDERS)
    await migrate(owner, "orders")
    await owner.execute("SELECT forwarder.lay_out(16)")
    await owner.execute("INSERT INTO public.orders SELECT generate_series(1, 16)")
    await owner.execute(
        "INSERT INTO forwarder.sink (name, system_identifier, delivered, floor_seq, last_seq)"
        " SELECT 'sink', system_identifier, pg_current_snapshot(), 0, 16 FROM pg_control_system()"
    )
    await owner.execute("INSERT INTO public.orders SELECT generate_series(17, 20)")

    await owner.execute("SELECT forwarder.lay_out(32)")

    assert await seqs(owner) == [("forwarder.outbox_5_0", seq) for seq in range(16, 21)]


async def test_a_size_that_is_no_power_of_two_is_refused(
    fresh_database: Database, owner: Connection, tmp_path: Path
) -> None:
    (tmp_path / "forwarder.toml").write_text("[outbox]\nleaf_events = 3000\n")
    done = await forwarder(fresh_database, directory=tmp_path, status=2)
    assert "outbox.leaf_events" in done.stderr
    assert "nearest are 2048 and 4096" in done.stderr
    await migrate(owner)
    with pytest.raises(asyncpg.RaiseError, match="power of two"):
        await owner.execute("SELECT forwarder.lay_out(3000)")


async def test_leaves_that_a_writer_has_locked_are_laid_out_later(owner: Connection, other: Connection) -> None:
    await owner.execute(ORDERS)
    await migrate(owner, "orders")
    transaction = other.transaction()
    await transaction.start()
    await other.execute("INSERT INTO public.orders VALUES (1)")
    found = await plan.from_selection(owner, [], leaf_events=1024)
    outcome = Outcome()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(Installation(owner, outcome).carry_out, found.changes)
        await eventually(partial(_waits_for_a_lock, other, owner))
        await transaction.rollback()
    assert outcome.tables == ["forwarder.outbox"]


async def _waits_for_a_lock(observer: Connection, waiter: Connection) -> bool:
    return bool(
        await observer.fetchval("SELECT count(*) FROM pg_locks WHERE NOT granted AND pid = $1", waiter.get_server_pid())
    )


# The command


@from_bare
async def test_the_plan_says_what_the_run_then_does(
    fresh_database: Database, owner: Connection, tmp_path: Path
) -> None:
    await owner.execute(ORDERS)
    plan = await forwarder(fresh_database, "--table", "public.*", "--plan", directory=tmp_path)
    assert "public.orders: capture would be installed" in plan.stdout
    assert await owner.fetchval("SELECT to_regnamespace('forwarder')") is None
    await forwarder(fresh_database, "--table", "public.*", "--check", directory=tmp_path, status=1)
    done = await forwarder(fresh_database, "--table", "public.*", directory=tmp_path)
    assert plan.stdout.replace("would be ", "").replace("to be ", "") == done.stdout
    again = await forwarder(fresh_database, "--table", "public.*", "--check", directory=tmp_path)
    assert "public.orders: unchanged" in again.stdout


@from_bare
async def test_the_printed_script_does_what_the_run_would_do(
    fresh_database: Database, owner: Connection, tmp_path: Path
) -> None:
    await owner.execute(r"""CREATE TABLE public."odd\'""name" ("a'b\" integer PRIMARY KEY)""")
    script = await forwarder(fresh_database, "--table", "public.*", "--sql", directory=tmp_path)
    assert await owner.fetchval("SELECT to_regnamespace('forwarder')") is None
    await owner.execute(script.stdout)
    found = await plan.from_selection(owner, [Rule(match=Pattern("public.*"))])
    assert not found.exists
    assert len(found.decisions) == 1


async def test_the_rules_of_the_file_are_the_selection(
    fresh_database: Database, owner: Connection, tmp_path: Path
) -> None:
    await owner.execute(f"{ORDERS}; CREATE TABLE public.audit (id integer); CREATE TABLE public.visit (id integer)")
    (tmp_path / "forwarder.toml").write_text(
        '[[table]]\nmatch = "public.*"\nexclude = ["audit"]\n[[table]]\nmatch = "visit"\nbefore = "none"\n'
    )
    await forwarder(fresh_database, directory=tmp_path)
    rows = await owner.fetch(
        "SELECT table_name, before_image FROM forwarder.captured_table WHERE relation <> 0 ORDER BY id"
    )
    assert [tuple(row) for row in rows] == [("orders", "full"), ("visit", "none")]


async def test_capture_ends_by_remove_alone(fresh_database: Database, owner: Connection, tmp_path: Path) -> None:
    await owner.execute(f"{ORDERS}; CREATE TABLE public.audit (id integer); CREATE TABLE public.item (id integer)")
    await forwarder(fresh_database, "--table", "public.*", directory=tmp_path)
    (tmp_path / "forwarder.toml").write_text('[[table]]\nmatch = "public.item"\n')
    stays = "public.orders: captured, though the selection does not name it; it stays so without --remove"
    for selection in (["--table", "item"], ["--table", "public.*", "--exclude", "orders", "--exclude", "audit"], []):
        for mode in ("--check", "--plan", "--sql"):
            done = await forwarder(fresh_database, *selection, mode, directory=tmp_path)
            assert stays in (done.stderr if mode == "--sql" else done.stdout)
            assert "DROP TRIGGER" not in done.stdout
        done = await forwarder(fresh_database, *selection, directory=tmp_path)
        assert stays in done.stdout
        assert "captured, not selected: 2 (--remove ends that)" in done.stdout
        assert await tables_with_triggers(owner) == {"orders", "audit", "item"}
    due = await forwarder(fresh_database, "--remove", "--check", directory=tmp_path, status=1)
    assert "public.orders: capture would be removed" in due.stdout
    assert "DROP TRIGGER" in (await forwarder(fresh_database, "--remove", "--sql", directory=tmp_path)).stdout
    await forwarder(fresh_database, "--remove", directory=tmp_path)
    assert await tables_with_triggers(owner) == {"item"}


async def test_remove_without_a_selection_is_refused(fresh_database: Database, tmp_path: Path) -> None:
    done = await forwarder(fresh_database, "--remove", directory=tmp_path, status=2)
    assert "--remove ends what a selection does not name, and there is none" in done.stderr


@pytest.mark.parametrize(
    ("answer", "left"),
    [
        (b"y\n", {"item"}),
        (b"\n", {"orders", "item"}),
        pytest.param(b"n\n", {"orders", "item"}, marks=pytest.mark.long),
    ],
)
async def test_on_a_terminal_somebody_is_asked_before_capture_ends(
    fresh_database: Database, owner: Connection, tmp_path: Path, answer: bytes, left: set[str]
) -> None:
    await owner.execute(f"{ORDERS}; CREATE TABLE public.item (id integer)")
    await migrate(owner, "orders")
    ours, theirs = pty.openpty()
    os.write(ours, answer)
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("FORWARDER_", "PG"))}
    await anyio.run_process(
        [sys.executable, "-m", "forwarder", "migrate", "--table", "item"],
        env={**environment, "FORWARDER_DATABASE_URL": fresh_database.url},
        cwd=tmp_path,
        stdin=theirs,
        stderr=theirs,
    )
    os.close(theirs)
    os.close(ours)
    assert await tables_with_triggers(owner) == left


@from_bare
async def test_without_any_selection_the_schema_is_made_and_the_way_on_is_said(
    fresh_database: Database, tmp_path: Path
) -> None:
    done = await forwarder(fresh_database, directory=tmp_path)
    assert "no table is selected: pass --table" in done.stdout


async def test_what_is_warned_of_is_said_on_stderr_and_is_no_failure(
    fresh_database: Database, owner: Connection, tmp_path: Path
) -> None:
    await owner.execute("CREATE TABLE public.seat (id interval PRIMARY KEY DEFERRABLE)")
    for arguments in (["--plan"], ["--sql"], [], ["--check"]):
        done = await forwarder(fresh_database, "--table", "public.*", *arguments, directory=tmp_path)
        ambiguous, deferrable = done.stderr.splitlines()
        assert ambiguous.startswith("forwarder: warning: ")
        assert "public.seat (id interval)" in ambiguous
        assert "DEFERRABLE in public.seat" in deferrable


async def test_a_failed_table_makes_the_command_fail_with_a_line_on_stderr(
    fresh_database: Database, tmp_path: Path
) -> None:
    async with session(fresh_database.superuser_url) as administrator:
        await administrator.execute("CREATE TABLE public.foreign_to_us (id integer)")
    done = await forwarder(fresh_database, "--table", "*", directory=tmp_path, status=1)
    assert done.stderr.splitlines()[0].startswith("forwarder: public.foreign_to_us: permission denied")
    assert "1 of 2 changes failed" in done.stderr.splitlines()[1]


@from_bare
async def test_a_database_that_somebody_has_made_read_only_is_refused(
    fresh_database: Database, owner: Connection, tmp_path: Path
) -> None:
    await owner.execute(f"ALTER DATABASE {fresh_database.name} SET default_transaction_read_only = on")
    done = await forwarder(fresh_database, directory=tmp_path, status=1)
    assert "is read-only: somebody has set default_transaction_read_only" in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert await owner.fetchval("SELECT to_regnamespace('forwarder')") is None


# Down


async def test_down_leaves_no_trace(fresh_database: Database, owner: Connection, tmp_path: Path) -> None:
    await owner.execute(f"{ORDERS}; {PARTITIONED}")
    await migrate(owner, "public.*")
    done = await forwarder(fresh_database, "--down", directory=tmp_path)
    assert "schema forwarder: dropped" in done.stdout
    # The template of the other tests' databases needs it.
    assert "role forwarder_capture: kept" in done.stdout
    assert await triggers(owner) == set()
    assert await owner.fetchval("SELECT to_regnamespace('forwarder')") is None
    await owner.execute("INSERT INTO public.orders VALUES (1)")
    again = await forwarder(fresh_database, "--down", directory=tmp_path)
    assert "there is no schema forwarder to remove" in again.stdout


async def test_down_refuses_while_changes_are_undelivered(
    fresh_database: Database, owner: Connection, tmp_path: Path
) -> None:
    await owner.execute(ORDERS)
    await migrate(owner, "public.*")
    await owner.execute("INSERT INTO public.orders VALUES (1)")
    for arguments in (["--down"], ["--down", "--sql"]):
        done = await forwarder(fresh_database, *arguments, directory=tmp_path, status=1)
        assert "1 changes are not delivered to any sink that is still there" in done.stderr
    await owner.execute(
        "INSERT INTO forwarder.sink (name, system_identifier, delivered, floor_seq, last_seq)"
        " SELECT 'default', system_identifier, '1:1:', 0, 0 FROM pg_control_system()"
    )
    done = await forwarder(fresh_database, "--down", directory=tmp_path, status=1)
    assert "1 changes are not delivered to every sink" in done.stderr
    assert len(await triggers(owner)) == 2
    await forwarder(fresh_database, "--down", "--discard-undelivered", directory=tmp_path)
    assert await triggers(owner) == set()


async def undelivered(connection: Connection) -> int:
    return (await plan.from_nothing(connection)).undelivered


async def test_a_change_is_undelivered_until_every_sink_has_it(owner: Connection) -> None:
    await owner.execute(ORDERS)
    await migrate(owner, "public.*")
    await owner.execute("INSERT INTO public.orders VALUES (1)")
    assert await undelivered(owner) == 1
    add_sink = (
        "INSERT INTO forwarder.sink (name, system_identifier, delivered, floor_seq, last_seq)"
        " SELECT $1, system_identifier, $2::text::pg_snapshot, 0, 0 FROM pg_control_system()"
    )
    now = await owner.fetchval("SELECT pg_current_snapshot()::text")
    await owner.execute(add_sink, "quick", now)
    assert await undelivered(owner) == 0
    await owner.execute(add_sink, "slow", "1:1:")
    assert await undelivered(owner) == 1
    await owner.execute("INSERT INTO public.orders VALUES (2)")
    assert await undelivered(owner) == 2


async def test_what_a_sink_has_delivered_of_a_batch_is_delivered(owner: Connection) -> None:
    await owner.execute(ORDERS)
    await migrate(owner, "public.*")
    await owner.execute("INSERT INTO public.orders VALUES (1), (2), (3)")
    await owner.execute(
        "INSERT INTO forwarder.sink (name, system_identifier, delivered, floor_seq, last_seq,"
        " batch, batch_floor_seq, batch_ceiling_seq, batch_last_seq, batch_by_seq)"
        " SELECT 'sink', system_identifier, '1:1:', 0, 0, pg_current_snapshot(), 0, 3, 2, false FROM pg_control_system()"
    )
    assert await undelivered(owner) == 1


async def test_a_position_of_another_cluster_counts_by_its_last_seq(owner: Connection) -> None:
    await owner.execute(ORDERS)
    await migrate(owner, "public.*")
    await owner.execute("INSERT INTO public.orders VALUES (1), (2), (3)")
    await owner.execute(
        "INSERT INTO forwarder.sink (name, system_identifier, delivered, floor_seq, last_seq)"
        " VALUES ('sink', 1, '900000000000:900000000000:', 0, 2)"
    )
    assert await undelivered(owner) == 1
