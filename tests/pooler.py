"""A real PgBouncer in front of the PostgreSQL of the tests, where this machine has one."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from subprocess import DEVNULL
from tempfile import TemporaryDirectory
from typing import Literal
from urllib.parse import urlsplit

import anyio
import asyncpg
import pytest

from forwarder.local import launch
from forwarder.local.postgres import HOST, SUPERUSER, free_port
from tests.databases import OWNER, WRITER, Database, connected
from tests.waiting import eventually

PoolMode = Literal["session", "transaction", "statement"]

# Debian keeps it where ordinary users do not look.
PROGRAM = shutil.which("pgbouncer", path=os.pathsep.join((os.environ.get("PATH", os.defpath), "/usr/sbin")))

needs_pgbouncer = pytest.mark.skipif(
    PROGRAM is None, reason="needs the program pgbouncer, of the Debian package so named"
)


@asynccontextmanager
async def pgbouncer(
    database: Database, *, mode: PoolMode = "transaction", pool_size: int = 2, round_robin: bool = False
) -> AsyncIterator[Database]:
    """The same database through a PgBouncer, for the length of a block: so many server sessions for each user."""
    assert PROGRAM
    with TemporaryDirectory(prefix="forwarder-pgbouncer-") as directory:
        port = free_port()
        configuration = Path(directory) / "pgbouncer.ini"
        users = Path(directory) / "users"
        users.write_text("".join(f'"{user}" ""\n' for user in (OWNER, WRITER, SUPERUSER)))
        configuration.write_text(
            f"""
            [databases]
            * = host={HOST} port={urlsplit(database.url).port}
            [pgbouncer]
            listen_addr = {HOST}
            listen_port = {port}
            unix_socket_dir =
            auth_type = trust
            auth_file = {users}
            pool_mode = {mode}
            default_pool_size = {pool_size}
            server_round_robin = {int(round_robin)}
            """
        )
        _hand_over(Path(directory), configuration, users)
        # It refuses to run as root, as PostgreSQL does.
        command = [sys.executable, "-I", "-S", launch.__file__, PROGRAM, str(configuration)]
        async with await anyio.open_process(command, stdin=DEVNULL, stdout=DEVNULL, stderr=DEVNULL) as process:
            try:
                through = _through(database, port)
                await _answers(through.url)
                yield through
            finally:
                # Some versions die of a client that asks to cancel a statement and hangs up.
                if process.returncode is None:
                    process.kill()


def _through(database: Database, port: int) -> Database:
    def moved(url: str) -> str:
        parts = urlsplit(url)
        return parts._replace(netloc=f"{parts.username}@{HOST}:{port}").geturl()

    return replace(
        database,
        url=moved(database.url),
        writer_url=moved(database.writer_url),
        superuser_url=moved(database.superuser_url),
    )


def _hand_over(*paths: Path) -> None:
    if os.geteuid() == 0:
        for path in paths:
            shutil.chown(path, launch.UNPRIVILEGED_USER)


async def _answers(url: str) -> None:
    async def answers() -> bool:
        try:
            async with connected(url) as connection:
                await connection.execute("SELECT 1")
        except (OSError, asyncpg.PostgresError):
            return False
        return True

    await eventually(answers, within_seconds=20)
