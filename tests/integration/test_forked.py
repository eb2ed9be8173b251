"""A command that is forked is the command: what it says, how it ends, and that it inherits nothing."""

from __future__ import annotations

import os
import signal
from contextlib import suppress
from pathlib import Path

import pytest

from tests.cases import some
from tests.databases import Database
from tests.listening import command
from tests.support import forked

pytestmark = pytest.mark.skipif(not forked.IS_POSSIBLE, reason="commands are forked on Linux alone")

ENV = {"FORWARDER_DATABASE_URL": "postgresql://u@127.0.0.1:1/db"}


@pytest.mark.parametrize(
    "arguments",
    some(("listen", "--wrong"), of=[(), ("--version",), ("listen", "--help"), ("listen", "--wrong")]),
    ids=str,
)
async def test_it_says_what_a_new_process_says(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    async with (
        command(*arguments, env=ENV, directory=tmp_path / "warm", warm=True) as warm,
        command(*arguments, env=ENV, directory=tmp_path / "anew", warm=False) as anew,
    ):
        assert await warm.ends() == await anew.ends()
        assert (warm.stdout, warm.stderr) == (anew.stdout, anew.stderr)


async def test_an_error_that_nobody_catches_ends_it_with_its_traceback(tmp_path: Path) -> None:
    async with command(env={}, directory=tmp_path / "run", module="tests.nowhere", warm=True) as run:
        assert await run.ends() == 1
        assert "Traceback" in run.stderr
        assert "No module named tests.nowhere" in run.stderr


async def test_it_can_be_killed_and_holds_no_descriptor_of_anybody_else(tmp_path: Path, database: Database) -> None:
    env = {"FORWARDER_DATABASE_URL": database.url, "FORWARDER_SINK": "file:changes"}
    async with command("listen", env=env, directory=tmp_path / "other", warm=True) as other:
        await other.says("listening")
        # It waits for the lease, with as much open as the first had at that time.
        async with command("listen", env=env, directory=tmp_path / "run", warm=True) as run:
            await run.says("standing by")
            open_files = descriptors(run.process.pid)
            await run.kill()
        assert run.process.returncode == -signal.SIGKILL
        assert str(tmp_path / "other") not in " ".join(open_files)
        assert await other.stop() == 0


def descriptors(pid: int) -> list[str]:
    """What the process has open, but for what it closes in this moment."""
    found = []
    for path in Path(f"/proc/{pid}/fd").iterdir():
        with suppress(FileNotFoundError):
            found.append(os.readlink(path))
    return found
