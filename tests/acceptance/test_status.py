"""`forwarder status` as an operator uses it: what its first line says, its JSON and its exit status."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.databases import OWNER, Database, connected
from tests.ledger import Ledger, write_rows
from tests.listening import CREDENTIALS, Operator, Served, command
from tests.migrating import migrate_tables
from tests.waiting import eventually


@pytest.fixture
async def env(database: Database, ledger: Ledger, served: Served) -> Mapping[str, str]:
    async with connected(database.url) as owner:
        await migrate_tables(owner, "account")
    return {**CREDENTIALS, "FORWARDER_DATABASE_URL": database.url, "FORWARDER_SINK": served.sink}


@pytest.fixture
def operator(env: Mapping[str, str], tmp_path: Path) -> Operator:
    return Operator(env, tmp_path)


class Looker:
    """Runs `forwarder status`, whatever it finds."""

    def __init__(self, env: Mapping[str, str], directory: Path) -> None:
        self._env, self._directory, self._runs = env, directory, 0

    async def shown(self, *arguments: str) -> tuple[int, str]:
        """The exit status, and what is printed."""
        self._runs += 1
        directory = self._directory / f"status{self._runs}"
        async with command("status", *arguments, env=self._env, directory=directory) as run:
            status = await run.ends()
            assert status in (0, 1), run.stderr
            return status, run.stdout.decode()

    async def told(self) -> dict[str, Any]:
        """The document."""
        status, text = await self.shown("--json")
        document: dict[str, Any] = json.loads(text)
        assert status == (0 if document["is_well"] else 1)
        return document

    def says(self, text: str) -> Callable[[], Awaitable[bool]]:
        async def said() -> bool:
            _, shown = await self.shown()
            return text in " ".join(shown.split())

        return said

    async def is_well(self) -> bool:
        status, _ = await self.shown()
        return status == 0


@pytest.fixture
def looker(env: Mapping[str, str], tmp_path: Path) -> Looker:
    return Looker(env, tmp_path)


async def test_from_before_the_first_listener_to_a_take_over(
    database: Database, ledger: Ledger, env: Mapping[str, str], looker: Looker, tmp_path: Path
) -> None:
    status, shown = await looker.shown()
    assert status == 1
    assert shown.startswith("NOT WELL  no listener serves sink 'default'\n  -> start `forwarder listen`\n")

    async with (
        command("listen", env=env, directory=tmp_path / "first") as first,
        command("listen", env=env, directory=tmp_path / "second") as second,
    ):

        async def phases() -> Mapping[int, str]:
            async with connected(database.url) as owner:
                rows = await owner.fetch("SELECT pid, says FROM forwarder.listener")
            return {row["pid"]: json.loads(row["says"])["sinks"]["default"]["phase"] for row in rows}

        async def stand() -> bool:
            return {*(await phases()).values()} == {"leading", "standby"}

        async def is_counted() -> bool:
            (table,) = (await looker.told())["tables"]
            return bool(table["table"] == "public.account" and table["inserts"] == 50 and table["last_change_at"])

        await eventually(stand, within_seconds=30)
        await write_rows(ledger, database.writer_url, *range(100, 150))
        document = await looker.told()
        (sink,) = document["sinks"]
        assert (document["is_well"], sink["state"]) == (True, "delivering")
        assert document["doorbell"]["mode"] == "doorbell"
        leader, standby = (first, second) if sink["leader"]["pid"] == first.process.pid else (second, first)
        assert [one["pid"] for one in document["standbys"]] == [standby.process.pid]
        await eventually(is_counted, within_seconds=30)

        status, shown = await looker.shown()
        assert status == 0
        assert shown.startswith("WELL  sink 'default' is delivered to")
        assert "standby: " in shown
        assert all(len(line.rstrip()) <= 80 for line in shown.splitlines())

        await leader.kill()

        async def taken_over() -> bool:
            return (await phases())[standby.process.pid] == "leading"

        await eventually(taken_over, within_seconds=30)
        document = await looker.told()
        assert document["is_well"]
        assert document["sinks"][0]["leader"]["pid"] == standby.process.pid
        assert document["standbys"] == []
        assert await standby.stop() == 0
    document = await looker.told()
    assert (document["is_well"], document["sinks"][0]["leader"]) == (False, None)


async def test_a_sink_that_does_not_answer_and_a_trigger_that_is_off_are_named_until_they_are_mended(
    database: Database, env: Mapping[str, str], looker: Looker, operator: Operator, tmp_path: Path
) -> None:
    # Nothing listens there, so the listener cannot even begin.
    dead = {**env, "FORWARDER_SINK": "kinesis://changes?region=us-east-1&endpoint_url=http://127.0.0.1:9"}
    async with command("listen", env=dead, directory=tmp_path / "dead"):
        await eventually(looker.says("127.0.0.1:9"), within_seconds=60)
        assert (await looker.told())["sinks"][0]["state"] == "stuck"

    async with command("listen", env=env, directory=tmp_path / "listen") as listener:
        await listener.says("listening")
        async with connected(database.url) as owner:
            await owner.execute('ALTER TABLE account DISABLE TRIGGER "00_forwarder_capture"')
        await eventually(looker.says("a trigger was disabled"), within_seconds=60)
        status, shown = await looker.shown()
        assert status == 1
        assert "-> run `forwarder migrate`" in shown
        await operator.says("migrate")
        await eventually(looker.is_well, within_seconds=60)


async def test_dead_letters_and_loads_are_told_under_the_role_that_listens(
    database: Database, ledger: Ledger, env: Mapping[str, str], operator: Operator, tmp_path: Path
) -> None:
    async with connected(database.superuser_url) as superuser:
        await superuser.execute("CREATE ROLE status_reader LOGIN")
    try:
        await operator.says("migrate", "--runtime-role", "status_reader")
        looker = Looker({**env, "FORWARDER_DATABASE_URL": database.url.replace(OWNER, "status_reader")}, tmp_path)
        await write_rows(ledger, database.writer_url, 100, note="x" * (1 << 20))
        await operator.says("listen", "--once")
        await operator.says("load", "account", "--detach")
        document = await looker.told()
        assert document["sinks"][0]["dead_letters"] == 1
        assert [warning["text"] for warning in document["warnings"]] == ["1 change was set aside for sink 'default'"]
        assert "dead-letters list" in document["warnings"][0]["remedy"]
        assert (document["loads"][0]["table"], document["loads"][0]["state"]) == ("public.account", "waiting")
        assert document["tables"][0]["state"] == "loading"
        _, shown = await looker.shown()
        assert "warning: 1 change was set aside" in shown
    finally:
        async with connected(database.superuser_url) as superuser:
            await superuser.execute("DROP OWNED BY status_reader; DROP ROLE status_reader")


async def test_watching_shows_it_anew_until_a_signal(env: Mapping[str, str], tmp_path: Path) -> None:
    async with command("status", "--watch", "0.2", "--json", env=env, directory=tmp_path / "watch") as watching:

        async def has_shown_several() -> bool:
            return len(watching.stdout.splitlines()) >= 3

        await eventually(has_shown_several, within_seconds=30)
        assert await watching.stop() == 1
        assert all(not json.loads(line)["is_well"] for line in watching.stdout.splitlines())


async def test_what_does_not_go_together_or_cannot_be_reached_is_said_in_a_line(
    operator: Operator, env: Mapping[str, str], tmp_path: Path
) -> None:
    assert "SECONDS is for --watch" in await operator.says("status", "5", status=2)
    away = Looker({**env, "FORWARDER_DATABASE_URL": "postgresql://nobody@127.0.0.1:9/none"}, tmp_path)
    status, shown = await away.shown()
    assert status == 1
    assert shown.startswith("NOT WELL  cannot connect to PostgreSQL at 127.0.0.1:9")
