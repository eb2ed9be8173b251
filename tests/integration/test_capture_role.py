"""The trigger function runs as a role that may do nothing else, so a foreign cast to json can do nothing else either."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import anyio
import pytest

from forwarder.capture import migrations, plan
from forwarder.capture.rights import images_role
from forwarder.capture.rights_due import Roles
from forwarder.capture.role import read_capture_roles
from forwarder.config.database import CAPTURE_ROLE
from forwarder.config.settings import OutboxSettings
from forwarder.database.sessions import session
from forwarder.health import OutboxState
from forwarder.metrics import Metrics
from forwarder.outbox.janitor import Janitor
from forwarder.outbox.survey import Survey
from tests.cases import each_value_once
from tests.databases import OWNER, WRITER, Database, connected, from_bare
from tests.migrating import captured, migrate

if TYPE_CHECKING:
    from forwarder.database.sessions import Connection


@pytest.fixture
async def owner(fresh_database: Database) -> AsyncIterator[Connection]:
    """The role that owns the tables and migrates; an administrator has made it a member of the role of capture()."""
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


@asynccontextmanager
async def another(root: Connection, database: Database, attributes: str = "") -> AsyncIterator[Connection]:
    """A session of another role, that owns the database instead."""
    role = f"other_{secrets.token_hex(4)}"
    await root.execute(f"CREATE ROLE {role} LOGIN {attributes}; ALTER DATABASE {database.name} OWNER TO {role}")
    async with connected(database.url.replace(OWNER, role)) as connection:
        await connection.execute("CREATE SCHEMA shop CREATE TABLE orders (id integer PRIMARY KEY)")
        yield connection


@pytest.fixture
async def fresh_role(root: Connection) -> AsyncIterator[str]:
    """A name that no role has; gone again afterwards, as far as that is possible."""
    role = f"capture_{secrets.token_hex(4)}"
    yield role
    for made in (role, images_role(role)):
        if await root.fetchval("SELECT to_regrole($1) IS NOT NULL", made):
            await root.execute(f"DROP OWNED BY {made} CASCADE; DROP ROLE {made}")


async def prepare(root: Connection, role: str, *, installer: str = OWNER) -> None:
    """What an administrator does where the installer may not create roles."""
    for made in (role, images_role(role)):
        await root.execute(f"CREATE ROLE {made}; GRANT {made} TO {installer}")


async def images_owner(connection: Connection) -> str:
    role: str = await connection.fetchval(
        "SELECT pg_get_userbyid(proowner) FROM pg_proc WHERE oid = 'forwarder.images'::regproc"
    )
    return role


async def capture_owner(connection: Connection) -> str:
    """The one role that both trigger functions belong to."""
    ((role,),) = await connection.fetch(
        "SELECT DISTINCT pg_get_userbyid(proowner) FROM pg_proc"
        " WHERE oid IN ('forwarder.capture'::regproc, 'forwarder.capture_truncate'::regproc)"
    )
    return str(role)


async def warnings(connection: Connection, role: str = CAPTURE_ROLE) -> tuple[str, ...]:
    found = await plan.from_selection(connection, [], roles=Roles(capture=role))
    assert not found.changes
    return found.warnings


async def prepare_theft(owner: Connection, root: Connection, *, secret: str, table: str) -> None:
    """A cast that is run, since it is the table owner's, and does what only the installer may, who is that owner here."""
    await root.execute(f"CREATE SCHEMA evil AUTHORIZATION {OWNER}")
    await owner.execute("CREATE TYPE evil.mood AS ENUM ('good'); CREATE TABLE evil.stolen (secret text)")
    await owner.execute("GRANT ALL ON SCHEMA evil TO PUBLIC; GRANT INSERT ON evil.stolen TO PUBLIC")
    await owner.execute(
        f"CREATE SCHEMA hr CREATE TABLE salary (secret text); INSERT INTO hr.salary VALUES ('{secret}')"
    )
    await owner.execute(f"CREATE TABLE {table} (id integer PRIMARY KEY, mood evil.mood)")
    await owner.execute(
        "CREATE FUNCTION evil.to_json(evil.mood) RETURNS json LANGUAGE plpgsql AS"
        " $$ BEGIN INSERT INTO evil.stolen SELECT * FROM hr.salary; RETURN '1'; END $$;"
        "CREATE CAST (evil.mood AS json) WITH FUNCTION evil.to_json(evil.mood)"
    )


async def test_a_cast_to_json_reads_nothing_that_only_the_installer_may(
    owner: Connection, writer: Connection, root: Connection
) -> None:
    await prepare_theft(owner, root, secret="42000", table="public.item")
    await migrate(owner, "item")

    await writer.execute("INSERT INTO public.item VALUES (1, 'good')")

    assert await owner.fetch("TABLE evil.stolen") == []
    assert await owner.fetchval("SELECT count(*) FROM public.item") == 1
    assert [(event.op, event.after, event.fault) for event in await captured(owner)] == [("I", None, "42501")]


DEEDS = (
    "ALTER FUNCTION forwarder.capture() SECURITY INVOKER",
    "ALTER FUNCTION forwarder.capture() SET search_path = evil",
    "GRANT EXECUTE ON FUNCTION forwarder.capture() TO PUBLIC",
    "DROP FUNCTION forwarder.capture() CASCADE",
    "DROP OWNED BY CURRENT_USER CASCADE",
    "INSERT INTO forwarder.outbox (table_id, relation, op) VALUES (1, 0, 'T')",
    "PERFORM nextval('forwarder.outbox_seq')",
    "PERFORM set_config('transaction_read_only', 'off', true); DROP FUNCTION forwarder.capture() CASCADE",
    "SET LOCAL transaction_read_only = off; DROP FUNCTION forwarder.capture() CASCADE",
)


async def test_a_cast_to_json_changes_nothing(owner: Connection, writer: Connection, root: Connection) -> None:
    await prepare_theft(owner, root, secret="42000", table="public.item")
    await migrate(owner, "item")
    definition = (
        "SELECT pg_get_functiondef(oid), proowner, proacl FROM pg_proc WHERE oid = to_regproc('forwarder.capture')"
    )
    before = await owner.fetchrow(definition)
    for number, deed in enumerate(DEEDS):
        await owner.execute(
            "CREATE OR REPLACE FUNCTION evil.to_json(evil.mood) RETURNS json LANGUAGE plpgsql AS"
            f" $$ BEGIN {deed}; RETURN '1'; END $$"
        )
        # A session of an application sees the new function in its next transaction.
        await writer.execute(f"INSERT INTO public.item VALUES ({2 * number}, 'good')")
        await writer.execute(f"INSERT INTO public.item VALUES ({2 * number + 1}, NULL)")

        assert await owner.fetchrow(definition) == before, deed
        (failed, fault), *others = [(event.op, event.fault) for event in (await captured(owner))[2 * number :]]
        # What is read only cannot be made anything else, either; and nothing of ours can be named.
        assert failed == "I", deed
        assert fault in ("25001", "25006", "42501"), deed
        assert others == [("I", None)], deed


@from_bare
async def test_an_installation_of_before_is_moved_by_the_next_migrate_and_no_write_fails_meanwhile(
    owner: Connection, writer: Connection
) -> None:
    for migration in migrations.shipped()[:10]:
        await owner.execute(migration.sql)
    await owner.execute("CREATE TABLE public.item (id integer PRIMARY KEY)")
    await owner.execute("SELECT forwarder.install('public.item', 'full', '[]')")
    await writer.execute("INSERT INTO public.item VALUES (1)")
    await migrations.apply(owner)
    assert await capture_owner(owner) == OWNER

    async with writer.transaction():
        await writer.execute("INSERT INTO public.item VALUES (2)")
        # The trigger is given new arguments when nobody writes to the table.
        assert set((await migrate(owner, patience_seconds=0.1)).problems) == {"public.item"}
        await writer.execute("INSERT INTO public.item VALUES (3)")
    assert not (await migrate(owner)).problems

    await writer.execute("INSERT INTO public.item VALUES (4)")
    assert await capture_owner(owner) == CAPTURE_ROLE
    assert [(event.op, event.fault) for event in await captured(owner)] == [("I", None)] * 4
    assert await warnings(owner) == ()


@from_bare
async def test_no_write_fails_between_the_migrations_that_another_role_than_the_owner_runs(
    owner: Connection, writer: Connection, root: Connection
) -> None:
    for migration in migrations.shipped()[:10]:
        await owner.execute(migration.sql)
    await owner.execute("CREATE TABLE public.item (id integer PRIMARY KEY, n integer)")
    await owner.execute("SELECT forwarder.install('public.item', 'full', '[]')")
    for number, migration in enumerate(migrations.shipped()[10:]):
        await root.execute(f"BEGIN;{migration.sql};COMMIT")
        async with writer.transaction():
            await writer.execute("INSERT INTO public.item VALUES ($1, 0)", number)
            await writer.execute("UPDATE public.item SET n = 1 WHERE id = $1", number)
            await writer.execute("DELETE FROM public.item WHERE id = $1", number)
    assert {event.fault for event in await captured(owner)} == {None}


async def test_no_write_fails_while_an_installation_is_moved_to_and_fro(
    owner: Connection, writer: Connection, root: Connection, fresh_role: str
) -> None:
    await owner.execute("CREATE TABLE public.item (id integer PRIMARY KEY)")
    await migrate(owner, "item")
    await prepare(root, fresh_role)
    done = anyio.Event()
    written = 0

    async def write() -> None:
        nonlocal written
        while not done.is_set():
            written += 1
            await writer.execute("INSERT INTO public.item VALUES ($1)", written)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(write)
        for leaf_events in (1024, 2048, 4096):
            for role in (fresh_role, CAPTURE_ROLE):
                assert not (await migrate(owner, capture_role=role)).problems
                assert await capture_owner(owner) == role
                assert await images_owner(owner) == images_role(role)
            await owner.execute(f"SELECT forwarder.lay_out({leaf_events})")
        done.set()
    assert [event.fault for event in await captured(owner)] == [None] * written


async def test_a_database_where_nothing_is_everybodys_by_default_captures_too(
    owner: Connection, writer: Connection
) -> None:
    await owner.execute("ALTER DEFAULT PRIVILEGES REVOKE ALL ON FUNCTIONS FROM PUBLIC")
    await owner.execute("CREATE TABLE public.item (id integer PRIMARY KEY)")
    await migrate(owner, "item")
    await writer.execute("INSERT INTO public.item VALUES (1)")
    assert [event.fault for event in await captured(owner)] == [None]


@from_bare
async def test_down_works_in_the_middle_of_the_migrations(owner: Connection) -> None:
    for migration in migrations.shipped()[:1]:
        await owner.execute(migration.sql)
    down = await plan.from_nothing(owner)
    assert down.roles == ()
    await owner.execute(down.script())
    assert await owner.fetchval("SELECT to_regnamespace('forwarder') IS NULL")


async def test_pausing_and_resuming_goes_on_where_capture_has_a_role_of_its_own(
    owner: Connection, writer: Connection
) -> None:
    await owner.execute("CREATE TABLE public.item (id integer)")
    await migrate(owner, "item")
    for is_paused in (True, False):
        await owner.execute(f"SELECT forwarder.set_paused({is_paused})")
        await writer.execute("INSERT INTO public.item VALUES (1)")
    # Each gap is one of the table, and one of forwarder.event.
    assert [event.op for event in await captured(owner)] == [*"GGGG", "I"]


@from_bare
async def test_whoever_may_create_roles_needs_no_administrator(
    fresh_database: Database, root: Connection, fresh_role: str
) -> None:
    async with another(root, fresh_database, "CREATEROLE") as installer:
        await migrate(installer, "shop.*", capture_role=fresh_role)
        assert await capture_owner(installer) == fresh_role
        assert await images_owner(installer) == images_role(fresh_role)
        assert await warnings(installer, fresh_role) == ()
        # As a later migration does. Whose it is stays as it was.
        definition = await installer.fetchval("SELECT pg_get_functiondef('forwarder.capture'::regproc)")
        await installer.execute(definition)
        assert (await migrate(installer, capture_role=fresh_role)).done == []
        await installer.execute("INSERT INTO shop.orders VALUES (1)")
        assert [event.fault for event in await captured(installer)] == [None]


@from_bare
async def test_whoever_may_not_is_told_what_an_administrator_has_to_run_and_goes_on(
    fresh_database: Database, root: Connection, fresh_role: str
) -> None:
    async with another(root, fresh_database) as installer:
        assert not (await migrate(installer, "shop.*", capture_role=fresh_role)).problems
        await installer.execute("INSERT INTO shop.orders VALUES (1)")
        (warning,) = await warnings(installer, fresh_role)
        remedy = (await plan.from_selection(installer, [], roles=Roles(capture=fresh_role))).preparation
        assert f"CREATE ROLE {fresh_role} NOLOGIN; GRANT {fresh_role} TO other_" in remedy
        assert f"CREATE ROLE {fresh_role}_images NOLOGIN; GRANT {fresh_role}_images TO other_" in remedy
        assert remedy in warning

        await root.execute(remedy)
        assert not (await migrate(installer, capture_role=fresh_role)).problems

        assert await capture_owner(installer) == fresh_role
        assert await warnings(installer, fresh_role) == ()
        await installer.execute("INSERT INTO shop.orders VALUES (2)")
        assert [event.fault for event in await captured(installer)] == [None, None]


@from_bare
async def test_the_script_says_what_an_administrator_has_to_run_and_does_the_rest(
    fresh_database: Database, root: Connection, fresh_role: str
) -> None:
    async with another(root, fresh_database) as installer:
        roles = Roles(capture=fresh_role)
        script = (await plan.from_selection(installer, [], roles=roles)).script()
        name = await installer.fetchval("SELECT current_user")
        assert (
            f"-- An administrator has to run before: CREATE ROLE {fresh_role} NOLOGIN; GRANT {fresh_role} TO {name}"
            in script
        )
        await installer.execute(script)
        assert not (await plan.from_selection(installer, [], roles=roles)).exists

        await root.execute((await plan.from_selection(installer, [], roles=roles)).preparation)
        moved = await plan.from_selection(installer, [], roles=roles)
        assert "administrator" not in moved.script()
        await installer.execute(moved.script())
        assert await capture_owner(installer) == fresh_role


@from_bare
async def test_a_role_that_another_installer_has_made_has_to_be_granted(
    fresh_database: Database, root: Connection
) -> None:
    async with another(root, fresh_database, "CREATEROLE") as installer:
        outcome = await migrate(installer, "shop.*")
        assert not outcome.problems
        if installer.get_server_version().major < 16:
            # There CREATEROLE may grant every role.
            assert await capture_owner(installer) == CAPTURE_ROLE
        else:
            (warning,) = await warnings(installer)
            assert f"run GRANT {CAPTURE_ROLE} TO other_" in warning
        for role in (CAPTURE_ROLE, images_role(CAPTURE_ROLE)):
            await root.execute(f"REVOKE {role} FROM {await installer.fetchval('SELECT current_user')}")


async def test_a_superuser_who_installs_gives_it_away_too(root: Connection) -> None:
    await root.execute("CREATE TABLE public.item (id integer)")
    await migrate(root, "item")
    await root.execute("INSERT INTO public.item VALUES (1)")
    assert await capture_owner(root) == CAPTURE_ROLE
    assert [event.fault for event in await captured(root)] == [None]


GIFTS = {
    "ALTER ROLE {role} LOGIN CREATEDB": "has LOGIN, CREATEDB: ALTER ROLE {role} NOLOGIN NOCREATEDB",
    "GRANT pg_read_all_data TO {role}": "has the rights of pg_read_all_data, too: REVOKE pg_read_all_data FROM {role}",
    f"GRANT {{role}} TO {WRITER}": f"{WRITER} may do what role {{role}} may",
    "CREATE SCHEMA own AUTHORIZATION {role}": "owns, or has been granted, what is not ours: schema own",
    "CREATE TABLE public.gift (); GRANT SELECT ON public.gift TO {role}": "what is not ours: table gift",
}


@each_value_once(gift=list(GIFTS), ending=["", "_images"])
async def test_a_role_that_was_given_more_is_warned_of(
    owner: Connection, root: Connection, fresh_role: str, gift: str, ending: str
) -> None:
    await prepare(root, fresh_role)
    await migrate(owner, capture_role=fresh_role)
    assert await warnings(owner, fresh_role) == ()
    role = f"{fresh_role}{ending}"
    await root.execute(gift.format(role=role))
    (warning,) = await warnings(owner, fresh_role)
    assert GIFTS[gift].format(role=role) in warning
    assert (await read_capture_roles(owner)).warnings() == (warning,)


@pytest.mark.parametrize("role", [OWNER, "postgres"])
async def test_a_role_that_may_do_all_that_the_owner_may_is_not_entrusted_with_it(owner: Connection, role: str) -> None:
    await migrate(owner, capture_role=role)
    assert await capture_owner(owner) == OWNER
    (warning,) = await warnings(owner, role)
    assert f"should not have the rights of {role}" in warning


@from_bare
async def test_down_drops_a_role_that_nobody_else_needs(
    fresh_database: Database, root: Connection, fresh_role: str
) -> None:
    async with another(root, fresh_database, "CREATEROLE") as installer:
        await migrate(installer, "shop.*", capture_role=fresh_role)
        down = await plan.from_nothing(installer)
        assert [role.can_go for role in down.roles] == [True, True]
        await installer.execute(down.script())
    assert await root.fetchval("SELECT count(*) FROM pg_roles WHERE rolname ~ $1", fresh_role) == 0


async def test_down_keeps_a_role_that_another_database_needs(owner: Connection) -> None:
    await migrate(owner)
    down = await plan.from_nothing(owner)
    assert [role.can_go for role in down.roles] == [False, False]
    assert "DROP ROLE" not in down.script()


@from_bare
async def test_readiness_repeats_what_migrate_warned_of(fresh_database: Database, root: Connection) -> None:
    async with another(root, fresh_database) as installer:
        await migrate(installer, capture_role="nobody_makes_it")
        name = await installer.fetchval("SELECT current_user")
    (warning,) = await seen_by_the_janitor(fresh_database.url.replace(OWNER, name))
    assert f"forwarder.capture() should not have the rights of {name}" in warning
    assert "run `forwarder migrate`" in warning


async def test_readiness_has_nothing_to_say_where_capture_has_its_role(
    fresh_database: Database, owner: Connection
) -> None:
    await migrate(owner)
    assert await seen_by_the_janitor(fresh_database.url) == ()


async def seen_by_the_janitor(url: str) -> tuple[str, ...]:
    settings, state, metrics = OutboxSettings(), OutboxState(), Metrics().outbox
    survey = Survey(settings=settings, state=state, metrics=metrics)
    async with session(url, purpose="janitor") as connection:
        await Janitor("", settings=settings, survey=survey, metrics=metrics).make_round(connection)
    return tuple(state.warnings)


async def test_an_installation_whose_second_role_is_missing_goes_on_with_the_first_and_is_warned_of(
    owner: Connection, writer: Connection, root: Connection, fresh_role: str
) -> None:
    # As an administrator of an earlier release has prepared it.
    await root.execute(f"CREATE ROLE {fresh_role}; GRANT {fresh_role} TO {OWNER}")
    await owner.execute("CREATE TABLE public.item (id integer PRIMARY KEY, amount money)")
    assert not (await migrate(owner, "item", capture_role=fresh_role)).problems
    assert await images_owner(owner) == fresh_role
    await writer.execute("INSERT INTO public.item VALUES (1, 1)")
    (warning,) = await warnings(owner, fresh_role)
    assert f"forwarder.images() has the rights of {fresh_role}" in warning
    remedy = (await plan.from_selection(owner, [], roles=Roles(capture=fresh_role))).preparation
    assert remedy in warning

    await root.execute(remedy)
    assert not (await migrate(owner, capture_role=fresh_role)).problems

    assert await images_owner(owner) == images_role(fresh_role)
    assert await warnings(owner, fresh_role) == ()
    await writer.execute("INSERT INTO public.item VALUES (2, 1)")
    assert [event.fault for event in await captured(owner)] == [None, None]


async def test_a_cast_leaves_no_type_of_its_own_in_our_functions_where_it_may_call_them(
    owner: Connection, writer: Connection, root: Connection, fresh_role: str
) -> None:
    await root.execute(f"CREATE ROLE {fresh_role}; GRANT {fresh_role} TO {OWNER}")
    await prepare_theft(owner, root, secret="42000", table="public.kind")
    await owner.execute(
        "CREATE TABLE public.item (other integer, a integer, b integer, mood evil.mood, PRIMARY KEY (a, b))"
    )
    assert not (await migrate(owner, "item", capture_role=fresh_role)).problems
    await owner.execute(
        "CREATE FUNCTION evil.is_fine(pg_catalog.text) RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN"
        " INSERT INTO forwarder.outbox (table_id, relation, op) VALUES (1, 0, 'T'); RETURN true; END $$;"
        "CREATE DOMAIN evil.text AS pg_catalog.text CHECK (evil.is_fine(VALUE));"
        "CREATE OR REPLACE FUNCTION evil.to_json(evil.mood) RETURNS json LANGUAGE plpgsql AS $$ BEGIN"
        " PERFORM pg_catalog.set_config('search_path', 'evil, pg_catalog', true);"
        " PERFORM forwarder.keys_if_moved('{full}', '', ''); RETURN '1'; END $$"
    )
    await writer.execute("INSERT INTO public.item VALUES (1, 1, 1, 'good'); UPDATE public.item SET a = 2")
    assert [(event.op, event.fault) for event in await captured(owner)] == [("I", None), ("D", None), ("I", None)]


@from_bare
async def test_images_are_never_made_with_more_rights_than_capture_has_while_migrations_are_applied(
    owner: Connection,
) -> None:
    known = migrations.shipped()
    for migration in known:
        if migration.version == 24:
            await owner.execute(f"SELECT forwarder.make_capture_role('{CAPTURE_ROLE}')")
            for grant in ("USAGE ON SCHEMA forwarder", "INSERT ON forwarder.outbox", "USAGE ON forwarder.outbox_seq"):
                await owner.execute(f"GRANT {grant} TO {CAPTURE_ROLE}")
            await owner.execute(f"SELECT forwarder.entrust_capture('{CAPTURE_ROLE}')")
        await owner.execute(f"BEGIN;{migration.sql};COMMIT")
    assert await images_owner(owner) == CAPTURE_ROLE
    assert not (await migrate(owner)).problems
    assert await images_owner(owner) == images_role(CAPTURE_ROLE)
    assert not (await plan.from_selection(owner, [])).exists


async def test_a_cast_may_call_nothing_of_ours(owner: Connection, writer: Connection, root: Connection) -> None:
    await prepare_theft(owner, root, secret="42000", table="public.item")
    await migrate(owner, "item")
    for call in ("forwarder.paused_tables()", "forwarder.is_utc()", "forwarder.images(NULL, NULL, 0)"):
        await owner.execute(
            "CREATE OR REPLACE FUNCTION evil.to_json(evil.mood) RETURNS json LANGUAGE plpgsql AS"
            f" $$ BEGIN PERFORM {call}; RETURN '1'; END $$"
        )
        await writer.execute("DELETE FROM public.item; INSERT INTO public.item VALUES (1, 'good')")
    assert {event.fault for event in await captured(owner)} == {"42501"}
