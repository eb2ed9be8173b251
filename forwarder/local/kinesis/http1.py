"""HTTP/1.1, by aiohttp."""

import asyncio
from contextlib import aclosing

from aiohttp import web

from forwarder.local.kinesis.exchange import GRACE_SECONDS, MAX_BODY_BYTES, TOO_LARGE, Handler, Request, Response

_READ_BUFFER_BYTES = 1 << 20


class Http1:
    """Has the requests of all its connections answered by ``handle``.

    When a client gives its connection up, what waits on it is cancelled; so a hang or a delay ends with its client.
    """

    def __init__(self, handle: Handler) -> None:
        self._handle = handle
        self._server = web.Server(
            self._answer, handler_cancellation=True, access_log=None, read_bufsize=_READ_BUFFER_BYTES
        )

    def connection(self) -> asyncio.Protocol:
        """The protocol of a new connection."""
        return self._server()

    def abort(self) -> None:
        """Reset every connection."""
        for connection in self._server.connections:
            if connection.transport is not None:
                connection.transport.abort()

    async def close(self) -> None:
        """End all connections, and soon even those whose requests are not answered."""
        await self._server.shutdown(timeout=GRACE_SECONDS)

    async def _answer(self, request: web.BaseRequest) -> web.StreamResponse:
        response = await self._response(request)
        if response is None:
            return _cut(request)
        if isinstance(response.body, bytes):
            return web.Response(body=response.body, status=response.status, headers=response.headers)
        stream = web.StreamResponse(status=response.status, headers=response.headers)
        await stream.prepare(request)
        async with aclosing(response.body) as parts:
            async for part in parts:
                await stream.write(part)
        return stream

    async def _response(self, request: web.BaseRequest) -> Response | None:
        if (request.content_length or 0) > MAX_BODY_BYTES or (body := await _body(request)) is None:
            return TOO_LARGE
        return await self._handle(
            Request(
                method=request.method,
                path=request.path,
                headers=request.headers,
                body=body,
                peer=request.remote or "0.0.0.0",
            )
        )


async def _body(request: web.BaseRequest) -> bytes | None:
    """The body; None if it is too large, which a chunked one only tells by and by."""
    parts: list[bytes] = []
    size = 0
    async for part in request.content.iter_any():
        size += len(part)
        if size > MAX_BODY_BYTES:
            return None
        parts.append(part)
    return b"".join(parts)


def _cut(request: web.BaseRequest) -> web.StreamResponse:
    """Cut the connection. aiohttp wants a response all the same, which nobody receives."""
    if request.transport is not None:
        request.transport.abort()
    return web.Response()
