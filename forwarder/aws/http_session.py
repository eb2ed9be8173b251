"""The HTTP connections of the AWS client, bounded in four ways in which aiohttp's are not.

1. **No redirect is followed**: AWS sends none for what we ask. aiohttp would send the body, and the session token of the credentials, to
   whatever host the redirect names.
2. **An answer has a largest size.** aiohttp would keep all of it in memory, whatever the peer sends, such as an odd page of a gateway.
3. **A body is handed to its connection in slices**, the next one when there is room. aiohttp would put all of it into the buffer of the
   connection.
4. **A request that is given up ends its connection at once**, with all that still waits in it. aiohttp would close the connection when that
   is sent: to a peer that reads nothing, never.
"""

from __future__ import annotations

import socket
import struct
from asyncio import Transport
from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from typing import Any, Protocol

import aiohttp
import anyio
from aiobotocore.httpsession import AIOHTTPSession
from aiohttp.abc import AbstractStreamWriter

# The longest answer to what we ask is a page of a thousand shards, of some 400 kB; the answer to 500 records has half of that.
MAX_ANSWER_BYTES = 1 << 20
# GetRecords answers 10 MiB of data, or 10,000 records: in base64, with some 250 bytes around each.
MAX_READ_BYTES = 20 << 20
# An error is told by the status of the answer. The body is for people, and is cut off here.
MAX_ERROR_BYTES = 1 << 16
# A body is handed to its connection in slices of this size.
SLICE_BYTES = 1 << 20
# aiohttp copies a body to the end of the headers, to send both at once. A larger one is sent after them.
WITH_HEADERS_BYTES = 1 << 15
# How long all connections together may take to close at the end.
CLOSE_SECONDS = 2.0
# Linger for 0 seconds: a connection that is closed is reset, and the system drops what it has not sent.
_FORGETS_WHAT_WAITS = struct.pack("ii", 1, 0)


class StraightSession(AIOHTTPSession):  # type: ignore[misc]
    """botocore's session with these bounds. A redirect is an error. Of answers that are too long, errors are cut off, and others refused."""

    max_answer_bytes = MAX_ANSWER_BYTES

    async def __aexit__(self, *error: object) -> None:
        """Close every connection. One whose peer takes nothing any more would never be closed: the end of the process will do that."""
        with anyio.move_on_after(CLOSE_SECONDS):
            await super().__aexit__(*error)

    async def _create_connector(self, proxy_url: str | None) -> Any:
        connector = await super()._create_connector(proxy_url)
        connector._release = partial(_release, connector._release)
        return connector

    async def _get_session(self, proxy_url: str | None) -> Any:
        return _Straight(await super()._get_session(proxy_url), max_answer_bytes=self.max_answer_bytes)


class ReadingSession(StraightSession):
    """The same for whoever reads a stream."""

    max_answer_bytes = MAX_READ_BYTES


def _release(release: Any, key: Any, protocol: Any, *, should_close: bool = False) -> None:
    """Take a connection back from a request. ``should_close`` is aiohttp's word that the request was given up, or sent in part."""
    transport = protocol.transport
    # A connection in which a part of a request still waits, although it was answered, must not have the next request behind that.
    if transport is not None and (should_close or transport.get_write_buffer_size()):
        _reset(transport)
        should_close = True
    release(key, protocol, should_close=should_close)


def _reset(transport: Transport) -> None:
    """End a connection at once, and drop all that waits in it: in the buffer here, and in that of the system, which may have megabytes."""
    # One that is being closed may have given its descriptor back already, and another connection may have it by now.
    if not transport.is_closing():
        with suppress(OSError):
            transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _FORGETS_WHAT_WAITS)
    transport.abort()


class _Straight:
    """The part of aiohttp's session that botocore uses: it makes requests."""

    __slots__ = ("_max_answer_bytes", "_session")

    def __init__(self, session: Any, *, max_answer_bytes: int) -> None:
        self._session = session
        self._max_answer_bytes = max_answer_bytes

    async def request(self, method: str, **options: Any) -> _Answer:
        data = options["data"]
        if isinstance(data, bytes) and len(data) > WITH_HEADERS_BYTES:
            options["data"] = Sliced(_SlicesOfBytes(data))
        response = await self._session.request(method, allow_redirects=False, **options)
        return _Answer(response, max_bytes=self._max_answer_bytes)


class Slices(Protocol):
    """A body in slices. They may be made anew for each iteration, and have to be the same each time."""

    @property
    def size(self) -> int:
        """Bytes of all slices together."""

    def __iter__(self) -> Iterator[bytes | memoryview]:
        """The slices in order."""


class _SlicesOfBytes:
    """The slices of a body that is in memory."""

    __slots__ = ("_data", "size")

    def __init__(self, data: bytes) -> None:
        self._data = memoryview(data)
        self.size = len(data)

    def __iter__(self) -> Iterator[memoryview]:
        return (self._data[offset : offset + SLICE_BYTES] for offset in range(0, len(self._data), SLICE_BYTES))


class Sliced(aiohttp.Payload):
    """A body that is sent after the headers, slice by slice: the next one is taken when the connection has room."""

    _autoclose = True

    def __init__(self, slices: Slices) -> None:
        super().__init__(slices)
        self._size = slices.size

    def decode(self, encoding: str = "utf-8", errors: str = "strict") -> str:
        """The body as text, which every payload of aiohttp must be able to give."""
        return b"".join(self._value).decode(encoding, errors)

    async def write(self, writer: AbstractStreamWriter) -> None:
        """Write all of it."""
        writer.send_headers()
        for part in self._value:
            await writer.write(part)


class _Answer:
    """The part of aiohttp's answer that botocore uses."""

    __slots__ = ("_max_bytes", "_response", "raw_headers", "status", "url")

    def __init__(self, response: aiohttp.ClientResponse, *, max_bytes: int) -> None:
        self._response = response
        self._max_bytes = max_bytes
        self.raw_headers = response.raw_headers
        self.status = response.status
        self.url = response.url

    async def read(self) -> bytes:
        """Its body.

        Raises:
            ClientError: it is too long, or ends too soon.
        """
        is_error = self.status >= 300
        limit = MAX_ERROR_BYTES if is_error else self._max_bytes
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
