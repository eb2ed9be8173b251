"""The real command, as a process: killed, stopped, doubled, asked for its health, and read."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from random import Random
from typing import Any

import aiohttp
import anyio
import asyncpg
import pytest

from forwarder.local.kinesis.faults import Delay, Hang
from tests.databases import Database
from tests.ledger import Ledger, all_delivered, audit, write, write_rows, writing
from tests.listening import CREDENTIALS, STREAM, Served, command, environment, kinesis_with_stream
from tests.support.ports import free_port
from tests.waiting import eventually

KILLS = [5, pytest.param(60, marks=[pytest.mark.long, pytest.mark.timeout(1800)])]
PAUSE_SECONDS = 0.1


@pytest.fixture
async def served() -> AsyncIterator[Served]:
    async with kinesis_with_stream() as served:
        # A round trip to a real stream, so that there is always something under way.
        served.kinesis.faults.replace([Delay(operation="PutRecords", seconds=0.02)])
        yield served


@pytest.fixture
def env(database: Database, served: Served) -> Mapping[str, str]:
    return {**CREDENTIALS, "FORWARDER_DATABASE_URL": database.url, "FORWARDER_SINK": served.sink}


async def saved_seq(database: Database) -> int:
    """How far the saved position says that everything is delivered."""
    connection = await asyncpg.connect(database.url)
    try:
        return int(await connection.fetchval("SELECT last_seq FROM forwarder.sink WHERE name = 'default'"))
    finally:
        await connection.close()


@pytest.mark.parametrize("kills", KILLS)
async def test_killed_at_any_moment_it_loses_nothing_and_keeps_the_order(
    database: Database, ledger: Ledger, served: Served, env: Mapping[str, str], tmp_path: Path, kills: int
) -> None:
    random = Random(11)
    async with writing(ledger, database.writer_url, pause_seconds=PAUSE_SECONDS):
        for number in range(kills):
            async with command("listen", env=env, directory=tmp_path / f"{number}") as listener:
                await listener.says("listening")
                # The moments are the point of this test: catching up, idle, between delivery and checkpoint.
                await anyio.sleep(random.uniform(0, 0.4))
                await listener.kill()
    async with command("listen", env=env, directory=tmp_path / "last") as listener:
        found = await all_delivered(ledger, served.data)
        assert await listener.stop() == 0
    assert found.repeats > 0


async def test_killed_while_it_writes_a_file_it_leaves_no_half_line_and_loses_nothing(
    database: Database, ledger: Ledger, env: Mapping[str, str], tmp_path: Path
) -> None:
    random = Random(12)
    path = tmp_path / "changes.jsonl"
    env = {**env, "FORWARDER_SINK": f"file:{path}"}
    async with writing(ledger, database.writer_url, pause_seconds=PAUSE_SECONDS):
        for number in range(4):
            async with command("listen", env=env, directory=tmp_path / f"{number}") as listener:
                await listener.says("listening")
                await anyio.sleep(random.uniform(0, 0.1))
                await listener.kill()
    async with command("listen", "--once", env=env, directory=tmp_path / "last") as listener:
        assert await listener.ends() == 0
    audit(ledger, path.read_bytes().splitlines()).assert_faultless()


async def test_who_takes_over_a_file_cuts_off_the_line_that_the_leader_was_killed_in(
    database: Database, ledger: Ledger, env: Mapping[str, str], tmp_path: Path
) -> None:
    path = anyio.Path(tmp_path / "changes.jsonl")
    env = {**env, "FORWARDER_SINK": f"file:{path}"}
    async with (
        command("listen", env=env, directory=tmp_path / "leader") as leader,
        writing(ledger, database.writer_url, pause_seconds=PAUSE_SECONDS),
    ):
        await leader.says("listening")
        async with command("listen", env=env, directory=tmp_path / "standby") as standby:
            await standby.says("standing by")
            # So the file looks to a standby, and to `--once`, while the leader writes to it.
            leader.process.send_signal(signal.SIGSTOP)
            async with await path.open("a") as file:
                await file.write('{"half')
            async with command("listen", "--once", env=env, directory=tmp_path / "newcomer") as newcomer:
                assert await newcomer.ends() == 1
            assert (await path.read_text()).endswith('{"half')
            await leader.kill()
            await standby.says("listening")
    async with command("listen", "--once", env=env, directory=tmp_path / "last") as listener:
        assert await listener.ends() == 0
    audit(ledger, (await path.read_bytes()).splitlines()).assert_faultless()


async def test_rotation_of_its_file_loses_nothing(
    database: Database, ledger: Ledger, env: Mapping[str, str], tmp_path: Path
) -> None:
    path = anyio.Path(tmp_path / "changes.jsonl")
    env = {**env, "FORWARDER_SINK": f"file:{path}"}
    async with command("listen", env=env, directory=tmp_path / "listen") as listener:
        async with writing(ledger, database.writer_url, pause_seconds=0.01):
            for number in range(10):
                await eventually(path.exists)
                await path.rename(path.with_name(f"changes.{number}.jsonl"))
            await eventually(path.exists)
        files = [tmp_path / f"changes.{number}.jsonl" for number in range(10)]
        await all_delivered(
            ledger,
            lambda: [line for file in [*files, Path(path)] if file.exists() for line in file.read_bytes().splitlines()],
        )
        assert await listener.stop() == 0


async def test_two_sinks_cannot_write_to_one_file(env: Mapping[str, str], tmp_path: Path) -> None:
    sinks = ("--sink", "a=file:changes.jsonl", "--sink", "b=file:./changes.jsonl")
    async with command("listen", *sinks, env=env, directory=tmp_path / "listen") as listener:
        assert await listener.ends() == 2
    assert "sinks 'a' and 'b' both write to ./changes.jsonl; give each of them a file of its own" in listener.stderr


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_stop_in_order_saves_the_position_and_repeats_nothing(
    database: Database, ledger: Ledger, served: Served, env: Mapping[str, str], tmp_path: Path, number: signal.Signals
) -> None:
    random = Random(number)
    async with writing(ledger, database.writer_url, pause_seconds=PAUSE_SECONDS):
        for run in range(2):
            async with command("listen", env=env, directory=tmp_path / f"{run}") as listener:
                await listener.says("listening")
                await anyio.sleep(random.uniform(0, 0.4))
                listener.process.send_signal(number)
                assert await listener.ends() == 0
                assert "stopped" in listener.stderr
            seqs = [json.loads(data)["seq"] for data in served.data()]
            assert await saved_seq(database) == max(seqs, default=0)
    async with command("listen", "--once", env=env, directory=tmp_path / "last") as listener:
        assert await listener.ends() == 0
    found = audit(ledger, served.data())
    found.assert_faultless()
    assert found.repeats == 0


async def test_a_stop_does_not_wait_for_ever_for_a_sink_that_hangs(
    database: Database, ledger: Ledger, served: Served, env: Mapping[str, str], tmp_path: Path
) -> None:
    hanging = Hang(operation="PutRecords")
    served.kinesis.faults.replace([hanging])
    env = {**env, "FORWARDER_LISTEN_STOP_TIMEOUT_SECONDS": "0.3"}
    async with command("listen", env=env, directory=tmp_path / "listen") as listener:
        await write_rows(ledger, database.writer_url, 100)

        async def hangs() -> bool:
            return served.kinesis.faults.struck(hanging) > 0

        await eventually(hangs)
        listener.process.send_signal(signal.SIGTERM)
        assert await listener.ends(within_seconds=8) == 0
        assert "stopped before all was delivered" in listener.stderr


async def test_once_delivers_what_there_is_and_ends(
    database: Database, ledger: Ledger, served: Served, env: Mapping[str, str], tmp_path: Path
) -> None:
    await write(ledger, database.writer_url, transactions=20)
    for run in range(2):
        async with command("listen", "--once", env=env, directory=tmp_path / f"{run}") as listener:
            assert await listener.ends() == 0
        found = audit(ledger, served.data())
        found.assert_faultless()
        assert found.repeats == 0


async def test_a_second_listener_stands_by_and_takes_over_when_the_first_is_killed(
    database: Database, ledger: Ledger, served: Served, env: Mapping[str, str], tmp_path: Path
) -> None:
    port = free_port()
    second_env = {**env, "FORWARDER_HTTP_BIND": f"127.0.0.1:{port}"}
    async with (
        writing(ledger, database.writer_url, pause_seconds=PAUSE_SECONDS),
        command("listen", env=env, directory=tmp_path / "first") as first,
    ):
        await first.says("listening")
        async with command("listen", env=second_env, directory=tmp_path / "second") as second:
            await second.says("standing by")
            assert await phase(port) == "standby"
            async with command("listen", "--once", env=env, directory=tmp_path / "once") as third:
                assert await third.ends() == 1
                assert "another `forwarder listen` serves sink" in third.stderr
            await first.kill()
            await second.says("listening")
            count = served.kinesis.stream(STREAM).record_count
            await served.kinesis.wait_for_records(count + 20, stream=STREAM)
            assert await phase(port) == "leading"
            assert await second.stop() == 0
    async with command("listen", "--once", env=env, directory=tmp_path / "last") as last:
        assert await last.ends() == 0
    audit(ledger, served.data()).assert_faultless()


async def get(port: int, page: str) -> tuple[int, dict[str, Any]]:
    async with aiohttp.ClientSession() as client, client.get(f"http://127.0.0.1:{port}/{page}") as answer:
        return answer.status, await answer.json()


async def phase(port: int) -> str:
    """What the listener's only sink is doing."""
    _, body = await get(port, "readyz")
    answered: str = body["sinks"]["default"]["phase"]
    return answered


async def test_health_tells_alive_from_ready(
    database: Database, served: Served, env: Mapping[str, str], tmp_path: Path
) -> None:
    port, nowhere = free_port(), free_port()
    env = {**env, "FORWARDER_HTTP_BIND": f"127.0.0.1:{port}"}
    unreachable = {**env, "FORWARDER_DATABASE_URL": f"postgresql://any:secret@127.0.0.1:{nowhere}/app"}
    async with command("listen", env=unreachable, directory=tmp_path / "waiting") as listener:
        await listener.says("trying again")
        assert (await get(port, "healthz"))[0] == 200
        status, body = await get(port, "readyz")
        assert status == 503
        assert f"127.0.0.1:{nowhere}/app" in str(body["sinks"])
        assert "secret" not in str(body)
        assert await listener.stop() == 0
    async with command("listen", env=env, directory=tmp_path / "listening") as listener:
        await listener.says("listening")
        sinks = {"default": {"phase": "leading", "trouble": None}}
        assert (await get(port, "readyz")) == (200, {"status": "ready", "sinks": sinks, "warnings": []})


async def test_standard_output_holds_the_records_and_nothing_else_and_logs_are_json(
    database: Database, ledger: Ledger, env: Mapping[str, str], tmp_path: Path
) -> None:
    await write(ledger, database.writer_url, transactions=20)
    arguments = ("listen", "--sink", "stdout:", "--log-format", "json")
    async with command(*arguments, env=env, directory=tmp_path / "listen", warm=False) as listener:
        await all_delivered(ledger, lambda: listener.stdout.splitlines())
        assert await listener.stop() == 0
        assert listener.stdout.endswith(b"\n")
        log = [json.loads(line) for line in listener.stderr.splitlines()]
    # A survey may have found something in between, if it has run for long enough.
    assert (log[0]["event"], log[-1]["event"]) == ("listening", "stopped")
    assert all(line.keys() >= {"at", "level", "event"} for line in log)


async def test_standard_output_may_be_appended_to_a_file(
    database: Database, ledger: Ledger, env: Mapping[str, str], tmp_path: Path
) -> None:
    await write(ledger, database.writer_url, transactions=5)
    path = tmp_path / "changes.jsonl"
    await anyio.Path(path).write_text("not ours\n")
    output = os.open(path, os.O_WRONLY | os.O_APPEND)
    arguments = ("listen", "--once", "--sink", "stdout:")
    async with command(*arguments, env=env, directory=tmp_path / "listen", stdout=output) as listener:
        os.close(output)
        assert await listener.ends() == 0

    first, *records = (await anyio.Path(path).read_text()).splitlines()
    assert first == "not ours"
    await all_delivered(ledger, lambda: [record.encode() for record in records])


async def test_a_reader_that_goes_away_ends_it_in_one_line(
    database: Database, ledger: Ledger, env: Mapping[str, str], tmp_path: Path
) -> None:
    await write(ledger, database.writer_url, transactions=20)
    reading, output = os.pipe()
    os.close(reading)
    async with command("listen", "--sink", "stdout:", env=env, directory=tmp_path / "l", stdout=output) as listener:
        os.close(output)
        assert await listener.ends() == 1
        assert "standard output was closed by its reader" in listener.stderr
        assert "Traceback" not in listener.stderr


async def test_a_standard_output_that_is_closed_is_one_line(database: Database, env: Mapping[str, str]) -> None:
    script = 'exec "$0" -m forwarder listen --once --sink stdout: >&-'
    ended = await anyio.run_process(["sh", "-c", script, sys.executable], env=environment(**env), check=False)

    assert ended.returncode == 1
    assert ended.stderr.decode() == "forwarder: standard output is closed; open it, or name another sink by --sink\n"


async def test_without_any_standard_stream_it_delivers(
    database: Database, ledger: Ledger, served: Served, env: Mapping[str, str]
) -> None:
    await write(ledger, database.writer_url, transactions=5)
    script = 'exec "$0" -m forwarder listen --once <&- >&- 2>&-'
    ended = await anyio.run_process(["sh", "-c", script, sys.executable], env=environment(**env), check=False)

    assert ended.returncode == 0
    await all_delivered(ledger, served.data)


async def test_a_named_pipe_that_nobody_reads_is_waited_for(
    database: Database, ledger: Ledger, env: Mapping[str, str], tmp_path: Path
) -> None:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    await write(ledger, database.writer_url, transactions=5)
    async with command("listen", "--sink", f"file:{path}", env=env, directory=tmp_path / "listen") as listener:
        await listener.says("nobody reads the pipe")
        assert await saved_seq(database) == 0
        reading = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        received = bytearray()

        def read() -> list[bytes]:
            with contextlib.suppress(BlockingIOError):
                received.extend(os.read(reading, 1 << 20))
            return bytes(received).splitlines()

        await all_delivered(ledger, read)
        assert await listener.stop() == 0
        os.close(reading)
