"""Rows of columns and tables that are gone when they are delivered, in the formats whose values depend on types."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.databases import Database, connected
from tests.listening import Operator

TABLES = ("kept", "renamed", "lost", "dropped")
# Each format: the row in a record, and what it is to be.
FORMATS: dict[str, tuple[Callable[[Any], Any], Any]] = {
    "debezium": (lambda record: record["after"], {"id": 1, "n": "AJY=", "d": 19782, "j": '{"a":1}', "b": "AQI="}),
    "dms": (lambda record: record["data"], {"id": 1, "n": 1.5, "d": "2024-02-29", "j": '{"a":1}', "b": "0x0102"}),
    "dynamodb": (
        lambda record: record["dynamodb"]["NewImage"],
        {
            "id": {"N": "1"},
            "n": {"N": "1.5"},
            "d": {"S": "2024-02-29"},
            "j": {"M": {"a": {"N": "1"}}},
            "b": {"B": "AQI="},
        },
    ),
}


async def test_rows_have_values_of_the_types_that_their_columns_had_when_these_are_renamed_or_dropped_before_a_listener_starts(
    database: Database, tmp_path: Path
) -> None:
    operator = Operator({"FORWARDER_DATABASE_URL": database.url}, tmp_path)
    sinks = [f'[[sink]]\nname = "{name}"\nurl = "file:{tmp_path}/{name}.jsonl?format={name}"\n' for name in FORMATS]
    (tmp_path / "forwarder.toml").write_text("".join(sinks))
    async with connected(database.url) as owner:
        for table in TABLES:
            await owner.execute(
                f"CREATE TABLE {table} (id integer PRIMARY KEY, n numeric(10,2), d date, j json, b bytea)"
            )
        await operator.says("migrate", "--table", "public.*")
        for table in TABLES:
            await owner.execute(rf"""INSERT INTO {table} VALUES (1, 1.50, '2024-02-29', '{{"a":1}}', '\x0102')""")
        await owner.execute("ALTER TABLE renamed RENAME n TO nn; ALTER TABLE renamed RENAME b TO bb")
        await owner.execute("ALTER TABLE lost DROP n, DROP d, DROP j, DROP b")
        # What is kept of columns is nothing that `migrate` would have to put right.
        await operator.says("migrate", "--table", "public.*", "--check")
        await owner.execute("DROP TABLE dropped")
    await operator.says("listen", "--once", "--config", f"{tmp_path}/forwarder.toml")

    for name, (row_of, expected) in FORMATS.items():
        lines = (tmp_path / f"{name}.jsonl").read_bytes().splitlines()
        assert [row_of(json.loads(line)) for line in lines] == [expected] * len(TABLES), name
