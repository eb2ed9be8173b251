"""The HTTP server of ``forwarder listen``: health checks for ECS and load balancers, and metrics for Prometheus.

GET /healthz  200 {"status": "ok"}: the process and its event loop are alive
GET /readyz   200 or 503 {"status": "ready", "sinks": {"default": {"phase": "leading", "trouble": null}}, "warnings": []}
GET /metrics  200, in Prometheus' text format
"""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import asdict
from typing import Any

from aiohttp import web

from forwarder.errors import Misconfigured, Refused
from forwarder.health import OutboxState, ServiceState
from forwarder.metrics import CONTENT_TYPE, Metrics

# How long requests may still take when the server stops.
CLOSE_SECONDS = 1.0
# A client that takes nothing of its answer for this long is cut off.
TAKE_SECONDS = 20.0


@asynccontextmanager
async def http_server(
    bind: str, states: Mapping[str, ServiceState], outbox: OutboxState, metrics: Metrics
) -> AsyncIterator[None]:
    """Serve for the length of a block. ``/readyz`` says 200 if each sink is delivered to, by this process or by one that it stands by for.

    Args:
        bind: address and port, such as ``127.0.0.1:8080``; port 0 takes a free one.

    Raises:
        Misconfigured: there is no such port.
        Refused: the address is in use, or is none of this machine.
    """
    host, _, port = bind.rpartition(":")
    if int(port) > 65535:
        raise Misconfigured(f"setting http.bind: port {port} is above 65535")
    # A client that does not read its answer must not keep the process from ending.
    runner = web.AppRunner(_application(states, outbox, metrics), access_log=None, shutdown_timeout=CLOSE_SECONDS)
    await runner.setup()
    try:
        try:
            await web.TCPSite(runner, host.strip("[]"), int(port)).start()
        except OSError as error:
            reason = error.strerror or str(error)
            raise Refused(f"cannot serve HTTP on {bind}: {reason}; set bind in [http] or FORWARDER_HTTP_BIND") from None
        yield
    finally:
        await runner.cleanup()


async def _bound(request: web.Request, _: web.StreamResponse) -> None:
    """Have the system end the connection of a client that takes nothing of its answer. aiohttp would wait for ever."""
    if request.transport is not None and hasattr(socket, "TCP_USER_TIMEOUT"):
        milliseconds = round(TAKE_SECONDS * 1000)
        request.transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, milliseconds)


def _shown(state: ServiceState) -> dict[str, Any]:
    loads = {"loads": [asdict(load) for load in state.loads]} if state.loads else {}
    return {"phase": state.phase.value, "trouble": state.reason, **loads}


def _application(states: Mapping[str, ServiceState], outbox: OutboxState, metrics: Metrics) -> web.Application:
    async def healthz(_: web.Request) -> web.Response:
        return web.json_response({"status": "ok"})

    async def readyz(_: web.Request) -> web.Response:
        is_ready = all(state.ready for state in states.values())
        sinks = {name: _shown(state) for name, state in states.items()}
        warnings = [*outbox.warnings, *(state.warning for state in states.values() if state.warning)]
        warnings += [warning for state in states.values() for warning in (*state.stream_warnings, *state.load_warnings)]
        body = {"status": "ready" if is_ready else "not ready", "sinks": sinks, "warnings": warnings}
        return web.json_response(body, status=200 if is_ready else 503)

    async def exposition(_: web.Request) -> web.Response:
        return web.Response(body=metrics.exposition(), headers={"Content-Type": CONTENT_TYPE})

    application = web.Application()
    application.on_response_prepare.append(_bound)
    application.router.add_get("/healthz", healthz)
    application.router.add_get("/readyz", readyz)
    application.router.add_get("/metrics", exposition)
    return application
