"""What a command imports before it does anything: on a quarter of a processor that is what a failover waits for."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.databases import Database
from tests.ledger import Ledger, write_rows
from tests.listening import command

AWS = ("aiobotocore", "botocore")
LIBRARIES = (*AWS, "anyio", "asyncpg", "msgspec", "rich")
# What one command alone imports: `sinks`, and then each of the others. (The module of a command itself leaves no line: import_module does not.)
SINKS = "forwarder.store.sink_status"
OTHERS = (
    "forwarder.demo.demo",
    "forwarder.listen.service",
    "forwarder.local.kinesis",
    "forwarder.capture.apply",
    "forwarder.store.replay",
    "forwarder.consumer.reading.file_reader",
)


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
    assert not found.intersection((*LIBRARIES, *OTHERS, SINKS))


async def test_help_of_a_group_imports_no_other_command(tmp_path: Path) -> None:
    found = await imported("sinks", "remove", "--help", directory=tmp_path / "run")
    assert not found.intersection((*AWS, *OTHERS, "forwarder.cli.letter_filters"))


@pytest.mark.parametrize(
    ("typed", "completed", "imports"),
    [
        ("forwarder sink", ["sinks"], False),
        pytest.param("forwarder --ver", ["--version"], False, marks=pytest.mark.long),
        pytest.param("forwarder sinks re", ["remove"], True, marks=pytest.mark.long),
        pytest.param("forwarder sinks remove --disc", ["--discard"], True, marks=pytest.mark.long),
        ("forwarder sinks list --j", ["--json"], True),
        pytest.param("forwarder sinks list --disc", [], True, marks=pytest.mark.long),
        ("forwarder dead-letters ", ["list", "show", "retry", "discard"], False),
        pytest.param("forwarder dead-letters list --s", ["--sink", "--since"], False, marks=pytest.mark.long),
    ],
)
async def test_a_shell_completes_commands_of_commands_and_their_options(
    tmp_path: Path, typed: str, completed: list[str], *, imports: bool
) -> None:
    variables = {"_FORWARDER_COMPLETE": "complete_bash", "COMP_WORDS": typed, "COMP_CWORD": str(typed.count(" "))}
    async with command(
        env={"PYTHONPROFILEIMPORTTIME": "1", **variables}, directory=tmp_path / "run", warm=False
    ) as shell:
        assert await shell.ends() == 0
        assert shell.stdout.decode().split() == completed
        assert (SINKS in shell.stderr) == imports
        assert not any(f" {other}\n" in shell.stderr for other in OTHERS)


async def test_who_sends_to_a_file_never_imports_the_aws_sdk(
    database: Database, ledger: Ledger, tmp_path: Path
) -> None:
    await write_rows(ledger, database.writer_url, 100)
    sink = f"file:{tmp_path}/changes"
    variables = {"FORWARDER_DATABASE_URL": database.url, "FORWARDER_SINK": sink, "FORWARDER_HTTP_BIND": ""}
    found = await imported("listen", "--once", directory=tmp_path / "run", **variables)
    assert not found.intersection(AWS)
    assert (tmp_path / "changes").read_text().count("\n") == ledger.changes


async def test_who_reads_a_file_never_imports_the_aws_sdk(tmp_path: Path) -> None:
    (tmp_path / "changes").touch()
    found = await imported("tail", f"file:{tmp_path}/changes", directory=tmp_path / "run")
    assert not found.intersection(AWS)
