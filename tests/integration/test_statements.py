"""``level = "statement"``: what a statement inserts or deletes is captured at once, and nobody can tell it by what is delivered."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

import asyncpg
import pytest

from forwarder.errors import Misconfigured
from tests.cases import some
from tests.databases import Database, connected
from tests.migrating import captured, migrate_tables
from tests.replaying import assert_in_order
from tests.row_programs import Program, programs
from tests.ruled import create

if TYPE_CHECKING:
    from forwarder.database.sessions import Connection

ITEM = "CREATE TABLE public.item (id integer PRIMARY KEY, g integer, n integer)"
ROWS = "INSERT INTO public.item SELECT i, i % 2, 0 FROM generate_series(1, 10) AS i"


@pytest.fixture
async def owner(database: Database) -> AsyncIterator[Connection]:
    """The role that owns the tables and migrates."""
    session = await asyncpg.connect(database.url)
    yield session
    await session.close()


@pytest.fixture
async def item(owner: Connection) -> Connection:
    """A session in a database with a table that is captured by statements."""
    await create(owner, ITEM, level="statement")
    return owner


def trigger(action: str, *, on: str, name: str = "zz", when: str = "AFTER", table: str = "item") -> str:
    """A trigger of the application. Ours is ``00_forwarder_capture_insert``; what is called ``!`` fires before it."""
    return (
        f'CREATE FUNCTION public."do{name}"() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {action};'
        f" RETURN {'OLD' if on == 'DELETE' else 'NEW'}; END $$;"
        f' CREATE TRIGGER "{name}" {when} {on} ON public.{table} FOR EACH ROW EXECUTE FUNCTION public."do{name}"()'
    )


async def writes(owner: Connection, *, after_seq: int = 0) -> list[tuple[str, int]]:
    """How many changes each command has written into the outbox, and of which kind: those of a statement at once are written by one."""
    rows = await owner.fetch(
        "SELECT min(op::text) AS op, count(*) FROM forwarder.outbox WHERE seq > $1 AND op <> 'G'"
        " GROUP BY txid, cmin::text ORDER BY min(seq)",
        after_seq,
    )
    return [(row["op"], row["count"]) for row in rows]


async def test_what_a_statement_inserts_or_deletes_is_written_at_once_in_its_order(item: Connection) -> None:
    await item.execute(ROWS)
    await item.execute("UPDATE public.item SET n = 1 WHERE id > 8")
    await item.execute("DELETE FROM public.item")
    assert await writes(item) == [("I", 10), ("U", 1), ("U", 1), ("D", 10)]
    assert [event.after["id"] for event in await captured(item) if event.op == "I"] == [*range(1, 11)]
    await assert_in_order(item)


async def test_rows_that_are_copied_are_written_at_once(item: Connection) -> None:
    await item.copy_records_to_table("item", schema_name="public", records=[(i, 0, 0) for i in range(1000)])
    assert await writes(item) == [("I", 1000)]


async def test_a_statement_that_changes_no_row_writes_nothing(item: Connection) -> None:
    await item.execute("DELETE FROM public.item; INSERT INTO public.item SELECT 1, 1, 1 WHERE false")
    assert await writes(item) == []


async def test_statements_of_one_message_are_each_written_at_once(item: Connection) -> None:
    await item.execute(f"{ROWS}; DELETE FROM public.item; {ROWS}")
    assert await writes(item) == [("I", 10), ("D", 10), ("I", 10)]
    await assert_in_order(item)


async def test_rows_that_the_transaction_has_made_are_deleted_at_once(item: Connection) -> None:
    async with item.transaction():
        await item.execute(ROWS)
        await item.execute("UPDATE public.item SET n = 1")
        await item.execute("DELETE FROM public.item")
    assert (await writes(item))[-1] == ("D", 10)
    await assert_in_order(item)


@pytest.mark.parametrize(
    "statement",
    [
        f"DO $$ BEGIN {ROWS}; END $$",
        f"{ROWS} ON CONFLICT (id) DO UPDATE SET n = 1",
        "WITH gone AS (DELETE FROM public.item RETURNING *) INSERT INTO public.item SELECT id + 100, g, n FROM gone",
        f"BEGIN ISOLATION LEVEL REPEATABLE READ; {ROWS}; COMMIT",
        "UPDATE public.item SET g = 2",
    ],
    ids=["code", "upsert", "with", "snapshot", "update"],
)
async def test_where_something_else_may_be_going_on_rows_are_captured_one_by_one(
    item: Connection, statement: str
) -> None:
    await item.execute("INSERT INTO public.item SELECT -i, 0, 0 FROM generate_series(1, 2) AS i")
    before = await item.fetchval("SELECT max(seq) FROM forwarder.outbox")
    await item.execute(statement)
    written = await writes(item, after_seq=before)
    assert len(written) >= 2
    assert {count for _, count in written} == {1}
    await assert_in_order(item)


async def test_a_query_that_inserts_a_key_behind_the_delete_of_another_row_keeps_their_order(item: Connection) -> None:
    """Its inserts end before its deletes do."""
    await item.execute(ROWS)
    await item.execute(
        "WITH added AS (INSERT INTO public.item SELECT i, 7, 7 FROM (VALUES (11), (1)) AS new (i) RETURNING id)"
        " DELETE FROM public.item USING added WHERE item.id = added.id - 10"
    )
    await assert_in_order(item)


@pytest.mark.parametrize("name", ["!", "zz"])
async def test_what_triggers_do_to_rows_of_a_statement_comes_after_all_of_them(item: Connection, name: str) -> None:
    """The first one fires before our trigger for the row, so that is captured alone. The other one fires while rows wait to be written."""
    touch = "UPDATE item SET n = n + 1 WHERE g = NEW.g AND id <= NEW.id; DELETE FROM item WHERE id = NEW.id - 3"
    await item.execute(trigger(touch, on="INSERT", name=name))
    await item.execute(ROWS)
    assert ("I", 10) in await writes(item) or name == "!"
    await assert_in_order(item)


@pytest.mark.parametrize("name", ["!", "zz"])
async def test_a_row_that_a_trigger_inserts_anew_comes_after_its_delete(item: Connection, name: str) -> None:
    await item.execute(ROWS)
    anew = "IF OLD.n < 2 THEN INSERT INTO item VALUES (OLD.id, OLD.g, OLD.n + 1); UPDATE item SET g = 5 WHERE id = OLD.id; END IF"
    await item.execute(trigger(anew, on="DELETE", name=name))
    await item.execute("DELETE FROM public.item")
    await assert_in_order(item)
    async with item.transaction():
        await item.execute("DELETE FROM public.item")
        await item.execute("DELETE FROM public.item")
    await assert_in_order(item)


async def test_a_row_that_a_trigger_has_inserted_is_deleted_after_that_in_the_same_message(item: Connection) -> None:
    await item.execute(
        trigger("IF NEW.id < 100 THEN INSERT INTO item VALUES (NEW.id + 100, 0, 0); END IF", on="INSERT")
    )
    await item.execute(f"{ROWS}; DELETE FROM public.item")
    await assert_in_order(item)


async def test_a_cascade_is_written_at_once_if_no_trigger_changes_the_table_in_between(item: Connection) -> None:
    await item.execute(ROWS)
    await item.execute("CREATE TABLE public.maker (id integer PRIMARY KEY); INSERT INTO public.maker VALUES (0), (1)")
    await item.execute("ALTER TABLE public.item ADD FOREIGN KEY (g) REFERENCES public.maker ON DELETE CASCADE")
    await item.execute("DELETE FROM public.maker WHERE id = 0")
    before = await item.fetchval("SELECT max(seq) FROM forwarder.outbox")
    await item.execute(
        trigger("INSERT INTO item VALUES (OLD.id + 100, OLD.id, 1)", on="DELETE", table="maker", name="!1")
    )
    await item.execute("ALTER TABLE public.item ALTER CONSTRAINT item_g_fkey DEFERRABLE INITIALLY DEFERRED")
    await item.execute("DELETE FROM public.maker")
    assert (await writes(item))[1] == ("D", 5)
    assert {count for _, count in await writes(item, after_seq=before)} == {1}
    await assert_in_order(item)


@pytest.mark.parametrize("action", ["CASCADE", "SET NULL"])
async def test_a_tree_that_a_cascade_fells_is_in_order_with_what_a_trigger_plants_in_between(
    item: Connection, action: str
) -> None:
    await item.execute(
        f"ALTER TABLE public.item ADD FOREIGN KEY (g) REFERENCES public.item ON DELETE {action} DEFERRABLE INITIALLY DEFERRED"
    )
    await item.execute(
        trigger(
            "IF OLD.n = 0 THEN INSERT INTO item VALUES (OLD.id + 100, OLD.id, 1); END IF",
            on="DELETE",
            name="5",
        )
        + ";"
        + trigger(
            "IF OLD.n = 0 THEN INSERT INTO item VALUES (OLD.id, NULL, 1) ON CONFLICT DO NOTHING; END IF", on="DELETE"
        )
    )
    await item.execute("INSERT INTO public.item VALUES (1, NULL, 0), (2, 1, 0), (3, 1, 0), (4, 2, 0), (5, 4, 0)")
    await item.execute("DELETE FROM public.item WHERE id = 1")
    await assert_in_order(item)


async def test_rows_of_tables_that_inherit_from_one_are_not_taken_for_its_own(item: Connection) -> None:
    await item.execute("CREATE TABLE public.child () INHERITS (public.item)")
    await item.execute("INSERT INTO public.child VALUES (1, 0, 0)")
    await item.execute("INSERT INTO public.item VALUES (2, 0, 0)")
    await item.execute("DELETE FROM public.item")
    assert [(event.op, (event.before or event.after)["id"]) for event in await captured(item)] == [("I", 2), ("D", 2)]


async def test_no_setting_of_a_writer_keeps_a_row_from_being_captured(item: Connection) -> None:
    settings = ("statement_1_INSERT", "began_1")
    values = ("at once", "row by row", "", "1 INSERT")
    for number, (name, value) in enumerate((name, value) for name in settings for value in values):
        text = f"set_config('forwarder.{name}', CASE WHEN i % 3 = {{}} THEN '{value}' ELSE 'at once' END, true)"
        for remainder in (0, 1):
            first = 100 * number + 50 * remainder
            setting = text.format(remainder)
            await item.execute(
                f"INSERT INTO public.item SELECT i, length({setting}), 0 FROM generate_series({first}, {first + 9}) AS i"
            )
    await assert_in_order(item)


async def test_no_setting_of_a_writer_has_code_of_others_run_with_the_rights_of_capture(owner: Connection) -> None:
    await create(
        owner,
        "CREATE TYPE public.mood AS ENUM ('good')",
        "CREATE FUNCTION public.who(public.mood) RETURNS json LANGUAGE sql AS $$ SELECT to_json(current_user::text) $$",
        "CREATE CAST (public.mood AS json) WITH FUNCTION public.who(public.mood)",
        "CREATE DOMAIN public.positive AS integer",
        "CREATE TABLE public.item (id integer PRIMARY KEY, mood public.mood, n public.positive)",
        level="statement",
    )
    for isolation in ("READ COMMITTED", "REPEATABLE READ"):
        for operation in (
            "INSERT INTO public.item SELECT 1, 'good', length({})",
            "DELETE FROM public.item WHERE length({}) > 0",
        ):
            setting = f"set_config('forwarder.statement_1_{operation[:6]}', 'at once', true)"
            await owner.execute(f"BEGIN ISOLATION LEVEL {isolation}; {operation.format(setting)}; COMMIT")
    events = await captured(owner)
    assert [(event.op, (event.before or event.after)["mood"]) for event in events] == [
        (op, "forwarder_capture_images") for op in "IDID"
    ]


async def test_a_domain_is_what_it_is_based_on(owner: Connection) -> None:
    await create(
        owner,
        "CREATE DOMAIN public.positive AS integer CHECK (value > 0); CREATE DOMAIN public.even AS public.positive",
        "CREATE TABLE public.item (id integer PRIMARY KEY, n public.even)",
        level="statement",
    )
    await owner.execute("INSERT INTO public.item SELECT i, i FROM generate_series(1, 3) AS i")
    assert await writes(owner) == [("I", 3)]


async def test_rows_are_captured_where_no_trigger_for_statements_fires(item: Connection, database: Database) -> None:
    """As in the worker that applies a subscription."""
    await item.execute('ALTER TABLE public.item ENABLE ALWAYS TRIGGER "00_forwarder_capture_insert"')
    async with connected(database.superuser_url) as root:
        await root.execute(f"SET session_replication_role = replica; {ROWS}")
    assert [event.op for event in await captured(item)] == ["I"] * 10


async def test_images_are_those_of_rows_that_are_captured_one_by_one(owner: Connection) -> None:
    columns = (
        "id integer PRIMARY KEY, gone integer, f float8, b bytea, i interval, t timestamptz, d date, j json, m numeric"
    )
    for table in ("item", "twin"):
        await owner.execute(f"CREATE TABLE public.{table} ({columns})")
    await migrate_tables(owner, "public.item", options={"level": "statement"})
    await migrate_tables(owner, "public.twin")
    for name, value in {
        "extra_float_digits": "-5",
        "bytea_output": "escape",
        "intervalstyle": "sql_standard",
        "timezone": "Asia/Kolkata",
        "datestyle": "German",
    }.items():
        await owner.execute(f"SET {name} = '{value}'")
    for table in ("item", "twin"):
        await owner.execute(
            f"INSERT INTO public.{table} SELECT n, n, 1.0 / 3, '\\x0005ff', '1 day -2 hours', now(), now(), '{{\"a\": 1.0}}', n * 1.50"
            " FROM generate_series(1, 3) AS n"
        )
        await owner.execute(
            f"ALTER TABLE public.{table} DROP COLUMN gone, ADD COLUMN added text DEFAULT 'é',"
            " ADD COLUMN twice integer GENERATED ALWAYS AS (id * 2) STORED"
        )
        await owner.execute(f"INSERT INTO public.{table} (id) VALUES (7), (8)")
        await owner.execute(f"DELETE FROM public.{table}")
    images = {
        table: await owner.fetch(
            "SELECT op, before, after, fault FROM forwarder.outbox WHERE relation::regclass::text = $1 ORDER BY seq",
            table,
        )
        for table in ("item", "twin")
    }
    assert len(images["item"]) == 10
    same = [(row["op"], row["fault"]) for row in images["twin"]]
    assert [(row["op"], row["fault"]) for row in images["item"]] == same
    for one, other in zip(images["item"], images["twin"], strict=True):
        for image in ("before", "after"):
            # The two tables were filled at two moments.
            assert _without_time(one[image]) == _without_time(other[image])


def _without_time(image: str | None) -> Any:
    return image and [member for member in image.split(",") if not member.startswith('"t":')]


async def test_rows_that_are_too_large_have_a_fault_and_the_others_of_the_statement_have_images(
    owner: Connection,
) -> None:
    await create(owner, "CREATE TABLE public.item (id integer PRIMARY KEY, note text)", level="statement")
    await owner.execute("SELECT forwarder.limit_images(1000000)")
    await owner.execute(
        "INSERT INTO public.item SELECT i, repeat('x', CASE i WHEN 2 THEN 1000001 ELSE 1 END) FROM generate_series(1, 3) AS i"
    )
    await owner.execute("DELETE FROM public.item")
    assert [(event.op, event.fault, (event.before or event.after) is None) for event in await captured(owner)] == [
        (op, fault, fault is not None) for op in "ID" for fault in (None, "54000", None)
    ]


@pytest.mark.parametrize("column", ["public.mood", "int4range", "public.pair"])
async def test_rows_that_may_run_code_of_others_are_captured_one_by_one(owner: Connection, column: str) -> None:
    await create(
        owner,
        "CREATE TYPE public.mood AS ENUM ('good', 'bad')",
        "CREATE TYPE public.pair AS (a integer, b text)",
        f"CREATE TABLE public.item (id integer PRIMARY KEY, value {column})",
        level="statement",
    )
    value = {"public.mood": "good", "int4range": "[1,2)", "public.pair": "(1,x)"}[column]
    await owner.execute(f"INSERT INTO public.item SELECT i, '{value}' FROM generate_series(1, 3) AS i")
    await owner.execute("DELETE FROM public.item")
    assert await writes(owner) == [("I", 1)] * 3 + [("D", 1)] * 3
    assert all((event.before or event.after)["value"] is not None for event in await captured(owner))


async def test_a_type_that_comes_later_is_seen_before_the_first_row_with_it(item: Connection) -> None:
    await item.execute(ROWS)
    await item.execute(
        "CREATE TYPE public.mood AS ENUM ('good'); ALTER TABLE public.item ADD COLUMN mood public.mood DEFAULT 'good'"
    )
    await item.execute("DELETE FROM public.item")
    assert await writes(item) == [("I", 10)] + [("D", 1)] * 10


async def test_a_writer_needs_no_right_of_ours_and_finds_nothing_in_his_path(
    item: Connection, database: Database
) -> None:
    async with connected(database.writer_url) as writer:
        await writer.execute("SET search_path = pg_temp, public, pg_catalog")
        await writer.execute(
            "CREATE FUNCTION pg_temp.equals(text, text) RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN RAISE 'stolen'; END $$;"
            " CREATE OPERATOR pg_temp.= (FUNCTION = pg_temp.equals, LEFTARG = text, RIGHTARG = text);"
            " CREATE FUNCTION pg_temp.current_setting(text, boolean) RETURNS text LANGUAGE sql AS $$ SELECT 'at once' $$"
        )
        await writer.execute(ROWS)
        await writer.execute("DO $$ BEGIN DELETE FROM public.item; END $$")
    assert await writes(item) == [("I", 10)] + [("D", 1)] * 10


async def test_nothing_is_captured_while_capture_is_paused(item: Connection) -> None:
    await item.execute("SELECT forwarder.set_paused(true)")
    await item.execute(ROWS)
    await item.execute("SELECT forwarder.set_paused(false)")
    await item.execute("DELETE FROM public.item")
    assert await writes(item) == [("D", 10)]


async def test_what_was_rolled_back_to_a_savepoint_decides_nothing_for_what_comes_after_it(item: Connection) -> None:
    async with item.transaction():
        for _ in range(2):
            savepoint = item.transaction()
            await savepoint.start()
            await item.execute(ROWS)
            with pytest.raises(asyncpg.UniqueViolationError):
                await item.execute("INSERT INTO public.item VALUES (11, 0, 0), (11, 0, 0)")
            await savepoint.rollback()
        await item.execute(ROWS)
    assert await writes(item) == [("I", 10)]


@pytest.mark.parametrize(
    "operations",
    some(["delete", "update"], of=[["insert"], ["delete", "update"], ["insert", "update", "delete", "truncate"]]),
)
async def test_a_table_changes_from_one_level_to_the_other_and_back_without_a_gap(
    owner: Connection, operations: list[str]
) -> None:
    await create(owner, ITEM)
    for level in ("statement", "row", "statement"):
        options = {"level": level, "operations": operations}
        outcome = await migrate_tables(owner, "public.*", options=options)
        assert not outcome.problems
        assert outcome.tables
        assert not (await migrate_tables(owner, "public.*", options=options)).tables
        await owner.execute("SELECT forwarder.watch_triggers()")
        await owner.execute(f"{ROWS}; DELETE FROM public.item")
    wanted = [op for op, name in (("I", "insert"), ("D", "delete")) for _ in range(10) if name in operations]
    assert [event.op for event in await captured(owner)] == wanted * 3
    await migrate_tables(owner, remove=True)
    assert await owner.fetchval("SELECT count(*) FROM pg_trigger WHERE tgrelid = 'public.item'::regclass") == 0


@pytest.mark.parametrize(
    ("table", "need"),
    [
        ("CREATE TABLE public.item (id integer)", "has a key;"),
        ("CREATE TABLE public.item (id integer PRIMARY KEY DEFERRABLE)", "no two rows share"),
        ("CREATE TABLE public.item (id integer PRIMARY KEY) PARTITION BY LIST (id)", "neither partitioned"),
        (
            f"{ITEM}; CREATE TABLE public.other (PRIMARY KEY (id)) INHERITS (public.item)",
            "neither partitioned",
        ),
    ],
)
async def test_a_table_whose_order_could_not_be_kept_is_refused(owner: Connection, table: str, need: str) -> None:
    await owner.execute(table)
    with pytest.raises(Misconfigured, match=need):
        await migrate_tables(owner, "public.item", options={"level": "statement"})


@programs(usual=20, at_length=500)
async def test_random_triggers_and_statements_leave_the_events_in_the_order_of_versions(
    owner: Connection, seeds: range
) -> None:
    for seed in seeds:
        program = Program.of(seed, has_merge=owner.get_server_version().major >= 15)
        if program.is_partitioned:
            continue
        await create(owner, *program.table, before=program.before, level="statement")
        # What the table of the program before has lost, whose name it has.
        await owner.execute("DELETE FROM forwarder.outbox WHERE op = 'G'")
        for statement in program.triggers:
            await owner.execute(statement)
        await program.run(owner)
        try:
            await assert_in_order(owner)
        except AssertionError as error:
            raise AssertionError(
                f"seed {seed}: {error}\n{json.dumps([program.triggers, [each.statements for each in program.transactions]], indent=1)}"
            ) from None
        await owner.execute(
            "DROP TABLE public.item; TRUNCATE forwarder.outbox; DROP FUNCTION public.bump; DROP SEQUENCE public.turn;"
            + "".join(f'DROP FUNCTION public."do{statement.split(chr(34))[1][2:]}";' for statement in program.triggers)
        )


async def test_columns_may_have_any_name(owner: Connection) -> None:
    columns = (
        "captured_id",
        "inserted",
        "deleted",
        "changed",
        "images",
        "tg_relid",
        "tg_op",
        "new_rows",
        "old_rows",
        "decided",
    )
    await create(
        owner,
        f"CREATE TABLE public.item (id integer PRIMARY KEY, {', '.join(f'{column} boolean' for column in columns)})",
        level="statement",
    )
    await owner.execute("SET exit_on_error = on")
    await owner.execute(
        "INSERT INTO public.item SELECT i, true FROM generate_series(1, 3) AS i; DELETE FROM public.item"
    )
    assert await writes(owner) == [("I", 3), ("D", 3)]
    assert [set(event.after or event.before) for event in await captured(owner)] == [{"id", *columns}] * 6


async def test_what_is_put_behind_a_statement_is_of_its_own_table(owner: Connection) -> None:
    """Here a trigger makes a summary anew: its rows are not to come behind, or before, the record of its TRUNCATE."""
    await create(owner, ITEM, table="public.item", level="statement")
    await create(owner, "CREATE TABLE public.summary (id integer PRIMARY KEY)", table="public.summary")
    await owner.execute(
        "CREATE FUNCTION public.sum_up() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN UPDATE item SET n = n + 1 WHERE id = NEW.id;"
        " TRUNCATE summary; INSERT INTO summary VALUES (NEW.id); RETURN NULL; END $$;"
        " CREATE TRIGGER zz AFTER INSERT ON public.item FOR EACH ROW EXECUTE FUNCTION public.sum_up()"
    )
    await owner.execute("INSERT INTO public.item VALUES (1, 0, 0), (2, 0, 0)")
    events = await captured(owner)
    assert [(event.op, event.after and event.after["id"]) for event in events if event.table.endswith("summary")] == [
        ("T", None),
        ("I", 1),
        ("T", None),
        ("I", 2),
    ]
    assert [(event.op, event.after["id"]) for event in events if event.table.endswith("item")] == [
        ("I", 1),
        ("I", 2),
        ("U", 1),
        ("U", 2),
    ]


async def test_a_trigger_that_resets_all_settings_leaves_a_gap_and_not_silence(item: Connection) -> None:
    await item.execute(trigger("RESET ALL", on="INSERT"))
    await item.execute(ROWS)
    events = await captured(item)
    assert {event.after["id"] for event in events if event.op == "I"} == set(range(1, 11)) or (
        "G",
        "capture interrupted",
    ) in [(event.op, event.fault) for event in events]
    assert events


async def test_statements_under_replication_are_captured_by_what_is_enabled_for_it(
    item: Connection, database: Database
) -> None:
    await item.execute('ALTER TABLE public.item ENABLE ALWAYS TRIGGER "00_forwarder_capture_insert"')
    async with connected(database.superuser_url) as subscriber:
        await subscriber.execute(
            "DO $$ BEGIN INSERT INTO public.item VALUES (1, 0, 0); END $$; SET session_replication_role = replica;"
            " INSERT INTO public.item VALUES (2, 0, 0); INSERT INTO public.item VALUES (3, 0, 0)"
        )
    assert [event.after["id"] for event in await captured(item) if event.op == "I"] == [1, 2, 3]
