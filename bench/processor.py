"""How long the processes of sessions have run on a processor (Linux)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path

import anyio

from forwarder.database.sessions import Connection

_LOOK_SECONDS = 0.05


async def microseconds(connection: Connection, work: Callable[[], Awaitable[None]]) -> float:
    """What a piece of work has taken of a processor in a session, to the nanosecond."""
    process = connection.get_server_pid()
    before = _seconds(process)
    await work()
    return 1_000_000 * (_seconds(process) - before)


class Sessions:
    """What all sessions of a program have taken so far. Of one that has ended, a twentieth of a second may be missing."""

    def __init__(self, connection: Connection, *, program: str) -> None:
        """``program``: as its sessions call themselves. ``connection`` is for this alone."""
        self._connection = connection
        self._program = program
        self._taken: dict[int, float] = {}

    @property
    def seconds(self) -> float:
        return sum(self._taken.values())

    async def watch(self) -> None:
        """Look until cancelled."""
        while True:
            processes = await self._connection.fetch(
                "SELECT pid FROM pg_stat_activity WHERE application_name = $1", self._program
            )
            for (process,) in processes:
                with suppress(FileNotFoundError, ProcessLookupError):
                    self._taken[process] = _seconds(process)
            await anyio.sleep(_LOOK_SECONDS)


def _seconds(process: int) -> float:
    return int(Path(f"/proc/{process}/schedstat").read_text().split()[0]) / 1e9
