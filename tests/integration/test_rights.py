"""Who may do what with schema ``forwarder``: everybody what is theirs to do, and nobody more, whatever a database grants by default."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import asyncpg
import pytest

from forwarder.capture import migrations, plan
from forwarder.capture.apply import Installation
from forwarder.capture.rights import Rights, images_role
from forwarder.capture.rights_due import Roles
from forwarder.capture.rights_script import closing
from forwarder.config.database import CAPTURE_ROLE
from forwarder.database.sessions import session
from forwarder.errors import Misconfigured, Refused
from forwarder.outbox.registry import Registry
from tests.databases import OWNER, WRITER, Database, connected, from_bare
from tests.migrating import Outcome, captured, migrate

if TYPE_CHECKING:
    from forwarder.database.sessions import Connection

IMAGES_ROLE = images_role(CAPTURE_ROLE)
ORDERS = "CREATE TABLE public.orders (id integer PRIMARY KEY, note text)"


@pytest.fixture
async def owner(fresh_database: Database) -> AsyncIterator[Connection]:
    """The role that owns the tables and migrates."""
    async with connected(fresh_database.url) as connection:
        yield connection


@pytest.fixture
async def writer(fresh_database: Database) -> AsyncIterator[Connection]:
    async with connected(fresh_database.writer_url) as connection:
        yield connection


@pytest.fixture
async def root(fresh_database: Database) -> AsyncIterator[Connection]:
    async with connected(fresh_database.superuser_url) as connection:
        yield connection


async def rights_of(connection: Connection, role: str) -> set[str]:
    """What a role, or PUBLIC, has been granted in the schema by name."""
    rows = await connection.fetch(
        """
        SELECT format('%s %s', acl.privilege_type, object.name)
        FROM (
            SELECT 'forwarder' AS name, nspacl AS acl FROM pg_namespace WHERE nspname = 'forwarder'
            UNION ALL
            SELECT relname, coalesce(relacl, acldefault(CASE relkind WHEN 'S' THEN 's' ELSE 'r' END::"char", relowner))
            FROM pg_class WHERE relnamespace = 'forwarder'::regnamespace AND relkind IN ('r', 'p', 'S')
            UNION ALL
            SELECT format('%s (%s)', class.relname, attname), attacl
            FROM pg_attribute JOIN pg_class AS class ON class.oid = attrelid
            WHERE relnamespace = 'forwarder'::regnamespace
            UNION ALL
            SELECT proname, coalesce(proacl, acldefault('f', proowner))
            FROM pg_proc WHERE pronamespace = 'forwarder'::regnamespace
        ) AS object
        CROSS JOIN LATERAL aclexplode(object.acl) AS acl
        WHERE CASE acl.grantee WHEN 0 THEN 'PUBLIC' ELSE pg_get_userbyid(acl.grantee) END = $1
        """,
        role,
    )
    return {row[0] for row in rows}


async def everybody(connection: Connection) -> set[str]:
    """Whoever but the owner has been granted anything in the schema."""
    rows = await connection.fetch(
        "SELECT rolname FROM pg_roles WHERE rolname <> $1 AND rolname NOT LIKE 'pg\\_%' UNION SELECT 'PUBLIC'", OWNER
    )
    return {row[0] for row in rows if await rights_of(connection, row[0])}


# Everybody


async def test_nobody_but_the_owner_and_the_role_of_capture_is_granted_anything(owner: Connection) -> None:
    await migrate(owner)
    assert await everybody(owner) == {CAPTURE_ROLE, IMAGES_ROLE}


async def test_the_role_of_capture_may_fill_the_outbox_and_touch_nothing_else(owner: Connection) -> None:
    await migrate(owner)
    rights = await rights_of(owner, CAPTURE_ROLE)
    assert {right for right in rights if not right.startswith("EXECUTE")} == {
        "USAGE forwarder",
        "INSERT outbox",
        "SELECT salt",
        "USAGE outbox_seq",
    }


async def test_the_role_that_runs_the_code_of_others_may_do_nothing(owner: Connection, root: Connection) -> None:
    await migrate(owner)
    assert await rights_of(owner, IMAGES_ROLE) == {"EXECUTE images"}
    # Not even use the schema, so it cannot name that function.
    assert not await root.fetchval("SELECT has_schema_privilege($1, 'forwarder', 'USAGE')", IMAGES_ROLE)
    assert not await root.fetchval("SELECT has_any_column_privilege($1, 'forwarder.outbox', 'INSERT')", IMAGES_ROLE)


async def test_usage_on_the_schema_alone_gives_nothing(owner: Connection, writer: Connection) -> None:
    await owner.execute(ORDERS)
    await migrate(owner, "orders")
    await owner.execute(f"GRANT USAGE ON SCHEMA forwarder TO {WRITER}")
    await writer.execute("CREATE TEMP TABLE forged (id integer)")
    trigger = "CREATE TRIGGER forge AFTER INSERT ON forged FOR EACH ROW EXECUTE FUNCTION forwarder.capture('1', 'full')"
    for attempt in (trigger, "SELECT nextval('forwarder.outbox_seq')", "TABLE forwarder.sink"):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await writer.execute(attempt)
    callable_ones = "SELECT count(*) FROM pg_proc WHERE pronamespace = 'forwarder'::regnamespace AND has_function_privilege($1, oid, 'EXECUTE')"
    assert await owner.fetchval(callable_ones, WRITER) == 0


async def functions(connection: Connection) -> dict[str, asyncpg.Record]:
    """Every function of ours, by name: how it runs, what it says, and whether the role of capture may call it."""
    rows = await connection.fetch(
        """
        SELECT
            proname AS name,
            pg_get_userbyid(proowner) AS owner,
            prosecdef AS is_definer,
            coalesce('search_path=pg_catalog, pg_temp' = ANY (proconfig), false) AS is_pinned,
            prosrc AS body,
            has_function_privilege($1, oid, 'EXECUTE') AS is_for_capture
        FROM pg_proc WHERE pronamespace = 'forwarder'::regnamespace
        """,
        CAPTURE_ROLE,
    )
    return {row["name"]: row for row in rows}


def called_by(name: str, found: dict[str, asyncpg.Record]) -> set[str]:
    """What a function calls of ours, and what that calls with the same rights."""
    called = set(re.findall(r"forwarder\.(\w+)\(", found[name]["body"])) & found.keys() - {name}
    return called.union(*(called_by(other, found) for other in called if not found[other]["is_definer"]))


async def test_the_role_of_capture_may_call_what_its_functions_call_and_nothing_else(owner: Connection) -> None:
    await migrate(owner)
    found = await functions(owner)
    # What the capture() of the previous release calls is for statements that have begun under it.
    former = {"capture_with_care", "is_utc", "needs_setting"}
    own = {
        *("capture", "capture_by_rules", "capture_in_statement", "capture_statement", "capture_truncate", "emit"),
        *("image_needs", "row_image", "treated_value"),
    }
    called = own | former | set[str]().union(*(called_by(name, found) for name in own | {"capture_with_care"}))
    assert {name for name, row in found.items() if row["is_for_capture"]} == called


async def test_what_is_called_from_elsewhere_has_a_search_path_of_its_own(owner: Connection) -> None:
    await migrate(owner)
    found = await functions(owner)
    # What these call runs with their path, or is inlined, unless it has other rights.
    definers = {"capture_with_care", *(name for name, row in found.items() if row["is_definer"])}
    callers = set[str]().union(*(called_by(name, found) for name in definers))
    # One is inlined into queries, and names PostgreSQL's own with their schema; the others are called by the capture() of the previous release.
    assert {name for name, row in found.items() if not row["is_pinned"]} <= callers | {
        "sees",
        "is_utc",
        "needs_setting",
    }
    assert all(row["is_pinned"] for row in found.values() if row["is_definer"])


async def test_what_runs_with_the_owners_rights_is_for_somebody(owner: Connection, runtime_role: str) -> None:
    await migrate(owner, runtime_role=runtime_role)
    found = await functions(owner)
    granted = await rights_of(owner, runtime_role) | await rights_of(owner, CAPTURE_ROLE)
    definers = {name for name, row in found.items() if row["is_definer"] and row["owner"] == OWNER}
    assert {"compact_sinks", "enter_history", "leaves", "reclaim", "set_paused"} <= definers
    # PostgreSQL itself calls those of event triggers.
    assert {f"EXECUTE {name}" for name in definers - {"attach_created", "tell_altered", "tell_dropped"}} <= granted


async def rights_to_change(connection: Connection) -> list[Rights]:
    """What `forwarder migrate` would say of rights."""
    return [change for change in (await plan.from_selection(connection, [])).changes if isinstance(change, Rights)]


# Default privileges


async def grant_by_default(owner: Connection) -> None:
    for schema in ("", "IN SCHEMA forwarder "):
        for kind in ("TABLES", "SEQUENCES", "FUNCTIONS"):
            await owner.execute(f"ALTER DEFAULT PRIVILEGES {schema}GRANT ALL ON {kind} TO {WRITER}")
    await owner.execute(f"ALTER DEFAULT PRIVILEGES GRANT ALL ON SCHEMAS TO {WRITER}")


@from_bare
async def test_default_privileges_open_nothing_of_ours_and_what_they_granted_is_reported(
    owner: Connection, fresh_database: Database
) -> None:
    await owner.execute("CREATE SCHEMA forwarder")
    await grant_by_default(owner)
    await owner.execute("DROP SCHEMA forwarder")
    (close,) = [change for change in await rights_to_change(owner) if change.part == "close"]
    assert close.roles == ("PUBLIC", WRITER)
    await migrate(owner)
    assert await everybody(owner) == {CAPTURE_ROLE, IMAGES_ROLE}


@from_bare
async def test_default_privileges_open_nothing_of_ours_after_any_of_the_migrations(
    owner: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    await owner.execute("CREATE SCHEMA forwarder")
    for grantee in (WRITER, "PUBLIC"):
        for kind in ("TABLES", "SEQUENCES", "FUNCTIONS", "SCHEMAS"):
            await owner.execute(f"ALTER DEFAULT PRIVILEGES GRANT ALL ON {kind} TO {grantee}")
    await owner.execute("DROP SCHEMA forwarder")
    known = migrations.shipped()
    for number in range(len(known)):
        # What others can see, once this one is committed and the next one is not.
        monkeypatch.setattr(migrations, "shipped", lambda upto=number + 1: known[:upto])
        await migrations.apply(owner)
        assert (known[number].name, await everybody(owner)) == (known[number].name, set())


async def test_no_migration_takes_from_the_trigger_function_what_the_one_of_the_release_before_may_call(
    owner: Connection,
) -> None:
    await migrate(owner)
    await owner.execute(f"ALTER DEFAULT PRIVILEGES GRANT EXECUTE ON FUNCTIONS TO {CAPTURE_ROLE}")
    # As a function that a later release has no need of.
    await owner.execute(f"GRANT EXECUTE ON FUNCTION forwarder.note_dropped TO {CAPTURE_ROLE}")
    await owner.execute(closing())
    assert "EXECUTE note_dropped" in await rights_of(owner, CAPTURE_ROLE)
    await migrate(owner)
    assert "EXECUTE note_dropped" not in await rights_of(owner, CAPTURE_ROLE)


async def test_what_default_privileges_granted_before_is_revoked(owner: Connection) -> None:
    await owner.execute(ORDERS)
    await migrate(owner, "orders")
    await grant_by_default(owner)
    await owner.execute("CREATE TABLE forwarder.later (id integer)")
    assert await everybody(owner) == {CAPTURE_ROLE, IMAGES_ROLE, WRITER}
    (change,) = (await migrate(owner)).done
    assert change.table == "schema forwarder"
    assert await everybody(owner) == {CAPTURE_ROLE, IMAGES_ROLE}
    assert not (await plan.from_selection(owner, [])).exists


async def test_a_trigger_that_somebody_left_on_a_table_of_ours_is_dropped_and_reported(
    owner: Connection, writer: Connection
) -> None:
    await migrate(owner)
    await owner.execute(
        f"GRANT USAGE, CREATE ON SCHEMA forwarder TO {WRITER}; GRANT TRIGGER ON forwarder.sink TO {WRITER}"
    )
    await writer.execute(
        "CREATE FUNCTION forwarder.later() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'"
    )
    await writer.execute(
        "CREATE TRIGGER planted BEFORE INSERT ON forwarder.sink FOR EACH ROW EXECUTE FUNCTION forwarder.later()"
    )

    done = await migrate(owner)

    assert WRITER in str(done.done)
    assert not await owner.fetchval("SELECT count(*) FROM pg_trigger WHERE tgname = 'planted'")


@pytest.mark.parametrize(
    "left",
    [
        "CREATE RULE quiet AS ON UPDATE TO forwarder.sink DO INSTEAD NOTHING",
        "CREATE POLICY hidden ON forwarder.outbox USING (false)",
        "ALTER TABLE forwarder.outbox ENABLE ROW LEVEL SECURITY",
        "ALTER TABLE forwarder.outbox FORCE ROW LEVEL SECURITY",
    ],
)
async def test_what_changes_how_a_table_of_ours_behaves_is_dropped_and_reported(
    owner: Connection, writer: Connection, left: str
) -> None:
    await owner.execute(ORDERS)
    await migrate(owner, "orders")
    await owner.execute(left)
    (change,) = await rights_to_change(owner)
    assert change.part == "clear"
    assert not (await migrate(owner)).problems
    assert not (await plan.from_selection(owner, [])).exists
    await writer.execute("INSERT INTO public.orders VALUES (1)")


async def test_a_table_that_a_stranger_made_in_our_schema_is_left_alone(owner: Connection, writer: Connection) -> None:
    await migrate(owner)
    await owner.execute(f"GRANT USAGE, CREATE ON SCHEMA forwarder TO {WRITER}")
    await writer.execute(
        "CREATE TABLE forwarder.mine (id integer); CREATE RULE quiet AS ON UPDATE TO forwarder.mine DO INSTEAD NOTHING;"
        "GRANT SELECT ON forwarder.mine TO PUBLIC"
    )
    outcome = await migrate(owner)
    assert (outcome.done, outcome.problems) == ([], {})


@pytest.fixture
async def lent(owner: Connection, writer: Connection, root: Connection) -> Connection:
    """A stranger's session, who has a schema of his own and was granted REFERENCES on our tables for a while."""
    await owner.execute(ORDERS)
    await migrate(owner, "orders")
    await root.execute(f"CREATE SCHEMA strange AUTHORIZATION {WRITER}")
    leaves = ", ".join(row["name"] for row in await owner.fetch("SELECT name FROM forwarder.leaves()"))
    grant = f"REFERENCES ON forwarder.sink, {leaves}"
    await owner.execute(f"GRANT USAGE ON SCHEMA forwarder TO {WRITER}; GRANT {grant} TO {WRITER}")
    await writer.execute("CREATE TABLE strange.sinks (name text REFERENCES forwarder.sink)")
    await writer.execute("CREATE TABLE strange.changes (seq bigint REFERENCES forwarder.outbox_3)")
    await owner.execute(f"REVOKE {grant} FROM {WRITER}")
    return writer


async def test_a_foreign_key_of_a_stranger_keeps_no_table_from_being_emptied(
    owner: Connection, lent: Connection
) -> None:
    with pytest.raises(asyncpg.FeatureNotSupportedError, match="referenced in a foreign key"):
        await owner.execute("SELECT forwarder.compact_sinks(-1)")
    constraints = (
        "SELECT array_agg(format('%s %s', conname, pg_get_constraintdef(oid)) ORDER BY conname) FROM pg_constraint"
        " WHERE conrelid IN ('forwarder.sink'::regclass, 'forwarder.outbox_3'::regclass)"
    )
    before = await owner.fetchval(constraints)

    (change,) = (await migrate(owner)).done

    assert getattr(change, "roles", ()) == (WRITER,)
    assert await owner.fetchval("SELECT forwarder.compact_sinks(-1)")
    await owner.execute("TRUNCATE forwarder.outbox_3")
    assert await owner.fetchval(constraints) == before
    assert not (await plan.from_selection(owner, [])).exists
    await lent.execute("INSERT INTO strange.sinks VALUES ('x'); INSERT INTO public.orders VALUES (1)")


async def test_a_foreign_key_that_whoever_migrates_may_drop_is_dropped_alone(
    owner: Connection, lent: Connection, root: Connection
) -> None:
    index = "SELECT 'forwarder.sink_pkey'::regclass::oid"
    before = await owner.fetchval(index)
    assert not (await migrate(root)).problems
    assert await owner.fetchval(index) == before
    assert not (await plan.from_selection(owner, [])).exists


async def test_what_keeps_the_outbox_from_being_laid_out_anew_is_named(owner: Connection, lent: Connection) -> None:
    await migrate(owner)
    await lent.execute(
        "CREATE VIEW strange.v AS SELECT seq FROM forwarder.outbox; CREATE TABLE strange.c (x forwarder.outbox)"
    )
    found = await plan.from_selection(owner, [], leaf_events=1024)
    outcome = Outcome()
    await Installation(owner, outcome).carry_out(found.changes)
    problem = outcome.problems["forwarder.outbox"]
    assert "column x of table strange.c depends on" in problem
    assert "view strange.v depends on" in problem
    assert problem.endswith("; drop what is in the way, and run it again")
    assert await owner.fetchval("SELECT forwarder.leaf_events()") == 1 << 18


@from_bare
async def test_what_keeps_a_migration_from_altering_a_table_is_named(
    owner: Connection, writer: Connection, root: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = migrations.shipped()
    monkeypatch.setattr(migrations, "shipped", lambda: known[:7])
    await migrations.apply(owner)
    monkeypatch.undo()
    await root.execute(f"CREATE SCHEMA strange AUTHORIZATION {WRITER}")
    await owner.execute(f"GRANT USAGE ON SCHEMA forwarder TO {WRITER}")
    await writer.execute("CREATE TABLE strange.c (x forwarder.sink)")
    with pytest.raises(
        Refused, match=r'0007 sink failed: cannot alter table "sink" .* "c\.x" .*; drop what is in the way'
    ):
        await migrations.apply(owner)


async def test_what_a_stranger_made_in_our_schema_stays_his(
    owner: Connection, writer: Connection, root: Connection
) -> None:
    await migrate(owner)
    await owner.execute(f"GRANT USAGE, CREATE ON SCHEMA forwarder TO {WRITER}")
    await writer.execute(
        "CREATE FUNCTION forwarder.later() RETURNS text LANGUAGE sql SECURITY DEFINER AS 'SELECT $$x$$'"
    )

    await migrate(root)

    made_by = "SELECT pg_get_userbyid(proowner) FROM pg_proc WHERE oid = to_regproc('forwarder.later')"
    assert await owner.fetchval(made_by) == WRITER


async def test_a_grant_that_somebody_made_on_purpose_stays(owner: Connection) -> None:
    await migrate(owner)
    await owner.execute(f"GRANT SELECT ON forwarder.sink TO {WRITER}")
    assert (await migrate(owner)).done == []
    assert await rights_of(owner, WRITER) == {"SELECT sink"}


async def test_leaves_laid_out_anew_have_the_indexes_of_the_whole_table(owner: Connection) -> None:
    await migrate(owner)
    await owner.execute("CREATE INDEX ON forwarder.outbox (table_id)")
    indexes = (
        "SELECT count(*) FROM pg_index WHERE indrelid IN (SELECT relid FROM pg_partition_tree('forwarder.outbox'))"
    )
    before = await owner.fetchval(indexes)
    for leaf_events in (1024, 2048):
        await owner.execute(f"SELECT forwarder.lay_out({leaf_events})")
        assert await owner.fetchval(indexes) == before


async def test_leaves_laid_out_anew_have_the_rights_of_the_old_ones(owner: Connection, writer: Connection) -> None:
    await owner.execute(ORDERS)
    await migrate(owner, "orders")
    await grant_by_default(owner)
    await owner.execute(f"GRANT SELECT (seq) ON forwarder.outbox TO {WRITER}")
    await owner.execute("SELECT forwarder.lay_out(1024)")
    assert await rights_of(owner, WRITER) == {"SELECT outbox (seq)"}
    await writer.execute("INSERT INTO public.orders VALUES (1)")
    assert [event.fault for event in await captured(owner)] == [None]


# Owners


async def test_what_a_superuser_migrates_belongs_to_the_owner_of_the_schema(
    owner: Connection, root: Connection
) -> None:
    await owner.execute(ORDERS)
    await migrate(owner, "orders")
    await root.execute(
        "ALTER FUNCTION forwarder.reclaim OWNER TO CURRENT_USER; ALTER TABLE forwarder.sink OWNER TO CURRENT_USER"
    )
    await root.execute("ALTER FUNCTION forwarder.capture OWNER TO CURRENT_USER; SELECT forwarder.lay_out(1024)")
    assert not (await migrate(root)).problems
    rows = await owner.fetch(
        "SELECT pg_get_userbyid(relowner) FROM pg_class WHERE relnamespace = 'forwarder'::regnamespace"
        " UNION SELECT pg_get_userbyid(proowner) FROM pg_proc WHERE pronamespace = 'forwarder'::regnamespace"
    )
    assert {row[0] for row in rows} == {OWNER, CAPTURE_ROLE, IMAGES_ROLE}
    assert (await migrate(owner)).done == []


async def test_the_owner_of_a_partitioned_table_may_attach_partitions_and_nothing_else(
    owner: Connection, writer: Connection, root: Connection
) -> None:
    await root.execute(f"GRANT CREATE ON SCHEMA public TO {WRITER}")
    await writer.execute("CREATE TABLE public.sale (id integer) PARTITION BY RANGE (id)")
    await writer.execute(f"GRANT TRIGGER ON public.sale TO {OWNER}")
    assert not (await migrate(owner, "sale")).problems
    await writer.execute("CREATE TABLE public.sale_1 PARTITION OF public.sale FOR VALUES FROM (0) TO (10)")
    await writer.execute("INSERT INTO public.sale VALUES (1)")
    assert [event.table for event in await captured(owner)] == ["sale_1"]
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await writer.execute(
            "CREATE TRIGGER forge AFTER INSERT ON public.sale_1 FOR EACH ROW EXECUTE FUNCTION forwarder.capture('7', 'full')"
        )
    assert (await migrate(owner)).done == []


# What runs with the owner's rights looks at what it is given


async def test_only_a_leaf_is_emptied(owner: Connection) -> None:
    await migrate(owner)
    await owner.execute(
        "INSERT INTO forwarder.sink (name, system_identifier, delivered, floor_seq, last_seq)"
        " SELECT 'sink', system_identifier, pg_current_snapshot(), 0, 0 FROM pg_control_system();"
        "INSERT INTO forwarder.dead_letter (sink, seq, txid, at, table_id, relation, op, tx_index, tx_count, partition_key,"
        " record_bytes, code, reason) VALUES ('sink', 1, '3', '2026-01-01', 1, 1, 'I', 1, 1, '', 1, '', '')"
    )
    with pytest.raises(asyncpg.RaiseError, match=r"forwarder\.dead_letter is no leaf of forwarder\.outbox"):
        await owner.execute("SELECT forwarder.reclaim('forwarder.dead_letter', 0)")
    assert await owner.fetchval("SELECT count(*) FROM forwarder.dead_letter") == 1


async def test_a_name_found_in_the_path_of_a_session_is_not_called_by_migrate(
    fresh_database: Database, owner: Connection, root: Connection, tmp_path_factory: pytest.TempPathFactory
) -> None:
    # It fits `format('%I.%I', nspname, relname)` better than pg_catalog's own.
    await root.execute(
        f"CREATE FUNCTION public.format(text, name, name) RETURNS text LANGUAGE plpgsql AS $$ BEGIN"
        f" RAISE 'called as %', current_user; END $$; ALTER FUNCTION public.format(text, name, name) OWNER TO {WRITER}"
    )
    await owner.execute(ORDERS)
    from forwarder.database.sessions import session

    async with session(fresh_database.url, purpose="tests") as ours:
        assert (await migrate(ours, "orders")).tables == ["public.orders"]


# Who runs the listener

RUNTIME = "forwarder_runtime"


@pytest.fixture
async def runtime_role(root: Connection) -> str:
    if not await root.fetchval("SELECT to_regrole($1) IS NOT NULL", RUNTIME):
        await root.execute(f"CREATE ROLE {RUNTIME} LOGIN")
    return RUNTIME


ROLES = Path(__file__).parents[2] / "docs" / "roles.md"


def documented(role: str) -> set[str]:
    """What docs/roles.md says that a role may do, as ``rights_of`` has it."""
    rights: set[str] = set()
    for subject, objects, what in re.findall(r"^\| (.+?) \| (.+?) \| (.*?) ?\|$", ROLES.read_text(), re.MULTILINE):
        if subject.strip("`") == role:
            for name in re.findall(r"`(\w+)`", objects):
                rights |= {f"{right} {name} ({column})" for right, column in re.findall(r"\b([A-Z]+) of `(\w+)`", what)}
                rights |= {f"{right} {name}" for right in re.findall(r"\b([A-Z]{5,})\b(?! of)", what)}
    return rights


async def test_each_role_may_do_what_is_documented_and_nothing_else(
    owner: Connection, root: Connection, runtime_role: str
) -> None:
    await root.execute(f"GRANT CREATE ON SCHEMA public TO {WRITER}; CREATE ROLE stranger")
    await root.execute(
        "CREATE TABLE public.sale (id integer) PARTITION BY RANGE (id); ALTER TABLE public.sale OWNER TO stranger"
    )
    await root.execute(f"GRANT TRIGGER ON public.sale TO {OWNER}")
    try:
        assert not (await migrate(owner, "sale", runtime_role=runtime_role)).problems
        subjects = {
            CAPTURE_ROLE: CAPTURE_ROLE,
            IMAGES_ROLE: IMAGES_ROLE,
            "runtime role": runtime_role,
            "owner of a captured partitioned table": "stranger",
            "writer": WRITER,
            "everybody": "PUBLIC",
        }
        for subject, role in subjects.items():
            assert (subject, await rights_of(owner, role)) == (subject, documented(subject))
        assert await everybody(owner) == {CAPTURE_ROLE, IMAGES_ROLE, runtime_role, "stranger"}
    finally:
        await root.execute("DROP OWNED BY stranger CASCADE; DROP ROLE stranger")


async def test_the_installer_owns_all_but_what_has_a_role_of_its_own(owner: Connection, runtime_role: str) -> None:
    await migrate(owner, runtime_role=runtime_role)
    rows = await owner.fetch(
        "SELECT relname, pg_get_userbyid(relowner) FROM pg_class WHERE relnamespace = 'forwarder'::regnamespace"
        " UNION SELECT nspname, pg_get_userbyid(nspowner) FROM pg_namespace WHERE nspname = 'forwarder'"
        " UNION SELECT proname, pg_get_userbyid(proowner) FROM pg_proc WHERE pronamespace = 'forwarder'::regnamespace"
    )
    assert {(name, role) for name, role in rows if role != OWNER} == {
        ("capture", CAPTURE_ROLE),
        ("capture_by_rules", CAPTURE_ROLE),
        ("capture_in_statement", CAPTURE_ROLE),
        ("capture_statement", CAPTURE_ROLE),
        ("capture_truncate", CAPTURE_ROLE),
        ("emit", CAPTURE_ROLE),
        ("image_needs", CAPTURE_ROLE),
        ("images", IMAGES_ROLE),
        ("row_image", CAPTURE_ROLE),
        ("treated_value", CAPTURE_ROLE),
    }


async def test_a_runtime_role_stays_one_and_is_given_what_is_missing_by_every_migrate(
    owner: Connection, runtime_role: str
) -> None:
    await migrate(owner, runtime_role=runtime_role)
    rights = await rights_of(owner, runtime_role)
    assert (await migrate(owner)).done == []
    await owner.execute(f"REVOKE SELECT ON forwarder.outbox FROM {runtime_role}")
    await owner.execute("SELECT forwarder.lay_out(1024)")
    (change,) = (await migrate(owner)).done
    assert getattr(change, "roles", ()) == (runtime_role,)
    await owner.execute("SELECT forwarder.lay_out(2048)")
    assert await rights_of(owner, runtime_role) == rights


async def test_a_runtime_role_keeps_what_it_reads_of_columns(
    fresh_database: Database, owner: Connection, runtime_role: str
) -> None:
    await owner.execute(ORDERS)
    await migrate(owner, "orders", runtime_role=runtime_role)
    for name in ("words", "more"):
        await owner.execute(f"ALTER TABLE public.orders ADD {name} text")
        async with session(fresh_database.url.replace(OWNER, runtime_role), purpose="reader") as runtime:
            await Registry(with_columns=True).refresh(runtime)
    kept = await owner.fetchval(
        "SELECT jsonb_path_query_array(columns, '$[*].name')::text FROM forwarder.known_columns"
    )
    assert json.loads(kept) == ["id", "note", "words", "more"]


@pytest.mark.parametrize("is_there", [0, 1])
async def test_the_script_grants_a_runtime_role_what_it_needs(
    owner: Connection, runtime_role: str, is_there: int
) -> None:
    if is_there:
        await migrate(owner)
    roles = Roles(capture=CAPTURE_ROLE, runtime=runtime_role)
    await owner.execute((await plan.from_selection(owner, [], roles=roles)).script())
    assert "EXECUTE reclaim" in await rights_of(owner, runtime_role)
    assert not (await plan.from_selection(owner, [])).exists


ATTEMPTS = [
    "TABLE public.orders",
    "INSERT INTO forwarder.outbox (table_id, relation, op) VALUES (1, 1, 'I')",
    "UPDATE forwarder.outbox SET after = NULL",
    "DELETE FROM forwarder.outbox",
    "TRUNCATE forwarder.sink",
    "DROP TABLE forwarder.sink",
    "DROP SCHEMA forwarder CASCADE",
    "CREATE TABLE forwarder.mine ()",
    "UPDATE forwarder.captured_table SET relation = 0",
    "SELECT setval('forwarder.outbox_seq', 1)",
    "SELECT forwarder.lay_out(1024)",
    "SELECT forwarder.is_spent('public.orders', 0)",
    "SELECT forwarder.install('public.orders', 'full', '[]')",
    "SELECT forwarder.forget(1)",
    "SELECT forwarder.entrust_capture('forwarder_runtime')",
    "ALTER FUNCTION forwarder.capture() RESET ALL",
    "CREATE TEMP TABLE forged (); CREATE TRIGGER forge AFTER INSERT ON forged EXECUTE FUNCTION forwarder.capture('1', 'full')",
]


async def test_a_runtime_role_may_neither_read_tables_nor_change_what_is_captured(
    fresh_database: Database, owner: Connection, runtime_role: str
) -> None:
    await owner.execute(ORDERS)
    await migrate(owner, "orders", runtime_role=runtime_role)
    allowed = []
    async with connected(fresh_database.url.replace(OWNER, runtime_role)) as runtime:
        for attempt in ATTEMPTS:
            with suppress(asyncpg.InsufficientPrivilegeError):
                await runtime.execute(attempt)
                allowed.append(attempt)
    assert allowed == []


async def test_a_runtime_role_may_tell_of_no_history_but_the_true_one(
    fresh_database: Database, owner: Connection, runtime_role: str
) -> None:
    await migrate(owner, runtime_role=runtime_role)
    async with connected(fresh_database.url.replace(OWNER, runtime_role)) as runtime:
        with pytest.raises(asyncpg.RaiseError, match="cluster 7 and timeline 1 are not those of this server"):
            await runtime.execute("SELECT forwarder.enter_history(7, 1)")
    assert await owner.fetchval("SELECT last_value FROM forwarder.outbox_seq") == 1


async def test_a_runtime_role_that_cannot_be_one_is_refused(owner: Connection) -> None:
    with pytest.raises(Refused, match="there is no role 'nobody'; run CREATE ROLE"):
        await plan.from_selection(owner, [], roles=Roles(capture=CAPTURE_ROLE, runtime="nobody"))
    with pytest.raises(Misconfigured, match="may only fill the outbox"):
        await plan.from_selection(owner, [], roles=Roles(capture=CAPTURE_ROLE, runtime=CAPTURE_ROLE))
