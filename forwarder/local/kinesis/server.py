"""Serves a local Kinesis over HTTP on loopback, and carries out the faults that its script decides."""

import asyncio
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from ipaddress import ip_address
from typing import cast

import anyio
import msgspec
from aiohttp import web

from forwarder.local.kinesis import errors
from forwarder.local.kinesis.codecs import JSON, Codec, codec_of
from forwarder.local.kinesis.errors import KinesisError
from forwarder.local.kinesis.faults import CommitLate, Decision, Document, Drop, Error, Hang, LoseResponse, Refuse
from forwarder.local.kinesis.local_kinesis import LocalKinesis
from forwarder.local.kinesis.operations import Call
from forwarder.local.kinesis.protocol import ErrorResponse

MAX_BODY_BYTES = 20 << 20
_READ_BUFFER_BYTES = 1 << 20
# How long requests may still take when serving ends. Not 0, which aiohttp takes for "wait for ever".
_GRACE_SECONDS = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """Where a local Kinesis listens."""

    host: str
    port: int

    @property
    def url(self) -> str:
        """What to give an AWS SDK as ``endpoint_url``."""
        return f"http://{self.host}:{self.port}"


@asynccontextmanager
async def serve(kinesis: LocalKinesis, *, host: str = "127.0.0.1", port: int = 0) -> AsyncIterator[Endpoint]:
    """Serve until the block ends; port 0 takes a free one.

    Raises:
        OSError: the port is in use.
    """
    door = _Door(kinesis)
    loop = asyncio.get_running_loop()
    listener = await loop.create_server(door.connection, host, port)
    try:
        yield Endpoint(host=host, port=listener.sockets[0].getsockname()[1])
    finally:
        listener.close()
        await door.close()


class _Door:
    """Takes requests, asks the script of faults what goes wrong with each, and answers: rightly, wrongly, late or not at all.

    When a client gives its connection up, what waits on it is cancelled; so a hang or a delay ends with its client.
    """

    def __init__(self, kinesis: LocalKinesis) -> None:
        self._kinesis = kinesis
        self._loop = asyncio.get_running_loop()
        self._server = web.Server(
            self._handle, handler_cancellation=True, access_log=None, read_bufsize=_READ_BUFFER_BYTES
        )
        self._late_commits: list[asyncio.TimerHandle] = []
        self._refusing_until = 0.0

    def connection(self) -> asyncio.Protocol:
        """The protocol of a new connection."""
        return _Refusal() if self._loop.time() < self._refusing_until else self._server()

    async def close(self) -> None:
        for late_commit in self._late_commits:
            late_commit.cancel()
        await self._server.shutdown(timeout=_GRACE_SECONDS)

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        if (request.content_length or 0) > MAX_BODY_BYTES:
            return _response(b"", status=413)
        body = await request.content.read()
        codec = codec_of(request.content_type)
        try:
            if request.path == "/faults":
                return self._replace_faults(request, body)
            target, authorization = (request.headers.get(name, "") for name in ("X-Amz-Target", "Authorization"))
            return await self._answer(Call.read(target, body, codec=codec, authorization=authorization), request)
        except KinesisError as error:
            refusal = ErrorResponse(kind=error.kind, message=error.message)
            return _response(codec.encode(refusal), status=error.status, codec=codec)

    async def _answer(self, call: Call, request: web.BaseRequest) -> web.StreamResponse:
        decision = self._kinesis.decide(call)
        match decision.ending:
            case Error() as fault:
                raise KinesisError(fault.error_code, "A scripted fault.", status=fault.http_status)
            case Hang():
                await anyio.sleep_forever()
            case Drop():
                return _drop(request)
            case CommitLate(seconds=seconds):
                self._late_commits.append(self._loop.call_later(seconds, self._commit, call, decision))
                return _drop(request)
            case Refuse(seconds=seconds):
                return self._refuse(seconds)
        body = self._kinesis.answer(call, decision)
        if decision.delay_seconds:
            await anyio.sleep(decision.delay_seconds)
        return _drop(request) if isinstance(decision.ending, LoseResponse) else _response(body, codec=call.codec)

    def _commit(self, call: Call, decision: Decision) -> None:
        """Carry out a call whose client is gone; a refusal has nobody to go to."""
        with suppress(KinesisError):
            self._kinesis.answer(call, decision)

    def _refuse(self, seconds: float) -> web.StreamResponse:
        self._refusing_until = self._loop.time() + seconds
        for connection in self._server.connections:
            if connection.transport is not None:
                connection.transport.abort()
        return _response(b"")

    def _replace_faults(self, request: web.BaseRequest, body: bytes) -> web.StreamResponse:
        """``PUT /faults``: put a new script in force. ``{"faults": []}`` ends all faults. It must come from this machine."""
        if request.method != "PUT" or not ip_address(request.remote or "0.0.0.0").is_loopback:
            return _response(b"", status=403)
        try:
            self._kinesis.faults.replace(msgspec.json.decode(body, type=Document).faults)
        except msgspec.DecodeError as error:
            raise errors.serialization(str(error)) from error
        return _response(b"", status=204)


class _Refusal(asyncio.Protocol):
    """A connection that is reset as soon as it is made."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        cast(asyncio.Transport, transport).abort()


def _drop(request: web.BaseRequest) -> web.StreamResponse:
    """Cut the connection. aiohttp wants a response all the same, which nobody receives."""
    if request.transport is not None:
        request.transport.abort()
    return _response(b"")


def _response(body: bytes, *, status: int = 200, codec: Codec = JSON) -> web.Response:
    headers = {"Content-Type": codec.content_type, "x-amzn-RequestId": str(uuid.uuid4())}
    return web.Response(body=body, status=status, headers=headers)
