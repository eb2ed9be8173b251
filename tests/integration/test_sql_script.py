"""`forwarder migrate --sql`: a script that somebody else runs with psql leaves the same objects, rights and triggers as `forwarder migrate`."""

from __future__ import annotations

import re
import secrets
import shutil
from collections.abc import AsyncIterator
from collections.abc import Set as AbstractSet
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import pytest

from forwarder.local.postgres import EmbeddedPostgres
from tests.databases import BARE_TEMPLATE, OWNER, Database, connected, copy_of
from tests.listening import command

TABLES = (
    "CREATE TABLE public.orders (id integer PRIMARY KEY, note text);"
    "CREATE TABLE public.visit (id integer PRIMARY KEY) PARTITION BY RANGE (id)"
)
# What is there, whose it is, who may do what by whose grant, and what was noted of the columns. Ids of objects are left out.
CATALOG = r"""
WITH granted (kind, name, owner, acl) AS (
    SELECT relkind::text, relname::text, relowner, relacl FROM pg_class
    WHERE relnamespace = to_regnamespace('forwarder') AND relkind NOT IN ('i', 'I')
    UNION ALL
    SELECT 'function', format('%s secdef %s %s', oid::regprocedure, prosecdef, proconfig), proowner, proacl FROM pg_proc
    WHERE pronamespace = to_regnamespace('forwarder')
    UNION ALL
    SELECT 'schema', nspname, nspowner, nspacl FROM pg_namespace WHERE nspname = 'forwarder'
    UNION ALL
    SELECT 'column', format('%s.%s', attrelid::regclass, attname), NULL, attacl FROM pg_attribute
    WHERE attrelid IN (SELECT oid FROM pg_class WHERE relnamespace = to_regnamespace('forwarder')) AND attacl IS NOT NULL
)
SELECT concat_ws(' | ', kind, name, owner::regrole, (
    SELECT string_agg(format('%s>%s:%s', grantor::regrole, grantee::regrole, privilege_type), ' ' ORDER BY 1) FROM aclexplode(acl)
)) FROM granted
UNION ALL
SELECT format('trigger %s %s', tgenabled, pg_get_triggerdef(oid)) FROM pg_trigger WHERE NOT tgisinternal
UNION ALL
SELECT format('columns %s %s', table_id, jsonb_path_query_array(columns, '$[*].name')) FROM forwarder.known_columns
"""


@pytest.fixture
async def runtime_role(postgres: EmbeddedPostgres) -> AsyncIterator[str]:
    name = f"listen_{secrets.token_hex(4)}"
    async with connected(postgres.url()) as superuser:
        await superuser.execute(f"CREATE ROLE {name} LOGIN")
        yield name
        await superuser.execute(f"DROP ROLE {name}")


@asynccontextmanager
async def tables_of_an_application(postgres: EmbeddedPostgres) -> AsyncIterator[Database]:
    async with copy_of(BARE_TEMPLATE, postgres) as database:
        async with connected(database.url) as owner:
            await owner.execute(TABLES)
        yield database


async def migrate(url: str, *arguments: str, directory: Path, **env: str) -> tuple[str, str]:
    env = {"FORWARDER_DATABASE_URL": url, **env}
    async with command("migrate", *arguments, env=env, directory=directory / secrets.token_hex(4)) as migrating:
        assert await migrating.ends() == 0, migrating.stderr
        return migrating.stdout.decode(), migrating.stderr


async def run_by_owner(script: str, database: Database, directory: Path) -> None:
    """As the script's first line says, where there is a psql; else as one request."""
    if (psql := shutil.which("psql")) is None:
        async with connected(database.url) as owner:
            await owner.execute(script)
        return
    path = directory / f"{secrets.token_hex(4)}.sql"
    path.write_text(script)
    options = script.partition("\n")[0].partition("psql ")[2].replace("THIS_FILE", str(path)).split()
    done = await anyio.run_process([psql, *options, database.url], check=False)
    assert (done.returncode, done.stderr) == (0, b"")


async def catalog(database: Database) -> AbstractSet[str]:
    async with connected(database.superuser_url) as superuser:
        return {row[0] for row in await superuser.fetch(CATALOG)}


async def test_the_script_leaves_what_the_run_leaves_to_the_last_grant(
    postgres: EmbeddedPostgres, runtime_role: str, tmp_path: Path
) -> None:
    arguments = ("--table", "public.*", "--runtime-role", runtime_role)
    async with tables_of_an_application(postgres) as database:
        await migrate(database.url, *arguments, directory=tmp_path)
        made = await catalog(database)
    async with tables_of_an_application(postgres) as database:
        script, _ = await migrate(database.url, *arguments, "--sql", directory=tmp_path)
        await run_by_owner(script, database, tmp_path)
        assert await catalog(database) == made
        await migrate(database.url, *arguments, "--check", directory=tmp_path)
        assert f"GRANT {runtime_role}" not in script
    assert any(f"{OWNER}>{runtime_role}:" in line for line in made)
    assert any(line.startswith("columns") for line in made)


async def test_what_only_an_administrator_may_do_is_said_above_the_script_which_counts_on_it(
    postgres: EmbeddedPostgres, tmp_path: Path
) -> None:
    """The owner may make no role. What is printed before the roles are there entrusts the functions to them once they are."""
    role = f"capture_{secrets.token_hex(4)}"
    env = {"FORWARDER_DATABASE_CAPTURE_ROLE": role}
    try:
        async with tables_of_an_application(postgres) as database:
            script, _ = await migrate(database.url, "--table", "public.*", "--sql", directory=tmp_path, **env)
            async with tables_of_an_application(postgres) as unprepared, connected(unprepared.url) as owner:
                await owner.execute(script)
                assert f"| {role} |" not in "".join(await catalog(unprepared))
                assert await owner.fetchval("SELECT count(*) FROM pg_trigger WHERE tgname LIKE '%forwarder%'")
            preparation = re.search(r"^-- An administrator has to run before: (.*)$", script, re.MULTILINE)
            assert preparation
            async with connected(database.superuser_url) as superuser:
                await superuser.execute(preparation[1])
            await run_by_owner(script, database, tmp_path)
            await migrate(database.url, "--table", "public.*", "--check", directory=tmp_path, **env)
            assert any(f"| {role} |" in line for line in await catalog(database))
    finally:
        async with connected(postgres.url()) as superuser:
            await superuser.execute(f"DROP ROLE IF EXISTS {role}, {role}_images")
