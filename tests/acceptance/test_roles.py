"""A role that owns nothing runs every command but `migrate`."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

import asyncpg
import pytest

from tests.databases import OWNER, Database, connected
from tests.ledger import Ledger, all_delivered, write_rows
from tests.listening import CREDENTIALS, Operator, Served, command
from tests.waiting import eventually

ROLE = "forwarder_listener"
LARGE = "x" * (1 << 20)


@pytest.fixture
async def runtime_url(database: Database, ledger: Ledger, tmp_path: Path) -> AsyncIterator[str]:
    """The address of a database in which an administrator has made a role, and `forwarder migrate` has granted it what it needs."""
    async with connected(database.superuser_url) as root:
        await root.execute(f"CREATE ROLE {ROLE} LOGIN")
        migrating = Operator({"FORWARDER_DATABASE_URL": database.url}, tmp_path / "migrate")
        plan = await migrating.says("migrate", "--runtime-role", ROLE, "--plan")
        line = f"schema forwarder: rights that `forwarder listen` needs would be granted to {ROLE}"
        assert line in plan.splitlines()
        done = await migrating.says("migrate", "--runtime-role", ROLE)
        assert line.replace("would be ", "") in done.splitlines()
        yield database.url.replace(OWNER, ROLE)
        await root.execute(f"DROP OWNED BY {ROLE}; DROP ROLE {ROLE}")


@pytest.fixture
def env(runtime_url: str, served: Served) -> Mapping[str, str]:
    settings = {"FORWARDER_OUTBOX_RETENTION_SECONDS": "0", "FORWARDER_SINK": served.sink}
    return {**CREDENTIALS, **settings, "FORWARDER_DATABASE_URL": runtime_url}


async def test_a_role_that_owns_nothing_listens_replays_and_looks_after_the_sinks(
    database: Database,
    ledger: Ledger,
    runtime_url: str,
    served: Served,
    env: Mapping[str, str],
    tmp_path: Path,
) -> None:
    operator = Operator(env, tmp_path / "runtime")
    await write_rows(ledger, database.writer_url, *range(100, 110))
    await write_rows(ledger, database.writer_url, 110, note=LARGE)
    await operator.says("listen", "--once")

    (letter,) = (await operator.says("dead-letters", "list", "--json")).splitlines()
    seq = str(json.loads(letter)["seq"])
    assert json.loads(await operator.says("dead-letters", "show", seq))["after"]["id"] == 110
    assert "1" in await operator.says("dead-letters", "retry", seq)

    async with command("listen", env=env, directory=tmp_path / "listen") as listener:
        await listener.says("change set aside")
        assert "dead letters discarded: 1" in await operator.says(
            "dead-letters", "discard", "--all", "--sink", "default"
        )
        await write_rows(ledger, database.writer_url, *range(111, 115))

        async def delivered() -> bool:
            (sink,) = (await operator.says("sinks", "list", "--json")).splitlines()
            return bool(json.loads(sink)["undelivered"] == 0)

        await eventually(delivered, within_seconds=20)
        assert await listener.stop() == 0
        assert "not tidied" not in listener.stderr
    count = len(served.data())

    assert "set back to change" in await operator.says("replay", "--sink", "default", "--from", "oldest")
    await operator.says("listen", "--once")
    assert len(served.data()) == 2 * count
    await operator.says("replay", "--sink", "default", "--from", "oldest", "--table", "account")
    await operator.says("sinks", "remove", "default", "--discard")

    async with connected(runtime_url) as runtime:
        for attempt in ("TABLE account", "DELETE FROM forwarder.outbox", "DROP TABLE forwarder.sink"):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await runtime.execute(attempt)


async def test_a_leaf_is_emptied_and_capture_paused_for_a_role_that_owns_neither(
    database: Database, ledger: Ledger, runtime_url: str, env: Mapping[str, str], served: Served, tmp_path: Path
) -> None:
    async with connected(database.url) as owner:
        await owner.execute("SELECT forwarder.lay_out(16)")
        await write_rows(ledger, database.writer_url, *range(100, 200))

        async def is_tidy() -> bool:
            return bool(await owner.fetchval("SELECT count(DISTINCT tableoid) <= 2 FROM forwarder.outbox"))

        async with command("listen", env=env, directory=tmp_path / "listen") as listener:
            await all_delivered(ledger, served.data)
            await eventually(is_tidy, within_seconds=20)
            assert await listener.stop() == 0
        async with connected(runtime_url) as runtime:
            assert await runtime.fetch("SELECT forwarder.set_paused(true)")
        assert await owner.fetchval("SELECT cardinality(forwarder.paused_tables()) > 0")


async def test_a_role_without_the_grants_is_told_how_to_get_them(
    database: Database, ledger: Ledger, tmp_path: Path
) -> None:
    operator = Operator({"FORWARDER_DATABASE_URL": database.writer_url, "FORWARDER_SINK": "stdout:"}, tmp_path)
    assert "--runtime-role" in await operator.says("listen", "--once", status=1)
