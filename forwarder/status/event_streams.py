"""The event streams of ``/api/events``: what a dashboard shows, as it changes.

    event: history   on connecting: a point a second of the last 15 minutes
    event: status    on connecting and each second: the document without its tables
    event: tables    on connecting and when they have changed, every five seconds at most: the tables

Each is made once, and nothing is read while nobody looks.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator

import anyio
import anyio.lowlevel
from aiohttp import web
from aiohttp.http import HttpVersion11

from forwarder.status.connections import Connection
from forwarder.status.snapshots import SECOND, Snapshot, Snapshots
from forwarder.status.viewer import Frame, Viewer, frame, framed

TABLES_SECONDS = 5.0
# Who comes when there are as many viewers as there may be is told to come again so much later.
RETRY_AFTER_SECONDS = 10
# As many are sent a frame before others than viewers have their turn: delivery does not wait for a thousand.
_AT_ONCE = 25
_HEADERS = {"Content-Type": "text/event-stream", "X-Accel-Buffering": "no"}
# Browsers come again so soon when the stream has ended.
_BEGINNING = b"retry: 2000\n\n"
# Nothing new to be told, since the database lets wait for itself, say.
_HEARTBEAT = framed(b": still here\n\n")

logger = logging.getLogger(__name__)


class EventStreams:
    """All viewers of this process."""

    def __init__(self, snapshots: Snapshots, *, most: int) -> None:
        """``most``: as many viewers as there may be."""
        self._snapshots = snapshots
        self._most = most
        # Those that are being served, and of them those that are past the beginning.
        self._open = 0
        self._viewers: set[Viewer] = set()
        self._somebody = anyio.Event()
        self._has_ended = False
        # The last status, and the number of its snapshot.
        self._status: tuple[int, Frame] | None = None
        # The last tables, the number of their snapshot, and when they were made.
        self._tables: tuple[int, Frame, float] | None = None
        self._told_at = 0.0
        self._has_failed = False

    async def serve(self, request: web.Request) -> web.StreamResponse:
        """Open a stream, and answer when it has ended."""
        if request.method == "HEAD":
            return web.Response(headers=_HEADERS)
        if self._open >= self._most or self._has_ended:
            raise web.HTTPServiceUnavailable(
                text=f"{self._most} event streams are open, and more are not served; ask for /api/status, or again later",
                headers={"Retry-After": f"{RETRY_AFTER_SECONDS}"},
            )
        assert request.transport is not None
        assert isinstance(request.protocol, Connection)
        viewer = Viewer(request.transport, is_chunked=request.version >= HttpVersion11)
        request.protocol.stream()
        self._open += 1
        try:
            response = web.StreamResponse(headers=_HEADERS)
            await response.prepare(request)
            # The head goes with it: aiohttp keeps it back until there is something else to be sent.
            await response.write(_BEGINNING)
            self._greet(viewer)
            await viewer.ended.wait()
        finally:
            self._open -= 1
            self._viewers.discard(viewer)
        return response

    def end(self) -> None:
        """End all streams, in good order. Those who come again find another listener, or this one when it is back."""
        self._has_ended = True
        for viewer in self._viewers:
            viewer.ended.set()

    async def run(self) -> None:
        """Send what there is to be told, until cancelled."""
        while True:
            if not self._viewers:
                self._status = self._tables = None
                self._somebody = anyio.Event()
                await self._somebody.wait()
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(self._beat)
                while self._viewers:
                    began = anyio.current_time()
                    await self._tell()
                    await anyio.sleep(max(0.0, began + SECOND - anyio.current_time()))
                tasks.cancel_scope.cancel()

    def _greet(self, viewer: Viewer) -> None:
        """Send what there is already. A first viewer waits for the first snapshot."""
        viewer.send(frame("history", self._snapshots.history()))
        if self._status:
            viewer.send(self._status[1])
        self._send_tables(viewer)
        if self._has_ended:
            viewer.ended.set()
        self._viewers.add(viewer)
        self._somebody.set()

    def _send_tables(self, viewer: Viewer) -> None:
        if self._tables and viewer.tables_number != self._tables[0]:
            viewer.send(self._tables[1])
            viewer.tables_number = self._tables[0]

    async def _tell(self) -> None:
        """Take a snapshot and send it to everybody."""
        try:
            snapshot = await self._snapshots.latest()
            await self._make(snapshot)
        except Exception:
            # A dashboard that cannot be served stops no delivery. It is said once, and not each second.
            if not self._has_failed:
                logger.exception("cannot tell the status")
            self._has_failed = True
            return
        self._has_failed = False
        assert self._status
        _, status = self._status
        async for viewer in self._ready():
            viewer.send(status)
            self._send_tables(viewer)
        self._told_at = anyio.current_time()

    async def _make(self, snapshot: Snapshot) -> None:
        if not self._status or self._status[0] != snapshot.number:
            self._status = snapshot.number, frame("status", snapshot.without_tables(), snapshot.number)
        if not self._tables or snapshot.asked_at - self._tables[2] >= TABLES_SECONDS:
            tables = frame("tables", await self._snapshots.tables(snapshot))
            number = self._tables[0] if self._tables and self._tables[1] == tables else snapshot.number
            self._tables = number, tables, snapshot.asked_at

    async def _beat(self) -> None:
        """Let viewers know that they are not forgotten while a snapshot takes its time. It also finds out who has left."""
        while True:
            await anyio.sleep(SECOND)
            if anyio.current_time() - self._told_at > 2 * SECOND:
                async for viewer in self._ready():
                    viewer.send(_HEARTBEAT)

    async def _ready(self) -> AsyncIterator[Viewer]:
        """The viewers to send something to, with a pause for all other work after some."""
        now = anyio.current_time()
        for number, viewer in enumerate(tuple(self._viewers), 1):
            if viewer.is_ready(now):
                yield viewer
            if number % _AT_ONCE == 0:
                await anyio.lowlevel.checkpoint()
