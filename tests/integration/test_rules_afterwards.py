"""Rules of tables that change later: columns, keys and names; and what transactions and servers there are meanwhile."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

import asyncpg
import pytest

from forwarder.capture.column_warnings import column_warnings
from forwarder.errors import Misconfigured
from tests.databases import Database, connected
from tests.migrating import migrate_tables
from tests.ruled import changes, create, newest, rule
from tests.waiting import eventually

if TYPE_CHECKING:
    from forwarder.database.sessions import Connection

ITEM = "CREATE TABLE public.item (id integer PRIMARY KEY, status text, n integer, secret text)"


@pytest.fixture
async def owner(database: Database) -> AsyncIterator[Connection]:
    session = await asyncpg.connect(database.url)
    yield session
    await session.close()


async def test_a_column_that_only_when_names_counts_from_the_migrate_on_after_it_was_added(owner: Connection) -> None:
    await create(
        owner, ITEM, "CREATE TABLE public.other (id integer PRIMARY KEY, state text)", only_when=["status", "state"]
    )
    await owner.execute("ALTER TABLE public.item ADD COLUMN state text")
    await rule(owner, only_when=["status", "state"])
    assert (await migrate_tables(owner, "public.*", options={"only_when": ["status", "state"]})).done == []
    await owner.execute("INSERT INTO public.item VALUES (1)")
    await owner.execute("UPDATE public.item SET n = 1")
    await owner.execute("UPDATE public.item SET state = 'x'")
    assert [change.op for change in await changes(owner)] == ["I", "U"]


async def test_another_key_counts_for_only_when(owner: Connection) -> None:
    await create(
        owner,
        "CREATE TABLE public.item (a integer, b integer NOT NULL, j jsonb, n integer, PRIMARY KEY (a, j))",
        only_when=["n"],
    )
    await owner.execute("ALTER TABLE public.item DROP CONSTRAINT item_pkey, ADD PRIMARY KEY (b, j)")
    await rule(owner, table="public.item", only_when=["n"])
    await owner.execute("INSERT INTO public.item VALUES (1, 1, '{}', 1)")
    await owner.execute("UPDATE public.item SET b = 2")
    assert [change.op for change in await changes(owner)] == ["I", "D", "I"]


async def test_a_row_that_leaves_a_condition_and_comes_back_in_one_statement_is_there_at_the_end(
    owner: Connection,
) -> None:
    await create(owner, ITEM, where="NEW.n % 2 = 0")
    await owner.execute("INSERT INTO public.item VALUES (1, '', 0), (2, '', 0)")
    start = await newest(owner)
    await owner.execute(
        "CREATE FUNCTION public.bump(number integer) RETURNS integer LANGUAGE plpgsql AS $$ BEGIN"
        " IF number = 2 THEN UPDATE item SET n = 2 WHERE id = 1; END IF; RETURN 1; END $$"
    )
    await owner.execute("UPDATE public.item SET n = bump(id)")
    assert await owner.fetchval("SELECT n FROM public.item WHERE id = 1") == 2
    of_first = [
        change.op
        for change in await changes(owner, after_seq=start)
        if (change.after or change.before or {})["id"] == 1
    ]
    assert of_first == ["D", "I"]


async def test_what_runs_a_statement_is_told_in_every_language_of_the_server(owner: Connection) -> None:
    """Late changes are looked for where something runs the statement. PostgreSQL tells of that in the language of lc_messages."""
    body = await owner.fetchval("SELECT prosrc FROM pg_proc WHERE oid = 'forwarder.write_change'::regproc")
    pattern = re.search(r"call_stack ~ (E'(?:[^']|'')*')", body)
    assert pattern
    contexts = {
        "PL/pgSQL function forwarder.{}() line 60 at assignment": False,
        'PL/pgSQL function forwarder.{}() line 60 at assignment\nSQL statement "UPDATE item SET n = 1"': True,
        "PL/pgSQL-Funktion forwarder.{}() Zeile 60 bei Zuweisung\nSQL-Anweisung »UPDATE item SET n = 1«": True,
        "PL/pgSQL-Funktion forwarder.{}() Zeile 60 bei Zuweisung": False,
        "fonction PL/pgSQL forwarder.{}(), ligne 60 à affectation\ninstruction SQL « UPDATE item SET n = 1 »": True,
        'PL/pgSQL関数forwarder.{}()の60行目 - 代入\nSQL文 "UPDATE item SET n = 1"': True,
    }
    for function in ("capture", "capture_by_rules"):
        for context, is_run_by_something in contexts.items():
            # The functions that are called by it stand above it.
            whole = f"forwarder.write_change(text,oid) 34\n{context.format(function)}"
            assert await owner.fetchval(f"SELECT $1::text ~ {pattern[1]}", whole) == is_run_by_something, whole


async def test_a_transaction_that_is_older_than_the_salt_writes_no_row_without_its_key(
    owner: Connection, database: Database
) -> None:
    await create(owner, ITEM, columns={"hash": ["id"]})
    async with connected(database.writer_url) as writer, writer.transaction(isolation="repeatable_read"):
        await writer.execute("SELECT pg_current_snapshot()")
        await owner.execute("DELETE FROM forwarder.salt")
        await owner.execute("INSERT INTO forwarder.salt (value) SELECT '\\x00' WHERE false; DELETE FROM forwarder.salt")
        async with connected(database.writer_url) as other:
            await other.execute("INSERT INTO public.item VALUES (1)")
    (change,) = await changes(owner)
    assert (change.before, change.after, change.fault) == (None, None, "P0002")


async def test_what_an_old_snapshot_does_not_know_is_withheld_no_longer_than_its_transaction(
    owner: Connection, database: Database
) -> None:
    await create(owner, ITEM, columns={"mask": {"secret": "*"}})
    async with connected(database.writer_url) as writer:
        async with writer.transaction(isolation="repeatable_read"):
            await writer.execute("SELECT pg_current_snapshot()")
            await owner.execute("ALTER TABLE public.item RENAME n TO number")
            for number in range(8):
                await writer.execute(f"INSERT INTO public.item VALUES ({number})")
        start = await newest(owner)
        await writer.execute("INSERT INTO public.item VALUES (100, '', 1, 'x')")
    (change,) = await changes(owner, after_seq=start)
    assert change.after == {"id": 100, "status": "", "number": 1, "secret": "*"}
    assert not change.extra


async def test_options_of_a_partition_alone_are_refused(owner: Connection) -> None:
    await owner.execute(
        "CREATE TABLE public.part (id integer PRIMARY KEY, ssn text) PARTITION BY RANGE (id);"
        "CREATE TABLE public.part_0 PARTITION OF public.part FOR VALUES FROM (0) TO (9)"
    )
    await migrate_tables(owner, "public.part")
    with pytest.raises(Misconfigured, match=r"'public\.part_0' sets options of public\.part_0, which is a partition"):
        await migrate_tables(owner, "public.part", "public.part_0", options={"columns": {"exclude": ["ssn"]}})


async def test_a_table_that_was_renamed_is_not_uncovered_in_passing(owner: Connection) -> None:
    await create(owner, ITEM, columns={"exclude": ["secret"]})
    await owner.execute("ALTER TABLE public.item RENAME TO item_old")
    with pytest.raises(Misconfigured, match=r"public\.item_old was public\.item, whose rules cover secret"):
        await migrate_tables(owner, "public.*")
    await owner.execute("INSERT INTO public.item_old VALUES (1, '', 1, 'x')")
    # Said in so many words, it is sent.
    assert not (await migrate_tables(owner, "public.*", options={"columns": {}})).problems
    await owner.execute("INSERT INTO public.item_old VALUES (2, '', 1, 'x')")
    assert ["secret" in (change.after or {}) for change in await changes(owner)] == [False, True]


async def test_a_partition_that_is_being_detached_is_covered_to_the_end(owner: Connection, database: Database) -> None:
    await create(
        owner,
        "CREATE TABLE public.part (id integer PRIMARY KEY, note text, ssn text) PARTITION BY RANGE (id)",
        "CREATE TABLE public.part_0 PARTITION OF public.part FOR VALUES FROM (0) TO (9)",
        "CREATE TABLE public.part_1 PARTITION OF public.part FOR VALUES FROM (9) TO (20)",
        table="public.part",
        columns={"exclude": ["ssn"]},
    )
    for names in ("ssn TO temporary", "note TO ssn", "temporary TO note"):
        await owner.execute(f"ALTER TABLE public.part RENAME {names}")
    async with connected(database.writer_url) as reader, connected(database.writer_url) as writer:
        async with reader.transaction():
            await reader.execute("SELECT * FROM public.part")
            detaching = asyncio.create_task(
                owner.execute("ALTER TABLE public.part DETACH PARTITION public.part_0 CONCURRENTLY")
            )

            async def is_pending() -> bool:
                return bool(await writer.fetchval("SELECT bool_or(inhdetachpending) FROM pg_inherits"))

            await eventually(is_pending)
            await writer.execute("INSERT INTO public.part_0 VALUES (1, 'harmless', 'covered')")
        await detaching
    (change,) = await changes(owner)
    assert change.after is not None
    assert "covered" not in change.after.values()


async def test_columns_that_were_renamed_or_added_are_warned_of_until_migrate_has_seen_them(
    owner: Connection, database: Database
) -> None:
    await create(owner, ITEM, table="public.item", columns={"exclude": ["secret"]})
    await create(owner, "CREATE TABLE public.plain (id integer PRIMARY KEY)", table="public.plain")
    assert await column_warnings(owner) == []
    await owner.execute("ALTER TABLE public.item RENAME secret TO hidden; ALTER TABLE public.item ADD fresh text")
    await owner.execute("ALTER TABLE public.plain ADD fresh text")
    (warning,) = await column_warnings(owner)
    assert warning.startswith("columns of public.item are not as its rules know them: hidden (was secret), fresh; ")
    await rule(owner, table="public.item", columns={"exclude": ["hidden"]})
    assert await column_warnings(owner) == []
