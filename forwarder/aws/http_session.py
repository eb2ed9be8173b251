"""Connections that follow no redirect, since AWS sends none for what we ask, that read of an answer no more than one may have, that
have little of what is sent waiting in them, and that end with the request that is given up.

aiohttp takes the signature from what it sends to another origin, but knows nothing of the session token in a request, nor of its body.
It keeps all of an answer in memory, whatever its size, which is decided by whoever sends it: a gateway with an odd page, say. And it
closes a connection when all that waits in it is sent: to a peer that reads nothing, never.
"""

from __future__ import annotations

import socket
import struct
from asyncio import Transport
from collections.abc import Iterable, Iterator
from contextlib import suppress
from functools import partial
from typing import Any

import aiohttp
import anyio
from aiobotocore.httpsession import AIOHTTPSession
from aiohttp.abc import AbstractStreamWriter

# The longest answer to what we ask is a page of a thousand shards, some 400 kB; that to 500 records is half of it.
MAX_ANSWER_BYTES = 1 << 20
# That something is wrong, the status of an answer tells. What else it says is for people.
MAX_ERROR_BYTES = 1 << 16
# What is sent waits for its connection in slices of this size, if it has more.
SLICE_BYTES = 1 << 20
# How long what is left in a connection may take when it is closed.
CLOSE_SECONDS = 2.0
# By this the system forgets what it has not sent of a connection that is closed, and says so to the peer.
_FORGETS_WHAT_WAITS = struct.pack("ii", 1, 0)


class StraightSession(AIOHTTPSession):  # type: ignore[misc]
    """As botocore's own, but a redirect is an answer as any other, and an error.

    What is beyond the bounds is not read, and its connection closed. An error is cut there; anything else is no answer at all.

    Of a request that is given up, for whatever reason, nothing more is sent, and nothing is left.
    """

    async def __aexit__(self, *error: object) -> None:
        """Close every connection, or leave it to the end of the process: one whose peer takes nothing any more has no end by itself."""
        with anyio.move_on_after(CLOSE_SECONDS):
            await super().__aexit__(*error)

    async def _create_connector(self, proxy_url: str | None) -> Any:
        connector = await super()._create_connector(proxy_url)
        connector._release = partial(_release, connector._release)
        return connector

    async def _get_session(self, proxy_url: str | None) -> Any:
        return _Straight(await super()._get_session(proxy_url))


def _release(release: Any, key: Any, protocol: Any, *, should_close: bool = False) -> None:
    """Take a connection back from a request. aiohttp asks for it to be closed if the request was given up, or only half sent."""
    transport = protocol.transport
    # If what was answered is not yet sent, who would send the next request behind it?
    if transport is not None and (should_close or transport.get_write_buffer_size()):
        _reset(transport)
        should_close = True
    release(key, protocol, should_close=should_close)


def _reset(transport: Transport) -> None:
    """End a connection at once, with all that waits in it: here, and in the system, which may have megabytes more."""
    # One that is being closed may have given its descriptor back, which is another connection's by now.
    if not transport.is_closing():
        with suppress(OSError):
            transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _FORGETS_WHAT_WAITS)
    transport.abort()


class _Straight:
    """A session as far as it is asked for requests."""

    __slots__ = ("_session",)

    def __init__(self, session: Any) -> None:
        self._session = session

    async def request(self, method: str, **options: Any) -> _Answer:
        data = options["data"]
        if isinstance(data, bytes) and len(data) > SLICE_BYTES:
            options["data"] = Sliced(_Slices(data))
        return _Answer(await self._session.request(method, allow_redirects=False, **options))


class _Slices:
    """Those of a body that is in memory."""

    __slots__ = ("_data",)

    def __init__(self, data: bytes) -> None:
        self._data = memoryview(data)

    def __iter__(self) -> Iterator[memoryview]:
        return (self._data[offset : offset + SLICE_BYTES] for offset in range(0, len(self._data), SLICE_BYTES))


class Sliced(aiohttp.Payload):
    """A body as aiohttp sends it: the next slice is taken when the connection has room again, not all of it into its buffer at once.

    The slices are asked for twice, to be measured and sent, and have to be the same both times.
    """

    _autoclose = True

    def __init__(self, slices: Iterable[bytes | memoryview]) -> None:
        super().__init__(slices)
        self._size = sum(map(len, slices))

    def decode(self, encoding: str = "utf-8", errors: str = "strict") -> str:
        """As every payload must."""
        return b"".join(self._value).decode(encoding, errors)

    async def write(self, writer: AbstractStreamWriter) -> None:
        """Write all of it."""
        for part in self._value:
            await writer.write(part)


class _Answer:
    """An answer as far as botocore looks at one."""

    __slots__ = ("_response", "raw_headers", "status", "url")

    def __init__(self, response: aiohttp.ClientResponse) -> None:
        self._response = response
        self.raw_headers = response.raw_headers
        self.status = response.status
        self.url = response.url

    async def read(self) -> bytes:
        """Its body.

        Raises:
            ClientError: it is too long, or ends too soon.
        """
        is_error = self.status >= 300
        limit = MAX_ERROR_BYTES if is_error else MAX_ANSWER_BYTES
        body = bytearray()
        try:
            while len(body) <= limit and (part := await self._response.content.readany()):
                body += part
        except BaseException:
            self._response.close()
            raise
        if len(body) > limit:
            self._response.close()
            if not is_error:
                raise aiohttp.ClientError(f"an answer of more than {limit} bytes")
            del body[limit:]
        return bytes(body)
