"""The HTTP server of ``forwarder listen``: its sockets, from the first to the last."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager

import anyio
from aiohttp import web

from forwarder.config.http import HttpSettings
from forwarder.config.http_addresses import Address
from forwarder.errors import Refused
from forwarder.status.application import Observed, application
from forwarder.status.connections import MOST_CONNECTIONS, Connection, Connections
from forwarder.status.descriptors import make_room
from forwarder.status.event_streams import EventStreams
from forwarder.status.snapshots import Snapshots

# Event streams that may be open, if the system lets the process have so many connections.
MOST_VIEWERS = 1000
# How long requests may still take when the server stops.
CLOSE_SECONDS = 1.0

logger = logging.getLogger(__name__)


@asynccontextmanager
async def http_server(settings: HttpSettings, observed: Observed) -> AsyncIterator[Sequence[Address]]:
    """Serve for the length of a block; where, the block is told. Port 0 has become the one that was free.

    Raises:
        Refused: an address is in use, or is none of this machine.
    """
    # A client that does not read its answer must not keep the process from ending.
    snapshots = Snapshots(observed.status)
    streams = EventStreams(snapshots, most=_most_viewers())
    runner = web.AppRunner(application(settings, observed, snapshots, streams), shutdown_timeout=CLOSE_SECONDS)
    await runner.setup()
    assert runner.server is not None
    server, connections = runner.server, Connections()
    listeners: list[asyncio.Server] = []
    try:
        for address in settings.addresses:
            listener = await _listen(address, lambda: Connection(server, connections))
            listeners.append(listener)
        served = [_address(listener) for listener in listeners]
        logger.info("serving HTTP", extra={"on": " ".join(map(str, served))})
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(connections.watch)
            tasks.start_soon(streams.run)
            yield served
            tasks.cancel_scope.cancel()
    finally:
        streams.end()
        for listener in listeners:
            listener.close()
        await runner.cleanup()


async def _listen(address: Address, connection: Callable[[], Connection]) -> asyncio.Server:
    try:
        return await asyncio.get_running_loop().create_server(connection, address.host, address.port)
    except OSError as error:
        reason = error.strerror or str(error)
        raise Refused(f"cannot serve HTTP on {address}: {reason}; set bind in [http] or FORWARDER_HTTP_BIND") from None


def _most_viewers() -> int:
    return max(0, make_room(MOST_VIEWERS + MOST_CONNECTIONS) - MOST_CONNECTIONS)


def _address(listener: asyncio.Server) -> Address:
    host, port = listener.sockets[0].getsockname()[:2]
    return Address(host=host, port=port)
