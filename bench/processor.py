"""How long a session's process has run on a processor (Linux)."""

from collections.abc import Awaitable, Callable
from pathlib import Path

from forwarder.database.sessions import Connection


async def microseconds(connection: Connection, work: Callable[[], Awaitable[None]]) -> float:
    """What a piece of work has taken of a processor in a session, to the nanosecond."""
    before = _seconds(connection)
    await work()
    return 1_000_000 * (_seconds(connection) - before)


def _seconds(connection: Connection) -> float:
    return int(Path(f"/proc/{connection.get_server_pid()}/schedstat").read_text().split()[0]) / 1e9
