"""HTTP/2 in clear text, which clients begin without asking: AWS's SDK for JavaScript, and SDKs for Java that subscribe to shards.

``h2`` knows the protocol and does no I/O; here are the sockets and the tasks. Each request is answered by a task of its own, so that one
that hangs holds up no other. An answer goes out as fast as the client's windows and the socket take it.

What bounds a client: 100 streams at once and 64 KiB of headers are h2's own limits, and a body may have ``MAX_BODY_BYTES``.
"""

import asyncio
from contextlib import aclosing
from functools import partial
from typing import TYPE_CHECKING, cast

from h2 import events
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.errors import ErrorCodes
from h2.exceptions import ProtocolError
from h2.settings import SettingCodes

from forwarder.local.kinesis.exchange import GRACE_SECONDS, MAX_BODY_BYTES, TOO_LARGE, Handler, Request

if TYPE_CHECKING:
    from hyperframe.frame import Frame, GoAwayFrame

# What a client sends first.
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
# How much a connection may send before it is told that all has been read. With the 64 KiB of the protocol, large requests would come by bits.
_WINDOW_BYTES = 1 << 20
_DEFAULT_WINDOW_BYTES = (1 << 16) - 1


class Http2:
    """Has the requests of all its connections answered by ``handle``."""

    def __init__(self, handle: Handler) -> None:
        self._handle = handle
        self._connections: set[_Connection] = set()

    def connection(self) -> asyncio.Protocol:
        """The protocol of a new connection, which expects the preface to come."""
        return _Connection(self._handle, self._connections)

    def abort(self) -> None:
        """Reset every connection."""
        for connection in tuple(self._connections):
            connection.abort()

    async def close(self) -> None:
        """Say goodbye on all connections, and end them soon even if requests are not answered."""
        await asyncio.gather(*(connection.close() for connection in tuple(self._connections)))


class _Incoming:
    """A request of which not all has arrived."""

    __slots__ = ("_body", "_headers")

    def __init__(self, headers: dict[str, str]) -> None:
        self._headers = headers
        self._body = bytearray()

    def add(self, data: bytes) -> None:
        self._body += data

    @property
    def is_too_large(self) -> bool:
        """Whether it is, or says that it will be; h2 holds a client to its content-length."""
        return max(len(self._body), int(self._headers.get("content-length", 0))) > MAX_BODY_BYTES

    def request(self, *, peer: str) -> Request:
        return Request(
            method=self._headers[":method"],
            path=self._headers[":path"].partition("?")[0],
            headers=self._headers,
            body=bytes(self._body),
            peer=peer,
        )


class _State(H2Connection):
    """A connection as h2 knows it, but for one thing.

    A client that says GOAWAY begins no other request; those that it has begun go on. Node says it as soon as the headers of an answer are
    there, and then waits for the body. h2 takes it for the end of everything (python-hyper/h2#1181).
    """

    def _receive_goaway_frame(self, frame: "GoAwayFrame") -> "tuple[list[Frame], list[events.Event]]":
        return [], [events.ConnectionTerminated()]


class _Connection(asyncio.Protocol):
    """One connection: its streams by their numbers, first as they arrive, then the tasks that answer them."""

    def __init__(self, handle: Handler, connections: "set[_Connection]") -> None:
        self._handle = handle
        self._connections = connections
        # Headers of any bytes can be read as Latin-1.
        self._h2 = _State(H2Configuration(client_side=False, header_encoding="latin-1"))
        self._incoming: dict[int, _Incoming] = {}
        self._tasks: dict[int, asyncio.Task[None]] = {}
        self._begins_no_more = False
        self._socket_is_full = False
        self._moved = asyncio.Event()

    # What the loop calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._peer: str = transport.get_extra_info("peername")[0]
        self._connections.add(self)
        self._h2.initiate_connection()
        self._h2.update_settings({SettingCodes.INITIAL_WINDOW_SIZE: _WINDOW_BYTES})
        self._h2.increment_flow_control_window(_WINDOW_BYTES - _DEFAULT_WINDOW_BYTES)
        self._flush()

    def connection_lost(self, exc: Exception | None) -> None:
        self._connections.discard(self)
        self._cancel()

    def pause_writing(self) -> None:
        self._socket_is_full = True

    def resume_writing(self) -> None:
        self._socket_is_full = False
        self._wake()

    def data_received(self, data: bytes) -> None:
        if self._transport.is_closing():
            return
        try:
            received = self._h2.receive_data(data)
        except ProtocolError:
            # h2 has written a GOAWAY with the reason.
            self._end()
            return
        for event in received:
            self._take(event)
        self._flush()
        self._end_if_done()

    # Ending.

    def abort(self) -> None:
        self._transport.abort()

    async def close(self) -> None:
        """Let what is under way come to its end, if it soon does; then say goodbye."""
        if tasks := set(self._tasks.values()):
            await asyncio.wait(tasks, timeout=GRACE_SECONDS)
        self._h2.close_connection()
        self._end()
        if tasks := set(self._tasks.values()):
            await asyncio.wait(tasks)

    def _end(self) -> None:
        """Send what is written, and close. A client that does not even take that is cut."""
        if self._transport.is_closing():
            return
        self._cancel()
        self._flush()
        if self._transport.get_write_buffer_size():
            self._transport.abort()
        else:
            self._transport.close()

    def _end_if_done(self) -> None:
        if self._begins_no_more and not self._incoming and not self._tasks:
            self._end()

    def _cancel(self) -> None:
        for task in self._tasks.values():
            task.cancel()

    # Requests.

    def _take(self, event: events.Event) -> None:
        match event:
            case events.RequestReceived(stream_id=number):
                self._incoming[number] = _Incoming(dict(cast(list[tuple[str, str]], event.headers)))
                self._check_size(number)
            case events.DataReceived(stream_id=number):
                self._h2.acknowledge_received_data(event.flow_controlled_length, number)
                if number in self._incoming:
                    self._incoming[number].add(event.data)
                    self._check_size(number)
            case events.StreamEnded(stream_id=number):
                if incoming := self._incoming.pop(number, None):
                    self._begin(number, incoming.request(peer=self._peer))
            case events.StreamReset(stream_id=number):
                self._incoming.pop(number, None)
                if task := self._tasks.get(number):
                    task.cancel()
            case events.WindowUpdated() | events.RemoteSettingsChanged():
                self._wake()
            case events.ConnectionTerminated():
                self._begins_no_more = True

    def _check_size(self, number: int) -> None:
        if self._incoming[number].is_too_large:
            del self._incoming[number]
            self._begin(number, None)

    def _begin(self, number: int, request: Request | None) -> None:
        """Answer in a task. Not at once: what has been received together may end with the client's taking its request back."""
        task = self._tasks[number] = asyncio.create_task(self._answer(number, request))
        task.add_done_callback(partial(self._ended, number))

    def _ended(self, number: int, task: asyncio.Task[None]) -> None:
        del self._tasks[number]
        if not task.cancelled() and (error := task.exception()):
            context = {"message": "a request over HTTP/2 could not be answered", "exception": error}
            asyncio.get_running_loop().call_exception_handler(context)
            self._transport.abort()
        self._end_if_done()

    # Answers.

    async def _answer(self, number: int, request: Request | None) -> None:
        """Answer a request; None stands for one that is too large, of which the rest is still to come."""
        response = TOO_LARGE if request is None else await self._handle(request)
        if response is None:
            self._transport.abort()
            return
        headers = [(name.lower(), value) for name, value in response.headers.items()]
        self._h2.send_headers(number, [(":status", str(response.status)), *headers])
        if isinstance(response.body, bytes):
            await self._send(number, response.body)
        else:
            async with aclosing(response.body) as parts:
                async for part in parts:
                    await self._send(number, part)
        self._h2.end_stream(number)
        if request is None:
            self._h2.reset_stream(number, ErrorCodes.NO_ERROR)
        self._flush()

    async def _send(self, number: int, data: bytes) -> None:
        """Send as much as may be sent, and wait until more may, until all is gone."""
        rest = memoryview(data)
        while rest:
            window = 0 if self._socket_is_full else self._h2.local_flow_control_window(number)
            if window <= 0:
                await self._moved.wait()
                continue
            size = min(window, self._h2.max_outbound_frame_size)
            self._h2.send_data(number, rest[:size])
            self._flush()
            rest = rest[size:]

    def _wake(self) -> None:
        """Let all that wait to send look whether they may."""
        self._moved.set()
        self._moved = asyncio.Event()

    def _flush(self) -> None:
        if data := self._h2.data_to_send():
            self._transport.write(data)
