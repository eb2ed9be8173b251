"""Servers of a test's own, each from a copy of files that are made once a process: a tenth of the work of making them."""

from __future__ import annotations

import os
import shutil
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import anyio

from forwarder.local import launch
from forwarder.local.postgres import EmbeddedPostgres, embedded_postgres
from tests.databases import create_templates, forget

_NOT_DURABLE: Mapping[str, str | int] = {"fsync": "off", "full_page_writes": "off"}


class Clusters:
    """Servers with the templates of `tests.databases`.

    Those that are named alike have one system identifier, as a cluster and a copy of its disk have.
    """

    def __init__(self, stack: AsyncExitStack, *, binaries: Path | None, directory: Path | None) -> None:
        self._stack = stack
        self._binaries = binaries
        self._directory = directory
        self._models: dict[str, EmbeddedPostgres] = {}

    @asynccontextmanager
    async def server(self, name: str = "one", **settings: str | int) -> AsyncIterator[EmbeddedPostgres]:
        """A server as its templates were just created, for the length of a block."""
        model = self._models.get(name) or self._models.setdefault(name, await self._create())
        async with copy_of_files(model, {**_NOT_DURABLE, **settings}) as server:
            await server.start()
            yield server

    async def _create(self) -> EmbeddedPostgres:
        model = await self._stack.enter_async_context(
            embedded_postgres(bin_directory=self._binaries, durable=False, parent_directory=self._directory)
        )
        await create_templates(model)
        await model.stop()
        return model


@asynccontextmanager
async def copy_of_files(server: EmbeddedPostgres, settings: Mapping[str, str | int]) -> AsyncIterator[EmbeddedPostgres]:
    """A copy of a server that is stopped, not started yet, for the length of a block."""
    with TemporaryDirectory(prefix="forwarder-postgres-", dir=server.directory.parent) as directory:
        copy = EmbeddedPostgres(Path(directory), server.binaries, settings)
        if os.geteuid() == 0:
            shutil.chown(directory, launch.UNPRIVILEGED_USER)
        # As root the files belong to somebody else, whom shutil would not keep.
        await anyio.run_process(["cp", "-Rp", str(data_of(server)), directory])
        try:
            try:
                yield copy
            finally:
                forget(copy)
        finally:
            with anyio.CancelScope(shield=True):
                await copy.stop(mode="immediate")


def data_of(server: EmbeddedPostgres) -> Path:
    """Where it keeps its files."""
    return server.directory / "data"
