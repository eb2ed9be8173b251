"""Serves a local Kinesis over HTTP/1.1 and HTTP/2 on one port, and carries out the faults that its script decides."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from ipaddress import ip_address
from typing import cast

import anyio
import msgspec

from forwarder.local.kinesis import errors, event_stream
from forwarder.local.kinesis.codecs import codec_of
from forwarder.local.kinesis.errors import KinesisError
from forwarder.local.kinesis.exchange import Request, Response
from forwarder.local.kinesis.faults import CommitLate, Decision, Document, Drop, Error, Hang, LoseResponse, Refuse
from forwarder.local.kinesis.http1 import Http1
from forwarder.local.kinesis.http2 import PREFACE, Http2
from forwarder.local.kinesis.local_kinesis import LocalKinesis
from forwarder.local.kinesis.operations import Call
from forwarder.local.kinesis.protocol import ErrorResponse


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
    """Takes connections and requests, asks the script of faults what goes wrong with each, and answers: rightly, wrongly, late or not at all."""

    def __init__(self, kinesis: LocalKinesis) -> None:
        self._kinesis = kinesis
        self._loop = asyncio.get_running_loop()
        self._http1 = Http1(self._handle)
        self._http2 = Http2(self._handle)
        self._undecided: set[_Undecided] = set()
        self._late_commits: list[asyncio.TimerHandle] = []
        self._refusing_until = 0.0

    def connection(self) -> asyncio.Protocol:
        """The protocol of a new connection."""
        if self._loop.time() < self._refusing_until:
            return _Refusal()
        return _Undecided(self._http1, self._http2, self._undecided)

    async def close(self) -> None:
        for late_commit in self._late_commits:
            late_commit.cancel()
        for connection in tuple(self._undecided):
            connection.abort()
        await asyncio.gather(self._http1.close(), self._http2.close())

    async def _handle(self, request: Request) -> Response | None:
        """The answer to a request; None: its connection is to be cut."""
        codec = codec_of(request.content_type)
        try:
            if request.path == "/faults":
                return self._replace_faults(request)
            target, authorization = (request.headers.get(name, "") for name in ("x-amz-target", "authorization"))
            return await self._answer(Call.read(target, request.body, codec=codec, authorization=authorization))
        except KinesisError as error:
            refusal = ErrorResponse(kind=error.kind, message=error.message)
            return Response(status=error.status, body=codec.encode(refusal), content_type=codec.content_type)

    async def _answer(self, call: Call) -> Response | None:
        decision = self._kinesis.decide(call)
        match decision.ending:
            case Error() as fault:
                raise KinesisError(fault.error_code, "A scripted fault.", status=fault.http_status)
            case Hang():
                await anyio.sleep_forever()
            case Drop():
                return None
            case CommitLate(seconds=seconds):
                self._late_commits.append(self._loop.call_later(seconds, self._commit, call, decision))
                return None
            case Refuse(seconds=seconds):
                self._refuse(seconds)
                return None
        body = self._kinesis.answer(call, decision)
        if decision.delay_seconds:
            await anyio.sleep(decision.delay_seconds)
        if isinstance(decision.ending, LoseResponse):
            return None
        is_whole = isinstance(body, bytes)
        return Response(body=body, content_type=call.codec.content_type if is_whole else event_stream.CONTENT_TYPE)

    def _commit(self, call: Call, decision: Decision) -> None:
        """Carry out a call whose client is gone; a refusal has nobody to go to."""
        with suppress(KinesisError):
            self._kinesis.answer(call, decision)

    def _refuse(self, seconds: float) -> None:
        self._refusing_until = self._loop.time() + seconds
        for connection in tuple(self._undecided):
            connection.abort()
        self._http1.abort()
        self._http2.abort()

    def _replace_faults(self, request: Request) -> Response:
        """``PUT /faults``: put a new script in force. ``{"faults": []}`` ends all faults. It must come from this machine."""
        if request.method != "PUT" or not ip_address(request.peer).is_loopback:
            return Response(status=403)
        try:
            self._kinesis.faults.replace(msgspec.json.decode(request.body, type=Document).faults)
        except msgspec.DecodeError as error:
            raise errors.serialization(str(error)) from error
        return Response(status=204)


class _Undecided(asyncio.Protocol):
    """A connection whose first bytes are to come: those of HTTP/2 are the same for every client."""

    def __init__(self, http1: Http1, http2: Http2, undecided: "set[_Undecided]") -> None:
        self._http1 = http1
        self._http2 = http2
        self._undecided = undecided
        self._received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._undecided.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self._undecided.discard(self)

    def data_received(self, data: bytes) -> None:
        self._received += data
        if self._received.startswith(PREFACE):
            self._become(self._http2.connection())
        elif not PREFACE.startswith(self._received):
            self._become(self._http1.connection())

    def abort(self) -> None:
        self._transport.abort()

    def _become(self, protocol: asyncio.Protocol) -> None:
        self._undecided.discard(self)
        self._transport.set_protocol(protocol)
        protocol.connection_made(self._transport)
        protocol.data_received(self._received)


class _Refusal(asyncio.Protocol):
    """A connection that is reset as soon as it is made."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        cast(asyncio.Transport, transport).abort()
