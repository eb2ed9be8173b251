"""A TCP proxy that fails on demand: what lies between us and the server can be cut, refused or stalled."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit, urlunsplit

import anyio
from anyio.abc import SocketAttribute, SocketStream


@asynccontextmanager
async def proxy(url: str) -> AsyncIterator[Proxy]:
    """A proxy on a port of 127.0.0.1, for the length of a block, to the server that ``url`` names."""
    listener = await anyio.create_tcp_listener(local_host="127.0.0.1")
    async with listener, anyio.create_task_group() as tasks:
        relay = Proxy(url, listener.extra(SocketAttribute.local_port))
        tasks.start_soon(listener.serve, relay.handle)
        yield relay
        tasks.cancel_scope.cancel()


class Proxy:
    """Forwards bytes both ways until told otherwise. Its orders take effect at once, in the order they are given."""

    def __init__(self, target_url: str, port: int) -> None:
        self._target = urlsplit(target_url)
        self._port = port
        self._refusing = False
        self._flowing = anyio.Event()
        self._flowing.set()
        self._connections: set[anyio.CancelScope] = set()
        self._stranded: set[anyio.CancelScope] = set()

    @property
    def url(self) -> str:
        """The server's URL, but through this proxy."""
        user, at, _ = self._target.netloc.rpartition("@")
        return urlunsplit(self._target._replace(netloc=f"{user}{at}127.0.0.1:{self._port}"))

    @property
    def connections(self) -> int:
        """How many connections are open through this proxy."""
        return len(self._connections)

    def cut(self) -> None:
        """Drop every connection; bytes on their way are lost. New ones are let in."""
        for connection in self._connections:
            connection.cancel()

    def refuse(self) -> None:
        """Close every new connection at once, as a balancer without a server behind it does."""
        self._refusing = True

    def accept(self) -> None:
        """Let new connections in again."""
        self._refusing = False

    def lead_to(self, url: str) -> None:
        """Connect new connections to another server, as an address does after a failover; those that are open stay."""
        self._target = urlsplit(url)

    def stall(self) -> None:
        """Hold back every byte in both directions, of new connections too, and close nothing: a network that went dark."""
        if self._flowing.is_set():
            self._flowing = anyio.Event()

    def strand(self) -> None:
        """Hold back for good what the open connections carry, and close none of them: their server's host is dead. New ones are served."""
        self._stranded |= self._connections

    def resume(self) -> None:
        """Let the bytes flow again, those that were held back first."""
        self._flowing.set()

    async def handle(self, client: SocketStream) -> None:
        async with client:
            if self._refusing:
                return
            with anyio.CancelScope() as connection:
                self._connections.add(connection)
                try:
                    await self._connect_through(client, connection)
                finally:
                    self._connections.remove(connection)

    async def _connect_through(self, client: SocketStream, connection: anyio.CancelScope) -> None:
        assert self._target.hostname is not None
        assert self._target.port is not None
        try:
            server = await anyio.connect_tcp(self._target.hostname, self._target.port)
        except OSError:
            return
        async with server, anyio.create_task_group() as pumps:
            pumps.start_soon(self._pump, client, server, connection)
            pumps.start_soon(self._pump, server, client, connection)

    async def _pump(self, source: SocketStream, destination: SocketStream, connection: anyio.CancelScope) -> None:
        """Forward one direction. When one side hangs up, the other is hung up on."""
        try:
            async for chunk in source:
                await self._flowing.wait()
                if connection in self._stranded:
                    await anyio.sleep_forever()
                await destination.send(chunk)
        except (anyio.BrokenResourceError, anyio.ClosedResourceError):
            pass
        connection.cancel()
