"""Functions of ours that somebody has altered, replaced or dropped: `forwarder migrate` says which, and mends them."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Sequence
from typing import TYPE_CHECKING

import pytest

from forwarder.capture import migrations, plan
from forwarder.capture.function_definitions import Redefine, definitions
from forwarder.capture.function_drift import drift
from forwarder.config.database import CAPTURE_ROLE
from forwarder.database.sessions import session
from forwarder.local.postgres import EmbeddedPostgres
from tests.cases import some
from tests.databases import WRITER, Database, connected, encoded
from tests.migrating import captured, migrate

if TYPE_CHECKING:
    from forwarder.database.sessions import Connection

TEXTS = {migration.version: migration.text for migration in migrations.shipped()}


@pytest.fixture
async def owner(fresh_database: Database) -> AsyncIterator[Connection]:
    """The role that owns the tables, with one that is captured."""
    async with connected(fresh_database.url) as session:
        await session.execute("CREATE TABLE public.orders (id integer PRIMARY KEY)")
        await migrate(session, "orders")
        yield session


@pytest.fixture
async def writer(fresh_database: Database, owner: Connection) -> AsyncIterator[Connection]:
    async with connected(fresh_database.writer_url) as session:
        yield session


async def redefined(connection: Connection) -> list[str]:
    """What `forwarder migrate --check` would say of functions."""
    found = await plan.from_selection(connection, [])
    return [f"{change.table}: {', '.join(change.reasons)}" for change in found.mending]


async def test_every_function_is_as_the_migrations_define_it(owner: Connection) -> None:
    rows = await owner.fetch("SELECT proname FROM pg_proc WHERE pronamespace = 'forwarder'::regnamespace")
    assert {row[0] for row in rows} == definitions(TEXTS).keys()
    assert await redefined(owner) == []


async def test_every_function_is_as_defined_after_each_of_the_migrations(bare_database: Database) -> None:
    async with connected(bare_database.url) as owner:
        for number, migration in enumerate(migrations.shipped()):
            await owner.execute(migration.sql)
            applied = dict(list(TEXTS.items())[: number + 1])
            assert await drift(owner, applied=applied, pending=dict(list(TEXTS.items())[number + 1 :])) == ()


async def test_what_our_own_functions_write_into_others_is_no_drift(owner: Connection) -> None:
    await owner.execute("SELECT forwarder.set_paused(true), forwarder.limit_images(12345678)")
    assert await redefined(owner) == []


OF_EACH_KIND = [
    ("ALTER FUNCTION forwarder.capture() SECURITY INVOKER", "it ran with the caller's rights"),
    ("ALTER FUNCTION forwarder.capture() SET search_path = public", "its settings were altered"),
    ("ALTER FUNCTION forwarder.is_noted STRICT", "its attributes were altered"),
    ("ALTER FUNCTION forwarder.lay_out SECURITY DEFINER", "it ran with its owner's rights"),
    (
        "CREATE OR REPLACE FUNCTION forwarder.note(note text, captured_id text) RETURNS void LANGUAGE sql AS 'SELECT'",
        "its text was altered",
    ),
    ("DROP FUNCTION forwarder.images", "it was missing"),
    ("DROP FUNCTION forwarder.capture() CASCADE", "it was missing"),
]
FURTHER = [
    ("ALTER FUNCTION forwarder.capture() RESET ALL", "its settings were altered"),
    ("ALTER FUNCTION forwarder.images SECURITY INVOKER", "it ran with the caller's rights"),
    ("DROP FUNCTION forwarder.reclaim", "it was missing"),
    ("DROP FUNCTION forwarder.leaf_events", "it was missing"),
    ("DROP FUNCTION forwarder.key_of", "it was missing"),
    ("DROP FUNCTION forwarder.make_capture_role", "it was missing"),
]


@pytest.mark.parametrize("damages", some(OF_EACH_KIND, of=[OF_EACH_KIND, FURTHER]), ids=["of each kind", "further"])
async def test_an_altered_function_is_named_and_mended(
    fresh_database: Database, owner: Connection, writer: Connection, damages: Sequence[tuple[str, str]]
) -> None:
    rights = (
        "SELECT array_agg((proname, prosecdef, proowner, proacl::text, proconfig)::text ORDER BY proname)"
        " FROM pg_proc WHERE pronamespace = 'forwarder'::regnamespace"
    )
    before = await owner.fetchval(rights)
    for damage, reason in damages:
        await owner.execute(f"TRUNCATE forwarder.outbox; {damage}")
        # As each run of the command has a session of its own.
        async with connected(fresh_database.url) as migrating:
            (line,) = await redefined(migrating)
            assert line.endswith(reason), damage

            assert not (await migrate(migrating)).problems

            assert not (await plan.from_selection(migrating, [])).exists, damage
        assert sorted(await owner.fetchval(rights)) == sorted(before), damage
        await writer.execute(
            "INSERT INTO public.orders VALUES (1); UPDATE public.orders SET id = 2; DELETE FROM public.orders"
        )
        # Without the function the trigger was missing for a while.
        gaps = ["G", "G"] if "CASCADE" in damage else []
        assert [event.op for event in await captured(owner)] == [*gaps, "I", "D", "I", "D"], damage


async def test_a_function_that_is_defined_again_is_nobodys_at_any_moment(owner: Connection) -> None:
    await owner.execute("DROP FUNCTION forwarder.reclaim")
    (change,) = (await plan.from_selection(owner, [])).mending
    await owner.execute(f"BEGIN; {change.sql} COMMIT")
    may = "SELECT has_function_privilege($1, 'forwarder.reclaim(regclass, double precision)', 'EXECUTE')"
    assert not await owner.fetchval(may, WRITER)


async def test_what_is_missing_is_mended_before_migrations_that_rely_on_it(bare_database: Database) -> None:
    async with connected(bare_database.url) as owner:
        for migration in migrations.shipped()[:11]:
            await owner.execute(migration.sql)
        # 0016 alters what 0015 has made with it.
        await owner.execute("DROP FUNCTION forwarder.leaf_events, forwarder.has_state_index, forwarder.capture")
        found = await plan.from_selection(owner, [])
        assert [change.table for change in found.mending if isinstance(change, Redefine)] == [
            "forwarder.leaf_events()",
            "forwarder.has_state_index()",
        ]
        await owner.execute(found.script())
        assert not (await plan.from_selection(owner, [])).exists


async def test_the_printed_script_mends_too(owner: Connection) -> None:
    await owner.execute("DROP FUNCTION forwarder.capture() CASCADE; ALTER FUNCTION forwarder.key_of SECURITY INVOKER")
    await owner.execute((await plan.from_selection(owner, [])).script())
    assert not (await plan.from_selection(owner, [])).exists
    owns = "SELECT pg_get_userbyid(proowner) FROM pg_proc WHERE oid = 'forwarder.capture'::regproc"
    assert await owner.fetchval(owns) == CAPTURE_ROLE


@pytest.mark.parametrize("name", ["capture", "capture_truncate"])
async def test_a_trigger_function_that_was_given_away_is_entrusted_again(owner: Connection, name: str) -> None:
    await owner.execute(f"ALTER FUNCTION forwarder.{name}() OWNER TO CURRENT_USER")
    await migrate(owner)
    assert not (await plan.from_selection(owner, [])).exists
    owns = "SELECT pg_get_userbyid(proowner) FROM pg_proc WHERE oid = to_regproc($1)"
    assert await owner.fetchval(owns, f"forwarder.{name}") == CAPTURE_ROLE


@pytest.mark.parametrize("encoding", some("EUC_JP", "SQL_ASCII", of=["LATIN1", "KOI8R", "EUC_JP", "SQL_ASCII"]))
async def test_functions_are_as_defined_whatever_the_encoding(postgres: EmbeddedPostgres, encoding: str) -> None:
    async with encoded(encoding, postgres) as database, session(database.url, purpose="tests") as owner:
        assert not (await plan.from_selection(owner, [])).exists


def test_only_comments_of_migrations_have_characters_that_not_every_database_takes() -> None:
    for text in TEXTS.values():
        assert re.sub("--.*", "", text).isascii()
