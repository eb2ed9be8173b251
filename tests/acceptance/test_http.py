"""What the real listener tells over HTTP, while it leads, stands by and has lost its database."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import aiohttp
import anyio
import pytest

from tests.databases import Database, connected
from tests.ledger import Ledger, all_delivered, write_rows
from tests.listening import CREDENTIALS, Served, command
from tests.migrating import migrate_tables
from tests.proxy import proxy
from tests.serving import Event, events_of, free_address, get

TOKEN = "a-token-that-nobody-guesses"
GIVEN = {"headers": {"Authorization": f"Bearer {TOKEN}"}}


@pytest.fixture
async def env(database: Database, ledger: Ledger, served: Served) -> Mapping[str, str]:
    async with connected(database.url) as owner:
        await migrate_tables(owner, "account")
    return {**CREDENTIALS, "FORWARDER_DATABASE_URL": database.url, "FORWARDER_SINK": served.sink}


async def status_that(events: AsyncIterator[Event], **members: Any) -> Any:
    """The next status with these members."""
    with anyio.fail_after(60):
        async for event in events:
            if event.name == "status" and all(event.data[name] == value for name, value in members.items()):
                return event.data
    raise AssertionError(f"the stream ended without {members}")


async def test_leader_and_standby_tell_the_same_and_show_the_page(
    database: Database, ledger: Ledger, served: Served, env: Mapping[str, str], tmp_path: Path
) -> None:
    one, other = free_address(), free_address()
    async with command("listen", env={**env, "FORWARDER_HTTP_BIND": one}, directory=tmp_path / "one") as leader:
        await leader.says("listening")
        await write_rows(ledger, database.writer_url, *range(100, 110))
        await all_delivered(ledger, served.data)
        async with command(
            "listen", env={**env, "FORWARDER_HTTP_BIND": other}, directory=tmp_path / "other"
        ) as standby:
            await standby.says("standing by")
            for address in (one, other):
                status, told = await get(address, "/api/status")
                assert (status, told["is_well"]) == (200, True), told["summary"]
                assert told["sinks"][0]["leader"]["pid"] == leader.process.pid
                async with aiohttp.ClientSession(f"http://{address}") as client, client.get("/") as page:
                    assert (page.status, page.content_type) == (200, "text/html")
                async with events_of(address) as events:
                    assert (await status_that(events, is_well=True))["sinks"][0]["state"] == "delivering"
            # Open streams keep nobody from ending.
            async with events_of(other) as events:
                await status_that(events, is_well=True)
                assert await standby.stop() == 0
        assert await leader.stop() == 0


async def test_a_stream_outlives_the_database_and_says_when_it_is_away_and_back(
    database: Database, env: Mapping[str, str], tmp_path: Path
) -> None:
    address = free_address()
    async with proxy(database.url) as network:
        variables = {
            **env,
            "FORWARDER_DATABASE_URL": network.url,
            "FORWARDER_HTTP_BIND": address,
            "FORWARDER_HTTP_TOKEN": TOKEN,
        }
        async with command("listen", env=variables, directory=tmp_path / "listen") as listener:
            await listener.says("listening")
            assert (await get(address, "/api/status"))[0] == 401
            async with events_of(address, **GIVEN) as events:
                await status_that(events, is_well=True)
                network.refuse()
                network.cut()
                away = await status_that(events, is_well=False)
                assert away["summary"]
                assert (await get(address, "/api/status", **GIVEN))[0] == 200
                assert (await get(address, "/healthz"))[0] == 200
                network.accept()
                await status_that(events, is_well=True)
            assert await listener.stop() == 0
        assert TOKEN not in listener.stderr
