"""Logical copies of a database: what pg_dump writes, restored into another one."""

from __future__ import annotations

import secrets
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

import anyio
import anyio.to_thread
import pytest

from forwarder.local.postgres import HOST, SUPERUSER, EmbeddedPostgres
from tests.databases import OWNER, Database, connected, database_on

# What docs/operations.md advises.
WITHOUT_CHANGES = "--exclude-table-data=forwarder.outbox_[0-9]*"
# What it advised once, which leaves out the sequence's value too.
WITHOUT_SEQUENCE = "--exclude-table-data=forwarder.outbox*"


async def dump(server: EmbeddedPostgres, name: str, *options: str) -> str:
    """A database as SQL, in statements that need no psql."""
    pg_dump = server.binaries / "pg_dump"
    if not pg_dump.exists():
        pytest.skip("this PostgreSQL comes without pg_dump")
    command = [
        str(pg_dump),
        "-h",
        HOST,
        "-p",
        str(server.port),
        "-U",
        SUPERUSER,
        "--inserts",
        *options,
        name,
    ]
    done = await anyio.to_thread.run_sync(partial(subprocess.run, command, capture_output=True, check=True, text=True))
    # Newer ones begin with a command to psql.
    return "\n".join(line for line in done.stdout.splitlines() if not line.startswith("\\"))


@asynccontextmanager
async def restored(text: str, server: EmbeddedPostgres) -> AsyncIterator[Database]:
    """A database into which a dump was restored, for the length of a block."""
    name = f"test_{secrets.token_hex(4)}"
    async with connected(server.url()) as superuser:
        await superuser.execute(f"CREATE DATABASE {name} OWNER {OWNER} TEMPLATE template0")
    try:
        async with connected(server.url(name)) as superuser:
            await superuser.execute(text)
        yield database_on(server, name)
    finally:
        async with connected(server.url()) as superuser:
            await superuser.execute(f"DROP DATABASE {name} WITH (FORCE)")
