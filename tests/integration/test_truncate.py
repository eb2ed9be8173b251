"""The record of a TRUNCATE stands behind what its table had, and before what came after; `migrate` exchanges the former trigger for it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from itertools import count

import pytest

from forwarder.capture import migrations, plan
from forwarder.capture.selection import Pattern, Rule
from forwarder.capture.uncaptured import look_at_triggers
from forwarder.cli.migrate_lines import line
from forwarder.database.sessions import Connection
from tests.cases import each_value_once
from tests.databases import Database, connected, from_bare
from tests.migrating import captured, migrate

ITEM = "CREATE TABLE public.item (id integer PRIMARY KEY)"
LEAFY = "CREATE TABLE public.leafy (id integer PRIMARY KEY, item integer REFERENCES public.item)"
PARTITIONED = (
    "CREATE TABLE public.item (id integer PRIMARY KEY) PARTITION BY LIST (id)",
    "CREATE TABLE public.item_0 PARTITION OF public.item FOR VALUES IN (0)",
    "CREATE TABLE public.item_1 PARTITION OF public.item FOR VALUES IN (1)",
)
EXCHANGED = "the trigger for TRUNCATE was that of an earlier release"


@pytest.fixture
async def owner(fresh_database: Database) -> AsyncIterator[Connection]:
    """The role that owns the tables and migrates."""
    async with connected(fresh_database.url) as session:
        yield session


@pytest.fixture
async def other(fresh_database: Database) -> AsyncIterator[Connection]:
    """A second session of the same role."""
    async with connected(fresh_database.url) as session:
        yield session


async def create(owner: Connection, *statements: str, exclude: tuple[str, ...] = ()) -> None:
    """Run the statements and capture every table that they made, but for those that are to be excluded."""
    for statement in statements:
        await owner.execute(statement)
    assert not (await migrate(owner, "public.*", exclude=exclude)).problems


def on_truncate(action: str, *, of: str, name: str = "zz", when: str = "AFTER") -> str:
    """A trigger of the application. What is called ``!`` fires before ours, and ``zzz`` after it."""
    return (
        f'CREATE FUNCTION public."{name} of {of}"() RETURNS trigger LANGUAGE plpgsql AS'
        f" $$ BEGIN {action}; RETURN NULL; END $$;"
        f' CREATE TRIGGER "{name}" {when} TRUNCATE ON public.{of} EXECUTE FUNCTION public."{name} of {of}"()'
    )


async def rebuilt(owner: Connection) -> dict[str, set[int]]:
    """The ids of the rows that a consumer has of each table, leaf by leaf, when it has read everything. Each insert has to be of a new row."""
    links = await owner.fetch(
        "SELECT inhrelid::regclass::text AS leaf, inhparent::regclass::text AS root FROM pg_inherits"
    )
    roots = {link["leaf"]: link["root"] for link in links}
    rows: dict[str, set[int]] = {}
    for event in await captured(owner):
        assert event.op in "ITD", event
        of_table = rows.setdefault(event.table, set())
        if event.op == "I":
            assert event.after["id"] not in of_table
            of_table.add(event.after["id"])
        elif event.op == "D":
            of_table.remove(event.before["id"])
        else:
            for table, ids in rows.items():
                if event.table in (table, roots.get(table)):
                    ids.clear()
    return rows


async def assert_rebuilt(owner: Connection, *tables: str) -> None:
    found = await rebuilt(owner)
    for table in tables:
        ids = {row["id"] for row in await owner.fetch(f"SELECT id FROM ONLY public.{table}")}
        assert (table, found.get(table, set())) == (table, ids)


@pytest.mark.parametrize("name", ["!", "zz"])
async def test_what_an_after_trigger_inserts_follows_the_records_of_all_tables_of_the_statement(
    owner: Connection, name: str
) -> None:
    await create(owner, ITEM, LEAFY)
    seed = "INSERT INTO item VALUES (0); INSERT INTO leafy VALUES (100, 0)"
    await owner.execute(on_truncate(seed, of="item", name=name))
    await owner.execute("INSERT INTO public.item VALUES (1); INSERT INTO public.leafy VALUES (101, 1)")
    await owner.execute("TRUNCATE public.item CASCADE")
    await assert_rebuilt(owner, "item", "leafy")
    assert [event.op for event in await captured(owner)] == ["I", "I", "T", "T", "I", "I"]


@each_value_once(
    name=["!", "zz"],
    place=["item", "item_0", "item_1"],
    statement=["TRUNCATE public.item_0, public.item", "TRUNCATE public.item"],
)
async def test_what_an_after_trigger_inserts_into_a_partitioned_table_follows_its_record_and_those_of_its_partitions(
    owner: Connection, name: str, place: str, statement: str
) -> None:
    await create(owner, *PARTITIONED)
    await owner.execute(on_truncate("INSERT INTO item VALUES (0), (1)", of=place, name=name))
    await owner.execute("INSERT INTO public.item VALUES (0), (1)")
    await owner.execute(statement)
    await assert_rebuilt(owner, "item_0", "item_1")


@pytest.mark.parametrize("place", ["parent", "leafy", "leafy_0"])
async def test_a_partition_that_is_older_than_its_table_keeps_what_an_after_trigger_inserts(
    owner: Connection, place: str
) -> None:
    """CASCADE truncates tables by their oids: the partition before its table."""
    await create(
        owner,
        "CREATE TABLE public.parent (id integer PRIMARY KEY)",
        "CREATE TABLE public.leafy_0 (id integer PRIMARY KEY, parent integer)",
        "CREATE TABLE public.leafy (id integer PRIMARY KEY, parent integer REFERENCES public.parent) PARTITION BY LIST (id)",
        "ALTER TABLE public.leafy ATTACH PARTITION public.leafy_0 FOR VALUES IN (0)",
    )
    await owner.execute(on_truncate("INSERT INTO parent VALUES (2); INSERT INTO leafy VALUES (0, 2)", of=place))
    await owner.execute("INSERT INTO public.parent VALUES (1); INSERT INTO public.leafy VALUES (0, 1)")
    await owner.execute("TRUNCATE public.parent CASCADE")
    await assert_rebuilt(owner, "parent", "leafy_0")


async def test_what_a_before_trigger_writes_into_its_own_table_is_gone_with_it(owner: Connection) -> None:
    await create(owner, ITEM)
    await owner.execute(
        on_truncate("INSERT INTO item VALUES (7); DELETE FROM item WHERE id = 1", of="item", when="BEFORE")
    )
    await owner.execute("INSERT INTO public.item VALUES (1)")
    await owner.execute("TRUNCATE public.item")
    await assert_rebuilt(owner, "item")
    assert [event.op for event in await captured(owner)] == ["I", "I", "D", "T"]


REFILL = """
    CREATE TABLE public.source (id integer);
    CREATE FUNCTION public.refill() RETURNS trigger LANGUAGE plpgsql
    AS $$ BEGIN INSERT INTO item VALUES (NEW.id); RETURN NULL; END $$;
    CREATE TRIGGER refill AFTER INSERT ON public.source FOR EACH ROW EXECUTE FUNCTION public.refill();
"""


@each_value_once(
    first=["TRUNCATE public.item", "CLUSTER public.item USING item_pkey", "SELECT 1"], is_undone=[False, True]
)
async def test_a_file_that_is_truncated_in_place_has_its_record_between_what_it_had_and_what_it_has(
    owner: Connection, first: str, *, is_undone: bool
) -> None:
    """A file that the transaction has made itself stays the same, and its rows come again in the places that others had."""
    await create(owner, ITEM, REFILL, exclude=("source",))
    anew = "DELETE FROM item; INSERT INTO source VALUES (1)"
    cycle = f"INSERT INTO source VALUES (1); {anew}; {anew}; TRUNCATE item"
    failed = f"BEGIN {cycle}; RAISE 'undone'; EXCEPTION WHEN OTHERS THEN NULL; END" if is_undone else "NULL"
    async with owner.transaction():
        await owner.execute(first)
        await owner.execute(f"DO $$ BEGIN {cycle}; {failed}; {cycle}; {cycle}; {anew}; {anew}; END $$")
    await assert_rebuilt(owner, "item")
    operations = "".join(event.op for event in await captured(owner))
    assert operations.removeprefix("T") == "IDIDIT" * 3 + "IDI"


async def test_a_paused_table_has_no_record_of_its_truncate(owner: Connection) -> None:
    await create(owner, ITEM, LEAFY)
    await owner.execute("SELECT forwarder.set_paused(true)")
    await owner.execute("TRUNCATE public.item CASCADE")
    assert {event.op for event in await captured(owner)} == {"G"}


async def test_a_truncate_rings_the_doorbell(owner: Connection, other: Connection) -> None:
    await create(owner, ITEM)
    rung = asyncio.Event()
    await other.add_listener("forwarder", lambda *_: rung.set())
    await other.execute("SELECT pg_advisory_lock(1719100530, 1)")
    await owner.execute("TRUNCATE public.item")
    async with asyncio.timeout(10):
        await rung.wait()


async def test_a_truncate_of_a_session_that_fires_no_triggers_is_captured_where_ours_fires_always(
    owner: Connection, fresh_database: Database
) -> None:
    await create(owner, ITEM, LEAFY)
    await owner.execute('ALTER TABLE public.item ENABLE ALWAYS TRIGGER "zz_forwarder_truncate"')
    async with connected(fresh_database.superuser_url) as replica:
        await replica.execute("SET session_replication_role = replica; TRUNCATE public.item CASCADE")
    assert [(event.op, event.table) for event in await captured(owner)] == [("T", "item")]


# From the former trigger to the present one


async def install_as_before(owner: Connection, monkeypatch: pytest.MonkeyPatch, *tables: str) -> None:
    """Capture tables with a key ``id`` as the release before did, and then bring the schema up to date, but not their triggers."""
    known = migrations.shipped()
    monkeypatch.setattr(migrations, "shipped", lambda: [each for each in known if each.version < 29])
    await migrate(owner)
    for table in tables:
        await owner.execute(
            """SELECT forwarder.install(to_regclass($1), 'full', '[{"attnum": 1, "names": ["id"]}]', NULL, '{"{\\"id\\":"}')""",
            table,
        )
    monkeypatch.undo()
    await migrations.apply(owner)


async def triggers_for_truncate(owner: Connection) -> list[tuple[str, str, str, bool]]:
    """Of each the table, the name, when it fires (O, A, D), and whether it has a condition."""
    rows = await owner.fetch(
        "SELECT tgrelid::regclass::text, tgname::text, tgenabled::text, tgqual IS NOT NULL FROM pg_trigger"
        " WHERE tgtype & 32 > 0 ORDER BY 1, 2"
    )
    return [tuple(row) for row in rows]


@from_bare
async def test_former_triggers_are_exchanged_without_a_gap_and_every_truncate_is_captured_once(
    owner: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    for statement in PARTITIONED:
        await owner.execute(statement)
    await install_as_before(owner, monkeypatch, "public.item")
    assert await look_at_triggers(owner) == []
    await owner.execute("TRUNCATE public.item_0")

    found = await plan.from_selection(owner, [Rule(match=Pattern("item"))])
    lines = [line(change, would=True) for change in found.changes if change.table == "public.item"]
    assert lines == [f"public.item: capture would be corrected ({EXCHANGED})"]
    assert (await migrate(owner, "item")).tables == ["public.item"]
    await owner.execute("TRUNCATE public.item_0")
    assert await look_at_triggers(owner) == []
    assert [(event.op, event.table) for event in await captured(owner)] == [("T", "item_0")] * 2
    assert (await migrate(owner, "item")).done == []

    names = [(name, is_conditional) for _, name, _, is_conditional in await triggers_for_truncate(owner)]
    assert names == [("00_forwarder_truncate", True), ("zz_forwarder_truncate", False)] * 3


@from_bare
async def test_the_exchange_waits_for_no_reader(
    owner: Connection, other: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    await owner.execute(ITEM)
    await install_as_before(owner, monkeypatch, "public.item")
    async with other.transaction():
        await other.execute("TABLE public.item")
        assert (await migrate(owner, patience_seconds=0)).tables == ["public.item"]


@from_bare
async def test_no_truncate_is_missed_or_captured_twice_while_triggers_are_exchanged(
    owner: Connection, other: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    await owner.execute(ITEM)
    await install_as_before(owner, monkeypatch, "public.item")
    done = asyncio.Event()

    async def truncate() -> int:
        for times in count(1):
            await other.execute("TRUNCATE public.item")
            if done.is_set():
                return times
        raise AssertionError

    truncates = asyncio.create_task(truncate())
    for _ in range(5):
        assert (await migrate(owner)).tables == ["public.item"]
        # As the release before would do.
        async with owner.transaction():
            await owner.execute("DROP TRIGGER zz_forwarder_truncate ON public.item")
            former = await owner.fetchval(
                "SELECT pg_get_triggerdef(oid) FROM pg_trigger WHERE tgname = '00_forwarder_truncate'"
            )
            await owner.execute(
                former.replace("CREATE TRIGGER", "CREATE OR REPLACE TRIGGER").replace("WHEN (false)", "")
            )
    done.set()
    times = await truncates
    assert [event.op for event in await captured(owner) if event.op != "G"] == ["T"] * times


@from_bare
async def test_a_former_trigger_that_fires_always_is_followed_by_one_that_does(
    owner: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    await owner.execute(ITEM)
    await install_as_before(owner, monkeypatch, "public.item")
    await owner.execute('ALTER TABLE public.item ENABLE ALWAYS TRIGGER "00_forwarder_truncate"')
    for _ in range(2):
        await migrate(owner, "item")
        assert ("item", "zz_forwarder_truncate", "A", False) in await triggers_for_truncate(owner)
        await owner.execute('DROP TRIGGER "00_forwarder_capture" ON public.item')


@from_bare
async def test_a_former_trigger_that_was_exchanged_does_not_come_back_and_may_be_dropped(
    owner: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    await owner.execute(ITEM)
    await install_as_before(owner, monkeypatch, "public.item")
    await migrate(owner, "item")
    await owner.execute("ALTER TABLE public.item ENABLE TRIGGER ALL; TRUNCATE public.item")
    await owner.execute('DROP TRIGGER "00_forwarder_truncate" ON public.item; TRUNCATE public.item')
    assert (await migrate(owner, "item")).done == []
    assert [event.op for event in await captured(owner)] == ["T", "T"]


@from_bare
async def test_a_former_trigger_alone_is_none(owner: Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    await owner.execute(ITEM)
    await install_as_before(owner, monkeypatch, "public.item")
    await migrate(owner, "item")
    await owner.execute("DROP TRIGGER zz_forwarder_truncate ON public.item")
    assert [each.flaw for each in await look_at_triggers(owner)] == ["truncate"]
    assert (await migrate(owner, "item")).tables == ["public.item"]
    assert await look_at_triggers(owner) == []


@from_bare
@pytest.mark.parametrize("with_schema", [False, True])
async def test_where_capture_is_removed_no_former_trigger_is_left(
    owner: Connection, monkeypatch: pytest.MonkeyPatch, *, with_schema: bool
) -> None:
    for statement in PARTITIONED:
        await owner.execute(statement)
    await install_as_before(owner, monkeypatch, "public.item")
    await migrate(owner, "item")
    if with_schema:
        removal = await plan.from_nothing(owner)
        assert len([each for change in removal.changes for each in getattr(change, "drops", ())]) == 1 + 2 * 3
        await owner.execute(removal.script())
    else:
        assert (await migrate(owner, remove=True)).tables == ["public.item"]
    assert await triggers_for_truncate(owner) == []
