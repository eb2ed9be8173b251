"""Tables that come later are captured by themselves: by event triggers from their creation, else by the listener that leads."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import anyio
import pytest

from forwarder.capture import migrations, plan
from forwarder.capture.apply import Installation
from forwarder.capture.new_tables import NewTables
from forwarder.capture.rights_due import Roles
from forwarder.capture.selection import Pattern, Rule
from forwarder.capture.table_rules import rules_of, stored
from forwarder.capture.uncaptured import look_at_triggers
from forwarder.config.database import CAPTURE_ROLE
from forwarder.config.settings import CaptureSettings, Settings, TableRule
from forwarder.database.sessions import session
from forwarder.errors import Misconfigured
from forwarder.local.postgres import EmbeddedPostgres
from forwarder.outbox.registry import Registry
from tests.databases import OWNER, Database, connected
from tests.dumps import dump, restored
from tests.migrating import Outcome, captured
from tests.waiting import eventually

if TYPE_CHECKING:
    from forwarder.database.sessions import Connection


class Named(NamedTuple):
    schema: str
    name: str


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


async def count_captured(connection: Connection) -> int:
    """How many tables of the application are captured."""
    count: int = await connection.fetchval(
        "SELECT count(*) FROM forwarder.captured_table WHERE removed_at IS NULL AND schema_name <> 'forwarder'"
    )
    return count


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
    assert await count_captured(owner) == 0
    await look(owner, settings_of({"match": "public.*"}, auto_attach=False))
    assert await count_captured(owner) == 0


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


async def test_a_new_table_under_the_name_of_one_that_was_renamed_is_captured_beside_it_by_the_next_look(
    owner: Connection,
) -> None:
    await owner.execute(ITEM)
    await look(owner)
    await owner.execute(f"ALTER TABLE public.item RENAME TO former; {ITEM}")
    assert await look(owner) == ()
    await owner.execute("INSERT INTO public.item VALUES (1, 'new'); INSERT INTO public.former VALUES (1, 'old')")

    assert [change.table for change in await captured(owner)] == ["public.item", "public.former"]
    assert await look_at_triggers(owner) == []
    assert await count_captured(owner) == 2


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
    assert await count_captured(owner) == 1


async def test_nothing_is_done_while_somebody_migrates(owner: Connection, database: Database) -> None:
    await owner.execute(ITEM)
    async with connected(database.url) as other:
        await other.execute("SELECT pg_advisory_lock(1719100530, 2)")
        assert await look(owner) == ()
    assert await count_captured(owner) == 0


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


async def test_types_are_known_of_a_table_that_its_transaction_has_dropped_again(followed: Connection) -> None:
    async with followed.transaction():
        await followed.execute(f"{ITEM}; INSERT INTO public.item VALUES (1, 'a'); DROP TABLE public.item")
    registry = Registry(with_columns=True)
    await registry.refresh(followed)
    [item] = [table for table, _ in registry.tables.values() if table.name == "item"]
    assert [(column.name, column.type and column.type.name) for column in item.columns] == [
        ("id", "int4"),
        ("email", "text"),
    ]


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
    assert await count_captured(followed) == 1
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
    assert await count_captured(owner) == 1
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
    assert await count_captured(followed) == 0


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
    assert await count_captured(followed) == 0
    [line] = await look(followed)
    assert "GRANT TRIGGER ON public.theirs" in line


async def test_the_database_understands_a_pattern_as_migrate_does(owner: Connection) -> None:
    names = [
        "orders",
        "Orders",
        "log_1",
        "logx1",
        "a.b",
        "a\nb",
        "***:a",
        "größe (1)",
        'q"x',
        "a\\b",
        "$",
        "^a",
        "[a]",
        "x" * 63,
    ]
    patterns = [
        "orders",
        "log_?",
        "*",
        "a?b",
        "***",
        '"***:a"',
        '"a.b"',
        "gr* (1)",
        '"q""x"',
        '"a\\b"',
        "$",
        "^a",
        "[a]",
        "[ab]",
        "x*x",
    ]
    rules = stored([Rule(match=Pattern(f"public.{pattern}")) for pattern in patterns])
    for pattern, rule in zip(patterns, rules, strict=True):
        found = {
            name
            for name in names
            if await owner.fetchval("SELECT 'public' ~ $1 AND $2 ~ $3", rule.schema_pattern, name, rule.table_pattern)
        }
        wanted = {name for name in names if Pattern(f"public.{pattern}").matches(Named("public", name))}
        assert (pattern, found) == (pattern, wanted)


async def test_the_log_says_how_a_table_was_captured(followed: Connection, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    new_tables = NewTables(ALL)
    await new_tables.look(followed)
    await followed.execute(ITEM)
    await followed.execute("BEGIN ISOLATION LEVEL SERIALIZABLE; CREATE TABLE public.second (id integer); COMMIT")
    new_tables.forget()
    await new_tables.look(followed)
    told = {(record.message, vars(record).get("table")) for record in caplog.records if "captured" in record.message}
    assert told == {("captured since it was created", "public.item"), ("captured from now on", "public.second")}


async def test_a_session_may_turn_it_off(followed: Connection) -> None:
    await followed.execute("SET forwarder.attach = off")
    await followed.execute(ITEM)
    assert await count_captured(followed) == 0


async def test_a_migrate_that_meets_a_look_waits_for_a_listener_and_not_for_a_stranger(
    owner: Connection, database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    async with session(database.url, purpose="janitor") as janitor:
        await janitor.execute("SELECT pg_advisory_lock(1719100530, 2)")
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(_migrate_alone, owner)

            async def told() -> bool:
                return "waiting for a listener that captures new tables" in caplog.messages

            await eventually(told)
            await janitor.execute("SELECT pg_advisory_unlock(1719100530, 2)")
    assert not [record for record in caplog.records if record.levelname == "WARNING"]


async def _migrate_alone(connection: Connection) -> None:
    async with migrations.alone(connection):
        pass


# Partitions, and tables that become some

LOG = """
    CREATE TABLE public.log (day integer, id integer, PRIMARY KEY (day, id)) PARTITION BY LIST (day);
    CREATE TABLE public.log_1 PARTITION OF public.log FOR VALUES IN (1);
"""


async def test_a_new_partition_has_everything_at_once(followed: Connection) -> None:
    await followed.execute(LOG)
    await followed.execute("INSERT INTO public.log VALUES (1, 1); TRUNCATE public.log_1")

    assert [(change.op, change.table) for change in await captured(followed)] == [
        ("I", "public.log_1"),
        ("T", "public.log_1"),
    ]
    assert await look_at_triggers(followed) == []
    found = await plan.from_selection(followed, rules_of(ALL.table), auto_attach=True, schema_events=False)
    assert found.changes == []


async def test_a_new_partition_is_captured_at_once_and_its_truncate_after_the_next_look(owner: Connection) -> None:
    await owner.execute(LOG)
    await look(owner)
    await owner.execute("CREATE TABLE public.log_2 PARTITION OF public.log FOR VALUES IN (2)")
    await owner.execute("INSERT INTO public.log VALUES (2, 1)")
    assert [found.flaw for found in await look_at_triggers(owner)] == ["truncate"]
    assert await look(owner) == ()

    assert await look_at_triggers(owner) == []
    await owner.execute("TRUNCATE public.log_2")
    assert [(change.op, change.table) for change in await captured(owner)] == [
        ("I", "public.log_2"),
        ("T", "public.log_2"),
    ]
    found = await plan.from_selection(owner, rules_of(ALL.table), auto_attach=True, schema_events=False)
    assert [change.table for change in found.changes] == ["forwarder.table_rule"]


@pytest.mark.parametrize("by", ["event trigger", "listener"])
async def test_a_table_that_may_become_a_partition_is_left_alone_so_that_it_can(
    owner: Connection, root: Connection, by: str
) -> None:
    if by == "event trigger":
        await migrate(root)
    await owner.execute(LOG)
    await look(owner)
    await owner.execute("CREATE TABLE public.log_2 (id integer, day integer, PRIMARY KEY (day, id))")
    [line] = await look(owner)
    assert line.startswith(
        "new table public.log_2 is not captured: it has the columns of public.log, and one of them may become a partition of the"
    )

    await owner.execute("INSERT INTO public.log_2 VALUES (1, 2)")
    await owner.execute("ALTER TABLE public.log ATTACH PARTITION public.log_2 FOR VALUES IN (2)")
    await owner.execute("INSERT INTO public.log VALUES (2, 2)")
    assert await look(owner) == ()
    assert await look_at_triggers(owner) == []
    assert await rows(owner) == [("I", {"id": 2, "day": 2})]


@pytest.mark.parametrize("by", ["event trigger", "listener"])
async def test_a_partition_that_was_detached_is_left_alone_so_that_it_can_be_attached_again(
    owner: Connection, root: Connection, by: str
) -> None:
    if by == "event trigger":
        await migrate(root)
    await owner.execute(LOG)
    await look(owner)
    await look_at_triggers(owner)
    await owner.execute("ALTER TABLE public.log DETACH PARTITION public.log_1; INSERT INTO public.log_1 VALUES (1, 1)")
    assert len(await look(owner)) == 1
    await look_at_triggers(owner)
    await owner.execute("ALTER TABLE public.log ATTACH PARTITION public.log_1 FOR VALUES IN (1)")
    await owner.execute("INSERT INTO public.log VALUES (1, 2)")

    assert await look(owner) == ()
    assert await look_at_triggers(owner) == []
    at_once = [("public.log_1", BEGAN)] if by == "event trigger" else []
    assert await gaps(owner) == [*at_once, ("public.log_1", "capture resumed")]
    assert await rows(owner) == [("I", {"day": 1, "id": 2})]


async def test_rows_that_a_partition_had_before_it_was_attached_are_told_at_once(followed: Connection) -> None:
    await followed.execute(f"{LOG}; CREATE TABLE public.log_2 (day integer, id integer, PRIMARY KEY (day, id))")
    await followed.execute(
        "CREATE TABLE public.log_3 (LIKE public.log INCLUDING ALL); INSERT INTO public.log_2 VALUES (2, 1)"
    )
    await followed.execute(
        "BEGIN; SAVEPOINT a; ALTER TABLE public.log ATTACH PARTITION public.log_2 FOR VALUES IN (2); COMMIT"
    )
    await followed.execute("ALTER TABLE public.log ATTACH PARTITION public.log_3 FOR VALUES IN (3)")
    await followed.execute("INSERT INTO public.log VALUES (3, 1)")
    await followed.execute("ALTER TABLE public.log ADD COLUMN note text")
    assert await gaps(followed) == [("public.log_2", BEGAN)]
    assert await look_at_triggers(followed) == []
    await followed.execute("TRUNCATE public.log_3")
    assert [change.op for change in await captured(followed)] == ["G", "I", "T"]


async def test_a_partitioned_table_that_a_captured_one_may_be_attached_to_is_left_alone(followed: Connection) -> None:
    await followed.execute(ITEM)
    await followed.execute(
        "CREATE TABLE public.items (id integer PRIMARY KEY, email text) PARTITION BY RANGE (id);"
        "ALTER TABLE public.items ATTACH PARTITION public.item FOR VALUES FROM (0) TO (9)"
    )
    await followed.execute("INSERT INTO public.items VALUES (1, 'a')")
    assert await rows(followed) == [("I", {"id": 1, "email": "a"})]


async def test_the_owner_of_a_new_partitioned_table_may_still_create_partitions(
    followed: Connection, root: Connection, database: Database
) -> None:
    await root.execute(
        f"GRANT CREATE ON SCHEMA public TO app_writer; ALTER DEFAULT PRIVILEGES FOR ROLE app_writer GRANT TRIGGER ON TABLES TO {OWNER}"
    )
    async with connected(database.writer_url) as writer:
        await writer.execute("CREATE TABLE public.theirs (id integer PRIMARY KEY) PARTITION BY LIST (id)")
        await writer.execute("CREATE TABLE public.theirs_1 PARTITION OF public.theirs FOR VALUES IN (1)")
        assert await look(followed) == ()
        await writer.execute("CREATE TABLE public.theirs_2 PARTITION OF public.theirs FOR VALUES IN (2)")
        await writer.execute("INSERT INTO public.theirs VALUES (1), (2)")
        await writer.execute("TRUNCATE public.theirs_2")
    assert [op for op, _ in await rows(followed)] == ["I", "I", "T"]


# Whatever is wrong, the statement is done


async def test_ddl_goes_on_whatever_is_wrong_with_us(followed: Connection, root: Connection) -> None:
    await root.execute("ALTER TABLE forwarder.table_rule RENAME TO gone")
    await followed.execute(ITEM)
    await root.execute(
        "ALTER TABLE forwarder.gone RENAME TO table_rule; UPDATE forwarder.table_rule SET table_pattern = '('"
    )
    await followed.execute("CREATE TABLE public.second (id integer)")
    assert await count_captured(followed) == 0


async def test_ddl_waits_for_nobody(followed: Connection, database: Database) -> None:
    await followed.execute("SET statement_timeout = '5s'")
    async with connected(database.superuser_url) as other:
        for table in ("captured_table", "table_rule", "outbox", "watched_trigger"):
            await other.execute(f"BEGIN; LOCK TABLE forwarder.{table} IN ACCESS EXCLUSIVE MODE")
            await followed.execute(f"CREATE TABLE public.by_{table} AS SELECT 1 AS id")
            await other.execute("ROLLBACK")
    assert {table for (table, _) in await gaps(followed)} == {"public.by_watched_trigger"}


async def test_ddl_keeps_nobody_waiting(followed: Connection, database: Database) -> None:
    await followed.execute("SET lock_timeout = '10s'")
    async with connected(database.url) as other:
        await other.execute(f"BEGIN; {ITEM}")
        await followed.execute("CREATE TABLE public.second AS SELECT 1 AS id")
        assert await look(followed) == ()
        assert await look_at_triggers(followed) == []
        await other.execute("COMMIT")
    assert await count_captured(followed) == 2


@pytest.mark.parametrize("isolation", ["repeatable read", "serializable"])
async def test_two_transactions_of_any_isolation_create_tables_at_once(
    followed: Connection, database: Database, isolation: str
) -> None:
    async with connected(database.url) as one, connected(database.url) as other:
        for number, connection in enumerate((one, other)):
            await connection.execute(f"BEGIN ISOLATION LEVEL {isolation}; SELECT 1")
            await connection.execute(f"CREATE TABLE public.table_{number} (id integer)")
        for connection in (one, other):
            await connection.execute("COMMIT")
    assert await look(followed) == ()
    assert await count_captured(followed) == 2


async def test_a_statement_that_is_undone_leaves_nothing(followed: Connection) -> None:
    await followed.execute(f"BEGIN; {ITEM}; INSERT INTO public.item VALUES (1, 'a'); ROLLBACK")
    assert await captured(followed) == []
    assert await look(followed) == ()
    await followed.execute(
        f"BEGIN; SAVEPOINT a; {ITEM}; ROLLBACK TO a; {ITEM}; INSERT INTO public.item VALUES (1, 'a'); COMMIT"
    )
    assert await rows(followed) == [("I", {"id": 1, "email": "a"})]
    assert await look_at_triggers(followed) == []


# What becomes of the event triggers


async def event_triggers(connection: Connection) -> set[str]:
    return {name for (name,) in await connection.fetch("SELECT evtname::text FROM pg_event_trigger")}


async def test_event_triggers_go_with_the_setting_and_come_again_if_somebody_drops_or_alters_them(
    followed: Connection, root: Connection
) -> None:
    both = settings_of({"match": "public.*"}, schema_events=True)
    await migrate(root, both)
    assert await event_triggers(root) == {"forwarder_attach", "forwarder_dropped", "forwarder_schema"}
    await root.execute("DROP EVENT TRIGGER forwarder_schema; ALTER EVENT TRIGGER forwarder_attach DISABLE")
    await migrate(root, both)
    assert await event_triggers(root) == {"forwarder_attach", "forwarder_dropped", "forwarder_schema"}
    await followed.execute(ITEM)
    assert await count_captured(followed) == 1

    [line] = await migrate(followed, settings_of({"match": "public.*"}, auto_attach=False))
    assert "DROP EVENT TRIGGER" in line
    await followed.execute("CREATE TABLE public.second (id integer)")
    assert await count_captured(followed) == 1
    await migrate(root, settings_of({"match": "public.*"}, auto_attach=False))
    assert await event_triggers(root) == set()


async def test_down_leaves_no_event_trigger_though_the_owner_is_no_superuser(
    followed: Connection, root: Connection
) -> None:
    await migrate(root, settings_of({"match": "public.*"}, schema_events=True))
    await followed.execute(ITEM)
    found = await plan.from_nothing(followed)
    await Installation(followed, Outcome()).carry_out(found.changes)
    await followed.execute(plan.DROP_SCHEMA)

    assert await event_triggers(root) == set()
    await followed.execute("CREATE TABLE public.second (id integer); DROP TABLE public.second, public.item")


async def test_a_restored_dump_goes_on_capturing_new_tables(
    followed: Connection, root: Connection, database: Database, postgres: EmbeddedPostgres
) -> None:
    await migrate(root, settings_of({"match": "public.*"}, schema_events=True))
    await followed.execute(ITEM)
    async with restored(await dump(postgres, database.name), postgres) as copy, connected(copy.url) as owner:
        await owner.execute("CREATE TABLE public.second (id integer); INSERT INTO public.second VALUES (1)")
        assert [change.op for change in await captured(owner) if change.table.endswith("second")] == ["S", "I"]


# The listener with a role of its own


async def test_a_runtime_role_captures_what_the_rules_in_the_database_say_and_nothing_else(
    owner: Connection, root: Connection, database: Database
) -> None:
    await root.execute("CREATE ROLE app_listener LOGIN")
    try:
        rules = rules_of(ALL.table)
        found = await plan.from_selection(
            owner, [], described=rules, auto_attach=True, roles=Roles(capture=CAPTURE_ROLE, runtime="app_listener")
        )
        await Installation(owner, Outcome()).carry_out(found.changes)
        await owner.execute(f"{LOG}; {ITEM}; CREATE SCHEMA other; CREATE TABLE other.item (id integer)")
        await owner.execute("INSERT INTO public.item VALUES (1, 'a')")
        async with session(database.url.replace(OWNER, "app_listener", 1), purpose="janitor") as listener:
            assert await look(listener) == ()
            everything = settings_of({"match": "*.*"}, {"match": "other.*", "columns": {"hash": ["id"]}})
            [line] = await look(listener, everything)
            assert line.startswith(
                "new table other.item is not captured: its rules have to be worked out by the owner of"
            )
        await owner.execute(
            "INSERT INTO public.item VALUES (2, 'b'); INSERT INTO public.log VALUES (1, 1); TRUNCATE public.log_1"
        )
        assert await gaps(owner) == [("public.item", BEGAN)]
        assert [op for op, _ in await rows(owner)] == ["I", "I", "T"]
    finally:
        await root.execute("DROP OWNED BY app_listener; DROP ROLE app_listener")


# A copy of a table whose columns are covered, which takes its name: how tables are rebuilt while they are in use.
MASKED = settings_of({"match": "public.*"}, {"match": "public.item", "columns": {"mask": {"email": "***"}}})


@pytest.mark.parametrize("by", ["event trigger", "look"])
async def test_a_copy_of_a_table_whose_columns_are_covered_is_not_captured_before_it_has_the_name(
    owner: Connection, root: Connection, by: str
) -> None:
    await owner.execute(ITEM)
    await migrate(root if by == "event trigger" else owner, MASKED)
    await owner.execute("CREATE TABLE public.item_new (LIKE public.item INCLUDING ALL)")
    await owner.execute("INSERT INTO public.item_new VALUES (1, 'secret')")
    (warning,) = await look(owner, MASKED)
    assert "public.item_new is not captured: it has column email, which the rules of another table cover" in warning
    await owner.execute("ALTER TABLE public.item RENAME TO item_old; ALTER TABLE public.item_new RENAME TO item")
    await look(owner, MASKED)
    await owner.execute("INSERT INTO public.item VALUES (2, 'secret')")
    assert [after["email"] for _, after in await rows(owner)] == ["***"]


async def test_a_key_that_comes_after_the_table_is_the_key_of_its_records(owner: Connection, root: Connection) -> None:
    await migrate(root)
    await owner.execute("CREATE TABLE public.item (id integer NOT NULL)")
    await owner.execute("ALTER TABLE ONLY public.item ADD PRIMARY KEY (id)")
    columns = await owner.fetchval("SELECT key_columns FROM forwarder.captured_table WHERE table_name = 'item'")
    assert columns == '[{"names": ["id"], "attnum": 1}]'
    await owner.execute("INSERT INTO public.item VALUES (1); UPDATE public.item SET id = 2")
    assert [op for op, _ in await rows(owner)] == ["I", "D", "I"]


async def test_a_table_is_captured_from_its_creation_while_another_one_is_locked(
    owner: Connection, root: Connection
) -> None:
    await migrate(root)
    await owner.execute("CREATE TABLE public.busy (id integer PRIMARY KEY)")
    async with root.transaction():
        await root.execute("LOCK TABLE public.busy IN ACCESS EXCLUSIVE MODE")
        await owner.execute(f"{ITEM}; INSERT INTO public.item VALUES (1, 'a')")
        assert await rows(owner) == [("I", {"id": 1, "email": "a"})]


async def test_the_next_owner_of_a_partitioned_table_can_create_partitions(owner: Connection, root: Connection) -> None:
    await migrate(root)
    await root.execute("CREATE ROLE deployed; GRANT CREATE, USAGE ON SCHEMA public TO deployed")
    try:
        await owner.execute("CREATE TABLE public.part (id integer PRIMARY KEY) PARTITION BY RANGE (id)")
        await root.execute("ALTER TABLE public.part OWNER TO deployed")
        async with root.transaction():
            await root.execute("SET LOCAL ROLE deployed")
            await root.execute("CREATE TABLE public.part_0 PARTITION OF public.part FOR VALUES FROM (0) TO (9)")
            await root.execute("INSERT INTO public.part VALUES (1)")
        assert await rows(owner) == [("I", {"id": 1})]
    finally:
        await root.execute("DROP OWNED BY deployed CASCADE; DROP ROLE deployed")


async def test_a_table_that_was_taken_out_of_capture_stays_out(owner: Connection) -> None:
    await owner.execute(ITEM)
    await migrate(owner)
    await look(owner)
    assert await count_captured(owner) == 1
    found = await plan.from_nothing(owner)
    await Installation(owner, Outcome()).carry_out(
        [change for change in found.changes if change.table == "public.item"]
    )
    await look(owner)
    assert await count_captured(owner) == 0


async def test_no_event_trigger_of_others_runs_with_the_rights_of_the_installer(
    owner: Connection, root: Connection, database: Database
) -> None:
    await migrate(root)
    await root.execute(
        "CREATE TABLE public.ddl_log (who name); GRANT INSERT ON public.ddl_log TO PUBLIC; GRANT CREATE ON SCHEMA public TO app_writer;"
        f"ALTER DEFAULT PRIVILEGES FOR ROLE app_writer GRANT TRIGGER ON TABLES TO {OWNER}; ALTER DEFAULT PRIVILEGES FOR ROLE app_writer"
        f" GRANT USAGE ON SCHEMAS TO {OWNER};"
        "CREATE FUNCTION public.log_ddl() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN INSERT INTO ddl_log VALUES (current_user); END $$;"
        "CREATE EVENT TRIGGER log_ddl ON ddl_command_end EXECUTE FUNCTION public.log_ddl()"
    )
    try:
        async with connected(database.writer_url) as stranger:
            await stranger.execute("CREATE TEMP TABLE ddl_log (who name); GRANT ALL ON pg_temp.ddl_log TO PUBLIC")
            await stranger.execute("CREATE TABLE public.bait (id integer PRIMARY KEY)")
            assert {row["who"] for row in await stranger.fetch("SELECT who FROM pg_temp.ddl_log")} <= {"app_writer"}
        assert await count_captured(owner) == 0
        # The session of the listener has nothing of a stranger's.
        await root.execute("DROP EVENT TRIGGER log_ddl")
        await look(owner)
        assert await count_captured(owner) == 1
    finally:
        await root.execute("DROP EVENT TRIGGER IF EXISTS log_ddl; DROP OWNED BY app_writer CASCADE")


async def test_a_rule_may_be_for_tables_that_come_later(owner: Connection) -> None:
    found = await plan.from_selection(owner, rules_of(ALL.table), auto_attach=True)
    assert "table pattern 'public.*' matches no table yet" in found.warnings
    with pytest.raises(Misconfigured, match="matches no table"):
        await plan.from_selection(owner, rules_of(ALL.table), auto_attach=False)
