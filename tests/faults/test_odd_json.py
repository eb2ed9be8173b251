"""What a json column may hold that some parsers refuse goes to the sink as it is, and holds nothing up."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.databases import Database, connected
from tests.listening import leads, listening
from tests.waiting import eventually


@pytest.mark.usefixtures("ledger")
@pytest.mark.parametrize(
    "document",
    [r'{"a": "\ud800"}', r'{"a": "\u0000"}', '{"a": 1, "a": 2}', "1e999999", "[" * 1000 + "]" * 1000],
    ids=["lone surrogate", "NUL", "a name twice", "a number beyond a double", "a thousand levels"],
)
async def test_what_json_allows_is_delivered_as_it_was_written(
    database: Database, tmp_path: Path, document: str
) -> None:
    path = tmp_path / "changes.jsonl"
    async with connected(database.url) as connection:
        await connection.execute("ALTER TABLE account ADD COLUMN document json")
    async with listening(database.url, f"file:{path}") as service:
        await leads(service)
        async with connected(database.url) as connection:
            await connection.execute(
                "INSERT INTO account VALUES (1001, 1, 'odd', $1), (1002, 1, 'even', '{}')", document
            )

        async def both() -> bool:
            return path.read_bytes().count(b"\n") == 2

        await eventually(both)
    odd, even = path.read_text().splitlines()
    assert f'"document":{document}' in odd
    assert '"key":{"id":1001}' in odd
    assert json.loads(even)["key"] == {"id": 1002}
