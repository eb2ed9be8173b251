"""What is at which path of the HTTP server.

GET /healthz     200 {"status": "ok"}: the process and its event loop are alive
GET /readyz      200 or 503 {"status": "ready", "sinks": {"default": {"phase": "leading", "trouble": null}}, "warnings": []}
GET /metrics     200, in Prometheus' text format
GET /api/status  200, the status as `forwarder status --json` prints it
GET /api/events  200, what of it changes, as server-sent events
GET /            the dashboard; its files are below /assets/

What is refused is answered by one line of JSON: {"error": "…"}.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from aiohttp import web
from aiohttp.typedefs import Handler

from forwarder.config.http import HttpSettings
from forwarder.health import OutboxState, ServiceState
from forwarder.metrics import CONTENT_TYPE, Metrics
from forwarder.status.access import body_guard, host_guard, token_guard
from forwarder.status.assets import PAGE, Asset, read_assets
from forwarder.status.connections import Connection
from forwarder.status.event_streams import EventStreams
from forwarder.status.readiness import is_ready, readiness
from forwarder.status.snapshots import Snapshots, Source

# Of all answers but the dashboard's own files, which say otherwise.
_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}

_PORTION_BYTES = 64 << 10

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Observed:
    """What the server tells of."""

    states: Mapping[str, ServiceState]
    outbox: OutboxState
    metrics: Metrics
    status: Source


def application(
    settings: HttpSettings, observed: Observed, snapshots: Snapshots, streams: EventStreams
) -> web.Application:
    """The application, without a socket."""
    answers = _Answers(settings, observed, snapshots)
    made = web.Application(
        middlewares=[_answered, body_guard, host_guard(settings.host_names), token_guard(settings.token)]
    )
    made.on_response_prepare.append(_secure)
    made.router.add_get("/healthz", answers.healthz)
    made.router.add_get("/readyz", answers.readyz)
    made.router.add_get("/metrics", answers.exposition)
    made.router.add_get("/api/status", answers.status)
    made.router.add_get("/api/events", streams.serve)
    made.router.add_get("/", answers.page)
    made.router.add_get("/assets/{path:.+}", answers.asset)
    return made


class _Answers:
    def __init__(self, settings: HttpSettings, observed: Observed, snapshots: Snapshots) -> None:
        self._ready_when_stuck = settings.ready_when_stuck
        self._observed = observed
        self._snapshots = snapshots
        self._assets = read_assets()

    async def healthz(self, _: web.Request) -> web.Response:
        return web.json_response({"status": "ok"})

    async def readyz(self, _: web.Request) -> web.Response:
        states = self._observed.states
        ready = is_ready(states, when_stuck=self._ready_when_stuck)
        return web.json_response(readiness(states, self._observed.outbox, ready=ready), status=200 if ready else 503)

    async def exposition(self, _: web.Request) -> web.Response:
        return web.Response(body=self._observed.metrics.exposition(), headers={"Content-Type": CONTENT_TYPE})

    async def status(self, request: web.Request) -> web.StreamResponse:
        text = await self._snapshots.whole()
        if request.method == "HEAD":
            return web.Response(body=text, content_type="application/json", charset="utf-8")
        answer = web.StreamResponse(headers={"Content-Type": "application/json; charset=utf-8"})
        answer.content_length = len(text)
        # With thousands of tables it has megabytes. Who asks and does not take it would have a copy of its own kept in memory.
        with suppress(ConnectionError):
            await answer.prepare(request)
            for first in range(0, len(text), _PORTION_BYTES):
                await answer.write(memoryview(text)[first : first + _PORTION_BYTES])
            await answer.write_eof()
        return answer

    async def page(self, request: web.Request) -> web.Response:
        return _found(self._assets, PAGE).answer(request)

    async def asset(self, request: web.Request) -> web.Response:
        return _found(self._assets, request.match_info["path"]).answer(request)


def _found(assets: Mapping[str, Asset], path: str) -> Asset:
    if path not in assets:
        raise web.HTTPNotFound
    return assets[path]


@web.middleware
async def _answered(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Tell the connection that a request is there, and answer what goes wrong in one line."""
    assert isinstance(request.protocol, Connection)
    request.protocol.begin()
    try:
        return await handler(request)
    except web.HTTPNotFound:
        return _refusal(404, "nothing is at this path; the dashboard is at /")
    except web.HTTPMethodNotAllowed as error:
        return _refusal(405, "everything here is asked for by GET or HEAD", {"Allow": error.headers["Allow"]})
    except web.HTTPException as error:
        kept = {name: error.headers[name] for name in ("WWW-Authenticate", "Retry-After") if name in error.headers}
        return _refusal(error.status, error.text or error.reason, kept, close=error.keep_alive is False)
    except Exception:
        # Whatever is wrong with what is told, what is told of goes on.
        logger.exception("cannot answer", extra={"path": request.path})
        return _refusal(500, "this cannot be answered; the log says why")


def _refusal(status: int, text: str, headers: Mapping[str, str] | None = None, *, close: bool = False) -> web.Response:
    answer = web.json_response({"error": text}, status=status, headers=headers, dumps=_line)
    if close:
        answer.force_close()
    return answer


def _line(value: Any) -> str:
    return json.dumps(value) + "\n"


async def _secure(_: web.Request, response: web.StreamResponse) -> None:
    for name, value in _HEADERS.items():
        response.headers.setdefault(name, value)
