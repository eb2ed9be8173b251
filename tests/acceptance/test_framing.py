"""What is done to every record of a stream, whatever its format: line breaks and compression."""

from __future__ import annotations

import gzip
import json
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import asyncpg
import pytest
import zstandard

from tests.databases import Database
from tests.ledger import create_accounts
from tests.listening import CREDENTIALS, Operator, Served, command, kinesis_with_stream

NOTES = {101: "äöü", 102: "x" * 300_000, 103: "y" * 2_000_000, 104: "z" * 9_000_000}
# More than may be in memory whole.
TOO_LONG = 40_000_000


@pytest.fixture
async def served() -> AsyncIterator[Served]:
    async with kinesis_with_stream() as served:
        yield served


@pytest.fixture
def operator(database: Database, tmp_path: Path) -> Operator:
    return Operator({**CREDENTIALS, "FORWARDER_DATABASE_URL": database.url}, tmp_path)


async def write(database: Database, notes: Mapping[int, str]) -> None:
    await create_accounts(database.url)
    connection = await asyncpg.connect(database.writer_url)
    for id, note in notes.items():
        await connection.execute("INSERT INTO account (id, version, note) VALUES ($1, 1, $2)", id, note)
    await connection.close()


def notes_of(lines: Sequence[bytes]) -> dict[int, str]:
    rows: list[dict[str, Any]] = [json.loads(line)["after"] for line in lines]
    return {row["id"]: row["note"] for row in rows}


@pytest.mark.parametrize(
    ("compression", "opened"), [("gzip", gzip.decompress), ("zstd", zstandard.decompress)], ids=["gzip", "zstd"]
)
async def test_rows_of_megabytes_fit_into_a_stream_once_they_are_compressed(
    database: Database,
    served: Served,
    operator: Operator,
    compression: str,
    opened: Callable[[bytes], bytes],
) -> None:
    await write(database, NOTES)
    await operator.says("listen", "--once", "--sink", f"{served.sink}&compression={compression}&newline=true")
    lines = [opened(data) for data in served.data()]
    assert all(line.endswith(b"}\n") for line in lines)
    assert notes_of(lines) == NOTES


async def test_a_row_that_is_too_long_to_be_compressed_is_set_aside_and_the_others_arrive(
    database: Database, served: Served, operator: Operator
) -> None:
    await write(database, NOTES | {105: "n" * TOO_LONG, 106: "last"})
    await operator.says("listen", "--once", "--sink", f"{served.sink}&compression=gzip")
    assert notes_of([gzip.decompress(data) for data in served.data()]) == NOTES | {106: "last"}
    connection = await asyncpg.connect(database.url)
    [(reason,)] = await connection.fetch("SELECT reason FROM forwarder.dead_letter")
    await connection.close()
    assert "too much for a format that takes them apart or compresses them" in reason


@pytest.mark.parametrize("option", ["newline=true", "compression=gzip"])
async def test_a_file_which_has_one_record_a_line_takes_neither(
    database: Database, tmp_path: Path, option: str
) -> None:
    env = {"FORWARDER_DATABASE_URL": database.url}
    sink = f"file:{tmp_path}/changes.jsonl?{option}"
    async with command("listen", "--once", "--sink", sink, env=env, directory=tmp_path / "listen") as listener:
        assert await listener.ends(within_seconds=30) == 2
        assert "unknown option" in listener.stderr
