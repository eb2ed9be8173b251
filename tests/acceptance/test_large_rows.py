"""Rows of tens of megabytes, sink by sink: what can take them is given them whole, what cannot is not, and the listener's memory stays as it is."""

from __future__ import annotations

import hashlib
import json
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

import asyncpg
import pytest

from forwarder.local.kinesis.faults import Delay
from tests.buckets import BUCKET, bucket, s3_server
from tests.databases import Database
from tests.ledger import create_accounts
from tests.listening import CREDENTIALS, STREAM, Operator, Served, command, kinesis_with_stream, peak_bytes
from tests.support.misbehaving import StopReading, misbehaving
from tests.waiting import eventually

MEMORY_BYTES = 200 << 20
# What the listener takes that has met nothing large, and a little more.
USUAL_BYTES = 120 << 20
FIRST_ID = 1_000_000_000

FOR_LONG = [pytest.mark.long, pytest.mark.timeout(3000)]
# How many rows, and the bytes of each. PostgreSQL reads a part of one at the cost of all that lies before that part.
MANY = [(2, 20_000_000), pytest.param(500, 60_000_000, marks=FOR_LONG)]
# And the memory that is enough, if no row is in it whole. At length as many rows as there is room for on a disk and in the memory
# of a local S3.
SEVERAL = [(2, 20_000_000, 150 << 20), pytest.param(40, 60_000_000, MEMORY_BYTES, marks=FOR_LONG)]

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


@pytest.fixture
async def served() -> AsyncIterator[Served]:
    async with kinesis_with_stream() as served:
        yield served


@pytest.fixture
def env(database: Database, served: Served) -> Mapping[str, str]:
    return {**CREDENTIALS, "FORWARDER_DATABASE_URL": database.url, "FORWARDER_SINK": served.sink}


async def fetch(database: Database, statement: str) -> list[Any]:
    connection = await asyncpg.connect(database.url)
    try:
        return await connection.fetch(statement, timeout=600)
    finally:
        await connection.close()


async def write_large_rows(database: Database, count: int, size: int) -> None:
    """Each in a transaction of its own, and a small row after each, whose id is one higher."""
    await create_accounts(database.url)
    for number in range(0, 2 * count, 2):
        note = f"repeat(md5('{number}'), {size // 32})"
        await fetch(database, f"INSERT INTO account (id, version, note) VALUES ({FIRST_ID + number}, 1, {note})")
        await fetch(database, f"INSERT INTO account (id, version) VALUES ({FIRST_ID + number + 1}, 1)")


def note_of(number: int, size: int) -> str:
    return hashlib.md5(str(number).encode(), usedforsecurity=False).hexdigest() * (size // 32)


def all_arrived(served: Served, count: int) -> Any:
    async def arrived() -> bool:
        return served.kinesis.stream(STREAM).record_count >= count

    return arrived


@pytest.mark.parametrize(("count", "size"), MANY)
async def test_large_rows_that_a_stream_cannot_take_are_set_aside_and_never_fetched(
    database: Database, served: Served, env: Mapping[str, str], tmp_path: Path, count: int, size: int
) -> None:
    await write_large_rows(database, count, size)
    async with command("listen", env=env, directory=tmp_path / "listen") as listener:
        await eventually(all_arrived(served, count), within_seconds=120 + 5 * count)

        async def all_aside() -> bool:
            [(letters,)] = await fetch(database, "SELECT count(*) FROM forwarder.dead_letter")
            return bool(letters == count)

        await eventually(all_aside, within_seconds=120 + 5 * count)
        peak = peak_bytes(listener)
        assert await listener.stop() == 0
    assert peak < USUAL_BYTES
    letters = await fetch(
        database,
        "SELECT seq, code, partition_key, record_bytes - octet_length(partition_key) - octet_length(after) AS frame"
        " FROM forwarder.dead_letter ORDER BY seq",
    )
    assert [letter["partition_key"] for letter in letters] == [
        f"public.account.{FIRST_ID + number}" for number in range(0, 2 * count, 2)
    ]
    assert {letter["code"] for letter in letters} == {"oversize"}
    # What is around an image in its record is as long as in the others, but for the digits of the seq.
    small = [json.loads(data) for data in served.data()]
    assert {body["key"]["id"] for body in small} == {FIRST_ID + number for number in range(1, 2 * count, 2)}
    frame = len(served.data()[0]) - len(json.dumps(small[0]["after"], separators=(",", ":")))
    assert all(abs(letter["frame"] - frame) < 10 for letter in letters)


@pytest.mark.parametrize(("count", "size"), MANY)
async def test_large_letters_that_are_retried_in_vain_are_not_fetched_either(
    database: Database, served: Served, env: Mapping[str, str], tmp_path: Path, count: int, size: int
) -> None:
    await write_large_rows(database, count, size)
    async with command("listen", "--once", env=env, directory=tmp_path / "first") as listener:
        assert await listener.ends(within_seconds=120 + 5 * count) == 0
    operator = Operator(env, tmp_path)
    assert f": {count}" in await operator.says("dead-letters", "retry", "--all")
    async with command("listen", env=env, directory=tmp_path / "listen") as listener:

        async def all_tried() -> bool:
            [(tried,)] = await fetch(
                database, "SELECT count(*) FROM forwarder.dead_letter WHERE attempts = 2 AND retry_at IS NULL"
            )
            return bool(tried == count)

        await eventually(all_tried, within_seconds=120 + 5 * count)
        peak = peak_bytes(listener)
        assert await listener.stop() == 0
    assert peak < USUAL_BYTES
    assert f"dead letters: {count}" in await operator.says("dead-letters", "list")


@pytest.mark.parametrize("letters", [60, pytest.param(400, marks=FOR_LONG)])
async def test_many_letters_of_some_size_are_retried_a_few_at_a_time(
    database: Database, served: Served, env: Mapping[str, str], tmp_path: Path, letters: int
) -> None:
    await create_accounts(database.url)
    await fetch(
        database,
        "INSERT INTO account (id, version, note)"
        f" SELECT {FIRST_ID} + id, 1, repeat(md5(id::text), 28000) FROM generate_series(1, {letters}) AS id",
    )
    async with command("listen", "--once", env=env, directory=tmp_path / "first") as listener:
        assert await listener.ends(within_seconds=120) == 0
    await Operator(env, tmp_path).says("replay", "--sink", "default", "--table", "public.account", "--from", "1")
    async with command("listen", env=env, directory=tmp_path / "listen") as listener:
        await eventually(all_arrived(served, 2 * letters), within_seconds=120)
        peak = peak_bytes(listener)
        assert await listener.stop() == 0
    assert peak < MEMORY_BYTES, peak >> 20


@pytest.mark.parametrize(("count", "size", "memory_bytes"), SEVERAL)
async def test_a_file_is_given_large_rows_whole_one_after_the_other(
    database: Database, env: Mapping[str, str], tmp_path: Path, count: int, size: int, memory_bytes: int
) -> None:
    await write_large_rows(database, count, size)
    path = tmp_path / "changes.jsonl"
    env = {**env, "FORWARDER_SINK": f"file:{path}"}
    async with command("listen", env=env, directory=tmp_path / "listen") as listener:
        await eventually(all_delivered(database), within_seconds=120 + 5 * count)
        peak = peak_bytes(listener)
        assert await listener.stop() == 0
    assert peak < memory_bytes, peak >> 20
    with path.open() as lines:
        for number in range(2 * count):
            body = json.loads(next(lines))
            assert body["key"] == {"id": FIRST_ID + number}
            assert body["after"]["note"] == (None if number % 2 else note_of(number, size))


def all_delivered(database: Database) -> Any:
    async def delivered() -> bool:
        found = await fetch(
            database,
            "SELECT bool_and(pg_visible_in_snapshot(change.txid, sink.delivered))"
            " FROM forwarder.outbox AS change, forwarder.sink AS sink",
        )
        return bool(found[0][0])

    return delivered


@pytest.mark.parametrize(("count", "size", "memory_bytes"), SEVERAL)
async def test_large_rows_are_stored_in_s3_part_by_part(
    database: Database, served: Served, env: Mapping[str, str], tmp_path: Path, count: int, size: int, memory_bytes: int
) -> None:
    await write_large_rows(database, count, size)
    with s3_server() as url:
        sink = f"{served.sink}&oversize={quote(f's3://{BUCKET}/changes')}"
        env = {**env, "FORWARDER_SINK": sink, "AWS_ENDPOINT_URL_S3": url}
        async with bucket(url) as s3, command("listen", env=env, directory=tmp_path / "listen") as listener:
            await eventually(all_arrived(served, 2 * count), within_seconds=120 + 10 * count)
            peak = peak_bytes(listener)
            assert await listener.stop() == 0
            pointer = next(body for body in map(json.loads, served.data()) if body["key"] == {"id": FIRST_ID})
            place = pointer["stored_at"].removeprefix(f"s3://{BUCKET}/")
            answer = await s3.get_object(Bucket=BUCKET, Key=place)
            stored = json.loads(await answer["Body"].read())
    assert peak < memory_bytes, peak >> 20
    assert stored["after"] == {"id": FIRST_ID, "version": 1, "note": note_of(0, size)}
    assert stored["id"] == pointer["id"]


async def test_what_a_stream_of_larger_records_takes_arrives_in_the_order_of_its_row(
    database: Database, served: Served, env: Mapping[str, str], tmp_path: Path
) -> None:
    count = 6
    served.kinesis.stream(STREAM).settings.max_record_kib = 10 << 10
    # So that as many requests are under way as may be.
    served.kinesis.faults.replace([Delay(operation="PutRecords", seconds=0.2)])
    await write_large_rows(database, count, 9_000_000)
    await fetch(database, f"UPDATE account SET version = 2, note = NULL WHERE id >= {FIRST_ID}")
    await fetch(database, f"UPDATE account SET version = 3, note = 'small' WHERE id >= {FIRST_ID}")
    async with command("listen", env=env, directory=tmp_path / "listen") as listener:
        await eventually(all_arrived(served, 6 * count), within_seconds=120)
        peak = peak_bytes(listener)
        assert await listener.stop() == 0
    versions: dict[int, list[int]] = {}
    for data in served.data():
        body = json.loads(data)
        versions.setdefault(body["key"]["id"], []).append(body["after"]["version"])
        if body["key"]["id"] == FIRST_ID and body["op"] == "insert":
            assert body["after"]["note"] == note_of(0, 9_000_000)
    assert len(versions) == 2 * count
    assert all(seen == [1, 2, 3] for seen in versions.values())
    assert peak < MEMORY_BYTES, peak >> 20


# One character that takes four bytes, as then all of the text does in Python.
WIDE = "\N{GRINNING FACE}"


@pytest.mark.parametrize(
    ("size", "ending", "options", "sinks", "total_bytes"),
    [
        pytest.param(60_000, "", "", 1, 80_000_000, id="small", marks=FOR_LONG),
        pytest.param(60_000, "", "", 4, 80_000_000, id="small, of four sinks", marks=FOR_LONG),
        pytest.param(60_000, WIDE, "", 1, 80_000_000, id="wide", marks=FOR_LONG),
        pytest.param(60_000, WIDE, "", 4, 40_000_000, id="wide, of four sinks"),
        pytest.param(60_000, WIDE, "", 4, 80_000_000, id="much that is wide, of four sinks", marks=FOR_LONG),
        pytest.param(900_000, "", "", 1, 40_000_000, id="large", marks=FOR_LONG),
        pytest.param(900_000, "", "", 1, 80_000_000, id="much that is large", marks=FOR_LONG),
        pytest.param(900_000, "", "", 4, 80_000_000, id="large, of four sinks", marks=FOR_LONG),
        pytest.param(60_000, "", "&aggregation=kpl", 1, 40_000_000, id="aggregated"),
        pytest.param(60_000, "", "&aggregation=kpl", 1, 80_000_000, id="much that is aggregated", marks=FOR_LONG),
        pytest.param(60_000, "", "&aggregation=kpl", 4, 80_000_000, id="aggregated, of four sinks", marks=FOR_LONG),
    ],
)
async def test_a_stream_that_stops_reading_and_then_takes_everything_at_once_takes_no_more_memory(
    database: Database,
    env: Mapping[str, str],
    tmp_path: Path,
    size: int,
    ending: str,
    options: str,
    sinks: int,
    total_bytes: int,
) -> None:
    count = total_bytes // size
    await create_accounts(database.url)
    note = f"repeat(md5(id::text), {size // 32}) || '{ending}'"
    rows = f"SELECT {FIRST_ID} + id, 1, {note} FROM generate_series(1, {count}) AS id"
    await fetch(database, f"INSERT INTO account (id, version, note) {rows}")
    async with misbehaving() as server:
        server.always("PutRecords", StopReading())
        url = f"kinesis://changes?region=us-east-1&endpoint_url={server.url}{options}"
        arguments = [argument for number in range(sinks) for argument in ("--sink", f"s{number}={url}")]
        async with command("listen", *arguments, env=env, directory=tmp_path / "listen") as listener:
            await listener.says("listening")
            usual = peak_bytes(listener)

            async def memory_is_full() -> bool:
                return peak_bytes(listener) > usual + (25 << 20)

            await eventually(memory_is_full, within_seconds=60)
            server.hang_up()

            async def all_stored() -> bool:
                return len(server.stored) >= sinks * count

            await eventually(all_stored, within_seconds=120)
            peak = peak_bytes(listener)
            assert await listener.stop() == 0
    # Such text takes four times its bytes in pages, and four sinks that are stuck in different places have as many.
    most = 240 << 20 if sinks > 1 and ending else MEMORY_BYTES
    assert peak < most, peak >> 20
