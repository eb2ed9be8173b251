"""Bounds what connections may cost: how many there are, how long a request and its answer take, how large a head is.

A connection is in one of four stages, and all but the last end at a time:

1. waiting: for a request; for ``KEPT_SECONDS`` if there was one before, which is longer than load balancers keep theirs, else for ``HEAD_SECONDS``;
2. reading: the head of a request has begun to arrive, and has to be there after ``HEAD_SECONDS``, however steadily it drips;
3. answering: the answer has to be taken after ``ANSWER_SECONDS``;
4. streaming: an event stream, which ``event_streams`` ends if nobody takes what it says.
"""

from __future__ import annotations

import asyncio
import json
import logging
import socket
from collections.abc import Iterable
from enum import Enum, auto
from typing import Any, cast

import anyio
from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

HEAD_SECONDS = 10.0
KEPT_SECONDS = 75.0
ANSWER_SECONDS = 30.0
# Beside event streams. Above that the one that has waited longest for a request makes room, so that silent clients lock out no health check.
MOST_CONNECTIONS = 256
MOST_HEADERS = 64
MOST_HEADER_BYTES = 8190
# What the system keeps of an answer that is not taken; else that may be megabytes.
_SYSTEM_BYTES = 64 << 10
_LOOK_SECONDS = 1.0

logger = logging.getLogger(__name__)


class Stage(Enum):
    WAITING = auto()
    READING = auto()
    ANSWERING = auto()
    STREAMING = auto()


class Connection(web.RequestHandler):
    """One connection of a client. It is told of what it does by aiohttp, and by ``begin`` and ``stream``."""

    __slots__ = ("_connections", "_ends_at", "_since", "_stage")

    def __init__(self, server: web.Server, connections: Connections) -> None:
        super().__init__(
            server,
            loop=asyncio.get_running_loop(),
            # Ours are shorter.
            keepalive_timeout=2 * KEPT_SECONDS,
            # A body that nobody has asked for is not waited for.
            lingering_time=0,
            max_line_size=MOST_HEADER_BYTES,
            max_field_size=MOST_HEADER_BYTES,
            max_headers=MOST_HEADERS,
            access_log=cast("logging.Logger", None),
        )
        self._connections = connections
        self._enter(Stage.WAITING, HEAD_SECONDS)

    @property
    def stage(self) -> Stage:
        return self._stage

    @property
    def since(self) -> float:
        """When it came into its stage, by the event loop's clock."""
        return self._since

    def is_overdue(self, now: float) -> bool:
        return self._ends_at is not None and now > self._ends_at

    def begin(self) -> None:
        """The head of a request is there."""
        self._enter(Stage.ANSWERING, ANSWER_SECONDS)

    def stream(self) -> None:
        """The answer goes on until somebody ends it."""
        self._enter(Stage.STREAMING, None)

    def cut(self) -> None:
        """End it at once, whatever was not sent yet."""
        if self.transport is not None:
            self.transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SYSTEM_BYTES)
        super().connection_made(transport)
        self._connections.admit(self)

    def connection_lost(self, exc: BaseException | None) -> None:
        self._connections.forget(self)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._stage is Stage.WAITING and data:
            self._enter(Stage.READING, HEAD_SECONDS)
        super().data_received(data)

    async def finish_response(
        self, request: web.BaseRequest, resp: web.StreamResponse, start_time: float | None
    ) -> tuple[web.StreamResponse, bool]:
        finished = await super().finish_response(request, resp, start_time)
        self._enter(Stage.WAITING, KEPT_SECONDS)
        return finished

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Answer what is no request, or has too large a head. aiohttp's own answer and log quote it, and there may be a token in it."""
        if not isinstance(exc, HttpProcessingError):
            return super().handle_error(request, status, exc, message)
        text = (
            f"no request of HTTP/1.1, or one with more than {MOST_HEADERS} headers or {MOST_HEADER_BYTES} bytes in one"
        )
        answer = web.json_response(
            {"error": text}, status=400, dumps=_line, headers={"X-Content-Type-Options": "nosniff"}
        )
        answer.force_close()
        return answer

    def _enter(self, stage: Stage, seconds: float | None) -> None:
        self._stage, self._since = stage, self._loop.time()
        self._ends_at = None if seconds is None else self._since + seconds


class Connections:
    """All connections of a server."""

    def __init__(self) -> None:
        self._open: set[Connection] = set()

    def admit(self, connection: Connection) -> None:
        """Take one more, and end another one if there are too many; it itself if all others are being answered."""
        others = [its for its in self._open if its.stage is not Stage.STREAMING]
        self._open.add(connection)
        if len(others) >= MOST_CONNECTIONS:
            idle = [its for its in others if its.stage is not Stage.ANSWERING]
            min(idle, key=lambda its: its.since, default=connection).cut()

    def forget(self, connection: Connection) -> None:
        self._open.discard(connection)

    async def watch(self) -> None:
        """End what takes too long, until cancelled."""
        while True:
            await anyio.sleep(_LOOK_SECONDS)
            now = asyncio.get_running_loop().time()
            for connection in _overdue(self._open, now):
                connection.cut()


def _overdue(connections: Iterable[Connection], now: float) -> list[Connection]:
    return [connection for connection in connections if connection.is_overdue(now)]


def _line(value: Any) -> str:
    return json.dumps(value) + "\n"
