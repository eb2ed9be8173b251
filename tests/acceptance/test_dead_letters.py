"""`forwarder dead-letters` as an operator uses it, beside a listener that runs."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.databases import Database
from tests.ledger import Ledger, all_delivered, write_rows
from tests.listening import CREDENTIALS, STREAM, Operator, Served, command
from tests.waiting import eventually

LARGE = "x" * (1 << 20)


@pytest.fixture
def env(database: Database, served: Served) -> Mapping[str, str]:
    return {**CREDENTIALS, "FORWARDER_DATABASE_URL": database.url, "FORWARDER_SINK": served.sink}


@pytest.fixture
def operator(env: Mapping[str, str], tmp_path: Path) -> Operator:
    return Operator(env, tmp_path)


async def test_a_change_that_was_too_large_is_found_looked_at_and_delivered_after_the_limit_was_raised(
    database: Database, ledger: Ledger, served: Served, env: Mapping[str, str], operator: Operator, tmp_path: Path
) -> None:
    await write_rows(ledger, database.writer_url, 100, note=LARGE)
    await write_rows(ledger, database.writer_url, 101)
    async with command("listen", env=env, directory=tmp_path / "listen") as listener:
        await listener.says("change set aside")

        async def listed() -> bool:
            return "dead letters: 1" in await operator.says("dead-letters", "list")

        await eventually(listed)
        (letter,) = (
            await operator.says("dead-letters", "list", "--json", "--table", "public.*", "--code", "oversize")
        ).splitlines()
        seq = str(json.loads(letter)["seq"])
        assert LARGE not in letter
        assert json.loads(await operator.says("dead-letters", "show", seq))["after"] == {
            "id": 100,
            "version": 1,
            "note": LARGE,
        }
        served.kinesis.stream(STREAM).settings.max_record_kib = 2048
        await listener.stop()
    assert "1" in await operator.says("dead-letters", "retry", seq)
    async with command("listen", env=env, directory=tmp_path / "again") as listener:
        found = await all_delivered(ledger, served.data)
        await listener.stop()
    assert found.repeats == 0
    assert "dead letters: 0" in await operator.says("dead-letters", "list")


async def test_a_discarded_letter_is_gone(
    database: Database, ledger: Ledger, env: Mapping[str, str], operator: Operator, tmp_path: Path
) -> None:
    await write_rows(ledger, database.writer_url, 100, note=LARGE)
    async with command("listen", "--once", env=env, directory=tmp_path / "listen") as listener:
        assert await listener.ends() == 0
    assert "dead letters discarded: 1" in await operator.says("dead-letters", "discard", "--sink", "default")
    assert "dead letters: 0" in await operator.says("dead-letters", "list")


@pytest.mark.parametrize(
    ("arguments", "status", "text"),
    [
        (["retry"], 2, "--all"),
        (["discard"], 2, "--all"),
        (["show", "7"], 1, "forwarder dead-letters list"),
        (["list", "--since", "yesterday"], 2, "--since"),
        (["burn"], 2, "burn"),
    ],
)
async def test_a_slip_is_told_in_one_line(operator: Operator, arguments: list[str], status: int, text: str) -> None:
    error = await operator.says("dead-letters", *arguments, status=status)
    assert text in error
    assert error.count("\n") == 1
