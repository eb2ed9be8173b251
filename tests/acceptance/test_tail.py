"""`forwarder tail` as a user runs it: on a stream, on a file, in a pipe, on a terminal, and wrongly."""

# ruff: noqa: ASYNC240 - files of a few bytes on a local disk
from __future__ import annotations

import json
import os
import pty
import re
import select
import shlex
import signal
import sys
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import anyio
import asyncpg
import pytest

from forwarder.config.formats import FORMATS
from forwarder.consumer import OrderCheck, decode
from tests.databases import Database
from tests.helps import EXAMPLES
from tests.ledger import Ledger, write_rows
from tests.listening import CREDENTIALS, STREAM, Command, Operator, Served, client_of, command, environment, listening
from tests.waiting import eventually

# Clears the screen of a terminal that gets it: as an escape of JSON, as the character itself, and in one character.
HARM = {"note": "a\x1b[2J\x9b2J"}


def record(seq: int, *, key: int = 42, **members: Any) -> str:
    change = {"id": f"7/1/{seq:016x}", "seq": seq, "op": "insert", "schema": "public", "table": "orders"}
    return json.dumps({**change, "key": {"id": key}, **members}, ensure_ascii=False)


RECORDS = [record(1), record(2, key=43, after=HARM), record(3, op="delete"), record(1), record(4, table="items")]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "changes.jsonl"
    path.write_text("\n".join(RECORDS) + "\n")
    return path


@pytest.fixture
def operator(tmp_path: Path) -> Operator:
    return Operator(CREDENTIALS, tmp_path)


async def put(served: Served, *data: str) -> None:
    async with client_of(served) as client:
        for item in data:
            await client.put_record(StreamName=STREAM, PartitionKey="public.orders.42", Data=item.encode())


def seqs(lines: str) -> list[int]:
    return [json.loads(line)["seq"] for line in lines.splitlines()]


# By the name of a stream, what its sink's URL asks for.
OPTIONS = {
    "aggregated": "aggregation=kpl",
    "aggregated-gzip": "aggregation=kpl&compression=gzip",
    "zstd": "compression=zstd&newline=true",
    **{name: f"format={name}" for name in FORMATS},
}


async def test_what_listen_has_delivered_is_shown_in_every_format(
    database: Database, ledger: Ledger, served: Served, tmp_path: Path
) -> None:
    operator = Operator({**CREDENTIALS, "FORWARDER_DATABASE_URL": database.url}, tmp_path)
    for stream in OPTIONS:
        served.kinesis.create_stream(stream, shards=2)
    urls = {stream: f"{served.sink.replace(STREAM, stream)}&{option}" for stream, option in OPTIONS.items()}
    await write_rows(ledger, database.writer_url, *range(100, 150))
    await operator.says("listen", "--once", *(f"--sink={stream}={url}" for stream, url in urls.items()))
    for url in urls.values():
        shown = await operator.says("tail", url)
        assert sorted(re.findall(r"insert .* id=(\d+)", shown)) == [str(id) for id in range(100, 150)], url


async def test_every_row_is_followed_in_its_order_through_reshards(
    database: Database, ledger: Ledger, served: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)
    await write_rows(ledger, database.writer_url, *range(100, 120))
    connection = await asyncpg.connect(database.writer_url)
    tail = command("tail", served.sink, "--follow", "--json", env=CREDENTIALS, directory=tmp_path / "tail")
    async with tail as run, listening(database.url, f"{served.sink}&aggregation=kpl"), client_of(served) as client:

        async def has(changes: int) -> None:
            async def shown() -> bool:
                return run.stdout.count(b"\n") >= changes

            await eventually(shown, within_seconds=30)

        await has(20)
        for count in (8, 5, 10):
            for _ in range(5):
                await connection.execute("UPDATE account SET version = version + 1 WHERE id >= 100")
            await client.update_shard_count(StreamName=STREAM, TargetShardCount=count, ScalingType="UNIFORM_SCALING")
        await connection.execute("UPDATE account SET version = version + 1 WHERE id >= 100")
        await has(340)
    await connection.close()
    check = OrderCheck()
    assert [check.add(change) for change in decode(run.stdout)] == ["new"] * 340


async def test_a_record_is_printed_as_it_is(served: Served, operator: Operator) -> None:
    await put(served, *RECORDS)
    assert (await operator.says("tail", served.sink, "--json")).splitlines() == RECORDS


async def test_a_file_is_read_as_a_stream_is(file: Path, operator: Operator) -> None:
    assert (await operator.says("tail", f"file:{file}", "--json")).splitlines() == RECORDS


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (["--from", "3"], [3, 4]),
        (["--table", "items"], [4]),
        (["--table", "public.o*", "--table", "items"], [1, 2, 3, 1, 4]),
        (["--key", "43"], [2]),
        (["--count", "2"], [1, 2]),
        (["--count", "1", "--table", "items"], [4]),
    ],
)
async def test_options_choose_what_is_shown(
    file: Path, operator: Operator, options: list[str], expected: list[int]
) -> None:
    assert seqs(await operator.says("tail", f"file:{file}", "--json", *options)) == expected


async def test_a_partition_key_chooses_too(served: Served, operator: Operator) -> None:
    await put(served, *RECORDS)
    assert len(await operator.says("tail", served.sink, "--key", "public.orders.42")) > 0
    assert await operator.says("tail", served.sink, "--key", "public.orders.43") == ""


@pytest.mark.parametrize(
    ("option", "hint"),
    [
        (["--table", "public.customers"], "tables seen were public.orders, public.items"),
        (["--key", "public.customers.1"], "keys seen were 42, 43"),
    ],
)
async def test_where_nothing_is_shown_the_summary_names_what_was_there(
    file: Path, tmp_path: Path, option: list[str], hint: str
) -> None:
    async with command("tail", f"file:{file}", *option, env={}, directory=tmp_path / "tail") as run:
        assert await run.ends() == 0
        assert run.stderr.endswith(f"0 shown; {hint}\n")


async def test_a_repeat_is_marked(file: Path, operator: Operator) -> None:
    lines = (await operator.says("tail", f"file:{file}")).splitlines()
    assert [line.endswith("  repeat") for line in lines] == [False, False, False, True, False]


async def test_what_cannot_be_read_is_told_of_and_passed_over(file: Path, tmp_path: Path) -> None:
    file.write_text(f"hunter2\n{RECORDS[0]}\n" + "{}\n" * 50)
    async with command("tail", f"file:{file}", "--json", env={}, directory=tmp_path / "run") as run:
        assert await run.ends() == 0
        assert run.stdout.decode().splitlines() == RECORDS[:1]
        assert "forwarder: warning: record: not JSON" in run.stderr
        assert len(run.stderr.splitlines()) == 21
        assert "hunter2" not in run.stderr


async def test_a_summary_comes_at_the_end(file: Path, tmp_path: Path) -> None:
    async with command("tail", f"file:{file}", env={}, directory=tmp_path / "run") as run:
        assert await run.ends() == 0
        read, _, shown = run.stderr.partition(" s: ")
    assert read.startswith(f"forwarder: 5 records ({len(''.join(RECORDS).encode())} bytes) in ")
    assert shown == "5 changes, 1 repeat, 5 shown\n"


@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM])
async def test_a_signal_ends_it_with_a_summary(served: Served, tmp_path: Path, stop: signal.Signals) -> None:
    await put(served, *RECORDS)
    async with command("tail", served.sink, "--follow", env=CREDENTIALS, directory=tmp_path / "run") as run:
        await shows(run, "seq 4")
        await put(served, record(5))
        await shows(run, "seq 5")
        run.process.send_signal(stop)
        assert await run.ends() == 0
        assert "6 records" in run.stderr
        assert "of 4 shards in" in run.stderr


async def shows(run: Command, text: str) -> None:
    async def shown() -> bool:
        return text in run.stdout.decode()

    await eventually(shown, within_seconds=20)


async def test_latest_shows_what_comes(served: Served, tmp_path: Path) -> None:
    await put(served, *RECORDS)
    arguments = ("tail", served.sink, "--follow", "--from", "latest", "--json")
    async with command(*arguments, env=CREDENTIALS, directory=tmp_path / "run") as run:

        async def shown() -> bool:
            await put(served, record(5))
            return bool(run.stdout)

        await eventually(shown, within_seconds=20)
        assert set(seqs(run.stdout.decode())) == {5}


async def test_a_pipe_that_is_closed_ends_it_quietly(file: Path, tmp_path: Path) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    async with command("tail", f"file:{file}", "--follow", env={}, directory=tmp_path / "run", stdout=writing) as run:
        os.close(writing)
        assert await run.ends() == 0
        assert run.stderr == ""


async def test_a_disk_that_is_full_is_one_line(file: Path, tmp_path: Path) -> None:
    full = os.open("/dev/full", os.O_WRONLY)
    try:
        async with command("tail", f"file:{file}", env={}, directory=tmp_path / "run", stdout=full) as run:
            assert await run.ends() == 1
            assert run.stderr == "forwarder: cannot write to standard output: No space left on device\n"
    finally:
        os.close(full)


ONE_OF_EACH = [
    record(1),
    '{"data":{"id":42},"metadata":{"record-type":"data","operation":"insert","schema-name":"public","table-name":"dms"}}',
    '{"before":null,"after":{"id":42},"op":"c","source":{"schema":"public","table":"debezium","sequence":"[null,\\"2\\"]"}}',
    '{"eventName":"INSERT","tableName":"dynamodb","dynamodb":{"Keys":{"id":{"N":"42"}},"NewImage":{"id":{"N":"42"}}}}',
    '{"type":"INSERT","data":{"id":42}}',
    f'{{"specversion":"1.0","type":"forwarder.row.inserted","id":"7/1/2","source":"/","data":{record(2)}}}',
]


async def test_a_stream_may_have_records_of_all_formats(served: Served, operator: Operator) -> None:
    await put(served, *ONE_OF_EACH)
    shown = (await operator.says("tail", served.sink)).splitlines()
    assert len(shown) == len(ONE_OF_EACH)
    assert all("insert" in line and "id=42" in line for line in shown)


async def on_terminal(*arguments: str, env: Mapping[str, str], directory: Path) -> bytes:
    """What a command writes to a terminal of 200 columns."""
    ours, its = pty.openpty()
    try:
        env = {"TERM": "xterm-256color", "COLUMNS": "200", **env}
        async with command(*arguments, env=env, directory=directory, stdout=its) as run:
            assert await run.ends() == 0, run.stderr
        return await anyio.to_thread.run_sync(os.read, ours, 1 << 16)
    finally:
        os.close(ours)
        os.close(its)


async def test_lines_are_coloured_on_a_terminal_alone(file: Path, tmp_path: Path) -> None:
    arguments = ("tail", f"file:{file}", "--key", "42")
    coloured = await on_terminal(*arguments, env={}, directory=tmp_path / "coloured")
    plain = await on_terminal(*arguments, env={"NO_COLOR": "1"}, directory=tmp_path / "plain")
    piped = await Operator({}, tmp_path).says(*arguments)
    assert b"\x1b[32minsert" in coloured
    assert b"[32m" not in plain
    assert "\x1b" not in piped


@pytest.mark.parametrize("option", [[], ["--json"]])
async def test_no_value_of_a_row_moves_the_cursor(file: Path, tmp_path: Path, option: list[str]) -> None:
    env = {"NO_COLOR": "1", "TERM": "dumb"}
    arguments = ("tail", f"file:{file}", "--key", "43", *option)
    written = (await on_terminal(*arguments, env=env, directory=tmp_path / "run")).decode()
    assert "2J" in written
    assert "\x1b" not in written
    assert "\x9b" not in written
    if option:
        assert json.loads(written)["after"] == HARM


async def test_the_first_ctrl_c_ends_it_while_nobody_reads_what_it_writes(tmp_path: Path) -> None:
    path = tmp_path / "changes.jsonl"
    path.write_text("\n".join(record(seq) for seq in range(1, 5000)) + "\n")
    ours, its = os.pipe()
    try:
        async with command("tail", f"file:{path}", "--json", env={}, directory=tmp_path / "run", stdout=its) as run:
            await eventually(partial(is_full, its))
            run.process.send_signal(signal.SIGINT)
            assert await run.ends() == 0, run.stderr
    finally:
        os.close(ours)
        os.close(its)


async def is_full(pipe: int) -> bool:
    _, writable, _ = select.select([], [pipe], [], 0)
    return not writable


WRONG = [
    (["tail"], 2, "URL"),
    (["tail", "stdout:"], 2, "cannot be read; write kinesis://"),
    (["tail", "changes"], 2, "unknown sink kind"),
    (["tail", "kinesis://changes?regoin=eu-west-1"], 2, "did you mean 'region'"),
    (["tail", "kinesis://changes?region=moon-1"], 2, "region 'moon-1' is unknown"),
    (
        ["tail", "kinesis://cdc-{schema}-{table}?region=eu-west-1"],
        2,
        "name the one to read, such as kinesis://cdc-public-orders?",
    ),
    (["tail", "file:changes", "--from", "yesterday"], 2, "neither a time such as"),
    (["tail", "file:changes", "--from", "0"], 2, "a seq is a whole number"),
    (["tail", "file:changes", "--from", "2999-01-01"], 2, "in the future"),
    (["tail", "file:changes", "--from", "latest"], 2, "add --follow"),
    (["tail", "file:changes", "--table", "a.b.c"], 2, "malformed"),
    (["tail", "file:changes", "--count", "0"], 2, "--count"),
    (["tail", "file:gone"], 1, "cannot read gone: No such file"),
    (["tail", "kinesis://changes"], 1, "add ?region="),
    (["tail", "kinesis://changes?region=eu-west-1"], 1, "set AWS_ACCESS_KEY_ID"),
    (["tail", "kinesis://changes?region=eu-west-1&profile=nobody"], 1, "correct profile"),
]


@pytest.mark.parametrize(("arguments", "status", "says"), WRONG, ids=[" ".join(case[0]) for case in WRONG])
async def test_what_is_wrong_is_one_line(tmp_path: Path, arguments: list[str], status: int, says: str) -> None:
    said = await Operator({}, tmp_path).says(*arguments, status=status)
    assert says in said
    assert len(said.splitlines()) == 1


async def test_a_stream_that_is_not_there_is_one_line(served: Served, operator: Operator) -> None:
    said = await operator.says("tail", served.sink.replace(STREAM, "nope"), status=1)
    assert said.startswith("forwarder: stream nope: ResourceNotFoundException")
    assert len(said.splitlines()) == 1


@pytest.mark.parametrize("example", EXAMPLES["tail",], ids=shlex.join)
async def test_an_example_runs_as_it_stands(file: Path, served: Served, tmp_path: Path, example: list[str]) -> None:
    await put(served, *RECORDS)
    env = {**CREDENTIALS, "AWS_ENDPOINT_URL_KINESIS": served.endpoint_url}
    done = await anyio.run_process(
        [sys.executable, "-m", "forwarder", *example], cwd=file.parent, env=environment(**env)
    )
    assert len(done.stdout.splitlines()) == len(RECORDS)
