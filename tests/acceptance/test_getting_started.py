"""docs/getting-started.md, command by command."""

from __future__ import annotations

import re
import shlex
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from tests.databases import Database, connected
from tests.listening import CREDENTIALS, Command, command
from tests.packaging import ROOT, parse_command_line
from tests.support.ports import free_port

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
TEXT = (ROOT / "docs/getting-started.md").read_text()


def blocks(text: str) -> list[tuple[str, str]]:
    """The language and the text of each block of code."""
    return re.findall(r"^```(\w*)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


class Walk:
    """Runs what the page says, as somebody who follows it does: what ends with & goes on until the end of the walk."""

    def __init__(self, stack: AsyncExitStack, database: Database, folder: Path) -> None:
        self._stack = stack
        self._database = database
        self._folder = folder
        self._env = {**CREDENTIALS, "FORWARDER_DATABASE_URL": database.url}
        self._port = free_port()
        self._files: dict[str, str] = {}
        # What each command has printed, by its words.
        self.printed: dict[str, str] = {}

    async def do(self, language: str, block: str) -> None:
        block = block.replace("4567", str(self._port))
        if language == "sql":
            async with connected(self._database.url) as session:
                await session.execute(block)
        elif language == "toml":
            self._files["forwarder.toml"] = block
        else:
            for line in block.splitlines():
                await self._run(line)

    async def _run(self, line: str) -> None:
        program, *words = shlex.split(line)
        if program != "forwarder":
            assert line == "pip install ." or program == "export"
            return
        goes_on = words[-1] == "&"
        arguments = words[:-1] if goes_on else words
        directory = self._folder / str(len(self.printed))
        run = await self._stack.enter_async_context(
            command(*arguments, env=self._env, directory=directory, files=self._files)
        )
        if goes_on:
            await self._until_it_serves(run, arguments[0])
        else:
            assert await run.ends(within_seconds=60) == 0, run.stderr
        self.printed[" ".join(arguments[:2])] = run.stdout.decode()

    async def _until_it_serves(self, run: Command, name: str) -> None:
        if name == "listen":
            await run.says("listening")
        else:
            await run.prints("http://")


async def test_the_page_can_be_followed_from_the_first_command_to_the_last(
    fresh_database: Database, tmp_path: Path
) -> None:
    async with AsyncExitStack() as stack:
        walk = Walk(stack, fresh_database, tmp_path)
        for language, block in blocks(TEXT):
            await walk.do(language, block)
    assert "public.orders: capture would be installed" in walk.printed["migrate --plan"]
    [told] = [text for words, text in walk.printed.items() if words.startswith("tail ")]
    assert [operation in told for operation in ("insert", "update", "delete")] == [True] * 3
    assert "public.orders: 2 rows" in walk.printed["load public.orders"]
    assert walk.printed["status"].startswith("WELL")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_command_line_of_a_page_is_one_that_forwarder_understands(page: Path) -> None:
    for language, block in blocks(page.read_text()):
        if language in ("sh", "bash"):
            for line in block.replace("\\\n", " ").splitlines():
                words = shlex.split(line, comments=True)
                if words[:1] == ["forwarder"]:
                    ends = (place for place, word in enumerate(words) if word in ("|", ">", "&", "&&"))
                    parse_command_line(words[1 : next(ends, None)])
