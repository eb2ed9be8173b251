"""Events of the application's own, as `forwarder` commands deliver them."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import anyio
import pytest

from forwarder.local.postgres import EmbeddedPostgres
from tests.databases import WRITER, Database, connected
from tests.dumps import dump, restored
from tests.ledger import Ledger, write_rows
from tests.listening import CREDENTIALS, Operator, Served, command
from tests.waiting import eventually

GRANT = f"GRANT USAGE ON SCHEMA forwarder TO {WRITER}; GRANT EXECUTE ON FUNCTION forwarder.emit TO {WRITER}"
EMIT = "SELECT forwarder.emit('order.placed', $1, $2)"
KEYS = 5
WRITERS = 8
TRANSACTIONS = 25


@pytest.fixture
async def emitting(database: Database) -> Database:
    """A database whose writer may emit."""
    async with connected(database.url) as owner:
        await owner.execute(GRANT)
    return database


@pytest.fixture
def operator(emitting: Database, tmp_path: Path) -> Operator:
    return Operator({"FORWARDER_DATABASE_URL": emitting.url}, tmp_path)


async def emit(database: Database, *keys: str, payload: Any = None) -> None:
    async with connected(database.writer_url) as writer:
        for key in keys:
            await writer.execute(EMIT, key, json.dumps(payload))


def records_in(file: Path) -> Sequence[Any]:
    return [json.loads(line) for line in file.read_bytes().splitlines()]


async def test_an_event_is_a_record_of_its_own_operation(
    emitting: Database, operator: Operator, tmp_path: Path
) -> None:
    await emit(emitting, "42", payload={"total": 10})
    await operator.says("listen", "--once", "--sink", f"file:{tmp_path}/out.jsonl")

    [record] = records_in(tmp_path / "out.jsonl")
    assert {name: value for name, value in record.items() if name not in ("id", "at", "txid")} == {
        "seq": 1,
        "op": "event",
        "schema": "forwarder",
        "table": "event",
        "key": {"key": "42"},
        "tx": {"index": 1, "count": 1},
        "before": None,
        "after": {"key": "42", "type": "order.placed", "topic": None, "payload": {"total": 10}},
    }


async def test_writers_that_share_keys_find_the_events_of_each_key_in_the_stream_in_the_order_of_commits(
    emitting: Database, served: Served, tmp_path: Path
) -> None:
    committed: dict[str, list[str]] = defaultdict(list)

    async def write(number: int) -> None:
        async with connected(emitting.writer_url) as writer:
            for step in range(TRANSACTIONS):
                key = str((number + step) % KEYS)
                await writer.execute("BEGIN")
                await writer.execute(EMIT, key, f'"{number}/{step}"')
                # The lock of the key is held, so nobody else can come between this line and the commit.
                committed[key].append(f"{number}/{step}")
                await writer.execute("COMMIT")

    def arrived() -> dict[str, list[str]]:
        """What has come of each key, in the order of the stream; repeats left out, which have a lower seq."""
        payloads: dict[str, list[str]] = defaultdict(list)
        last_seqs: dict[str, int] = defaultdict(int)
        for record in map(json.loads, served.data()):
            key = record["key"]["key"]
            if record["seq"] > last_seqs[key]:
                last_seqs[key] = record["seq"]
                payloads[key].append(record["after"]["payload"])
        return payloads

    async def some_are_there() -> bool:
        return len(served.data()) >= TRANSACTIONS

    async def all_are_there() -> bool:
        return arrived() == committed

    settings = {**CREDENTIALS, "FORWARDER_DATABASE_URL": emitting.url, "FORWARDER_SINK": served.sink}
    async with (
        anyio.create_task_group() as tasks,
        command("listen", env=settings, directory=tmp_path / "killed") as listener,
    ):
        await listener.says("listening")
        for number in range(WRITERS):
            tasks.start_soon(write, number)
        await eventually(some_are_there, within_seconds=30)
        await listener.kill()
    async with command("listen", env=settings, directory=tmp_path / "listen") as listener:
        await eventually(all_are_there, within_seconds=30)
        assert await listener.stop() == 0


@pytest.mark.parametrize(
    ("tables", "expected"),
    [
        ('["forwarder.event"]', {"event"}),
        ('["public.*"]', {"account"}),
        ('["*.*"]', {"account", "event"}),
        (None, {"account", "event"}),
    ],
)
async def test_a_sink_takes_events_by_the_name_of_their_table(
    emitting: Database, ledger: Ledger, operator: Operator, tmp_path: Path, tables: str | None, expected: set[str]
) -> None:
    await write_rows(ledger, emitting.writer_url, 100)
    await emit(emitting, "42")
    chosen = f"tables = {tables}" if tables else ""
    (tmp_path / "forwarder.toml").write_text(f'[[sink]]\nname = "out"\nurl = "file:{tmp_path}/out.jsonl"\n{chosen}\n')
    await operator.says("listen", "--once", "--config", f"{tmp_path}/forwarder.toml")

    assert {record["table"] for record in records_in(tmp_path / "out.jsonl")} == expected


async def test_events_are_sent_again_by_the_name_of_their_table(
    emitting: Database, ledger: Ledger, operator: Operator, tmp_path: Path
) -> None:
    listen = ("listen", "--once", "--sink", f"file:{tmp_path}/out.jsonl")
    await write_rows(ledger, emitting.writer_url, 100)
    await emit(emitting, "42", "43")
    await operator.says(*listen)
    said = await operator.says("replay", "--sink", "default", "--from", "oldest", "--table", "forwarder.event")
    assert "default: 2 changes" in said
    await operator.says(*listen)

    first, again = records_in(tmp_path / "out.jsonl")[1:3], records_in(tmp_path / "out.jsonl")[3:]
    assert first == again


async def test_an_event_that_the_stream_will_not_have_is_a_dead_letter(
    emitting: Database, served: Served, tmp_path: Path
) -> None:
    settings: Mapping[str, str] = {
        **CREDENTIALS,
        "FORWARDER_DATABASE_URL": emitting.url,
        "FORWARDER_SINK": served.sink,
    }
    operator = Operator(settings, tmp_path)
    await emit(emitting, "42", payload="x" * (1 << 20))
    await emit(emitting, "42")
    await operator.says("listen", "--once")

    assert [json.loads(data)["after"]["payload"] for data in served.data()] == [None]
    listed = await operator.says("dead-letters", "list", "--table", "forwarder.event")
    assert "event" in listed
    assert "oversize" in listed
    shown = json.loads(await operator.says("dead-letters", "show", "1"))
    assert shown["op"] == "event"
    assert len(shown["after"]["payload"]) == 1 << 20


async def test_events_survive_migrate_and_go_with_down(emitting: Database, operator: Operator) -> None:
    async with connected(emitting.url) as owner:
        await owner.execute("CREATE TABLE public.item (id integer PRIMARY KEY)")
        said = await operator.says("migrate", "--table", "item", "--remove")
        assert "event" not in said
        await operator.says("migrate", "--check")
        await emit(emitting, "42")
        await operator.says("migrate", "--down", "--discard-undelivered")
        await operator.says("migrate")
        await owner.execute(GRANT)
        await emit(emitting, "42")


async def test_a_restored_dump_has_the_events_and_whoever_may_emit_goes_on(
    emitting: Database, operator: Operator, postgres: EmbeddedPostgres, tmp_path: Path
) -> None:
    listen = ("listen", "--once", "--sink", f"file:{tmp_path}/out.jsonl")
    await emit(emitting, "42", payload="delivered")
    await operator.says(*listen)
    await emit(emitting, "42", payload="in the dump")
    async with restored(await dump(postgres, emitting.name), postgres) as copy:
        await emit(copy, "42", payload="in the copy")
        there = Operator({"FORWARDER_DATABASE_URL": copy.url}, tmp_path / "copy")
        await there.says("migrate", "--check")
        await there.says(*listen)

    records = records_in(tmp_path / "out.jsonl")
    assert [record["after"]["payload"] for record in records] == ["delivered", "in the dump", "in the copy"]
    assert {(record["schema"], record["table"]) for record in records} == {("forwarder", "event")}
