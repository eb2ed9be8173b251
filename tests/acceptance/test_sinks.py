"""`forwarder sinks` and `forwarder replay` as an operator uses them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.databases import Database
from tests.ledger import Ledger, audit, write_rows
from tests.listening import Command, Operator, command
from tests.waiting import eventually


@pytest.fixture
def env(database: Database) -> Mapping[str, str]:
    return {"FORWARDER_DATABASE_URL": database.url}


async def sinks_listed(operator: Operator) -> dict[str, dict[str, Any]]:
    lines = (await operator.says("sinks", "list", "--json")).splitlines()
    return {sink["name"]: sink for sink in map(json.loads, lines)}


@pytest.fixture
def operator(env: Mapping[str, str], tmp_path: Path) -> Operator:
    return Operator(env, tmp_path)


def sinks_of(directory: Path) -> tuple[str, ...]:
    return ("--sink", f"one=file:{directory}/one.jsonl", "--sink", f"two=file:{directory}/two.jsonl")


async def test_several_sinks_named_on_the_command_line_each_get_everything(
    database: Database, ledger: Ledger, operator: Operator, tmp_path: Path
) -> None:
    await write_rows(ledger, database.writer_url, *range(100, 150))
    await operator.says("listen", "--once", *sinks_of(tmp_path))
    for name in ("one", "two"):
        audit(ledger, (tmp_path / f"{name}.jsonl").read_bytes().splitlines()).assert_faultless()
    assert {name: sink["undelivered"] for name, sink in (await sinks_listed(operator)).items()} == {"one": 0, "two": 0}


async def test_a_list_tells_the_backlog_and_who_leads(
    database: Database, ledger: Ledger, operator: Operator, env: Mapping[str, str], tmp_path: Path
) -> None:
    await write_rows(ledger, database.writer_url, *range(100, 110))
    await operator.says("listen", "--once", *sinks_of(tmp_path))
    await write_rows(ledger, database.writer_url, *range(110, 117))
    async with command("listen", *sinks_of(tmp_path)[:2], env=env, directory=tmp_path / "listen") as listener:
        await listener.says("listening")

        async def one_is_served() -> bool:
            return bool((await sinks_listed(operator))["one"]["undelivered"] == 0)

        await eventually(one_is_served, within_seconds=20)
        found = await sinks_listed(operator)
        assert found["one"]["leader_pid"]
        assert (found["two"]["undelivered"], found["two"]["leader_pid"]) == (7, None)
        assert found["two"]["oldest_undelivered_at"]
        table = await operator.says("sinks", "list")
        assert "one" in table
        assert "sinks: 2" in table
        refusal = await operator.says("sinks", "remove", "one", status=1)
        assert "a listener serves sink 'one'" in refusal
        await stop(listener)


async def stop(listener: Command) -> None:
    assert await listener.stop() == 0


async def test_a_sink_with_a_backlog_is_removed_only_if_that_is_meant(
    database: Database, ledger: Ledger, operator: Operator, tmp_path: Path
) -> None:
    await operator.says("listen", "--once", *sinks_of(tmp_path))
    await write_rows(ledger, database.writer_url, *range(100, 107))
    refusal = await operator.says("sinks", "remove", "two", status=1)
    assert "7 changes are not delivered" in refusal
    assert "--discard" in refusal
    assert "two: removed" in await operator.says("sinks", "remove", "two", "--discard")
    assert set(await sinks_listed(operator)) == {"one"}


async def test_a_replay_is_delivered_by_the_next_listener(
    database: Database, ledger: Ledger, operator: Operator, tmp_path: Path
) -> None:
    await write_rows(ledger, database.writer_url, *range(100, 110))
    sink = ("--sink", f"file:{tmp_path}/default.jsonl")
    await operator.says("listen", "--once", *sink)
    assert "default: set back to change" in await operator.says("replay", "--sink", "default", "--from", "oldest")
    await operator.says("listen", "--once", *sink)
    lines = (tmp_path / "default.jsonl").read_bytes().splitlines()
    assert len(lines) == 20
    assert lines[:10] == lines[10:]


@pytest.mark.parametrize(
    ("arguments", "status", "text"),
    [
        (["sinks", "remove"], 2, "forwarder sinks remove --help"),
        (["sinks"], 2, "forwarder sinks --help"),
        (["sinks", "lst"], 2, "Did you mean 'list'?"),
        (["sinks", "list", "one"], 2, "forwarder sinks list --help"),
        (["sinks", "remove", "--config"], 2, "forwarder sinks remove --help"),
        (["listen", "--once", "--sink"], 2, "forwarder listen --help"),
        (["sinks", "remove", "none"], 1, "there is no sink 'none'"),
        (["replay", "--sink", "none", "--from", "oldest"], 1, "there is no sink 'none'"),
        (["replay", "--sink", "none", "--from", "yesterday"], 2, "2026-01-31T12:00:00Z"),
        (["replay", "--sink", "none"], 2, "--from"),
        (["listen", "--sink", "a=stdout:", "--sink", "a=stdout:"], 2, "2 sinks are named 'a'"),
        (["listen", "--sink", "stdout:", "--sink", "stdout:"], 2, "2 sinks are named 'default'"),
    ],
)
async def test_a_slip_is_told_in_one_line(operator: Operator, arguments: list[str], status: int, text: str) -> None:
    error = await operator.says(*arguments, status=status)
    assert text in error
    assert error.count("\n") == 1
