"""Settings by which triggers do not fire are warned of, since nothing else shows that changes are missed."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

import pytest

from forwarder.capture import plan
from forwarder.config.settings import OutboxSettings
from forwarder.database.sessions import session
from forwarder.health import OutboxState
from forwarder.metrics import Metrics
from forwarder.outbox.survey import Survey
from tests.databases import WRITER, Database, connected

if TYPE_CHECKING:
    from forwarder.database.sessions import Connection


@pytest.fixture
async def root(database: Database) -> AsyncIterator[Connection]:
    async with connected(database.superuser_url) as session:
        yield session


async def warnings(database: Database) -> list[str]:
    """What `forwarder migrate` says, which is what `/readyz` of a listener says."""
    async with session(database.url, purpose="tests") as ours:
        found = await plan.from_selection(ours, [])
        state = OutboxState()
        await Survey(settings=OutboxSettings(), state=state, metrics=Metrics().outbox).renew(ours)
        assert tuple(state.warnings) == found.warnings
    return list(found.warnings)


async def test_nobody_is_muted_by_default(database: Database) -> None:
    assert await warnings(database) == []


@pytest.mark.parametrize(
    ("whom", "altered"),
    [
        ("database {database}", "DATABASE {database}"),
        (f"role {WRITER} in database {{database}}", f"ROLE {WRITER} IN DATABASE {{database}}"),
        (f"role {WRITER}", f"ROLE {WRITER}"),
        ("all roles", "ROLE ALL"),
    ],
)
async def test_who_is_muted_is_named_with_the_statement_that_ends_it(
    database: Database, root: Connection, whom: str, altered: str
) -> None:
    altered, whom = altered.format(database=database.name), whom.format(database=database.name)
    await root.execute(f"ALTER {altered} SET session_replication_role = replica")
    try:
        (line,) = await warnings(database)
        assert f"session_replication_role is replica for {whom}, so triggers do not fire there" in line
        remedy = f"ALTER {altered} RESET session_replication_role"
        assert remedy in line
    finally:
        await root.execute(f"ALTER {altered} RESET session_replication_role")
    assert await warnings(database) == []


async def test_a_setting_of_another_database_or_value_is_none(database: Database, root: Connection) -> None:
    await root.execute("ALTER DATABASE postgres SET session_replication_role = replica")
    await root.execute(f"ALTER DATABASE {database.name} SET session_replication_role = local")
    try:
        assert await warnings(database) == []
    finally:
        await root.execute("ALTER DATABASE postgres RESET session_replication_role")
