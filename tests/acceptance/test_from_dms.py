"""docs/from-dms.md, command by command, with the article's own mapping file."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import botocore.session

from tests.databases import Database, connected
from tests.described import endpoints, source, target, task, tasks
from tests.listening import CREDENTIALS, Operator, Served, command, kinesis_with_stream
from tests.mapped import ARTICLE
from tests.packaging import ROOT

TEXT = (ROOT / "docs/from-dms.md").read_text()
BLOCKS = re.findall(r"^```(\w*)\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)
PRINTED = {"describe-endpoints": endpoints(source(), target()), "describe-replication-tasks": tasks(task())}


class Walk:
    """Runs what the page says, in one folder, as somebody who follows it does."""

    def __init__(self, database: Database, served: Served, folder: Path) -> None:
        self._database = database
        self._folder = folder
        # In place of the stream and the address of the page.
        sink = f"app-to-kinesis={served.sink}&format=dms"
        self._env = {**CREDENTIALS, "FORWARDER_DATABASE_URL": database.url, "FORWARDER_SINK": sink}
        self._runs = 0
        self.printed: list[str] = []

    async def sql(self, statements: str) -> None:
        async with connected(
            self._database.superuser_url if "EVENT TRIGGER" in statements else self._database.url
        ) as session:
            await session.execute(statements)

    async def shell(self, line: str) -> None:
        words = shlex.split(line)
        if words[0] == "export":
            name, _, value = words[1].partition("=")
            assert name in self._env
            assert value.startswith("postgresql://")
        elif words[:2] == ["aws", "dms"]:
            assert words[3] == ">"
            (self._folder / words[4]).write_text(PRINTED[words[2]])
        else:
            assert words[0] == "forwarder"
            await self._forwarder(*words[1:])

    async def _forwarder(self, *arguments: str) -> None:
        self._runs += 1
        directory = self._folder / f"run{self._runs}"
        config = ("--config", "../forwarder.toml") if (self._folder / "forwarder.toml").exists() else ()
        named = [
            f"../{word}" if word.endswith((".json", ".toml")) else word.replace("file:", "file:../")
            for word in arguments
        ]
        async with command(*named, *config, env=self._env, directory=directory) as run:
            assert await run.ends() == 0, run.stderr
            self.printed.append(run.stdout.decode())


async def test_the_page_can_be_followed_from_the_first_command_to_the_last(
    fresh_database: Database, tmp_path: Path
) -> None:
    async with kinesis_with_stream() as served:
        walk = Walk(fresh_database, served, tmp_path)
        for language, block in BLOCKS:
            match language:
                case "sql":
                    await walk.sql(block)
                case "json":
                    assert json.loads(block) == json.loads(ARTICLE)
                    (tmp_path / "mappings.json").write_text(block)
                case "sh":
                    for line in block.splitlines():
                        await walk.shell(line)
                case _:
                    assert all(line in walk.printed[-1].splitlines() for line in block.splitlines())
        for lines in ((tmp_path / "changes.jsonl").read_text().splitlines(), served.data()):
            operations = [json.loads(line)["metadata"]["operation"] for line in lines]
            assert operations == ["insert", "update", "delete"]
    assert "public.table_a: rule 1 of mappings.json selects it" in walk.printed[2]


def test_the_commands_of_aws_are_some() -> None:
    model = botocore.session.get_session().get_service_model("dms")
    named = re.findall(r"aws dms ([a-z-]+)", TEXT)
    known = {re.sub(r"(?<!^)([A-Z])", r"-\1", name).lower() for name in model.operation_names}
    assert set(named) <= known


async def test_what_becomes_of_a_full_load_captures_the_same_tables_and_loads_them(
    fresh_database: Database, tmp_path: Path
) -> None:
    async with connected(fresh_database.url) as owner:
        await owner.execute(
            "CREATE TABLE public.table_a (id bigint PRIMARY KEY, name text); CREATE TABLE public.table_b (id bigint PRIMARY KEY);"
            " INSERT INTO table_a VALUES (1, 'first'), (2, 'second'); INSERT INTO table_b VALUES (1)"
        )
    env = {
        "FORWARDER_DATABASE_URL": fresh_database.url,
        "FORWARDER_SINK": f"file:{tmp_path}/changes.jsonl?format=native",
    }
    description = {"tasks.json": tasks(task(MigrationType="full-load"))}
    operator = Operator(env, tmp_path, description)
    settings = await operator.says("import-dms", "tasks.json")
    operator = Operator(env, tmp_path / "settings", description | {"forwarder.toml": settings})

    assert "table_b" not in await operator.says("migrate")
    await operator.says("listen", "--load-only")

    rows = [json.loads(line)["after"] for line in (tmp_path / "changes.jsonl").read_text().splitlines()]
    assert [row for row in rows if row] == [{"id": 1, "name": "first"}, {"id": 2, "name": "second"}]
