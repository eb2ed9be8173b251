"""For one row, the order of seq is the order of its versions, whatever triggers the application has."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterable
from typing import TYPE_CHECKING

import asyncpg
import pytest

from tests.cases import each_value_once
from tests.databases import Database, connected
from tests.migrating import captured, migrate_tables
from tests.replaying import assert_in_order, replayed, rows_of
from tests.row_programs import Program, programs
from tests.settings import HOSTILE

if TYPE_CHECKING:
    from forwarder.config.table_options import BeforeImage
    from forwarder.database.sessions import Connection

ITEM = "CREATE TABLE public.item (id integer PRIMARY KEY, g integer, n integer)"


@pytest.fixture
async def owner(database: Database) -> AsyncIterator[Connection]:
    """The role that owns the tables and migrates."""
    session = await asyncpg.connect(database.url)
    yield session
    await session.close()


async def create(owner: Connection, *statements: str, before: BeforeImage = "full") -> None:
    """Run the statements and capture every table that they made."""
    for statement in statements:
        await owner.execute(statement)
    assert not (await migrate_tables(owner, "public.*", before=before)).problems


def trigger(action: str, *, on: str, name: str = "zz", when: str = "AFTER", table: str = "item") -> str:
    """A trigger of the application. Ours is ``00_forwarder_capture``; what is called ``!`` fires before it."""
    return (
        f'CREATE FUNCTION public."do{name}"() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {action};'
        f" RETURN {'OLD' if on == 'DELETE' else 'NEW'}; END $$;"
        f' CREATE TRIGGER "{name}" {when} {on} ON public.{table} FOR EACH ROW EXECUTE FUNCTION public."do{name}"()'
    )


IMAGES: list[BeforeImage] = ["full", "none"]


@pytest.mark.parametrize("before", IMAGES)
async def test_a_roll_up_into_a_row_that_the_statement_has_changed_comes_after_it(
    owner: Connection, before: BeforeImage
) -> None:
    await create(owner, ITEM, before=before)
    await owner.execute("INSERT INTO public.item VALUES (2, 9, 3), (9, NULL, 10), (3, 9, 3)")
    await owner.execute(trigger("UPDATE item SET n = n + NEW.n - OLD.n WHERE id = NEW.g", on="UPDATE"))
    await owner.execute("UPDATE public.item SET n = n + 1")
    await assert_in_order(owner)
    assert [event.after["n"] for event in await captured(owner) if event.after["id"] == 9] == [10, 11, 12, 13]


async def test_a_before_trigger_that_leaves_one_default_comes_after_the_row_that_was_one(owner: Connection) -> None:
    await create(owner, ITEM)
    await owner.execute(trigger("UPDATE item SET n = 0 WHERE n = 1 AND g = NEW.g", on="INSERT", when="BEFORE"))
    await owner.execute("INSERT INTO public.item VALUES (1, 7, 1), (2, 7, 1), (3, 7, 1)")
    await assert_in_order(owner)


@pytest.mark.parametrize("name", ["!", "00_forwarder_captura", "zz"])
async def test_an_after_trigger_may_change_its_row_before_ours_fires(owner: Connection, name: str) -> None:
    await create(owner, ITEM)
    await owner.execute(
        trigger("UPDATE item SET n = 100 WHERE id = NEW.id AND n < 100", on="INSERT OR UPDATE", name=name)
    )
    await owner.execute("INSERT INTO public.item VALUES (1, 0, 1)")
    await owner.execute("UPDATE public.item SET n = 2")
    await assert_in_order(owner)
    assert [event.after["n"] for event in await captured(owner)] == [1, 100, 2, 100]


async def test_a_row_that_another_rows_trigger_deletes_is_deleted_last(owner: Connection) -> None:
    await create(owner, ITEM)
    await owner.execute("INSERT INTO public.item VALUES (1, 0, 0), (2, 0, 0)")
    await owner.execute(trigger("DELETE FROM item WHERE id = NEW.id - 1", on="UPDATE", when="BEFORE"))
    await owner.execute("UPDATE public.item SET n = 1")
    await assert_in_order(owner)
    assert [event.op for event in await captured(owner)][2:] == ["U", "D", "U"]


async def test_a_row_that_is_inserted_anew_before_its_delete_is_captured_is_inserted_last(owner: Connection) -> None:
    await create(owner, ITEM)
    await owner.execute("INSERT INTO public.item VALUES (1, 0, 0), (2, 0, 0)")
    anew = "IF OLD.n < 2 THEN INSERT INTO item VALUES (OLD.id, OLD.g, OLD.n + 1); UPDATE item SET g = 5 WHERE id = OLD.id; END IF"
    await owner.execute(trigger(anew, on="DELETE", name="!"))
    await owner.execute("DELETE FROM public.item")
    await assert_in_order(owner)
    async with owner.transaction():
        await owner.execute("DELETE FROM public.item")
        await owner.execute("DELETE FROM public.item")
    await assert_in_order(owner)
    assert await rows_of(owner) == {}


async def test_recursion_three_levels_deep_keeps_the_order(owner: Connection) -> None:
    await create(owner, ITEM)
    await owner.execute("INSERT INTO public.item VALUES (1, 0, 0), (2, 0, 0)")
    toggle = "UPDATE item SET n = 1 - n WHERE id <> NEW.id AND pg_trigger_depth() < 4"
    await owner.execute(trigger(toggle, on="UPDATE", name="!"))
    await owner.execute("UPDATE public.item SET n = 1 - n")
    await assert_in_order(owner)


async def test_a_function_that_a_statement_calls_may_change_its_other_rows(owner: Connection) -> None:
    await create(owner, ITEM)
    await owner.execute(
        "CREATE FUNCTION public.bump(number integer) RETURNS integer LANGUAGE plpgsql AS"
        " $$ BEGIN UPDATE item SET n = n + 1 WHERE id = number - 1; RETURN number; END $$"
    )
    await owner.execute("INSERT INTO public.item VALUES (1, 0, 0), (2, 0, 0), (3, 0, 0)")
    await owner.execute("UPDATE public.item SET n = bump(id)")
    await assert_in_order(owner)


async def test_a_change_that_was_rolled_back_is_none_that_another_comes_before(owner: Connection) -> None:
    await create(owner, ITEM)
    undone = "BEGIN UPDATE item SET n = 50 WHERE id = NEW.id; RAISE division_by_zero; EXCEPTION WHEN division_by_zero THEN NULL; END"
    await owner.execute(trigger(undone, on="INSERT", name="!"))
    await owner.execute("INSERT INTO public.item VALUES (1, 0, 0)")
    await assert_in_order(owner)
    assert [event.op for event in await captured(owner)] == ["I"]


async def test_a_row_lock_changes_no_order(owner: Connection) -> None:
    await create(owner, ITEM)
    await owner.execute(trigger("PERFORM FROM item WHERE id = NEW.id FOR UPDATE", on="INSERT OR UPDATE", name="!"))
    async with owner.transaction():
        await owner.execute("INSERT INTO public.item VALUES (1, 0, 0)")
        # The same images again and again: only the versions tell which change comes after which.
        for _ in range(3):
            await owner.execute("UPDATE public.item SET n = 1 - n")
    await assert_in_order(owner)
    seqs = [row["seq"] for row in await owner.fetch("SELECT seq FROM forwarder.outbox ORDER BY seq")]
    assert seqs == [1, 2, 3, 4]


async def test_a_table_without_a_key_keeps_the_order_too(owner: Connection) -> None:
    await create(owner, "CREATE TABLE public.item (id integer, n integer)")
    await owner.execute(
        trigger("UPDATE item SET n = n + 10 WHERE id = NEW.id AND n < 10", on="INSERT OR UPDATE", name="!")
    )
    await owner.execute("INSERT INTO public.item VALUES (1, 0)")
    await assert_in_order(owner)


async def test_a_row_without_images_keeps_the_order_too(owner: Connection) -> None:
    await create(
        owner,
        "CREATE TYPE public.mood AS ENUM ('good', 'bad')",
        "CREATE FUNCTION public.mood_to_json(public.mood) RETURNS json LANGUAGE plpgsql AS"
        " $$ BEGIN RAISE EXCEPTION 'no' USING ERRCODE = 'UE001'; END $$",
        "CREATE CAST (public.mood AS json) WITH FUNCTION public.mood_to_json(public.mood)",
        "CREATE TABLE public.item (id integer PRIMARY KEY, mood public.mood)",
    )
    await owner.execute(
        trigger("UPDATE item SET mood = NULL WHERE id = NEW.id AND mood IS NOT NULL", on="INSERT", name="!")
    )
    await owner.execute("INSERT INTO public.item VALUES (1, 'bad')")
    assert [(event.op, event.after, event.fault) for event in await captured(owner)] == [
        ("I", None, "UE001"),
        ("U", None, "UE001"),
    ]


async def test_what_a_deferred_trigger_a_view_and_a_foreign_key_do_is_in_order(owner: Connection) -> None:
    await create(
        owner,
        "CREATE TABLE public.item (id integer PRIMARY KEY, g integer REFERENCES public.item ON UPDATE CASCADE, n integer)",
    )
    await owner.execute(
        "CREATE FUNCTION public.later() RETURNS trigger LANGUAGE plpgsql AS"
        " $$ BEGIN UPDATE item SET n = n + 1 WHERE id = NEW.id AND n < 5; RETURN NULL; END $$;"
        " CREATE CONSTRAINT TRIGGER later AFTER INSERT OR UPDATE ON public.item DEFERRABLE INITIALLY DEFERRED"
        " FOR EACH ROW EXECUTE FUNCTION public.later();"
        " CREATE VIEW public.items AS SELECT * FROM public.item;"
        " CREATE FUNCTION public.instead() RETURNS trigger LANGUAGE plpgsql AS"
        " $$ BEGIN UPDATE item SET n = NEW.n WHERE id = OLD.id; UPDATE item SET n = n + 1 WHERE g = OLD.id; RETURN NEW; END $$;"
        " CREATE TRIGGER instead INSTEAD OF UPDATE ON public.items FOR EACH ROW EXECUTE FUNCTION public.instead()"
    )
    async with owner.transaction():
        await owner.execute("INSERT INTO public.item VALUES (1, NULL, 0), (2, 1, 0), (3, 2, 0)")
        await owner.execute("UPDATE public.items SET n = n + 1")
        await owner.execute("UPDATE public.item SET id = id + 10, n = n + 1 WHERE id < 3")
        await owner.execute("DELETE FROM public.item WHERE id = 3")
    await assert_in_order(owner)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE public.item SET n = renew(id)",
        "INSERT INTO public.item SELECT i, 0, renew(i) FROM (VALUES (3), (4)) AS new (i)",
    ],
)
async def test_a_function_that_a_statement_calls_may_delete_and_insert_its_other_rows_anew(
    owner: Connection, statement: str
) -> None:
    await create(owner, ITEM)
    await owner.execute(
        "CREATE FUNCTION public.renew(number integer) RETURNS integer LANGUAGE plpgsql AS $$ BEGIN"
        " DELETE FROM item WHERE id = number - 1; INSERT INTO item SELECT number - 1, 0, 100 WHERE FOUND; RETURN number; END $$"
    )
    await owner.execute("INSERT INTO public.item VALUES (1, 0, 1), (2, 0, 2)")
    await owner.execute(statement)
    await assert_in_order(owner)


async def test_what_was_before_a_truncate_is_not_taken_for_what_comes_after_it(owner: Connection) -> None:
    """The new file has its rows in the places that they had in the old one."""
    await create(
        owner, "CREATE TABLE public.item (id integer PRIMARY KEY, g integer REFERENCES public.item, n integer)"
    )
    rows = "(1, NULL, 1), (2, 1, 1)"
    async with owner.transaction():
        await owner.execute(f"INSERT INTO public.item VALUES {rows}")
        await owner.execute("UPDATE public.item SET n = 5")
        await owner.execute("TRUNCATE public.item")
        await owner.execute("INSERT INTO public.item VALUES (1, 2, 1), (2, NULL, 1), (3, 2, 1), (4, 1, 1)")
    assert [event.op for event in await captured(owner)] == ["I", "I", "U", "U", "T", "I", "I", "I", "I"]


async def test_a_key_that_moves_while_others_write_has_its_two_changes_in_order(
    owner: Connection, database: Database
) -> None:
    await create(owner, ITEM)
    anew = "INSERT INTO item VALUES (OLD.id, 0, 50)"
    await owner.execute(
        trigger(f"IF OLD.id <> NEW.id THEN {anew}; END IF", on="UPDATE", name="!")
        + ";"
        + trigger(
            "UPDATE item SET id = id + 1000 WHERE id = NEW.id AND pg_trigger_depth() = 1", on="INSERT", name="zz2"
        )
    )
    async with connected(database.url) as other:
        draws = asyncio.ensure_future(
            other.fetchval("SELECT count(nextval('forwarder.outbox_seq')) FROM generate_series(1, 300000)")
        )
        for number in range(40):
            await owner.execute("INSERT INTO public.item VALUES ($1, 0, 0)", number)
        await draws
    await assert_in_order(owner)


async def test_a_summary_that_is_made_anew_for_each_row_takes_a_time_that_hardly_grows(owner: Connection) -> None:
    await create(
        owner,
        "CREATE TABLE public.line (id integer PRIMARY KEY, g integer)",
        "CREATE TABLE public.item (id integer PRIMARY KEY, n bigint)",
    )
    anew = "DELETE FROM item WHERE id = NEW.g; INSERT INTO item VALUES (NEW.g, NEW.id)"
    await owner.execute(trigger(anew, on="INSERT", table="line"))
    # Looking at each of the changes before for each that comes, and at those before for each of these, would take minutes.
    await owner.execute("SET statement_timeout = '60s'")
    await owner.execute("INSERT INTO public.line SELECT i, 1 FROM generate_series(1, 1500) AS i")
    events = [event for event in await captured(owner) if event.table.endswith("item")]
    assert replayed(events) == await rows_of(owner)


async def test_serializable_transactions_on_different_rows_do_not_meet_in_the_outbox(
    owner: Connection, database: Database
) -> None:
    """A row that a BEFORE trigger looks at is locked before it is changed."""
    await create(owner, ITEM)
    await owner.execute("INSERT INTO public.item SELECT i, i % 2, 0 FROM generate_series(1, 8) AS i")
    await owner.execute(trigger("NEW.n := NEW.n", on="UPDATE", when="BEFORE"))
    async with connected(database.url) as other:
        sessions = (owner, other)
        for _ in range(10):
            transactions = [session.transaction(isolation="serializable") for session in sessions]
            for session, transaction in zip(sessions, transactions, strict=True):
                await transaction.start()
                await session.execute("SET LOCAL enable_seqscan = off")
            for number, session in enumerate(sessions):
                for row in (1, 2):
                    await session.execute(f"UPDATE public.item SET n = {row} WHERE id = {2 * row + number}")
            for transaction in transactions:
                await transaction.commit()


async def test_a_row_that_was_locked_first_holds_no_leaf_but_its_own(owner: Connection) -> None:
    await create(owner, ITEM)
    await owner.execute("INSERT INTO public.item VALUES (1, 0, 0)")
    async with owner.transaction():
        await owner.execute("SELECT FROM public.item FOR UPDATE")
        await owner.execute("UPDATE public.item SET n = 1")
        locked = await owner.fetchval(
            "SELECT count(*) FROM pg_locks JOIN pg_inherits ON inhrelid = relation"
            " WHERE inhparent = 'forwarder.outbox'::regclass AND pid = pg_backend_pid()"
        )
    assert locked == 1


async def test_late_changes_of_one_statement_take_a_time_that_grows_with_their_number_alone(owner: Connection) -> None:
    """Each row of a statement is changed again by the next one's trigger: what was captured is found without looking at all of it."""
    await create(owner, ITEM)
    await owner.execute("INSERT INTO public.item SELECT i, 0, 0 FROM generate_series(1, 1500) AS i")
    await owner.execute(
        trigger(
            "UPDATE item SET n = n + 1 WHERE id = NEW.id - 1 AND pg_trigger_depth() = 1", on="UPDATE", when="BEFORE"
        )
    )
    await owner.execute("ANALYZE public.item")
    # Looking at all of it would be two million looks.
    await owner.execute("SET statement_timeout = '60s'")
    await owner.execute("UPDATE public.item SET n = n + 1")
    await assert_in_order(owner)


ONE_BY_ONE = [False, True]


async def run(owner: Connection, statements: list[str], *, is_one_message: bool) -> None:
    """Statements of one transaction. What a client sends as one message is noted together."""
    async with owner.transaction():
        if is_one_message:
            await owner.execute(f"DO $do$ BEGIN {'; '.join(statements)}; END $do$")
        else:
            for statement in statements:
                await owner.execute(statement)


@pytest.mark.parametrize("is_one_message", ONE_BY_ONE)
async def test_a_row_that_is_deleted_before_its_update_is_captured_is_not_inserted_anew(
    owner: Connection, *, is_one_message: bool
) -> None:
    await create(owner, ITEM)
    await owner.execute(trigger("IF NEW.n = 2 THEN DELETE FROM item WHERE g = NEW.id; END IF", on="UPDATE"))
    insert, touch = "INSERT INTO public.item VALUES ({0}, 1, 0)", "UPDATE public.item SET n = {0}"
    statements = [insert.format(1), touch.format(1), insert.format(2), touch.format(2)]
    statements[0] = "INSERT INTO public.item VALUES (1, NULL, 0)"
    await run(owner, statements, is_one_message=is_one_message)
    await assert_in_order(owner)
    events = [event.op for event in await captured(owner) if (event.after or event.before)["id"] == 2]
    assert events == ["I", "U", "D"]


@pytest.mark.parametrize("is_one_message", ONE_BY_ONE)
async def test_two_lives_of_a_key_are_in_order_whichever_is_captured_first(
    owner: Connection, *, is_one_message: bool
) -> None:
    """Twice an insert and a delete, then a delete and the insert before it: the second pair came later, or it came first."""
    await create(owner, ITEM)
    await owner.execute(
        trigger("IF NEW.n IN (2, 4) THEN DELETE FROM item WHERE id = NEW.id; END IF", on="INSERT", name="!")
        + ";"
        + trigger(
            "IF OLD.n = 4 THEN INSERT INTO item VALUES (OLD.id, 0, 5); DELETE FROM item WHERE id = OLD.id; END IF",
            on="DELETE",
            name="!2",
        )
    )
    insert, delete = "INSERT INTO public.item VALUES (1, 0, {0})", "DELETE FROM public.item"
    # So that whatever follows is noted.
    noted = [insert.format(0), delete, insert.format(0), delete]
    await run(owner, [*noted, insert.format(1), delete, insert.format(2)], is_one_message=is_one_message)
    assert [(event.op, (event.after or event.before)["n"]) for event in await captured(owner)][4:] == [
        ("I", 1),
        ("D", 1),
        ("I", 2),
        ("D", 2),
    ]
    await owner.execute("TRUNCATE forwarder.outbox")
    await run(owner, [*noted, insert.format(4)], is_one_message=is_one_message)
    assert [(event.op, (event.after or event.before)["n"]) for event in await captured(owner)][4:] == [
        ("I", 4),
        ("D", 4),
        ("I", 5),
        ("D", 5),
    ]


# A row with n = 0 that is deleted is there again before its delete is captured: as 1, which is deleted too, and as 2.
TWO_MORE_LIVES = trigger(
    "IF OLD.n = 0 THEN INSERT INTO item VALUES (OLD.id, 0, 1); DELETE FROM item WHERE id = OLD.id;"
    " INSERT INTO item VALUES (OLD.id, 0, 2); END IF",
    on="DELETE",
    name="!",
)


async def test_a_row_of_a_transaction_that_began_later_is_not_taken_for_ones_own(
    owner: Connection, database: Database
) -> None:
    await create(owner, ITEM)
    await owner.execute(TWO_MORE_LIVES)
    async with connected(database.url) as other, owner.transaction():
        await owner.execute("INSERT INTO public.item VALUES (9, 0, 9)")
        await other.execute("INSERT INTO public.item VALUES (5, 0, 0)")
        await owner.execute("DELETE FROM public.item WHERE id = 5")
    await assert_in_order(owner)
    assert [(event.op, (event.after or event.before)["n"]) for event in await captured(owner)][2:] == [
        ("D", 0),
        ("I", 1),
        ("D", 1),
        ("I", 2),
    ]


async def test_a_row_of_the_transaction_that_was_the_next_when_this_one_asked_for_an_age_is_not_taken_for_ones_own(
    owner: Connection, database: Database
) -> None:
    await create(owner, ITEM)
    await owner.execute(TWO_MORE_LIVES)
    async with connected(database.url) as other, owner.transaction():
        await owner.execute("SELECT age('100'::xid)")
        await other.execute("INSERT INTO public.item VALUES (5, 0, 0)")
        await owner.execute("DELETE FROM public.item WHERE id = 5")
    await assert_in_order(owner)


@pytest.mark.parametrize("names", [["standard_conforming_strings"], HOSTILE], ids=["backslashes", "all"])
async def test_no_setting_of_a_session_lets_a_change_of_a_key_or_a_change_within_a_statement_fail(
    owner: Connection, database: Database, names: Iterable[str]
) -> None:
    await create(owner, ITEM, "CREATE TABLE public.maker (id integer PRIMARY KEY)")
    await owner.execute(trigger("INSERT INTO public.item VALUES (NEW.id, 0, 0)", on="INSERT", table="maker"))
    await owner.execute("INSERT INTO public.item VALUES (1, 0, 0), (2, 0, 0)")
    async with connected(database.url) as writer:
        for name in names:
            await writer.execute(
                "SELECT set_config(name, $2, false) FROM pg_settings WHERE name = $1 AND context IN ('user', 'superuser')"
                " AND name NOT LIKE 'default_transaction%' AND name <> 'default_table_access_method'",
                name,
                HOSTILE[name],
            )
        await writer.execute("UPDATE public.item SET id = 10 WHERE id = 1")
        await writer.execute("INSERT INTO public.maker VALUES (3)")
        own_rows = "INSERT INTO public.item VALUES (4, 0, 0); UPDATE public.item SET n = 1 WHERE id IN (2, 4)"
        await writer.execute(f"DO 'BEGIN {own_rows}; DELETE FROM public.item WHERE id = 4; END'")
    events = [event for event in await captured(owner) if event.table == "item"]
    assert replayed(events) == await rows_of(owner)
    assert len(events) == 9


async def test_what_a_statement_deletes_and_inserts_at_once_is_in_order_with_what_a_trigger_does_in_between(
    owner: Connection,
) -> None:
    await create(owner, ITEM)
    await owner.execute("INSERT INTO public.item VALUES (1, 0, 4), (2, 0, 6)")
    await owner.execute(
        trigger(
            "DELETE FROM item WHERE id = OLD.id AND n % 2 = 1; IF FOUND THEN INSERT INTO item VALUES (OLD.id, 0, 2); END IF",
            on="DELETE",
            name="!",
        )
    )
    await owner.execute(
        "WITH gone AS (DELETE FROM public.item RETURNING *) INSERT INTO public.item SELECT id, g, n + 1 FROM gone"
    )
    await assert_in_order(owner)


async def test_what_came_before_a_truncate_stays_before_it_however_often_a_message_truncates(owner: Connection) -> None:
    await create(owner, ITEM)
    await owner.execute(
        trigger(
            "IF NEW.n > 0 AND NEW.n < 100 THEN UPDATE item SET n = n + 100 WHERE id = NEW.id; END IF",
            on="UPDATE",
            name="!",
        )
    )
    updates = "INSERT INTO item VALUES (1, 0, 0); UPDATE item SET n = 1; UPDATE item SET n = 2; UPDATE item SET n = 3"
    await owner.execute(f"DO $$ BEGIN {f'TRUNCATE item; {updates};' * 3} END $$")

    events = await captured(owner)
    truncates = [place for place, event in enumerate(events) if event.op == "T"]
    assert truncates == [0, 8, 16]
    for first, last in ((1, 8), (9, 16), (17, 24)):
        rows = replayed(events[first:last])
        assert [row["n"] for row in rows.values()] == [103]


async def test_keys_that_are_equal_and_written_in_two_ways_are_one(owner: Connection) -> None:
    await create(owner, "CREATE TABLE public.item (id numeric PRIMARY KEY, n integer)")
    await owner.execute(trigger("IF OLD.n = 0 THEN INSERT INTO item VALUES (1.00, 1); END IF", on="DELETE", name="!"))
    await owner.execute("INSERT INTO public.item VALUES (1.0, 0)")
    await owner.execute("DELETE FROM public.item")

    assert [event.op for event in await captured(owner)] == ["I", "D", "I"]


async def test_late_changes_are_put_in_order_without_a_look_into_the_outbox(owner: Connection) -> None:
    """So SERIALIZABLE transactions do not meet there, no leaf but that of the change is locked, and it does not matter how much is retained."""
    await create(owner, ITEM)
    await owner.execute("INSERT INTO public.item SELECT i, 0, 0 FROM generate_series(1, 100) AS i")
    anew = "DELETE FROM item WHERE id = NEW.id + 50; INSERT INTO item VALUES (NEW.id + 50, 0, 0)"
    await owner.execute(
        trigger(
            f"IF NEW.n = 1 THEN UPDATE item SET n = 2 WHERE id = NEW.id; {anew}; END IF",
            on="UPDATE",
            name="!",
        )
    )
    scans = "SELECT sum(seq_scan + idx_scan) FROM pg_stat_xact_user_tables WHERE schemaname = 'forwarder' AND relname LIKE 'outbox%'"
    async with owner.transaction():
        # Of what the session has done before, not all is told of already.
        scans_before = await owner.fetchval(scans)
        await owner.execute("UPDATE public.item SET n = 1 WHERE id <= 50")
        scans_after = await owner.fetchval(scans)
        locked = await owner.fetchval(
            "SELECT count(DISTINCT relation) FROM pg_locks JOIN pg_inherits ON inhrelid = relation"
            " WHERE inhparent = 'forwarder.outbox'::regclass AND pid = pg_backend_pid()"
        )
    assert (scans_after - scans_before, locked) == (0, 1)
    await assert_in_order(owner)


async def test_late_changes_of_serializable_transactions_in_different_tables_do_not_meet(
    owner: Connection, database: Database
) -> None:
    tables = ("item", "other")
    await create(owner, *(f"CREATE TABLE public.{table} (id integer PRIMARY KEY, n integer)" for table in tables))
    for table in tables:
        await owner.execute(f"INSERT INTO public.{table} SELECT i, 0 FROM generate_series(1, 8) AS i")
        touch = f"IF NEW.n = 1 THEN UPDATE {table} SET n = 2 WHERE id = NEW.id; END IF"
        await owner.execute(trigger(touch, on="UPDATE", name=f"!{table}", table=table))
    async with connected(database.url) as other:
        sessions = dict(zip(tables, (owner, other), strict=True))
        for row in range(1, 9):
            transactions = [session.transaction(isolation="serializable") for session in sessions.values()]
            for session, transaction in zip(sessions.values(), transactions, strict=True):
                await transaction.start()
                await session.execute("SET LOCAL enable_seqscan = off")
            for _ in range(2):
                for table, session in sessions.items():
                    await session.execute(f"UPDATE public.{table} SET n = 1 WHERE id = {row}")
            for transaction in transactions:
                await transaction.commit()


async def test_what_somebody_notes_moves_nothing_but_changes_of_the_transaction(owner: Connection) -> None:
    await create(owner, ITEM)
    await owner.execute("INSERT INTO public.item VALUES (1, 0, 0), (2, 0, 0)")
    before = await owner.fetch("SELECT * FROM forwarder.outbox ORDER BY seq")
    noted = "format('1 1 U 1 1 %s %s', tableoid, ctid)"
    for line in (
        f"(SELECT {noted} FROM forwarder.outbox LIMIT 1)",
        f"(SELECT {noted} FROM forwarder.captured_table LIMIT 1)",
    ):
        await owner.execute(f"SELECT forwarder.move_to_end({line}, true)")
    assert await owner.fetch("SELECT * FROM forwarder.outbox ORDER BY seq") == before


OWN_ROWS = [
    "INSERT INTO public.item SELECT i, 0, 0 FROM generate_series(1, 50) AS i",
    "UPDATE public.item SET n = n + 1",
    "DELETE FROM public.item",
]
# Each row is changed twice where another statement may be waiting: in a block of code.
NOTES = {False: 0, True: 100}


@pytest.mark.parametrize("is_one_message", NOTES)
async def test_what_a_transaction_does_to_its_own_rows_is_noted_in_code_alone_and_needs_no_look_into_the_registry(
    owner: Connection, *, is_one_message: bool
) -> None:
    await create(owner, ITEM)
    looks = (
        "SELECT seq_scan + idx_scan FROM pg_stat_xact_user_tables WHERE relid = 'forwarder.captured_table'::regclass"
    )
    notes = (
        "SELECT sum(cardinality(string_to_array(noted, E'\\n')) - 2)"
        " FROM generate_series(0, 31) AS i, current_setting('forwarder.changes_' || i, true) AS noted WHERE noted <> ''"
    )
    async with owner.transaction():
        looks_before = await owner.fetchval(looks)
        if is_one_message:
            await owner.execute(f"DO $do$ BEGIN {'; '.join(OWN_ROWS)}; END $do$")
        else:
            for statement in OWN_ROWS:
                await owner.execute(statement)
        assert await owner.fetchval(looks) == looks_before
        assert (await owner.fetchval(notes) or 0) == NOTES[is_one_message]
    await assert_in_order(owner)


KEYS = {
    "(id integer, n integer, PRIMARY KEY (id))": ("1", "-7"),
    "(n integer, id numeric, PRIMARY KEY (id))": ("1.0", "1.00", "1e30", "'NaN'"),
    "(id text, n integer, PRIMARY KEY (id))": (
        "'a'",
        "','",
        "'a,'",
        "'a\",'",
        "'\"'",
        "'},'",
        "'\\,'",
        "'{\"id\":'",
        "E'\\n\\u0001é'",
        "''",
        '\',"id":"\'',
    ),
    "(note text DEFAULT ',\"id\":1}', id text, PRIMARY KEY (id))": (
        "'a'",
        "'a,'",
        "'a}'",
        "'}'",
        "'\"}'",
        '\',"id":"\'',
    ),
    "(id boolean, b date, PRIMARY KEY (b, id))": ("true, '2026-01-01'", "false, 'infinity'"),
    '(note json DEFAULT \'{"a":1,"id":2}\', id integer, PRIMARY KEY (id))': ("1", "2"),
}


@pytest.mark.parametrize("columns", KEYS)
async def test_a_key_is_the_same_found_by_its_labels_or_by_its_columns(owner: Connection, columns: str) -> None:
    await create(owner, f"CREATE TABLE public.item {columns}")
    names = "id, b" if "b date" in columns else "id"
    for values in KEYS[columns]:
        await owner.execute(f"INSERT INTO public.item ({names}) VALUES ({values}) ON CONFLICT DO NOTHING")
    found = await owner.fetch(
        "WITH given AS ("
        " SELECT string_to_array(left(encode(tgargs, 'escape'), -4), E'\\\\000') AS arguments"
        " FROM pg_trigger WHERE tgrelid = 'public.item'::regclass AND tgname = '00_forwarder_capture')"
        " SELECT after, forwarder.key_in(format('[0:%s]=%s', cardinality(arguments) - 1, arguments)::text[], after)::jsonb AS by_labels,"
        " forwarder.key_of(arguments[1]::integer, after)::jsonb AS by_columns FROM forwarder.outbox, given WHERE op = 'I'"
    )
    assert found
    for row in found:
        assert row["by_labels"] == row["by_columns"] is not None, row["after"]


@each_value_once(
    message=[
        "INSERT INTO maker VALUES (1); DELETE FROM item",
        "INSERT INTO maker VALUES (1); DELETE FROM maker",
        "INSERT INTO maker VALUES (1); UPDATE item SET id = 7",
        "INSERT INTO maker VALUES (1); UPDATE item SET id = 7; UPDATE item SET id = 1; DELETE FROM item",
        "INSERT INTO maker VALUES (1); UPDATE item SET n = 7; DELETE FROM item",
        "INSERT INTO maker VALUES (1); DELETE FROM item; INSERT INTO item VALUES (101, NULL, 2); DELETE FROM item",
        "BEGIN; SAVEPOINT s; INSERT INTO maker VALUES (1); ROLLBACK TO s; INSERT INTO maker VALUES (1); DELETE FROM item; COMMIT",
        "INSERT INTO maker VALUES (1), (2); DELETE FROM maker WHERE id = 1",
    ],
    dies={"once": False, "again-at-its-end": True},
)
async def test_a_row_that_a_trigger_has_inserted_ends_after_that_whoever_ends_it_in_the_same_message(
    owner: Connection, message: str, *, dies: bool
) -> None:
    await create(owner, ITEM)
    await owner.execute("CREATE TABLE public.maker (id integer PRIMARY KEY)")
    cascade = "FOREIGN KEY (g) REFERENCES public.maker ON DELETE CASCADE DEFERRABLE INITIALLY DEFERRED"
    await owner.execute(f"ALTER TABLE public.item ADD {cascade}")
    await owner.execute(trigger("INSERT INTO item VALUES (NEW.id + 100, NEW.id, 0)", on="INSERT", table="maker"))
    if dies:
        # Before the cascade, which deletes this one too.
        insert = "INSERT INTO item VALUES (OLD.id + 100, OLD.id, 1) ON CONFLICT (id) DO UPDATE SET n = 1"
        await owner.execute(trigger(insert, on="DELETE", table="maker", name="!1"))
    await owner.execute(message)
    await assert_in_order(owner)


async def test_a_key_is_told_beside_a_json_column_that_nothing_can_read(owner: Connection) -> None:
    await create(owner, "CREATE TABLE public.item (id integer PRIMARY KEY, note json)")
    await owner.execute("INSERT INTO public.item VALUES (1, '\"a\\u0000b\"')")
    await owner.execute("UPDATE public.item SET id = 2")
    found = await owner.fetch("SELECT op, before, after FROM forwarder.outbox ORDER BY seq OFFSET 1")
    image = '{"id":%s,"note":"a\\u0000b"}'
    assert [tuple(row) for row in found] == [(b"D", image % 1, '{"id":2}'), (b"I", '{"id":1}', image % 2)]


async def test_notes_that_have_moved_to_the_older_ones_are_found(owner: Connection) -> None:
    """The late changes of the first statements come behind thousands of notes of one message."""
    await create(owner, ITEM)
    rows = 12000
    touch = f"IF NEW.g = 0 AND NEW.id <= 40 THEN UPDATE item SET g = 1 WHERE id > {rows} - 40 OR id = NEW.id; END IF"
    await owner.execute(trigger(touch, on="UPDATE", name="!"))
    insert = f"INSERT INTO item SELECT i, 0, 0 FROM generate_series(1, {rows}) AS i"
    await owner.execute(f"DO $do$ BEGIN {insert}; UPDATE item SET n = 1; DELETE FROM item WHERE id % 2 = 0; END $do$")
    await assert_in_order(owner)


@programs(usual=20, at_length=200)
async def test_random_triggers_and_statements_leave_the_events_in_the_order_of_versions(
    owner: Connection, seeds: range
) -> None:
    for seed in seeds:
        program = Program.of(seed, has_merge=owner.get_server_version().major >= 15)
        key = ("id", "g") if program.is_partitioned else ("id",)
        await create(owner, *program.table, before=program.before)
        # What the table of the program before has lost, whose name it has.
        await owner.execute("DELETE FROM forwarder.outbox WHERE op = 'G'")
        for statement in program.triggers:
            await owner.execute(statement)
        await program.run(owner)
        try:
            await assert_in_order(owner, key)
        except AssertionError as error:
            raise AssertionError(
                f"seed {seed}: {error}\n{json.dumps([program.triggers, program.transactions], indent=1)}"
            ) from None
        await owner.execute(
            "DROP TABLE public.item; TRUNCATE forwarder.outbox; DROP FUNCTION public.bump; DROP SEQUENCE public.turn;"
            + "".join(f'DROP FUNCTION public."do{statement.split(chr(34))[1][2:]}";' for statement in program.triggers)
        )
