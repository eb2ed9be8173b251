"""The stage: all that the demo needs but the listener. A database with a shop, a local stream, and triggers on the shop's tables."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlencode

import anyio
import asyncpg

from forwarder.capture.rights import images_role
from forwarder.config.database import CAPTURE_ROLE
from forwarder.demo.processes import program
from forwarder.demo.shop import SCHEMA
from forwarder.local.postgres import EmbeddedPostgres, embedded_postgres

STREAM = "shop"
SHARDS = 4
_OWNER = "shop_owner"
_DATABASE = "shop"


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """The addresses of the database and of the local Kinesis."""

    database_url: str
    endpoint_url: str

    @property
    def sink(self) -> str:
        return f"kinesis://{STREAM}?{urlencode({'endpoint_url': self.endpoint_url}, safe=':/')}"


@asynccontextmanager
async def stage(*, logs: Path, step: Callable[[str], None]) -> AsyncIterator[Stage]:
    """Set the stage for the length of a block; ``step`` is told of each thing that is done.

    Raises:
        Refused: one of its programs does not start, or has ended.
    """
    options = ("--port", "0", "--stream", STREAM, "--shards", str(SHARDS))
    async with program("local-kinesis", *options, logs=logs) as kinesis, embedded_postgres() as postgres:
        database_url = await _create_shop(postgres)
        step(f"PostgreSQL on 127.0.0.1:{postgres.port}, database {_DATABASE} of a plain role")
        endpoint_url = (await kinesis.says("local kinesis on ")).split()[3]
        step(f"forwarder local-kinesis on {endpoint_url.removeprefix('http://')}, stream {STREAM}, {SHARDS} shards")
        await _migrate(database_url, logs)
        step("forwarder migrate --table 'shop.*'")
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(kinesis.fail)
            yield Stage(database_url=database_url, endpoint_url=endpoint_url)
            tasks.cancel_scope.cancel()


async def _create_shop(postgres: EmbeddedPostgres) -> str:
    """A database of a role that may do nothing elsewhere, as it would be on RDS."""
    await _execute(postgres.url(), f"CREATE ROLE {_OWNER} LOGIN", f"CREATE DATABASE {_DATABASE} OWNER {_OWNER}")
    for role in (CAPTURE_ROLE, images_role(CAPTURE_ROLE)):
        await _execute(postgres.url(), f"CREATE ROLE {role} NOLOGIN", f"GRANT {role} TO {_OWNER}")
    url = postgres.url(_DATABASE, user=_OWNER)
    await _execute(url, SCHEMA.sql)
    return url


async def _execute(url: str, *statements: str) -> None:
    connection = await asyncpg.connect(url, ssl=False)
    for statement in statements:
        await connection.execute(statement)
    await connection.close()


async def _migrate(database_url: str, logs: Path) -> None:
    environment = {"FORWARDER_DATABASE_URL": database_url}
    async with program("migrate", "--table", "shop.*", logs=logs, environment=environment) as migrate:
        await migrate.succeed()
