"""Logical copies of a database: what pg_dump writes, restored into another one."""

from __future__ import annotations

import secrets
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

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
    text = await _run(server, "pg_dump", "--inserts", *options, name)
    # Newer ones begin with a command to psql.
    return "\n".join(line for line in text.splitlines() if not line.startswith("\\"))


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


async def restore_in_place(text: str, database: Database) -> None:
    """Put what a dump has in the place of what there is. The database keeps its OID, its cluster and its timeline."""
    async with connected(database.superuser_url) as superuser:
        await superuser.execute("DROP SCHEMA forwarder CASCADE; DROP TABLE account, journal")
        await superuser.execute(text)


@dataclass(frozen=True, slots=True, kw_only=True)
class Archive:
    """A dump that pg_restore reads, a part at a time; each statement is a transaction of its own."""

    server: EmbeddedPostgres
    name: str
    file: Path

    async def clear(self, database: Database) -> None:
        """Drop what it has."""
        async with connected(database.superuser_url) as superuser:
            await superuser.execute("DROP SCHEMA forwarder CASCADE; DROP TABLE account, journal")

    async def restore(self, section: str) -> None:
        """Restore a section: ``pre-data``, ``data`` or ``post-data``. Everything in it has to succeed."""
        await _run(self.server, "pg_restore", "--exit-on-error", "--section", section, "-d", self.name, str(self.file))


async def archived(server: EmbeddedPostgres, name: str, directory: Path) -> Archive:
    """A dump of a database in the format that pg_restore wants."""
    file = directory / "dump"
    await _run(server, "pg_dump", "-Fc", "-f", str(file), name)
    return Archive(server=server, name=name, file=file)


async def _run(server: EmbeddedPostgres, program: str, *arguments: str) -> str:
    if not (server.binaries / program).exists():
        pytest.skip(f"this PostgreSQL comes without {program}")
    command = [str(server.binaries / program), "-h", HOST, "-p", str(server.port), "-U", SUPERUSER, *arguments]
    done = await anyio.to_thread.run_sync(partial(subprocess.run, command, capture_output=True, text=True))
    assert done.returncode == 0, done.stderr
    return done.stdout
