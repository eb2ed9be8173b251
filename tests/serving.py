"""The HTTP server of ``forwarder listen`` in this process, and clients of it."""

from __future__ import annotations

import json
import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import aiohttp
import anyio

from forwarder.config.http import HttpSettings
from forwarder.health import OutboxState, ServiceState
from forwarder.metrics import Metrics
from forwarder.status.application import Observed
from forwarder.status.document import Document, History, Point, Table
from forwarder.status.server import http_server
from forwarder.status.snapshots import Source

MOST_BYTES = 1 << 20
_AT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


class ScriptedStatus:
    """A source of documents that a test writes. It counts how often it is asked."""

    def __init__(self, *, tables: int = 1) -> None:
        self.asked = 0
        self.tables = [Table(sink="default", table=f"public.t{number}", state="captured") for number in range(tables)]
        self.points: list[Point] = []
        # Set: the database answers.
        self.answers = anyio.Event()
        self.answers.set()
        self.error: Exception | None = None

    async def document(self) -> Document:
        self.asked += 1
        await self.answers.wait()
        if self.error:
            raise self.error
        return Document(
            at=_AT,
            forwarder="1.2.3",
            is_well=True,
            summary=f"answer {self.asked}",
            database="db:5432/app",
            sinks=[],
            standbys=[],
            outbox=None,
            doorbell=None,
            loads=[],
            tables=self.tables,
            warnings=[],
        )

    def history(self) -> History:
        return History(ends_at=_AT, sinks={"default": self.points})


def free_address() -> str:
    """An address of this machine that nobody has."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{free.getsockname()[1]}"


@asynccontextmanager
async def serving(
    states: Mapping[str, ServiceState] | None = None,
    outbox: OutboxState | None = None,
    *,
    metrics: Metrics | None = None,
    status: Source | None = None,
    bind: str | list[str] = "127.0.0.1:0",
    **settings: Any,
) -> AsyncIterator[str]:
    """Serve for the length of a block; the first address as a client takes it. ``settings`` are others of ``[http]``."""
    observed = Observed(
        states={"default": ServiceState()} if states is None else states,
        outbox=outbox or OutboxState(),
        metrics=metrics or Metrics(),
        status=status or ScriptedStatus(),
    )
    async with http_server(HttpSettings(bind=bind, **settings), observed) as addresses:
        yield str(addresses[0])


async def get(bind: str, path: str, **options: Any) -> tuple[int, dict[str, Any]]:
    """Ask for JSON; the status and the body."""
    async with aiohttp.ClientSession() as client, client.get(f"http://{bind}{path}", **options) as response:
        return response.status, json.loads(await response.text())


async def sent(bind: str, request: bytes) -> bytes:
    """All that the server answers to these bytes until it ends the connection."""
    host, _, port = bind.rpartition(":")
    answer = b""
    async with await anyio.connect_tcp(host, int(port)) as client:
        await client.send(request)
        try:
            while len(answer) < MOST_BYTES:
                answer += await client.receive()
        except (anyio.EndOfStream, anyio.BrokenResourceError):
            pass
    return answer


@dataclass(frozen=True, slots=True)
class Event:
    """An event of a stream; a comment has neither a name nor data."""

    name: str
    data: Any
    id: str | None = None


@asynccontextmanager
async def events_of(bind: str, **options: Any) -> AsyncIterator[AsyncIterator[Event]]:
    """The events of a stream, which is open for the length of a block."""
    timeout = aiohttp.ClientTimeout(total=None, sock_read=30)
    async with (
        aiohttp.ClientSession(f"http://{bind}", timeout=timeout, read_bufsize=1 << 22) as client,
        client.get("/api/events", **options) as answer,
    ):
        assert (answer.status, answer.content_type) == (200, "text/event-stream")
        yield _events(answer.content)


async def _events(content: aiohttp.StreamReader) -> AsyncIterator[Event]:
    fields: dict[str, str] = {}
    async for line in content:
        text = line.decode().rstrip("\n")
        if text:
            name, _, value = text.partition(":")
            fields[name] = value.strip()
            continue
        data = fields.get("data")
        yield Event(fields.get("event", ""), json.loads(data) if data else None, fields.get("id"))
        fields = {}
