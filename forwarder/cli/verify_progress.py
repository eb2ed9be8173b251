"""Says on a terminal how far ``forwarder verify`` is."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import anyio
import typer

REPORT_SECONDS = 5.0


@asynccontextmanager
async def progress(describe: Callable[[], str]) -> AsyncIterator[None]:
    """For the length of a block, a line now and then, if standard error is a terminal."""
    async with anyio.create_task_group() as tasks:
        if sys.stderr.isatty():
            tasks.start_soon(_tell, describe)
        yield
        tasks.cancel_scope.cancel()


async def _tell(describe: Callable[[], str]) -> None:
    while True:
        await anyio.sleep(REPORT_SECONDS)
        typer.echo(f"forwarder: {describe()}", err=True)
