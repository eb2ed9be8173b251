"""The service under test: in this process, where its state can be looked at, or as the real command."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any, Literal

import anyio
import pytest
from aiobotocore.config import AioConfig
from aiobotocore.session import get_session
from anyio.abc import Process

from forwarder.config.database import DatabaseSettings
from forwarder.config.settings import ListenSettings, OutboxSettings, Settings, SinkSettings
from forwarder.config.wake import Wake
from forwarder.health import Phase
from forwarder.listen.service import Service
from forwarder.local.kinesis import Endpoint, LocalKinesis, serve
from forwarder.metrics import Metrics
from tests.support import forked
from tests.support.forked import Forked
from tests.waiting import eventually

STREAM = "changes"
CREDENTIALS = {"AWS_ACCESS_KEY_ID": "any", "AWS_SECRET_ACCESS_KEY": "any"}
OPERATOR = {"aws_access_key_id": "any", "aws_secret_access_key": "any"}
STOP_SECONDS = 30.0
# Names of anybody's settings and credentials begin with one of these.
NOT_OURS = ("FORWARDER_", "AWS_", "PG", "REQUESTS_")


class Served:
    """A local Kinesis with one stream, and the sink URL that names it."""

    def __init__(self, kinesis: LocalKinesis, endpoint: Endpoint) -> None:
        self.kinesis = kinesis
        self.endpoint_url = endpoint.url
        self.sink = f"kinesis://{STREAM}?region=us-east-1&endpoint_url={endpoint.url}"

    def data(self) -> Sequence[bytes]:
        """The data of all records, the records of one key in their order."""
        return self.kinesis.stream(STREAM).data()


@asynccontextmanager
async def kinesis_with_stream(
    *, shards: int = 4, limits: bool = False, transition_seconds: float = 0.0, clock: Callable[[], float] = time.time
) -> AsyncIterator[Served]:
    """A local Kinesis without limits of rate, unless asked for."""
    kinesis = LocalKinesis(limits=limits, transition_seconds=transition_seconds, clock=clock)
    kinesis.create_stream(STREAM, shards=shards)
    async with serve(kinesis) as endpoint:
        yield Served(kinesis, endpoint)


@asynccontextmanager
async def client_of(served: Served) -> AsyncIterator[Any]:
    """An ordinary AWS client of it."""
    async with get_session().create_client(
        "kinesis", region_name="us-east-1", endpoint_url=served.endpoint_url, **OPERATOR
    ) as client:
        yield client


async def switch(client: Any, distribution: Literal["AUTO", "USER_PARTITION_KEY"], *, arn: str) -> None:
    """Put the stream into on-demand mode, and let it heed partition keys or not."""
    await client.update_stream_mode(StreamARN=arn, StreamModeDetails={"StreamMode": "ON_DEMAND"})
    await client.update_stream_record_distribution_strategy(StreamARN=arn, RecordDistributionStrategy=distribution)


def service_of(
    database_url: str,
    sink: str,
    *,
    wake: Wake = "auto",
    poll_interval_seconds: float = 5.0,
    outbox: OutboxSettings | None = None,
    **listen: Any,
) -> Service:
    """A service as `forwarder listen` makes one; ``listen`` are its settings of that section."""
    settings = Settings(
        database=DatabaseSettings(wake=wake, poll_interval_seconds=poll_interval_seconds),
        outbox=outbox or OutboxSettings(),
        listen=ListenSettings(**listen),
    )
    return Service(settings, [SinkSettings(url=sink)], database_url=database_url, metrics=Metrics())


def listening(database_url: str, sink: str, **settings: Any) -> AbstractAsyncContextManager[Service]:
    """A service that runs for the length of a block and is then stopped in good order."""
    return running(service_of(database_url, sink, **settings))


@asynccontextmanager
async def running(service: Service) -> AsyncIterator[Service]:
    """Run a service for the length of a block, and stop it in good order."""
    ended = anyio.Event()

    async def run() -> None:
        await service.run()
        ended.set()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(run)
        yield service
        service.stop()
        with anyio.fail_after(STOP_SECONDS):
            await ended.wait()


async def leads(service: Service) -> None:
    """Wait until the service delivers to all its sinks."""

    async def leading() -> bool:
        return all(state.phase is Phase.LEADING for state in service.states.values())

    await eventually(leading, within_seconds=20)


async def complains(service: Service, text: str) -> None:
    """Wait until this is part of why nothing is delivered."""

    async def complaining() -> bool:
        return any(text in (state.trouble or "") for state in service.states.values())

    await eventually(complaining)


def impatient(monkeypatch: pytest.MonkeyPatch, *, read_timeout: float = 0.5) -> None:
    """Shrink what the client grants the stream for an answer, so that a test need not sit out ten seconds."""

    def config(**options: Any) -> AioConfig:
        return AioConfig(**{**options, "read_timeout": read_timeout})

    monkeypatch.setattr("forwarder.aws.kinesis_client.AioConfig", config)


class Command:
    """The real command in a process of its own; what it prints goes to files."""

    def __init__(self, process: Process | Forked, directory: Path) -> None:
        self.process = process
        self._directory = directory

    @property
    def stdout(self) -> bytes:
        return (self._directory / "stdout").read_bytes()

    @property
    def stderr(self) -> str:
        return (self._directory / "stderr").read_text()

    async def says(self, text: str, *, within_seconds: float = 30.0) -> None:
        """Wait until it has written this to stderr; fails at once if it ends before."""

        async def said() -> bool:
            ended = self.process.returncode is not None
            assert text in self.stderr or not ended, f"ended with {self.process.returncode}: {self.stderr}"
            return text in self.stderr

        await eventually(said, within_seconds=within_seconds)

    async def prints(self, text: str, *, within_seconds: float = 30.0) -> None:
        """As ``says``, of standard output."""

        async def printed() -> bool:
            ended = self.process.returncode is not None
            assert text.encode() in self.stdout or not ended, f"ended with {self.process.returncode}: {self.stderr}"
            return text.encode() in self.stdout

        await eventually(printed, within_seconds=within_seconds)

    async def ends(self, *, within_seconds: float = 30.0) -> int:
        """Wait for its end; its exit status."""

        async def ended() -> bool:
            return self.process.returncode is not None

        await eventually(ended, within_seconds=within_seconds)
        return await self.process.wait()

    async def stop(self) -> int:
        """SIGTERM, and the exit status."""
        self.process.send_signal(signal.SIGTERM)
        return await self.ends()

    async def kill(self) -> None:
        """SIGKILL."""
        self.process.kill()
        await self.process.wait()


def peak_bytes(command: Command) -> int:
    """The most memory that its process has had resident, as Linux tells it."""
    status = Path(f"/proc/{command.process.pid}/status").read_text()
    return next(int(line.split()[1]) << 10 for line in status.splitlines() if line.startswith("VmHWM:"))


@asynccontextmanager
async def command(
    *arguments: str,
    env: Mapping[str, str],
    directory: Path,
    stdout: int | None = None,
    module: str = "forwarder",
    warm: bool = forked.IS_POSSIBLE,
    files: Mapping[str, str] | None = None,
) -> AsyncIterator[Command]:
    """``python -m MODULE ARGUMENT...`` in ``directory``, which is made with these files, for at most the length of a block.

    Its standard output goes to a file in that directory, if it is not to go to this descriptor. If it is not to be ``warm``,
    everything is imported anew.
    """
    await anyio.Path(directory).mkdir(parents=True)
    for name, text in (files or {}).items():
        await anyio.Path(directory, name).write_text(text)
    with (directory / "stdout").open("wb") as output, (directory / "stderr").open("wb") as stderr:
        process = await _start(
            module,
            *arguments,
            env=environment(**env),
            directory=directory,
            stdout=output.fileno() if stdout is None else stdout,
            stderr=stderr.fileno(),
            warm=warm,
        )
    try:
        yield Command(process, directory)
    finally:
        if process.returncode is None:
            process.kill()
        with anyio.CancelScope(shield=True):
            await process.wait()


async def _start(
    module: str,
    *arguments: str,
    env: Mapping[str, str],
    directory: Path,
    stdout: int,
    stderr: int,
    warm: bool,
) -> Process | Forked:
    if warm:
        return await forked.fork(module, *arguments, env=env, directory=directory, stdout=stdout, stderr=stderr)
    return await anyio.open_process(
        (sys.executable, "-m", module, *arguments),
        stdin=subprocess.DEVNULL,
        stdout=stdout,
        stderr=stderr,
        cwd=directory,
        env=env,
    )


class Operator:
    """Runs `forwarder` commands one after the other, each to its end, and reads what they say.

    Each runs in a folder of its own, where these ``files`` are.
    """

    def __init__(self, env: Mapping[str, str], directory: Path, files: Mapping[str, str] | None = None) -> None:
        self._env = env
        self._directory = directory
        self._files = files
        self._runs = 0

    async def says(self, *arguments: str, status: int = 0) -> str:
        """What a command prints on standard output, or on the other if it is to fail."""
        self._runs += 1
        async with command(
            *arguments, env=self._env, directory=self._directory / f"run{self._runs}", files=self._files
        ) as run:
            assert await run.ends() == status, run.stderr
            return run.stderr if status else run.stdout.decode()

    async def finds(self, *arguments: str) -> str:
        """What a command prints on standard output that ends with status 1, since it has found something."""
        self._runs += 1
        async with command(
            *arguments, env=self._env, directory=self._directory / f"run{self._runs}", files=self._files
        ) as run:
            assert await run.ends() == 1, run.stderr
            return run.stdout.decode()


def environment(**own: str) -> dict[str, str]:
    """The environment without anybody's settings and credentials, and these variables."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(NOT_OURS)}
    nobodys = {
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    }
    return {**inherited, **nobodys, "FORWARDER_HTTP_BIND": "", **own}
