"""The HTTP server of ``forwarder listen`` in this process, and clients of it."""

from __future__ import annotations

import json
import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import anyio

from forwarder.config.http import HttpSettings
from forwarder.health import OutboxState, ServiceState
from forwarder.metrics import Metrics
from forwarder.status.application import Observed
from forwarder.status.server import http_server

MOST_BYTES = 1 << 20


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
    bind: str | list[str] = "127.0.0.1:0",
    **settings: Any,
) -> AsyncIterator[str]:
    """Serve for the length of a block; the first address as a client takes it. ``settings`` are others of ``[http]``."""
    observed = Observed(
        states={"default": ServiceState()} if states is None else states,
        outbox=outbox or OutboxState(),
        metrics=metrics or Metrics(),
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
