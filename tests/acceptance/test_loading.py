"""What a user sees of a load from its beginning to its end: the rows in the stream, and the commands that ask for them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from forwarder.local.kinesis.faults import Error
from tests.capture import capture
from tests.databases import Database
from tests.listening import CREDENTIALS, STREAM, Operator, Served, command
from tests.waiting import eventually

if TYPE_CHECKING:
    from forwarder.database.sessions import Connection

ROWS = 2500
# The rows of a table without a key go one after the other, each in a request of its own.
KEYLESS_ROWS = 800
SLOW = {"FORWARDER_LOAD_MAX_ROWS_PER_SECOND": "600", "FORWARDER_LOAD_CHUNK_BYTES": "65536"}
WITH_INITIAL_LOADS = {"forwarder.toml": '[[table]]\nmatch = "public.*"\nload = "initial"\n'}


@pytest.fixture
def env(database: Database, served: Served) -> Mapping[str, str]:
    return {**CREDENTIALS, "FORWARDER_DATABASE_URL": database.url, "FORWARDER_SINK": served.sink}


@pytest.fixture
def operator(env: Mapping[str, str], tmp_path: Path) -> Operator:
    return Operator(env, tmp_path)


@pytest.fixture(autouse=True)
async def _tables(connection: Connection) -> None:
    await connection.execute(
        "CREATE TABLE public.orders (id bigint PRIMARY KEY, total numeric);"
        f" INSERT INTO public.orders SELECT n, n * 1.10 FROM generate_series(1, {ROWS}) AS n"
    )
    await capture(connection, "public.orders")


@pytest.fixture
async def wide(connection: Connection) -> str:
    """A table of which a chunk has some two hundred rows, if it has 64 KiB."""
    await connection.execute(
        "CREATE TABLE public.wide (id bigint PRIMARY KEY, pad text);"
        f" INSERT INTO public.wide SELECT n, repeat('x', 300) FROM generate_series(1, {ROWS}) AS n"
    )
    await capture(connection, "public.wide")
    return "public.wide"


def shards_of(served: Served) -> list[list[bytes]]:
    stream = served.kinesis.stream(STREAM)
    return [[record.data for record in stream.records(shard.shard_id)] for shard in stream.shards]


def told(served: Served, op: str | None = None) -> list[dict[str, Any]]:
    records = [json.loads(data) for data in served.data()]
    return [record for record in records if op in (None, record["op"])]


async def is_told(served: Served, op: str, count: int) -> Sequence[dict[str, Any]]:
    """Wait until there are so many records of this kind."""

    async def are_there() -> bool:
        # To decode all records at each look would be most of the work of these tests.
        return sum(f'"op":"{op}"'.encode() in data for data in served.data()) >= count

    await eventually(are_there, within_seconds=60)
    return told(served, op)


async def test_a_load_tells_each_row_once_between_its_beginning_and_its_end(
    operator: Operator, env: Mapping[str, str], served: Served, tmp_path: Path
) -> None:
    async with command("listen", env=env, directory=tmp_path / "listener") as listener:
        await listener.says("listening")
        said = await operator.says("load", "orders")
        assert await listener.stop() == 0
    assert f"{ROWS:,}" in said
    read = told(served, "read")
    assert sorted(record["after"]["id"] for record in read) == list(range(1, ROWS + 1))
    assert len({record["id"] for record in read}) == ROWS
    first = next(record for record in read if record["key"] == {"id": 1})
    assert first["before"] is None
    assert (first["schema"], first["table"], first["after"]) == ("public", "orders", {"id": 1, "total": 1.10})
    assert (first["tx"], first["txid"]) == (None, None)
    [began, finished] = told(served, "load")
    assert began["load"] == {"number": first["load"]["number"], "state": "began"}
    assert finished["load"] == {"number": first["load"]["number"], "state": "finished", "rows": ROWS}


async def test_load_only_ends_when_all_is_loaded_and_tells_the_changes_meanwhile(
    operator: Operator, env: Mapping[str, str], connection: Connection, served: Served, tmp_path: Path
) -> None:
    await connection.execute("UPDATE public.orders SET total = 0 WHERE id = 7")
    await operator.says("load", "orders", "--detach")
    async with command("listen", "--load-only", env=env, directory=tmp_path / "listener") as listener:
        assert await listener.ends() == 0, listener.stderr
    assert len(told(served, "read")) == ROWS
    [update] = told(served, "update")
    assert update["after"] == {"id": 7, "total": 0}
    # Nothing is left to be done.
    async with command("listen", "--load-only", env=env, directory=tmp_path / "again") as listener:
        assert await listener.ends() == 0, listener.stderr
    assert len(told(served, "read")) == ROWS


async def test_a_table_that_is_to_be_loaded_at_first_is_loaded_once(
    env: Mapping[str, str], connection: Connection, served: Served, tmp_path: Path
) -> None:
    async with command("listen", env=env, directory=tmp_path / "first", files=WITH_INITIAL_LOADS) as listener:
        await is_told(served, "load", 2)
        # One that is captured while it runs is loaded, too.
        await connection.execute("CREATE TABLE public.late (id bigint PRIMARY KEY); INSERT INTO public.late VALUES (1)")
        await capture(connection, "public.late")
        await connection.execute("INSERT INTO public.late VALUES (2)")
        await is_told(served, "load", 4)
        assert await listener.stop() == 0
    async with command(
        "listen", "--load-only", env=env, directory=tmp_path / "second", files=WITH_INITIAL_LOADS
    ) as listener:
        assert await listener.ends() == 0, listener.stderr
    assert len(told(served, "read")) == ROWS + 2
    assert {record["table"] for record in told(served, "load")} == {"orders", "late"}


async def test_a_paused_load_stands_still_and_goes_on_where_it_was(
    operator: Operator, env: Mapping[str, str], wide: str, served: Served, tmp_path: Path
) -> None:
    await operator.says("load", wide, "--detach")
    async with command("listen", env={**env, **SLOW}, directory=tmp_path / "slow") as listener:
        await is_told(served, "read", 200)
        await operator.says("load", wide, "--pause")
        await listener.says("load stopped")
        assert await listener.stop() == 0
    assert len(told(served, "read")) < ROWS
    async with command("listen", env=env, directory=tmp_path / "fast") as listener:
        await operator.says("load", wide, "--resume")
        await is_told(served, "load", 2)
        assert await listener.stop() == 0
    assert {record["after"]["id"] for record in told(served, "read")} == set(range(1, ROWS + 1))
    [finished] = [record for record in told(served, "load") if record["load"]["state"] == "finished"]
    assert finished["load"]["rows"] == ROWS


async def test_a_row_that_the_stream_refuses_is_a_dead_letter_and_can_be_sent_again(
    operator: Operator, env: Mapping[str, str], served: Served, tmp_path: Path
) -> None:
    served.kinesis.faults.replace(
        [
            Error(
                operation="PutRecords",
                error_code="ValidationException",
                partition_keys=frozenset({"public.orders.7"}),
            )
        ]
    )
    async with command("listen", env=env, directory=tmp_path / "listener") as listener:
        await operator.says("load", "orders")
        served.kinesis.faults.replace([])
        assert len(told(served, "read")) == ROWS - 1
        assert "read" in await operator.says("dead-letters", "list")
        await operator.says("dead-letters", "retry", "--all")
        await is_told(served, "read", ROWS)
        assert await listener.stop() == 0
    letter = next(record for record in told(served, "read") if record["key"] == {"id": 7})
    assert letter["after"] == {"id": 7, "total": 7.70}


async def test_a_row_that_is_too_large_is_set_aside_and_holds_up_nothing(
    operator: Operator, env: Mapping[str, str], connection: Connection, served: Served, tmp_path: Path
) -> None:
    await connection.execute("ALTER TABLE public.orders ADD COLUMN note text")
    await connection.execute("UPDATE public.orders SET note = repeat('x', 2000000) WHERE id = 9")
    async with command("listen", env=env, directory=tmp_path / "listener") as listener:
        await operator.says("load", "orders")
        assert await listener.stop() == 0
    assert len(told(served, "read")) == ROWS - 1
    letters = await connection.fetch(
        "SELECT op::text, code, length(after) > 2000000 AS whole FROM forwarder.dead_letter ORDER BY op"
    )
    assert [tuple(letter) for letter in letters] == [("R", "oversize", True), ("U", "oversize", True)]


async def test_each_sink_is_loaded_by_itself(env: Mapping[str, str], served: Served, tmp_path: Path) -> None:
    config = (
        f'[[sink]]\nname = "one"\nurl = "{served.sink}"\n[[sink]]\nname = "two"\nurl = "file:{tmp_path}/two.jsonl"\n'
    )
    env = {name: value for name, value in env.items() if name != "FORWARDER_SINK"}
    operator = Operator(env, tmp_path, {"forwarder.toml": config})
    async with command(
        "listen", env=env, directory=tmp_path / "listener", files={"forwarder.toml": config}
    ) as listener:
        await listener.says("listening")
        await operator.says("load", "orders", "--sink", "two")
        assert told(served, "read") == []
        await operator.says("load", "orders")
        assert await listener.stop() == 0
    assert len(told(served, "read")) == ROWS
    lines = [json.loads(line) for line in (tmp_path / "two.jsonl").read_text().splitlines()]
    assert len([line for line in lines if line["op"] == "read"]) == 2 * ROWS


async def test_a_table_that_is_dropped_meanwhile_fails_its_load_and_no_other(
    operator: Operator, env: Mapping[str, str], wide: str, connection: Connection, served: Served, tmp_path: Path
) -> None:
    await operator.says("load", wide, "orders", "--detach")
    async with command("listen", env={**env, **SLOW}, directory=tmp_path / "listener") as listener:
        await is_told(served, "read", 200)
        await connection.execute(f"DROP TABLE {wide}")
        await listener.says("load failed")
        await listener.says("load finished")
        assert await listener.stop() == 0
    [failed] = await connection.fetch("SELECT error FROM forwarder.load WHERE state = 'failed'")
    assert f"{wide} is gone" in failed["error"]


async def test_a_column_that_is_added_meanwhile_is_in_the_rows_from_then_on(
    operator: Operator, env: Mapping[str, str], wide: str, connection: Connection, served: Served, tmp_path: Path
) -> None:
    await operator.says("load", wide, "--detach")
    async with command("listen", env={**env, **SLOW}, directory=tmp_path / "listener") as listener:
        await is_told(served, "read", 200)
        await connection.execute(f"ALTER TABLE {wide} ADD COLUMN note text DEFAULT 'new'")
        await is_told(served, "load", 2)
        assert await listener.stop() == 0
    rows = told(served, "read")
    assert {record["after"]["id"] for record in rows} == set(range(1, ROWS + 1))
    assert {"note" in record["after"] for record in rows} == {False, True}


async def test_a_load_of_a_table_without_a_key_that_begins_anew_leaves_no_row_of_the_old_one_behind_its_beginning(
    operator: Operator, env: Mapping[str, str], connection: Connection, served: Served, tmp_path: Path
) -> None:
    await connection.execute(f"CREATE TABLE public.keyless AS SELECT n FROM generate_series(1, {KEYLESS_ROWS}) AS n")
    await capture(connection, "public.keyless")
    slow = {**env, "FORWARDER_LOAD_MAX_ROWS_PER_SECOND": "300"}
    await operator.says("load", "keyless", "--detach")
    async with command("listen", env=slow, directory=tmp_path / "listener") as listener:
        await is_told(served, "read", 200)
        await operator.says("load", "keyless", "--restart", "--detach")
        await is_told(served, "load", 3)
        assert await listener.stop() == 0
    [stream] = [shard for shard in shards_of(served) if any(b"keyless" in data for data in shard)]
    records = [json.loads(data) for data in stream]
    began = [place for place, record in enumerate(records) if record.get("load", {}).get("state") == "began"]
    numbers = [record["load"]["number"] for record in records[began[1] :]]
    assert set(numbers) == {records[began[1]]["load"]["number"]}
    assert len({record["id"] for record in records[began[1] :] if record["op"] == "read"}) == KEYLESS_ROWS


async def test_a_load_takes_no_more_rows_than_its_limit(
    operator: Operator, env: Mapping[str, str], served: Served, tmp_path: Path
) -> None:
    await operator.says("load", "orders", "--limit", "1700", "--detach")
    async with command("listen", "--load-only", env=env, directory=tmp_path / "listener") as listener:
        assert await listener.ends() == 0, listener.stderr
    assert sorted(record["after"]["id"] for record in told(served, "read")) == list(range(1, 1701))
    assert told(served, "load")[-1]["load"]["rows"] == 1700


async def test_a_load_that_is_given_up_in_its_last_chunk_is_not_finished(
    operator: Operator, env: Mapping[str, str], served: Served, tmp_path: Path
) -> None:
    slow = {**env, "FORWARDER_LOAD_MAX_ROWS_PER_SECOND": "500"}
    await operator.says("load", "orders", "--limit", "900", "--detach")
    async with command("listen", env=slow, directory=tmp_path / "listener") as listener:
        await is_told(served, "read", 500)
        await operator.says("load", "orders", "--cancel")
        await listener.says("load stopped")
        assert await listener.stop() == 0
    assert [record["load"]["state"] for record in told(served, "load")] == ["began"]


async def test_a_first_load_comes_after_one_that_was_under_way_when_the_listener_began(
    operator: Operator, env: Mapping[str, str], served: Served, tmp_path: Path
) -> None:
    await operator.says("load", "orders", "--where", "id <= 5", "--detach")
    async with command(
        "listen", "--load-only", env=env, directory=tmp_path / "listener", files=WITH_INITIAL_LOADS
    ) as listener:
        assert await listener.ends() == 0, listener.stderr
    assert len(told(served, "read")) == 5 + ROWS


async def test_a_key_column_that_is_renamed_meanwhile_is_the_key_under_its_new_name(
    operator: Operator, env: Mapping[str, str], wide: str, connection: Connection, served: Served, tmp_path: Path
) -> None:
    await operator.says("load", wide, "--detach")
    async with command("listen", env={**env, **SLOW}, directory=tmp_path / "listener") as listener:
        await is_told(served, "read", 200)
        await connection.execute(f"ALTER TABLE {wide} RENAME id TO ident")
        await is_told(served, "load", 2)
        assert await listener.stop() == 0
    rows = told(served, "read")
    keys = {record["key"].get("id") or record["key"]["ident"] for record in rows}
    assert keys == set(range(1, ROWS + 1))
    assert {tuple(record["key"]) for record in rows} == {("id",), ("ident",)}


async def test_a_table_without_a_key_whose_file_is_exchanged_is_loaded_anew(
    operator: Operator, env: Mapping[str, str], wide: str, connection: Connection, served: Served, tmp_path: Path
) -> None:
    await connection.execute(f"CREATE TABLE public.keyless AS SELECT * FROM {wide} LIMIT {KEYLESS_ROWS}")
    await capture(connection, "public.keyless")
    await operator.says("load", "keyless", "--detach")
    async with command("listen", env={**env, **SLOW}, directory=tmp_path / "listener") as listener:
        await is_told(served, "read", 200)
        await connection.execute("VACUUM FULL public.keyless")
        await listener.says("load begins anew")
        await is_told(served, "load", 3)
        assert await listener.stop() == 0
    [shard] = [shard for shard in shards_of(served) if any(b"keyless" in data for data in shard)]
    records = [json.loads(data) for data in shard]
    last = max(place for place, record in enumerate(records) if record.get("load", {}).get("state") == "began")
    assert sorted(record["after"]["id"] for record in records[last:] if record["op"] == "read") == list(
        range(1, KEYLESS_ROWS + 1)
    )


async def test_no_value_of_a_row_is_told_where_a_condition_fails(
    operator: Operator, env: Mapping[str, str], connection: Connection, tmp_path: Path
) -> None:
    await connection.execute(
        "ALTER TABLE public.orders ADD COLUMN card text; UPDATE public.orders SET card = 'x4711-0815'"
    )
    await operator.says("load", "orders", "--where", "card::bigint > 0", "--detach")
    async with command("listen", env=env, directory=tmp_path / "listener") as listener:
        await listener.says("load failed")
        assert await listener.stop() == 0
    said = f"{listener.stderr}{await operator.says('load', '--status')}"
    assert "22P02" in said
    assert "4711" not in said
