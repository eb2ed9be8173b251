"""A stream-side server that misbehaves on demand: it plays the endpoint of a sink, its proxy, and who gives out its credentials.

Bytes go over a real socket, so that whatever lies between a sink and the far side takes part. A script says for each operation what
becomes of its next requests; when the script has come to its end, or says nothing, the server is well.
"""

from __future__ import annotations

import json
from base64 import b64decode
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from ssl import PROTOCOL_TLS_SERVER, SSLContext
from typing import Any

import anyio
from anyio.abc import ByteStream, Listener, SocketAttribute
from anyio.streams.buffered import BufferedByteReceiveStream
from anyio.streams.tls import TLSListener

from forwarder.aws import cbor

# What any request is, whatever its operation.
ANY = "*"
_MAX_HEAD_BYTES = 1 << 16
_FLOOD_BYTES = 64 << 20
_WAVE = b"x" * (1 << 16)


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One that the server was sent; ``operation`` is the API's name for it, or the HTTP method and path."""

    operation: str
    headers: Mapping[str, str]
    body: bytes = b""

    @property
    def content(self) -> Any:
        """Its body, read as what it says that it is."""
        return cbor.decode(self.body) if self.is_cbor else json.loads(self.body)

    @property
    def is_cbor(self) -> bool:
        """Whether it is in CBOR, and not in JSON."""
        return "cbor" in self.headers.get("content-type", "")

    @property
    def records(self) -> Sequence[tuple[str, bytes]]:
        """Key and data of each record of a PutRecords."""
        members = [(record["PartitionKey"], record["Data"]) for record in self.content["Records"]]
        return members if self.is_cbor else [(key, b64decode(data)) for key, data in members]


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """An answer of any kind, odd ones too."""

    status: int = 200
    body: bytes = b""
    headers: tuple[tuple[str, str], ...] = ()
    # In place of a body: what it says, in the format of the request.
    content: Any = None
    # It comes when the head of the request is read, and no byte more is.
    is_hasty: bool = False

    def encoded(self, request: Request) -> bytes:
        """The bytes that answer this request."""
        body = self.body
        if self.content is not None:
            body = cbor.encode(self.content) if request.is_cbor else json.dumps(self.content).encode()
        lines = [f"HTTP/1.1 {self.status} -", f"Content-Length: {len(body)}", *map(": ".join, self.headers)]
        return "\r\n".join([*lines, "", ""]).encode() + body


@dataclass(frozen=True, slots=True, kw_only=True)
class StopReading:
    """The head of the request is read, and no byte more until the server thaws; nothing is closed. Who asks whether to go on is told to."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Silence:
    """The request is read and never answered: a proxy that takes a CONNECT and says nothing, for one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Late:
    """The request is read, and served when the server thaws: by then nobody may be waiting for it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Drip:
    """An answer of which a byte comes now and then, sooner than any time-out between two bytes, for ever."""

    seconds: float = 0.02


@dataclass(frozen=True, slots=True, kw_only=True)
class Flood:
    """An answer of 64 MiB, as far as somebody takes it."""

    status: int = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class TooLargeAbove:
    """As a gateway with a limit for the body of a request; what fits is answered as ever."""

    size: int
    body: bytes = b""
    # Whether it reads what it refuses; else it answers when it has read how long the body is, and hangs up.
    reads: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class ByContent:
    """What becomes of a request follows from what is in it; None: it is answered as ever."""

    choose: Callable[[Request], Answer | None]


Behaviour = Answer | StopReading | Silence | Late | Drip | Flood | TooLargeAbove | ByContent


def answer(content: Any, *, status: int = 200) -> Answer:
    """An answer as Kinesis gives it, in the format of the request."""
    return Answer(status=status, content=content)


def redirect(url: str) -> Answer:
    """The way to another place, to be gone with the same method and body."""
    return Answer(status=307, headers=(("Location", url),))


class Misbehaving:
    """A server on a port of 127.0.0.1. Without a script it stores every record, and says of its stream what is usual."""

    def __init__(self, port: int, *, scheme: str = "http") -> None:
        self.url = f"{scheme}://127.0.0.1:{port}"
        self.requests: list[Request] = []
        self.stored: list[str] = []
        # Key and data, as they came.
        self.records: list[tuple[str, bytes]] = []
        # Bytes of floods that somebody has taken, or that are in the buffers of a socket.
        self.flooded = 0
        # Connections that are being served.
        self.open = 0
        self._scripts: dict[str, list[Behaviour]] = {}
        self._standing: dict[str, Behaviour] = {}
        self._released = anyio.Event()
        self._hangs_up = False

    def next(self, operation: str, *behaviours: Behaviour) -> None:
        """Treat the next requests for an operation so, one after the other."""
        self._scripts.setdefault(operation, []).extend(behaviours)

    def always(self, operation: str, behaviour: Behaviour) -> None:
        """Treat all requests for an operation so, or for ``ANY``."""
        self._standing[operation] = behaviour

    def behave(self) -> None:
        """Forget every script."""
        self._scripts.clear()
        self._standing.clear()

    def hang_up(self) -> None:
        """Forget every script, and close the connections of those who are kept waiting."""
        self._hangs_up = True
        self.thaw()

    def thaw(self) -> None:
        """Forget every script, and go on where reading was stopped or a request is late: it is served, if all of it is there."""
        self.behave()
        self._released.set()
        self._released = anyio.Event()

    def asked(self, operation: str) -> list[Request]:
        """The requests for an operation so far."""
        return [request for request in self.requests if request.operation == operation]

    async def handle(self, stream: ByteStream) -> None:
        """Serve one connection until the client hangs up."""
        reader = BufferedByteReceiveStream(stream)
        self.open += 1
        async with stream:
            try:
                while True:
                    await self._serve(reader, stream)
            except (anyio.EndOfStream, anyio.IncompleteRead, anyio.BrokenResourceError, anyio.ClosedResourceError):
                pass
            finally:
                self.open -= 1

    async def _serve(self, reader: BufferedByteReceiveStream, stream: ByteStream) -> None:
        head = (await reader.receive_until(b"\r\n\r\n", _MAX_HEAD_BYTES)).decode()
        first, *lines = head.split("\r\n")
        headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}
        method, path, _ = first.split(" ")
        operation = headers.get("x-amz-target", "").rpartition(".")[2] or f"{method} {path}"
        operation = "CONNECT" if method == "CONNECT" else operation
        behaviour = self._behaviour(operation)
        if isinstance(behaviour, StopReading):
            self.requests.append(Request(operation=operation, headers=headers))
            if "expect" in headers:
                await stream.send(b"HTTP/1.1 100 Continue\r\n\r\n")
            await self._released.wait()
            if self._hangs_up:
                raise anyio.EndOfStream
        if isinstance(behaviour, Answer) and behaviour.is_hasty:
            self.requests.append(Request(operation=operation, headers=headers))
            await stream.send(behaviour.encoded(self.requests[-1]))
            await anyio.sleep_forever()
        length = int(headers.get("content-length", 0))
        if isinstance(behaviour, TooLargeAbove) and length > behaviour.size and not behaviour.reads:
            self.requests.append(Request(operation=operation, headers=headers))
            await stream.send(
                Answer(status=413, body=behaviour.body, headers=(("Connection", "close"),)).encoded(self.requests[-1])
            )
            raise anyio.ClosedResourceError
        if "expect" in headers:
            await stream.send(b"HTTP/1.1 100 Continue\r\n\r\n")
        body = await reader.receive_exactly(length) if "content-length" in headers else b""
        request = Request(operation=operation, headers=headers, body=body)
        self.requests.append(request)
        await self._respond(request, behaviour, stream)

    def _behaviour(self, operation: str) -> Behaviour | None:
        if script := self._scripts.get(operation):
            return script.pop(0)
        return self._standing.get(operation, self._standing.get(ANY))

    async def _respond(self, request: Request, behaviour: Behaviour | None, stream: ByteStream) -> None:
        if isinstance(behaviour, Silence):
            await anyio.sleep_forever()
        elif isinstance(behaviour, Late):
            await self._released.wait()
            await stream.send(self._usual(request).encoded(request))
        elif isinstance(behaviour, Drip):
            await self._drip(behaviour, stream)
        elif isinstance(behaviour, Flood):
            await self._flood(behaviour, stream)
        elif isinstance(behaviour, TooLargeAbove) and len(request.body) > behaviour.size:
            await stream.send(Answer(status=413, body=behaviour.body).encoded(request))
        elif isinstance(behaviour, Answer):
            await stream.send(behaviour.encoded(request))
        elif isinstance(behaviour, ByContent) and (chosen := behaviour.choose(request)):
            await stream.send(chosen.encoded(request))
        else:
            await stream.send(self._usual(request).encoded(request))

    async def _drip(self, drip: Drip, stream: ByteStream) -> None:
        await stream.send(b"HTTP/1.1 200 -\r\nContent-Length: 1000000\r\n\r\n")
        while True:
            await stream.send(b" ")
            await anyio.sleep(drip.seconds)

    async def _flood(self, flood: Flood, stream: ByteStream) -> None:
        await stream.send(f"HTTP/1.1 {flood.status} -\r\nContent-Length: {_FLOOD_BYTES}\r\n\r\n".encode())
        for _ in range(0, _FLOOD_BYTES, len(_WAVE)):
            await stream.send(_WAVE)
            self.flooded += len(_WAVE)

    def _usual(self, request: Request) -> Answer:
        """What a stream that is well says."""
        usual: dict[str, Callable[[Request], Any]] = {
            "PutRecords": self._put_records,
            "DescribeStreamSummary": lambda _: {"StreamDescriptionSummary": {"StreamStatus": "ACTIVE"}},
            "ListShards": lambda _: {"Shards": [SHARD]},
        }
        operation = usual.get(request.operation)
        if operation:
            return answer(operation(request))
        # S3 has stored an object.
        return Answer(headers=(("ETag", '"any"'),)) if request.operation.startswith("PUT ") else Answer()

    def _put_records(self, request: Request) -> Any:
        records = request.records
        keys = [key for key, _ in records]
        first = len(self.stored)
        self.stored += keys
        self.records += records
        results = [
            {"ShardId": SHARD["ShardId"], "SequenceNumber": str(first + index)} for index, _ in enumerate(keys, start=1)
        ]
        return {"FailedRecordCount": 0, "Records": results}


SHARD: Mapping[str, Any] = {
    "ShardId": "shardId-000000000000",
    "HashKeyRange": {"StartingHashKey": "0", "EndingHashKey": str(2**128 - 1)},
    "SequenceNumberRange": {"StartingSequenceNumber": "1"},
}


@asynccontextmanager
async def misbehaving(certificate: Path | None = None) -> AsyncIterator[Misbehaving]:
    """Such a server, for the length of a block; at its end every connection is dropped. With a certificate it speaks TLS."""
    listener: Listener[Any] = await anyio.create_tcp_listener(local_host="127.0.0.1")
    server = Misbehaving(listener.extra(SocketAttribute.local_port), scheme="https" if certificate else "http")
    if certificate:
        context = SSLContext(PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        listener = TLSListener(listener, context, standard_compatible=False)
    async with listener, anyio.create_task_group() as tasks:
        tasks.start_soon(listener.serve, server.handle)
        yield server
        tasks.cancel_scope.cancel()
