"""``where``, ``operations``, ``skip_unchanged`` and ``only_when`` of [[table]]: which changes are captured."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

import asyncpg
import pytest

from forwarder.capture import plan
from forwarder.capture.selection import Pattern, Rule
from forwarder.errors import Misconfigured
from tests.cases import each_value_once
from tests.databases import Database
from tests.migrating import Captured, captured, migrate_tables
from tests.row_programs import Program, programs
from tests.ruled import changes, create, newest, rule

if TYPE_CHECKING:
    from forwarder.database.sessions import Connection

ITEM = "CREATE TABLE public.item (id integer PRIMARY KEY, status text, note text)"
DRAFT = "NEW.status <> 'draft'"


@pytest.fixture
async def owner(database: Database) -> AsyncIterator[Connection]:
    session = await asyncpg.connect(database.url)
    yield session
    await session.close()


async def short(owner: Connection, *, after_seq: int = 0) -> list[tuple[str, Any, Any]]:
    """Operation, id and status of each change."""
    found = []
    for change in await changes(owner, after_seq=after_seq):
        image = change.after if change.op != "D" else change.before
        found.append((change.op, image and image["id"], image and image["status"]))
    return found


async def test_where_a_row_comes_and_goes_as_an_insert_and_a_delete(owner: Connection) -> None:
    await create(owner, ITEM, where=DRAFT)
    for statement in (
        "INSERT INTO public.item VALUES (1, 'draft'), (2, 'new'), (3, NULL)",
        "UPDATE public.item SET note = 'x'",
        "UPDATE public.item SET status = 'new' WHERE id = 1",
        "UPDATE public.item SET status = 'paid' WHERE id = 1",
        "UPDATE public.item SET status = 'draft' WHERE id = 1",
        "UPDATE public.item SET status = NULL WHERE id = 2",
        "DELETE FROM public.item",
    ):
        await owner.execute(statement)
    assert await short(owner) == [
        ("I", 2, "new"),
        ("U", 2, "new"),
        ("I", 1, "new"),
        ("U", 1, "paid"),
        ("D", 1, "paid"),
        ("D", 2, "new"),
    ]


async def test_where_a_key_that_moves_across_the_condition_is_one_change(owner: Connection) -> None:
    await create(owner, "CREATE TABLE public.item (id integer PRIMARY KEY, status text)", where="NEW.id < 10")
    for statement in (
        "INSERT INTO public.item VALUES (1, 'a')",
        "UPDATE public.item SET id = 2",
        "UPDATE public.item SET id = 11",
        "UPDATE public.item SET id = 12",
        "UPDATE public.item SET id = 3",
    ):
        await owner.execute(statement)
    assert await short(owner) == [("I", 1, "a"), ("D", 1, "a"), ("I", 2, "a"), ("D", 2, "a"), ("I", 3, "a")]


WRITERS = {
    "MERGE": (
        "MERGE INTO public.item USING (VALUES (1, 'draft'), (2, 'new'), (3, 'draft')) AS s (i, t) ON id = i"
        " WHEN MATCHED THEN UPDATE SET status = t WHEN NOT MATCHED THEN INSERT VALUES (i, t)"
    ),
    "ON CONFLICT": (
        "INSERT INTO public.item VALUES (1, 'draft'), (2, 'new'), (3, 'draft')"
        " ON CONFLICT (id) DO UPDATE SET status = excluded.status"
    ),
}


@pytest.mark.parametrize("writer", WRITERS)
async def test_where_whoever_writes(owner: Connection, writer: str) -> None:
    if writer == "MERGE" and owner.get_server_version().major < 15:
        pytest.skip("this PostgreSQL has no MERGE")
    await create(owner, ITEM, where=DRAFT)
    await owner.copy_records_to_table("item", schema_name="public", records=[(1, "new", ""), (2, "draft", "")])
    await owner.execute(WRITERS[writer])
    assert await short(owner) == [("I", 1, "new"), ("D", 1, "new"), ("I", 2, "new")]


async def test_where_of_partitions_and_of_rows_that_move_between_them(owner: Connection) -> None:
    await create(
        owner,
        "CREATE TABLE public.item (status text, id integer PRIMARY KEY) PARTITION BY RANGE (id)",
        "CREATE TABLE public.item_1 PARTITION OF public.item FOR VALUES FROM (0) TO (10)",
        "CREATE TABLE public.item_2 (id integer NOT NULL, x text, status text)",
        "ALTER TABLE public.item_2 DROP x",
        "ALTER TABLE public.item ATTACH PARTITION public.item_2 FOR VALUES FROM (10) TO (20)",
        where=DRAFT,
        skip_unchanged=True,
    )
    await owner.execute("CREATE TABLE public.item_3 PARTITION OF public.item FOR VALUES FROM (20) TO (30)")
    await owner.execute(
        "INSERT INTO public.item (id, status) VALUES (1, 'draft'), (2, 'new'), (11, 'draft'), (12, 'new'), (21, 'draft'), (22, 'new')"
    )
    await owner.execute("UPDATE public.item SET status = status")
    await owner.execute("UPDATE public.item SET status = 'new' WHERE id % 10 = 1")
    await owner.execute("UPDATE public.item SET status = 'draft' WHERE id % 10 = 2")
    await owner.execute("UPDATE public.item SET id = id + 12 WHERE id = 1")
    await owner.execute("UPDATE public.item SET id = id + 6 WHERE id = 12")
    assert await short(owner) == [
        *(("I", number, "new") for number in (2, 12, 22)),
        *(("I", number, "new") for number in (1, 11, 21)),
        *(("D", number, "new") for number in (2, 12, 22)),
        ("D", 1, "new"),
        ("I", 13, "new"),
    ]


async def test_where_of_cascades_generated_columns_and_names_that_need_quoting(owner: Connection) -> None:
    await create(
        owner,
        "CREATE TABLE public.parent (id integer PRIMARY KEY)",
        'CREATE TABLE public."Odd" ("new" integer PRIMARY KEY, "NEW x" integer REFERENCES public.parent ON DELETE CASCADE ON UPDATE CASCADE,'
        ' twice integer GENERATED ALWAYS AS ("NEW x" * 2) STORED)',
        table="public.Odd",
        where='NEW."NEW x" > 1 AND NEW.twice > 2 -- of NEW',
    )
    await owner.execute("INSERT INTO public.parent VALUES (1), (2)")
    await owner.execute('INSERT INTO public."Odd" VALUES (1, 1), (2, 2)')
    await owner.execute("UPDATE public.parent SET id = 3 WHERE id = 1")
    await owner.execute("DELETE FROM public.parent")
    found = [(change.op, (change.after or change.before or {})["new"]) for change in await changes(owner)]
    assert found == [("I", 2), ("I", 1), ("D", 2), ("D", 1)] or found == [("I", 2), ("I", 1), ("D", 1), ("D", 2)]


async def test_where_is_checked_by_migrate_and_leaves_what_there_was(owner: Connection) -> None:
    await create(owner, ITEM, where=DRAFT)
    for condition in (
        *("NEW.state = 1", "NEW.status = ", "status <> ''", "NEW.status = 1", "NEW.status", "NEW.id = 'x'"),
        *("pg_catalog.count(*) > 1", "gone(NEW.id)", "NEW.id > OLD.id", "true GROUP BY 1"),
    ):
        # Before any trigger is made, so that --plan says it too.
        with pytest.raises(
            Misconfigured, match=r"^public\.item: where of \[\[table\]\] 'public\.\*' is no condition .*left as it is"
        ):
            await migrate_tables(owner, "public.*", options={"where": condition})
    # Only a trigger may not have a query in its condition.
    assert (await migrate_tables(owner, "public.*", options={"where": "(SELECT true)"})).problems
    await owner.execute("INSERT INTO public.item VALUES (1, 'draft'), (2, 'new')")
    assert await short(owner) == [("I", 2, "new")]


async def test_where_may_take_the_whole_row_and_a_system_column(owner: Connection) -> None:
    await owner.execute(ITEM)
    await owner.execute(
        "CREATE FUNCTION public.is_new(public.item) RETURNS boolean LANGUAGE sql AS $$ SELECT $1.status = 'new' $$"
    )
    await rule(owner, where="public.is_new(NEW) AND NEW.tableoid = 'public.item'::pg_catalog.regclass -- as it is")
    await owner.execute("INSERT INTO public.item VALUES (1, 'draft'), (2, 'new')")
    assert await short(owner) == [("I", 2, "new")]


async def test_where_an_error_is_one_of_the_writers_statement(owner: Connection) -> None:
    await create(owner, ITEM, where="1 / pg_catalog.length(NEW.status) >= 0")
    with pytest.raises(asyncpg.DivisionByZeroError):
        await owner.execute("INSERT INTO public.item VALUES (1, '')")
    await owner.execute("INSERT INTO public.item VALUES (1, 'a')")
    assert await short(owner) == [("I", 1, "a")]


async def test_where_a_column_of_the_condition_cannot_be_dropped_in_passing(owner: Connection) -> None:
    await create(owner, ITEM, where=DRAFT)
    with pytest.raises(asyncpg.DependentObjectsStillExistError):
        await owner.execute("ALTER TABLE public.item DROP status")
    with pytest.raises(asyncpg.FeatureNotSupportedError):
        await owner.execute("ALTER TABLE public.item ALTER status TYPE varchar")
    await owner.execute("ALTER TABLE public.item RENAME status TO state")
    await owner.execute("INSERT INTO public.item VALUES (1, 'draft'), (2, 'new')")
    assert [change.after for change in await changes(owner)] == [{"id": 2, "state": "new", "note": None}]


OPERATIONS = {"insert": "I", "update": "U", "delete": "D", "truncate": "DT"}


@each_value_once(operation=list(OPERATIONS), is_partitioned={"partitioned": True, "plain": False})
async def test_operations(owner: Connection, operation: str, *, is_partitioned: bool) -> None:
    tables = (
        ("CREATE TABLE public.item (id integer PRIMARY KEY, status text)",)
        if not is_partitioned
        else (
            "CREATE TABLE public.item (id integer PRIMARY KEY, status text) PARTITION BY RANGE (id)",
            "CREATE TABLE public.item_1 PARTITION OF public.item FOR VALUES FROM (0) TO (10)",
        )
    )
    await create(owner, *tables, operations=["delete", "truncate"] if operation == "truncate" else [operation])
    for statement in ("INSERT INTO public.item VALUES (1, 'a')", "UPDATE public.item SET status = 'b'"):
        await owner.execute(statement)
    await owner.execute("DELETE FROM public.item")
    await owner.execute("TRUNCATE public.item")
    found = "".join(change.op for change in await changes(owner))
    assert found == OPERATIONS[operation] + ("T" if operation == "truncate" and is_partitioned else "")


@pytest.mark.parametrize(
    "options",
    [
        {"columns": {"mask": {"status": "*"}}},
        {"where": DRAFT},
        {"skip_unchanged": True},
        {"audit": True},
        {"before": "key"},
    ],
    ids=str,
)
async def test_a_truncate_of_a_table_with_rules_is_captured(owner: Connection, options: dict[str, Any]) -> None:
    await create(owner, ITEM, **options)
    await owner.execute("TRUNCATE public.item")
    assert [change.op for change in await changes(owner)] == ["T"]


async def test_a_partition_that_was_detached_is_captured_no_longer(owner: Connection) -> None:
    await create(
        owner,
        "CREATE TABLE public.item (id integer PRIMARY KEY, status text) PARTITION BY RANGE (id)",
        "CREATE TABLE public.item_1 PARTITION OF public.item FOR VALUES FROM (0) TO (10)",
        table="public.item",
        columns={"mask": {"status": "*"}},
    )
    await owner.execute("ALTER TABLE public.item DETACH PARTITION public.item_1")
    await owner.execute("INSERT INTO public.item_1 VALUES (1, 'a'); TRUNCATE public.item_1")
    assert await changes(owner) == []


TYPES = (
    ("json", """'{"a": 1}'""", """'{"a":1}'"""),
    ("jsonb", """'{"a": 1}'""", """'{"a": 1.0}'"""),
    ("numeric", "1.0", "1.00"),
    ("double precision", "0", "'-0'"),
    ("point", "'(1,2)'", "'(1,3)'"),
    ("text", "repeat('ab', 100000)", "repeat('ab', 99999) || 'aB'"),
    ("text[]", "'{a}'", "'[2:2]={a}'"),
    ("interval", "'1 day'", "'24:00'"),
    ("xid8", "'1'", "'2'"),
    ("public.pair", "ROW(1, '{}'::json)", "ROW(1, '{ }'::json)"),
)


async def test_skip_unchanged_compares_bytes_of_every_type(owner: Connection) -> None:
    columns = ", ".join(f"c{number} {name}" for number, (name, _, _) in enumerate(TYPES))
    await create(
        owner,
        "CREATE TYPE public.pair AS (a integer, b json)",
        f"CREATE TABLE public.item (id integer PRIMARY KEY, {columns}, status text)",
        skip_unchanged=True,
    )
    values = ", ".join(old for _, old, _ in TYPES)
    await owner.execute(f"INSERT INTO public.item VALUES (1, {values})")
    for number, (name, old, new) in enumerate(TYPES):
        seq = await newest(owner)
        await owner.execute(f"UPDATE public.item SET c{number} = {old}")
        assert await newest(owner) == seq, name
        await owner.execute(f"UPDATE public.item SET c{number} = {new}")
        assert await newest(owner) == seq + 1, name


async def test_skip_unchanged_sees_a_new_column_and_lets_columns_be_dropped(owner: Connection) -> None:
    await create(owner, ITEM, skip_unchanged=True)
    await owner.execute("INSERT INTO public.item VALUES (1, 'a')")
    await owner.execute("ALTER TABLE public.item ADD added integer DEFAULT 7, DROP note")
    await owner.execute("UPDATE public.item SET added = 7")
    await owner.execute("UPDATE public.item SET added = 8")
    await owner.execute("UPDATE public.item SET added = 8, status = 'a'")
    assert [change.op for change in await changes(owner)] == ["I", "U"]


async def test_only_when(owner: Connection) -> None:
    await create(owner, ITEM, only_when=["status"])
    for statement in (
        "INSERT INTO public.item VALUES (1, 'a')",
        "UPDATE public.item SET note = 'x'",
        "UPDATE public.item SET status = 'a'",
        "UPDATE public.item SET status = NULL",
        "UPDATE public.item SET id = 2, note = 'y'",
        "DELETE FROM public.item",
    ):
        await owner.execute(statement)
    assert await short(owner) == [("I", 1, "a"), ("U", 1, None), ("D", 1, None), ("I", 2, None), ("D", 2, None)]


async def test_only_when_of_1600_columns(owner: Connection) -> None:
    names = [f"c{number}" for number in range(1, 1600)]
    await create(
        owner,
        f"CREATE TABLE public.wide (id integer PRIMARY KEY, {', '.join(f'{name} integer' for name in names)})",
        only_when=names,
    )
    await owner.execute("INSERT INTO public.wide (id) VALUES (1)")
    await owner.execute("UPDATE public.wide SET c1 = c1")
    await owner.execute("UPDATE public.wide SET c1599 = 1")
    assert [change.op for change in await changes(owner)] == ["I", "U"]


async def test_only_when_a_column_that_is_watched_is_gone_from_some_tables_of_a_glob(owner: Connection) -> None:
    await create(owner, ITEM, "CREATE TABLE public.other (id integer PRIMARY KEY, note text)", only_when=["status"])
    await owner.execute("INSERT INTO public.other VALUES (1, 'a')")
    await owner.execute("UPDATE public.other SET note = 'b'")
    assert [change.op for change in await changes(owner)] == ["I", "U"]


async def test_what_a_glob_and_a_name_say_of_one_table_is_shown_by_plan_with_its_rule(owner: Connection) -> None:
    await owner.execute(ITEM)
    rules = [
        Rule(match=Pattern("public.*"), options={"before": "key", "skip_unchanged": True}),
        Rule(match=Pattern("public.item"), options={"before": "none", "where": DRAFT}),
    ]
    found = await plan.from_selection(owner, rules)
    assert found.options["public.item"] == [
        'before = "none" (by public.item)',
        "where = \"NEW.status <> 'draft'\" (by public.item)",
        "skip_unchanged = true (by public.*)",
    ]


def followed(events: list[Captured], key: tuple[str, ...]) -> dict[Any, Any]:
    """The rows that a consumer has. It is told of no row that it has as if it were new, of none that it has not as if it had, and each change
    begins with what it has."""
    rows: dict[Any, Any] = {}
    for event in events:
        image = event.before if event.op == "D" else event.after
        name = tuple(image[column] for column in key)
        found = rows.pop(name, None)
        assert (found is None) == (event.op == "I"), f"{event}, and there was {found}"
        if event.op != "I" and event.before is not None:
            assert event.before.items() <= found.items(), f"{event} does not follow {found}"
        if event.op != "D":
            rows[name] = event.after
    return rows


SHAPES: dict[str, dict[str, Any]] = {
    "where": {"where": "NEW.n % 2 = 0"},
    "where and images": {"where": "NEW.n < 8", "before": "key", "columns": {"exclude": ["hidden"]}},
    "columns": {"columns": {"exclude": ["hidden"], "mask": {"covered": "*"}}},
    "before changed": {"before": "changed"},
    "before none": {"before": "none", "columns": {"exclude": ["hidden"]}},
    "audit": {"audit": True},
}


@programs(usual=6, at_length=200)
@pytest.mark.parametrize("shape", SHAPES)
async def test_random_triggers_and_statements_leave_a_consumer_with_the_rows_that_meet_the_rules(
    owner: Connection, shape: str, seeds: range
) -> None:
    for seed in seeds:
        program = Program.of(seed, has_merge=owner.get_server_version().major >= 15)
        options = SHAPES[shape]
        for statement in program.table:
            await owner.execute(statement)
        await owner.execute("ALTER TABLE public.item ADD hidden text DEFAULT 'x', ADD covered text DEFAULT 'y'")
        await rule(owner, table="public.item", **options)
        await owner.execute("DELETE FROM forwarder.outbox WHERE op = 'G'")
        for statement in program.triggers:
            await owner.execute(statement)
        await program.run(owner)
        events = await captured(owner)
        try:
            rows = followed(events, ("id", "g") if program.is_partitioned else ("id",)).values()
            condition = options.get("where", "true").replace("NEW.", "")
            expected = await owner.fetch(f"SELECT id, g, n FROM public.item WHERE {condition}")
            assert sorted((row["id"], row["g"] or 0, row["n"]) for row in rows) == sorted(
                (row["id"], row["g"] or 0, row["n"]) for row in expected
            )
        except AssertionError as error:
            raise AssertionError(
                f"seed {seed}: {error}\n{json.dumps([program.triggers, program.transactions], indent=1, default=str)}"
            ) from None
        await owner.execute(
            "DROP TABLE public.item; TRUNCATE forwarder.outbox; DROP FUNCTION public.bump; DROP SEQUENCE public.turn;"
            + "".join(f'DROP FUNCTION public."do{statement.split(chr(34))[1][2:]}";' for statement in program.triggers)
        )
