"""PgBouncer in front of the database: writers may go through it, the real commands refuse to unless their session is theirs."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.databases import Database
from tests.ledger import Ledger, all_delivered, write, writing
from tests.listening import CREDENTIALS, Operator, Served, command
from tests.pooler import needs_pgbouncer, pgbouncer

pytestmark = needs_pgbouncer

# Far beyond what a ring takes, far below the poll interval that a lost one would take.
PROMPT_SECONDS = 20.0
POLL_INTERVAL_SECONDS = 100.0
COMMANDS: Sequence[Sequence[str]] = (
    ("migrate",),
    ("migrate", "--check"),
    ("sinks", "list"),
    ("sinks", "remove", "default"),
    ("replay", "--sink", "default", "--from", "oldest"),
    ("dead-letters", "list"),
)


def environment(database: Database, served: Served) -> Mapping[str, str]:
    return {
        **CREDENTIALS,
        "FORWARDER_DATABASE_URL": database.url,
        "FORWARDER_DATABASE_POLL_INTERVAL_SECONDS": f"{POLL_INTERVAL_SECONDS}",
        "FORWARDER_SINK": served.sink,
    }


@asynccontextmanager
async def writers_pooled(database: Database, served: Served, directory: Path) -> AsyncIterator[Database]:
    """A listener that connects directly, for the length of a block, and its database as writers reach it: through a pooler."""
    async with (
        # Two sessions for three writers: none keeps one beyond its transaction.
        pgbouncer(database, pool_size=2) as pooled,
        command("listen", env=environment(database, served), directory=directory / "listen") as listener,
    ):
        await listener.says("listening")
        yield pooled
        assert await listener.stop() == 0


async def test_writers_behind_a_pooler_in_transaction_mode_lose_nothing_and_keep_their_order(
    database: Database, ledger: Ledger, served: Served, tmp_path: Path
) -> None:
    async with writers_pooled(database, served, tmp_path) as pooled:
        await write(ledger, pooled.writer_url, transactions=50)

        found = await all_delivered(ledger, served.data, within_seconds=PROMPT_SECONDS)
        assert found.repeats == 0


async def test_a_sleeping_listener_is_woken_by_each_commit_behind_a_pooler_in_transaction_mode(
    database: Database, ledger: Ledger, served: Served, tmp_path: Path
) -> None:
    async with writers_pooled(database, served, tmp_path) as pooled:
        for number in range(10):
            await write(ledger, pooled.writer_url, transactions=1, first_writer=3 * number)

            await all_delivered(ledger, served.data, within_seconds=PROMPT_SECONDS)


async def assert_refused(
    database: Database, served: Served, directory: Path, *arguments: str, env: Mapping[str, str] | None = None
) -> None:
    async with pgbouncer(database) as pooled:
        operator = Operator({**environment(pooled, served), **(env or {})}, directory)
        refusal = await operator.says(*arguments, status=1)

        address = urlsplit(pooled.url)
        assert refusal == (
            f"forwarder: cannot connect to PostgreSQL at {address.hostname}:{address.port}{address.path}: a pooler in"
            " transaction mode answers, which would give our locks and settings to others; connect to the host and port of"
            " PostgreSQL itself; only writers may go through a pooler in transaction mode\n"
        )


@pytest.mark.parametrize("wake", ["doorbell", "poll"])
async def test_a_listener_behind_a_pooler_in_transaction_mode_is_refused_in_one_line(
    database: Database, served: Served, tmp_path: Path, wake: str
) -> None:
    await assert_refused(database, served, tmp_path, "listen", env={"FORWARDER_DATABASE_WAKE": wake})


@pytest.mark.parametrize("arguments", COMMANDS, ids=" ".join)
async def test_a_command_behind_a_pooler_in_transaction_mode_is_refused_in_one_line(
    database: Database, served: Served, tmp_path: Path, arguments: Sequence[str]
) -> None:
    await assert_refused(database, served, tmp_path, *arguments)


async def test_a_listener_behind_a_pooler_in_session_mode_loses_nothing_and_keeps_the_order(
    database: Database, ledger: Ledger, served: Served, tmp_path: Path
) -> None:
    async with (
        pgbouncer(database, mode="session", pool_size=10) as pooled,
        command("listen", env=environment(pooled, served), directory=tmp_path / "listen") as listener,
    ):
        await listener.says("listening")
        async with writing(ledger, database.writer_url, pause_seconds=0.05):
            await write(ledger, database.writer_url, transactions=20, first_writer=3)

        await all_delivered(ledger, served.data, within_seconds=PROMPT_SECONDS)
        assert await listener.stop() == 0
