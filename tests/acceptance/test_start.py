"""What a command imports before it does anything: on a quarter of a processor that is what a failover waits for."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.databases import Database
from tests.ledger import Ledger, write_rows
from tests.listening import command

AWS = ("aiobotocore", "botocore")


async def imported(*arguments: str, directory: Path, **variables: str) -> set[str]:
    """The packages that a command has imported when it ends."""
    env = {"PYTHONPROFILEIMPORTTIME": "1", **variables}
    async with command(*arguments, env=env, directory=directory, warm=False) as started:
        assert await started.ends() == 0
        lines = started.stderr.splitlines()
    modules = [line.rpartition("|")[2].strip() for line in lines if line.startswith("import time:")]
    assert modules
    return {module.partition(".")[0] for module in modules} | set(modules)


@pytest.mark.parametrize("argument", ["--help", "--version"])
async def test_help_and_version_import_no_command(tmp_path: Path, argument: str) -> None:
    found = await imported(argument, directory=tmp_path / "run")
    assert not found.intersection((*AWS, "asyncpg", "forwarder.cli.listen", "forwarder.cli.demo"))


async def test_who_sends_to_a_file_never_imports_the_aws_sdk(
    database: Database, ledger: Ledger, tmp_path: Path
) -> None:
    await write_rows(ledger, database.writer_url, 100)
    sink = f"file:{tmp_path}/changes"
    variables = {"FORWARDER_DATABASE_URL": database.url, "FORWARDER_SINK": sink, "FORWARDER_HTTP_BIND": ""}
    found = await imported("listen", "--once", directory=tmp_path / "run", **variables)
    assert not found.intersection(AWS)
    assert (tmp_path / "changes").read_text().count("\n") == ledger.changes
