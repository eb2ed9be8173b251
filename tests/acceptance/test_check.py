"""`forwarder check` as an operator runs it: its lines, its JSON and its exit status."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.databases import Database, connected
from tests.listening import CREDENTIALS, Operator, Served
from tests.migrating import migrate_tables

PAGE = Path(__file__).parents[2] / "docs" / "check.md"


@pytest.fixture
async def env(database: Database, served: Served) -> Mapping[str, str]:
    async with connected(database.url) as owner:
        await owner.execute("CREATE TABLE orders (id integer PRIMARY KEY)")
        await migrate_tables(owner, "orders")
    return {**CREDENTIALS, "FORWARDER_DATABASE_URL": database.url, "FORWARDER_SINK": served.sink}


async def test_the_exit_status_is_1_for_a_failure_alone_and_the_last_lines_name_it(
    database: Database, env: Mapping[str, str], tmp_path: Path
) -> None:
    operator = Operator(env, tmp_path)
    # Nobody serves the sink, which is noted.
    assert (await operator.says("check")).splitlines()[-1].startswith("failure: 0, ")

    async with connected(database.url) as owner:
        await owner.execute('ALTER TABLE orders DISABLE TRIGGER "00_forwarder_capture"')
    *_, worst, summary = (await operator.finds("check", "--fast")).splitlines()
    assert worst == (
        "failure  tables, triggers: public.orders: a trigger was disabled or altered"
        " -> run `forwarder migrate`, and compare with what the stream has (forwarder verify)"
    )
    assert summary.startswith("failure: 1, ")

    await operator.says("migrate")
    assert "failure: 0, " in await operator.says("check", "--fast")


async def test_the_json_has_the_documented_members(env: Mapping[str, str], tmp_path: Path) -> None:
    told = json.loads(await Operator(env, tmp_path).says("check", "--json"))
    documented = json.loads(PAGE.read_text().split("```json\n")[1].split("```")[0])
    assert list(told) == list(documented)
    assert list(told["counts"]) == list(documented["counts"]) == ["failure", "warning", "note", "ok"]
    assert told["verdict"] in told["counts"]
    for finding in (*told["findings"], *documented["findings"]):
        assert list(finding) == ["area", "subject", "verdict", "text", "remedy"]
        assert finding["verdict"] in told["counts"]
    areas = list(dict.fromkeys(finding["area"] for finding in told["findings"]))
    assert areas == [
        *("connection", "clock", "roles", "schema", "tables", "outbox", "transactions", "delivery"),
        "sink default",
    ]


async def test_without_a_sink_the_database_alone_is_looked_at(env: Mapping[str, str], tmp_path: Path) -> None:
    alone = {name: value for name, value in env.items() if name != "FORWARDER_SINK"}
    assert ", stream:" not in await Operator(alone, tmp_path).says("check")


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"FORWARDER_DATABASE_URL": ""}, "no database"),
        ({"FORWARDER_SINK": "kinesis:/"}, "names no stream"),
        ({"FORWARDER_SINK": "file:records?shards=2"}, ""),
        ({"FORWARDER_LISTEN_PAGE_ROW": "1"}, "FORWARDER_LISTEN_PAGE_ROWS"),
    ],
)
async def test_settings_that_no_command_would_take_end_with_status_2(
    env: Mapping[str, str], tmp_path: Path, changed: Mapping[str, str], said: str
) -> None:
    assert said in await Operator({**env, **changed}, tmp_path).says("check", status=2)


async def test_no_password_shows_in_what_is_found(env: Mapping[str, str], tmp_path: Path) -> None:
    secret = {**env, "FORWARDER_DATABASE_URL": "postgresql://app:hunter2@127.0.0.1:1/app"}
    assert "hunter2" not in await Operator(secret, tmp_path).finds("check", "--json")
