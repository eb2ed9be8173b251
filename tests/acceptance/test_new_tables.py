"""New tables, as an operator of the real commands and a consumer of the stream see them."""

from __future__ import annotations

import json
from pathlib import Path

from forwarder.local.postgres import free_port
from tests.acceptance.test_uncaptured import warnings
from tests.databases import Database, connected
from tests.listening import Operator, command
from tests.waiting import eventually

SETTINGS = """
[[table]]
match = "public.*"

[capture]
auto_attach = true
schema_events = true
"""


async def test_tables_are_captured_by_themselves_after_one_migrate(database: Database, tmp_path: Path) -> None:
    config, changes, port = tmp_path / "forwarder.toml", tmp_path / "changes", free_port()
    config.write_text(SETTINGS)
    env = {
        "FORWARDER_DATABASE_URL": database.url,
        "FORWARDER_CONFIG": f"{config}",
        "FORWARDER_SINK": f"file:{changes}",
        "FORWARDER_HTTP_BIND": f"127.0.0.1:{port}",
    }
    operator = Operator(env, tmp_path)
    root = Operator({**env, "FORWARDER_DATABASE_URL": database.superuser_url}, tmp_path / "root")
    async with connected(database.url) as owner, connected(database.superuser_url) as superuser:
        await owner.execute("CREATE TABLE public.first (id integer PRIMARY KEY)")
        planned = await operator.says("migrate", "--plan")
        assert "forwarder.table_rule: would be written (1 rules for tables that come later)" in planned
        assert "forwarder.schema_events: would be turned on" in planned
        assert "event triggers" not in planned
        await operator.says("migrate")
        assert "event triggers: would be changed (forwarder_attach created" in await root.says("migrate", "--plan")
        await root.says("migrate")
        await operator.says("migrate", "--check")

        await owner.execute("CREATE TABLE public.second (id integer PRIMARY KEY); INSERT INTO public.second VALUES (1)")
        await superuser.execute("CREATE TABLE public.theirs (id integer PRIMARY KEY)")
        async with command("listen", env=env, directory=tmp_path / "listen") as listener:
            await listener.says("a new table is not captured")

            async def warned() -> bool:
                start = "new table public.theirs is not captured: permission denied for table theirs; run as "
                return any(line.startswith(start) for line in await warnings(port))

            await eventually(warned)
            await owner.execute("ALTER TABLE public.second RENAME TO third; INSERT INTO public.third VALUES (2)")
            await owner.execute("DROP TABLE public.third")

            def told() -> list[tuple[str, str]]:
                records = map(json.loads, changes.read_text().splitlines() if changes.exists() else [])
                return [
                    (record["op"], (record["after"] or {}).get("table", ""))
                    for record in records
                    if record["table"] != "first"
                ]

            async def arrived() -> bool:
                return len(told()) == 5

            await eventually(arrived)
            assert await listener.stop() == 0
        assert told() == [("schema", "second"), ("insert", ""), ("schema", "third"), ("insert", ""), ("schema", "")]
        await superuser.execute("DROP TABLE public.theirs")
        await operator.says("migrate")
        config.write_text(SETTINGS.replace("true", "false"))
        await root.says("migrate")
        assert await superuser.fetchval("SELECT count(*) FROM pg_event_trigger") == 0
