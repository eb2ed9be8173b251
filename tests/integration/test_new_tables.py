"""Tables that come later are captured by themselves: by event triggers from their creation, else by the listener that leads."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import TYPE_CHECKING, Any

import pytest

from forwarder.capture import plan
from forwarder.capture.apply import Installation
from forwarder.capture.new_tables import NewTables
from forwarder.capture.table_rules import rules_of
from forwarder.capture.uncaptured import look_at_triggers
from forwarder.config.settings import CaptureSettings, Settings, TableRule
from forwarder.database.sessions import session
from tests.databases import OWNER, Database, connected
from tests.migrating import Outcome, captured

if TYPE_CHECKING:
    from forwarder.database.sessions import Connection

ITEM = "CREATE TABLE public.item (id integer PRIMARY KEY, email text)"
BEGAN = "capture began"


def settings_of(*rules: dict[str, Any], schema_events: bool = False, auto_attach: bool = True) -> Settings:
    return Settings(
        table=[TableRule(**rule) for rule in rules],
        capture=CaptureSettings(auto_attach=auto_attach, schema_events=schema_events),
    )


ALL = settings_of({"match": "public.*"})


async def migrate(connection: Connection, settings: Settings = ALL) -> Sequence[str]:
    """As `forwarder migrate` does by these settings; the warnings."""
    rules = rules_of(settings.table)
    found = await plan.from_selection(
        connection,
        [],
        described=rules,
        auto_attach=settings.capture.auto_attach,
        schema_events=settings.capture.schema_events,
    )
    outcome = Outcome()
    await Installation(connection, outcome).carry_out([*found.mending, *found.changes])
    assert outcome.problems == {}
    return found.warnings


async def look(connection: Connection, settings: Settings = ALL) -> Sequence[str]:
    """As the listener that leads does every half minute; the warnings."""
    new_tables = NewTables(settings)
    await new_tables.look(connection)
    return new_tables.warnings


async def gaps(connection: Connection) -> list[tuple[str, str | None]]:
    return [(change.table, change.fault) for change in await captured(connection) if change.op == "G"]


async def rows(connection: Connection) -> list[tuple[str, Any]]:
    return [(change.op, change.after or change.before) for change in await captured(connection) if change.op != "G"]


@pytest.fixture
async def owner(database: Database) -> AsyncIterator[Connection]:
    """The role that owns schema forwarder, and the application's tables, and no superuser."""
    async with session(database.url, purpose="janitor") as connection:
        yield connection


@pytest.fixture
async def root(database: Database) -> AsyncIterator[Connection]:
    async with session(database.superuser_url, purpose="tests") as connection:
        yield connection


# By the listener


async def test_a_new_table_is_captured_by_the_next_look_and_what_came_before_is_told(owner: Connection) -> None:
    warnings = await migrate(owner)
    assert "within a minute" in " ".join(warnings)
    await owner.execute(f"{ITEM}; INSERT INTO public.item VALUES (1, 'a')")
    assert await look(owner) == ()
    await owner.execute("INSERT INTO public.item VALUES (2, 'b')")

    assert await gaps(owner) == [("public.item", BEGAN)]
    assert await rows(owner) == [("I", {"id": 2, "email": "b"})]
    assert await look_at_triggers(owner) == []
    assert await look(owner) == ()
    assert await gaps(owner) == [("public.item", BEGAN)]


async def test_a_new_table_without_rows_is_captured_without_a_gap(owner: Connection) -> None:
    await owner.execute(ITEM)
    await look(owner)
    assert await gaps(owner) == []


async def test_a_table_that_no_rule_matches_stays_as_it_is(owner: Connection) -> None:
    await owner.execute(f"{ITEM}; CREATE SCHEMA other; CREATE TABLE other.item (id integer)")
    await look(owner, settings_of({"match": "other.*", "exclude": ["other.i*"]}))
    assert await owner.fetchval("SELECT count(*) FROM forwarder.captured_table") == 0
    await look(owner, settings_of({"match": "public.*"}, auto_attach=False))
    assert await owner.fetchval("SELECT count(*) FROM forwarder.captured_table") == 0


async def test_masks_and_several_rules_hold_for_a_new_table_from_the_first_row(owner: Connection) -> None:
    settings = settings_of(
        {"match": "public.*", "columns": {"mask": {"email": "***"}}}, {"match": "public.item", "before": "none"}
    )
    await owner.execute(ITEM)
    assert await look(owner, settings) == ()
    await owner.execute("INSERT INTO public.item VALUES (1, 'secret'); UPDATE public.item SET email = 'other'")
    assert await rows(owner) == [("I", {"id": 1, "email": "***"}), ("U", {"id": 1, "email": "***"})]


async def test_a_table_that_is_dropped_and_created_anew_is_captured_again_and_the_gap_is_told(
    owner: Connection,
) -> None:
    await owner.execute(ITEM)
    await look(owner)
    await owner.execute(f"DROP TABLE public.item; {ITEM}; INSERT INTO public.item VALUES (1, 'a')")
    assert await look(owner) == ()
    await owner.execute("INSERT INTO public.item VALUES (2, 'b')")

    assert await gaps(owner) == [("public.item", "capture interrupted"), ("public.item", "capture resumed")]
    assert await rows(owner) == [("I", {"id": 2, "email": "b"})]
    assert await look_at_triggers(owner) == []


async def test_what_migrate_makes_of_a_table_that_was_captured_by_itself_is_nothing(owner: Connection) -> None:
    await owner.execute(ITEM)
    await look(owner)
    found = await plan.from_selection(owner, rules_of(ALL.table), auto_attach=True, schema_events=False)
    assert [change.table for change in found.changes] == ["forwarder.table_rule"]


async def test_a_table_of_somebody_else_is_named_with_the_grant_that_is_lacking(
    owner: Connection, root: Connection
) -> None:
    await root.execute("CREATE TABLE public.theirs (id integer PRIMARY KEY)")
    [line] = await look(owner)
    assert line.startswith("new table public.theirs is not captured: permission denied for table theirs; run as ")
    assert f"GRANT TRIGGER ON public.theirs TO {OWNER}" in line
    await root.execute(f"GRANT TRIGGER ON public.theirs TO {OWNER}")
    assert await look(owner) == ()


async def test_a_locked_table_is_not_waited_for_and_tried_again(owner: Connection, database: Database) -> None:
    await owner.execute(ITEM)
    async with connected(database.url) as other:
        await other.execute("BEGIN; LOCK TABLE public.item IN ROW EXCLUSIVE MODE")
        assert await look(owner) == ("new table public.item is not captured: it is locked; it is tried again",)
        await other.execute("COMMIT")
    assert await look(owner) == ()
    assert await owner.fetchval("SELECT count(*) FROM forwarder.captured_table") == 1


async def test_nothing_is_done_while_somebody_migrates(owner: Connection, database: Database) -> None:
    await owner.execute(ITEM)
    async with connected(database.url) as other:
        await other.execute("SELECT pg_advisory_lock(1719100530, 2)")
        assert await look(owner) == ()
    assert await owner.fetchval("SELECT count(*) FROM forwarder.captured_table") == 0


# By event triggers


@pytest.fixture
async def followed(owner: Connection, root: Connection) -> Connection:
    """The owner, after a superuser has made the event triggers once."""
    await migrate(root)
    return owner


async def test_a_new_table_is_captured_from_its_creation(followed: Connection) -> None:
    await followed.execute(f"{ITEM}; INSERT INTO public.item VALUES (1, 'a'); UPDATE public.item SET email = 'b'")

    assert await rows(followed) == [("I", {"id": 1, "email": "a"}), ("U", {"id": 1, "email": "b"})]
    assert await gaps(followed) == []
    assert await look_at_triggers(followed) == []
    assert await look(followed) == ()
    assert await gaps(followed) == []


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE TABLE public.plain (id integer PRIMARY KEY, note text)",
        'CREATE TABLE public.odd ("a ""b" jsonb, "Ü" integer, id bigint, PRIMARY KEY ("Ü", id))',
        'CREATE TABLE public."O\'dd *" (note text, "q""\\" text PRIMARY KEY)',
        "CREATE TABLE public.keyless (id integer)",
        "CREATE TABLE public.unique_one (a text, b integer NOT NULL UNIQUE, c json)",
        "CREATE TABLE public.parted (a integer, b integer, PRIMARY KEY (b, a)) PARTITION BY LIST (a)",
        "CREATE TABLE public.generated (id serial PRIMARY KEY, half numeric GENERATED ALWAYS AS (1) STORED)",
        "CREATE TABLE public.arrays (tags text[], id integer PRIMARY KEY)",
    ],
)
async def test_migrate_finds_nothing_to_correct_in_what_an_event_trigger_has_captured(
    followed: Connection, statement: str
) -> None:
    await followed.execute(statement)
    assert await followed.fetchval("SELECT count(*) FROM forwarder.captured_table") == 1
    found = await plan.from_selection(followed, rules_of(ALL.table), auto_attach=True, schema_events=False)
    assert found.changes == []


@pytest.mark.parametrize(
    "options",
    [
        {"before": "none"},
        {"where": "NEW.id > 10"},
        {"operations": ["insert", "delete"], "skip_unchanged": True},
        {"audit": True, "context": False},
    ],
)
async def test_options_that_are_the_same_for_every_table_hold_from_the_creation(
    owner: Connection, root: Connection, options: dict[str, Any]
) -> None:
    settings = settings_of({"match": "public.*", **options})
    await migrate(root, settings)
    await owner.execute(ITEM)
    assert await owner.fetchval("SELECT count(*) FROM forwarder.captured_table") == 1
    found = await plan.from_selection(owner, rules_of(settings.table), auto_attach=True, schema_events=False)
    assert found.changes == []


@pytest.mark.parametrize(
    "rules",
    [
        [{"match": "public.*", "columns": {"mask": {"email": "***"}}}],
        [{"match": "public.*", "before": "none"}, {"match": "public.i*", "columns": {"hash": ["email"]}}],
        [{"match": "public.*", "before": "key"}],
    ],
)
async def test_what_has_to_be_worked_out_for_each_table_is_left_to_the_listener_and_no_value_comes_in_clear(
    owner: Connection, root: Connection, rules: list[dict[str, Any]]
) -> None:
    settings = settings_of(*rules)
    await migrate(root, settings)
    await owner.execute(f"{ITEM}; INSERT INTO public.item VALUES (1, 'secret')")
    assert await captured(owner) == []

    assert await look(owner, settings) == ()
    await owner.execute("UPDATE public.item SET email = 'secret too'; DELETE FROM public.item")
    assert await gaps(owner) == [("public.item", BEGAN)]
    changes = await rows(owner)
    assert [op for op, _ in changes] == ["U", "D"]
    if "before" not in rules[0]:
        assert "secret" not in f"{changes}"


async def test_rows_that_came_with_the_table_are_told_as_a_gap(followed: Connection) -> None:
    await followed.execute("CREATE TABLE public.made AS SELECT 1 AS id; INSERT INTO public.made VALUES (2)")
    await followed.execute("SELECT 3 AS id INTO public.more")

    assert await gaps(followed) == [("public.made", BEGAN), ("public.more", BEGAN)]
    assert await rows(followed) == [("I", {"id": 2})]


async def test_a_table_that_comes_with_its_schema_is_captured(owner: Connection, root: Connection) -> None:
    await migrate(root, settings_of({"match": "shop.*", "exclude": ["shop.log?"]}))
    await owner.execute("CREATE SCHEMA shop CREATE TABLE item (id integer) CREATE TABLE log1 (id integer)")
    await owner.execute("INSERT INTO shop.item VALUES (1); INSERT INTO shop.log1 VALUES (1)")
    assert await rows(owner) == [("I", {"id": 1})]


async def test_tables_that_no_rule_matches_temporary_ones_and_views_are_left_alone(followed: Connection) -> None:
    await followed.execute(
        "CREATE TEMPORARY TABLE item (id integer); CREATE SCHEMA other; CREATE TABLE other.item (id integer);"
        " CREATE VIEW public.seen AS SELECT 1; CREATE MATERIALIZED VIEW public.kept AS SELECT 1"
    )
    assert await followed.fetchval("SELECT count(*) FROM forwarder.captured_table") == 0


async def test_a_table_that_is_made_anew_is_captured_from_the_first_row_without_a_gap(followed: Connection) -> None:
    await followed.execute(ITEM)
    await look_at_triggers(followed)
    await followed.execute(f"DROP TABLE public.item; {ITEM}; INSERT INTO public.item VALUES (1, 'a')")

    assert await look_at_triggers(followed) == []
    assert await gaps(followed) == []
    assert await rows(followed) == [("I", {"id": 1, "email": "a"})]


async def test_another_table_under_the_name_of_one_that_was_renamed_is_captured_beside_it(followed: Connection) -> None:
    await followed.execute(ITEM)
    await followed.execute(f"ALTER TABLE public.item RENAME TO former; {ITEM}")
    await followed.execute("INSERT INTO public.item VALUES (1, 'new'); INSERT INTO public.former VALUES (1, 'old')")

    assert [change.table for change in await captured(followed)] == ["public.item", "public.former"]
    assert await look_at_triggers(followed) == []


async def test_a_table_of_somebody_else_is_created_all_the_same_and_left_to_the_listener(
    followed: Connection, root: Connection
) -> None:
    await root.execute("CREATE TABLE public.theirs (id integer PRIMARY KEY)")
    assert await followed.fetchval("SELECT count(*) FROM forwarder.captured_table") == 0
    [line] = await look(followed)
    assert "GRANT TRIGGER ON public.theirs" in line
