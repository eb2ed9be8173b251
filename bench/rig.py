"""What every bench stands on: a durable PostgreSQL with a captured table, and the product's own commands around it."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import quote

import anyio

from bench.commands import Command, run
from forwarder.database.sessions import Connection, session
from forwarder.local.postgres import embedded_postgres

# The local Kinesis takes any credentials, so these keep the real ones, and a proxy, out of it.
ENVIRONMENT = {
    "AWS_ACCESS_KEY_ID": "bench",
    "AWS_SECRET_ACCESS_KEY": "bench",
    "AWS_REGION": "us-east-1",
    "AWS_DEFAULT_REGION": "us-east-1",
    "NO_PROXY": "127.0.0.1",
}
STREAM = "bench"
# Enough that the quotas of real shards, 1,000 records a second each, would not be what is measured.
SHARDS = 128
CAPTURED = "captured"
# What item.sql makes.
ROWS = 10_000

# Durable: fsync and synchronous_commit stay on. What differs keeps a checkpoint from hitting one round and not the next.
_SETTINGS = {"shared_buffers": "1GB", "max_wal_size": "16GB", "checkpoint_timeout": "1h"}
_FORWARDER_TOML = f"""
[[table]]
match = "{CAPTURED}.item"
[http]
bind = ""
[log]
format = "json"
"""
_ITEM = (Path(__file__).parent / "item.sql").read_text()


@dataclass(frozen=True, slots=True, kw_only=True)
class Rig:
    """The database, a session in it, where PostgreSQL's programs and its log are, a directory for files, and settings of ours."""

    url: str
    connection: Connection
    binaries: Path
    server_log: Path
    directory: Path
    environment: Mapping[str, str] = field(default_factory=dict)

    def forwarder(self, command: str, *arguments: str) -> AbstractAsyncContextManager[Command]:
        """Run a ``forwarder`` command on this database for the length of a block."""
        environment = {"FORWARDER_DATABASE_URL": self.url, **ENVIRONMENT, **self.environment}
        return run(command, *arguments, directory=self.directory, environment=environment)

    @asynccontextmanager
    async def sink(self) -> AsyncIterator[str]:
        """A local Kinesis in a process of its own that checks and answers everything and keeps nothing: its sink URL."""
        async with discarding_kinesis(self.directory) as url:
            yield url

    @asynccontextmanager
    async def listener(self, url: str) -> AsyncIterator[Command]:
        """``forwarder listen`` for the length of a block, from the moment on that it listens."""
        async with self.forwarder("listen", f"--sink={url}") as listener:
            await listener.says('"listening"')
            yield listener

    async def delivered(self) -> tuple[int, int]:
        """The seq of the last event that the listener's saved position covers, and that of the last event."""
        row = await self.connection.fetchrow(
            "SELECT max(last_seq), (SELECT max(seq) FROM forwarder.outbox) FROM forwarder.sink"
        )
        assert row is not None
        return row[0] or 0, row[1] or 0

    async def all_delivered(self, *, within_seconds: float = 120) -> None:
        """Wait until the listener has caught up with the writers."""
        with anyio.fail_after(within_seconds):
            while len({*await self.delivered()}) > 1:  # noqa: ASYNC110 - another process's doing sets no event here
                await anyio.sleep(0.1)

    async def rewind(self) -> None:
        """Make the next listener begin with the oldest event."""
        await self.connection.execute("DELETE FROM forwarder.sink")


@asynccontextmanager
async def rig(
    *, server: Mapping[str, str] | None = None, environment: Mapping[str, str] | None = None
) -> AsyncIterator[Rig]:
    """A rig for the length of a block; then nothing of it is left.

    ``server`` are settings of PostgreSQL, ``environment`` those of every ``forwarder`` command.
    """
    with TemporaryDirectory(prefix="forwarder-bench-") as name:
        directory = Path(name)
        (directory / "forwarder.toml").write_text(_FORWARDER_TOML)
        async with (
            embedded_postgres(settings={**_SETTINGS, **(server or {})}) as postgres,
            session(postgres.url(), purpose="bench") as connection,
        ):
            await create_items(connection, schema=CAPTURED)
            ready = Rig(
                url=postgres.url(),
                connection=connection,
                binaries=postgres.binaries,
                server_log=postgres.log,
                directory=directory,
                environment=environment or {},
            )
            async with ready.forwarder("migrate") as migrate:
                await migrate.succeed()
            yield ready


@asynccontextmanager
async def discarding_kinesis(directory: Path, *options: str) -> AsyncIterator[str]:
    """A local Kinesis in a process of its own that checks and answers everything and keeps nothing: its sink URL."""
    always = ("--no-limits", "--discard", "--port=0", f"--shards={SHARDS}", f"--stream={STREAM}")
    async with run("local-kinesis", *always, *options, directory=directory, environment=ENVIRONMENT) as kinesis:
        line = await kinesis.says("local kinesis on")
        yield sink_url(line.split()[3])


async def create_items(connection: Connection, *, schema: str) -> None:
    """Create the table of item.sql in a new schema."""
    await connection.execute(f"CREATE SCHEMA {schema}; SET search_path = {schema}; {_ITEM}; RESET search_path; ANALYZE")


def sink_url(endpoint: str) -> str:
    """The sink URL of the bench's stream on a local Kinesis."""
    return f"kinesis://{STREAM}?endpoint_url={quote(endpoint, safe='')}"


def machine() -> str:
    """What the figures depend on most, and whether somebody else is using it."""
    memory_gib = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return f"{os.cpu_count()} cores, {memory_gib:.0f} GiB of memory, load average {os.getloadavg()[0]:.1f} before"
