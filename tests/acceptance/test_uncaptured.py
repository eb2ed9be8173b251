"""A trigger that somebody has switched off, as an operator of the real commands and a consumer of the stream see it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import aiohttp

from forwarder.local.postgres import free_port
from tests.databases import Database, connected
from tests.ledger import Ledger
from tests.listening import CREDENTIALS, Operator, Served, command
from tests.waiting import eventually


async def warnings(port: int) -> list[str]:
    async with aiohttp.ClientSession() as client, client.get(f"http://127.0.0.1:{port}/readyz") as answer:
        found: list[str] = (await answer.json())["warnings"]
        return found


async def test_a_disabled_trigger_is_warned_of_and_the_stream_says_where_changes_may_be_missing(
    database: Database, ledger: Ledger, served: Served, tmp_path: Path
) -> None:
    port = free_port()
    env = {
        **CREDENTIALS,
        "FORWARDER_DATABASE_URL": database.url,
        "FORWARDER_SINK": served.sink,
        "FORWARDER_HTTP_BIND": f"127.0.0.1:{port}",
    }

    def records() -> list[tuple[Any, Any]]:
        return [(record["op"], record.get("fault")) for record in map(json.loads, served.data())]

    async with connected(database.url) as owner:
        await owner.execute("ALTER TABLE public.account DISABLE TRIGGER USER")
        await owner.execute("INSERT INTO public.account VALUES (1001, 1)")
        async with command("listen", env=env, directory=tmp_path / "listen") as listener:
            await listener.says("changes are not captured")
            line, *_ = await warnings(port)
            assert line == (
                "changes are missed: our trigger on public.account is disabled or altered; run `forwarder migrate`,"
                " and compare with what the stream has"
            )

            told = await Operator(env, tmp_path).says("migrate")
            assert "a trigger was disabled or altered" in told
            await owner.execute("INSERT INTO public.account VALUES (1002, 1)")

            async def arrived() -> bool:
                return len(records()) == 3

            await eventually(arrived)
            assert await listener.stop() == 0
    assert records() == [("gap", "capture interrupted"), ("gap", "capture resumed"), ("insert", None)]
