"""Databases for the tests: each test gets a fresh copy of a template, as the plain roles of an RDS instance would see it."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator, MutableMapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

import asyncpg
import pytest

from forwarder.capture import migrations
from forwarder.capture.rights import images_role
from forwarder.config.database import CAPTURE_ROLE
from forwarder.database.sessions import session
from forwarder.local.postgres import EmbeddedPostgres
from tests.migrating import migrate

if TYPE_CHECKING:
    from forwarder.database.sessions import Connection

OWNER = "app_owner"
WRITER = "app_writer"

BARE_TEMPLATE = "template_bare"
FRESH_TEMPLATE = "template_fresh"
MIGRATED_TEMPLATE = "template_migrated"

_superusers: MutableMapping[EmbeddedPostgres, Connection] = WeakKeyDictionary()

# For a test that applies the migrations itself, in a file whose other tests begin after them.
from_bare = pytest.mark.parametrize("fresh_database", [BARE_TEMPLATE], indirect=True, ids=["bare"])


@dataclass(frozen=True, slots=True, kw_only=True)
class Database:
    """A database of one test. The owner is no superuser; the writer may only change rows of the tables in ``public``."""

    name: str
    url: str
    writer_url: str
    superuser_url: str


async def create_templates(postgres: EmbeddedPostgres) -> None:
    """Once per server: the roles, a database without our schema, one with nothing but the migrations, and one that is ready."""
    await _execute(postgres.url(), f"CREATE ROLE {OWNER} LOGIN", f"CREATE ROLE {WRITER} LOGIN")
    # As an administrator prepares it, so that capture runs without the owner's rights.
    for role in (CAPTURE_ROLE, images_role(CAPTURE_ROLE)):
        await _execute(postgres.url(), f"CREATE ROLE {role} NOLOGIN", f"GRANT {role} TO {OWNER}")
    await _execute(postgres.url(), f"CREATE DATABASE {BARE_TEMPLATE} OWNER {OWNER} TEMPLATE template0")
    await _execute(
        postgres.url(BARE_TEMPLATE, user=OWNER),
        "ALTER DEFAULT PRIVILEGES IN SCHEMA public"
        f" GRANT SELECT, INSERT, UPDATE, DELETE, TRUNCATE ON TABLES TO {WRITER}",
        f"ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT USAGE ON SEQUENCES TO {WRITER}",
    )
    await _execute(postgres.url(), f"CREATE DATABASE {FRESH_TEMPLATE} OWNER {OWNER} TEMPLATE {BARE_TEMPLATE}")
    async with session(postgres.url(FRESH_TEMPLATE, user=OWNER), purpose="tests") as connection:
        await migrations.apply(connection)
    await _execute(postgres.url(), f"CREATE DATABASE {MIGRATED_TEMPLATE} OWNER {OWNER} TEMPLATE {FRESH_TEMPLATE}")
    await _migrate(postgres.url(MIGRATED_TEMPLATE, user=OWNER))


@asynccontextmanager
async def copy_of(template: str, postgres: EmbeddedPostgres) -> AsyncIterator[Database]:
    """A copy of a template for the length of a block, dropped with whatever is still connected to it."""
    name = f"test_{secrets.token_hex(4)}"
    superuser = await _superuser(postgres)
    # To copy the files is half the work of writing all that is in them to the log. Before PostgreSQL 15 there is no other way.
    strategy = "STRATEGY file_copy" if superuser.get_server_version().major >= 15 else ""
    await superuser.execute(f"CREATE DATABASE {name} OWNER {OWNER} TEMPLATE {template} {strategy}")
    try:
        yield database_on(postgres, name)
    finally:
        superuser = await _superuser(postgres)
        await superuser.execute(f"DROP DATABASE {name} WITH (FORCE)")


@asynccontextmanager
async def encoded(encoding: str, postgres: EmbeddedPostgres) -> AsyncIterator[Database]:
    """A database in some other encoding than UTF-8, with schema ``forwarder``, for the length of a block."""
    template = f"template_{encoding.lower()}"
    superuser = await _superuser(postgres)
    if not await superuser.fetchval("SELECT count(*) FROM pg_database WHERE datname = $1", template):
        await superuser.execute(
            f"CREATE DATABASE {template} OWNER {OWNER} TEMPLATE template0"
            f" ENCODING '{encoding}' LC_COLLATE 'C' LC_CTYPE 'C'"
        )
        await _migrate(postgres.url(template, user=OWNER))
    async with copy_of(template, postgres) as copy:
        yield copy


def database_on(server: EmbeddedPostgres, name: str) -> Database:
    """The database of this name: that of the test, or the same one of a copy of its server."""
    return Database(
        name=name,
        url=server.url(name, user=OWNER),
        writer_url=server.url(name, user=WRITER),
        superuser_url=server.url(name),
    )


@asynccontextmanager
async def connected(url: str) -> AsyncIterator[asyncpg.Connection[asyncpg.Record]]:
    """A session as an application would open it: without the settings of ``forwarder.database.sessions``."""
    connection = await asyncpg.connect(url)
    try:
        yield connection
    finally:
        await connection.close()


async def _superuser(postgres: EmbeddedPostgres) -> Connection:
    """A session that is kept for the next database of this server, until that ends."""
    known = _superusers.get(postgres)
    if known is None or known.is_closed():
        _superusers[postgres] = known = await asyncpg.connect(postgres.url())
    return known


def forget(postgres: EmbeddedPostgres) -> None:
    """End the session that is kept for this server, which ends too."""
    if session := _superusers.pop(postgres, None):
        session.terminate()


async def _migrate(url: str) -> None:
    async with session(url, purpose="tests") as connection:
        await migrate(connection)


async def _execute(url: str, *statements: str) -> None:
    async with connected(url) as connection:
        for statement in statements:
            await connection.execute(statement)
