"""A listener whose password changes while it runs, and every command by the same way in."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping
from pathlib import Path

import pytest

from tests.clusters import Clusters, data_of
from tests.databases import MIGRATED_TEMPLATE, OWNER, Database, connected, copy_of
from tests.ledger import Ledger, all_delivered, create_accounts, writing
from tests.listening import Operator, command
from tests.support.secrets_manager import Librarian, secrets_manager

pytestmark = pytest.mark.slow

OTHER = f"{OWNER}_clone"
HBA = f"host all {OWNER},{OTHER} 127.0.0.1/32 scram-sha-256\nhost all all 127.0.0.1/32 trust\n"
CHANGED = "the secret has changed, logging in by what it says now"


@pytest.fixture
def librarian() -> Iterator[Librarian]:
    with secrets_manager() as found:
        yield found


@pytest.fixture
async def database(clusters: Clusters) -> AsyncIterator[Database]:
    """One whose owner has a password, and another role that may do the same."""
    async with clusters.server() as server, copy_of(MIGRATED_TEMPLATE, server) as database:
        await create_accounts(database.url)
        (data_of(server) / "pg_hba.conf").write_text(HBA)
        await administer(
            database,
            f"CREATE ROLE {OTHER} LOGIN IN ROLE {OWNER}",
            f"ALTER ROLE {OWNER} PASSWORD 'first'",
            "SELECT pg_reload_conf()",
        )
        yield database


async def administer(database: Database, *statements: str) -> None:
    async with connected(database.superuser_url) as superuser:
        for statement in statements:
            await superuser.execute(statement)


async def cut_sessions(database: Database) -> None:
    await administer(
        database, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name ~ '^forwarder '"
    )


@pytest.fixture
def env(database: Database, librarian: Librarian, tmp_path: Path) -> Mapping[str, str]:
    address = database.superuser_url.replace("postgres@", "", 1)
    arn = librarian.keep("database", username=OWNER, password="first", engine="postgres", dbname="another")
    return {
        **librarian.variables,
        "FORWARDER_DATABASE_URL": address,
        "FORWARDER_DATABASE_AUTH": "secrets-manager",
        "FORWARDER_DATABASE_SECRET": arn,
        "FORWARDER_SINK": f"file:{tmp_path}/changes.jsonl",
    }


async def test_a_password_that_is_rotated_under_a_listener_loses_nothing_and_takes_no_restart(
    database: Database, librarian: Librarian, env: Mapping[str, str], tmp_path: Path
) -> None:
    ledger, path = Ledger(), tmp_path / "changes.jsonl"
    arn = env["FORWARDER_DATABASE_SECRET"]
    async with command("listen", env=env, directory=tmp_path / "listen") as listener:
        await listener.says("listening")
        async with writing(ledger, database.writer_url, pause_seconds=0.02):
            # The same role, with another password.
            await administer(database, f"ALTER ROLE {OWNER} PASSWORD 'second'")
            librarian.change(arn, username=OWNER, password="second")
            await cut_sessions(database)
            await listener.says(CHANGED)
        await all_delivered(ledger, lambda: path.read_bytes().splitlines())
        assert listener.stderr.count(CHANGED) == 1

        async with writing(ledger, database.writer_url, pause_seconds=0.02, first_writer=3):
            # By turns: the other role, while the first loses its password.
            await administer(database, f"ALTER ROLE {OTHER} PASSWORD 'third'")
            librarian.change(arn, username=OTHER, password="third")
            await administer(database, f"ALTER ROLE {OWNER} PASSWORD 'gone'")
            await cut_sessions(database)
            await listener.says(f"role={OTHER}")
        await all_delivered(ledger, lambda: path.read_bytes().splitlines())
        assert listener.stderr.count(CHANGED) == 2
        assert await listener.stop() == 0
    for secret in ("second", "third"):
        assert f"{secret}\n" not in listener.stderr
        assert f"password={secret}" not in listener.stderr


async def test_every_command_logs_in_by_the_secret(database: Database, env: Mapping[str, str], tmp_path: Path) -> None:
    run = Operator(env, tmp_path / "runs")
    told = f"by secret {env['FORWARDER_DATABASE_SECRET']}"

    await run.says("migrate", "--plan", "--table", "account")
    await run.says("listen", "--once")
    assert "default" in await run.says("sinks", "list")
    assert "default" in await run.finds("status")
    await run.says("load", "--status")
    assert told in await run.finds("check")
    assert f"# database login: secret {env['FORWARDER_DATABASE_SECRET']}" in await run.says("config", "show")
    wrong = Operator({**env, "FORWARDER_DATABASE_SECRET": "nowhere", "AWS_REGION": "eu-west-1"}, tmp_path / "wrong")
    for arguments in (
        ("migrate", "--plan", "--table", "account"),
        ("listen", "--once"),
        ("sinks", "list"),
    ):
        said = await wrong.says(*arguments, status=1)
        assert "secret nowhere: ResourceNotFoundException" in said, arguments
