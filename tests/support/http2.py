"""A client of HTTP/2 in clear text that can be slow, take a request back, or leave: it does no more than it is told."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, cast

import anyio
from anyio.abc import SocketStream
from h2 import events
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.errors import ErrorCodes
from h2.settings import SettingCodes
from hyperframe.frame import GoAwayFrame

from forwarder.local.kinesis import Endpoint
from forwarder.local.kinesis.operations import TARGET_PREFIX

WINDOW = 2**24


class Answer:
    """What has come of an answer."""

    def __init__(self) -> None:
        self.headers: dict[str, str] = {}
        self.body = bytearray()
        self.has_ended = False

    @property
    def status(self) -> int:
        return int(self.headers[":status"])

    @property
    def content(self) -> Any:
        return json.loads(self.body)


class Client:
    """One connection. ``answers`` are those of its requests, by their numbers, as far as ``receive`` has got them.

    On the connection the server may send 16 MiB; how much of one answer is ``connected``'s argument, until ``take`` says otherwise.
    """

    def __init__(self, stream: SocketStream) -> None:
        self.h2 = H2Connection(H2Configuration(client_side=True, header_encoding="latin-1"))
        self.answers: dict[int, Answer] = {}
        # Why the server says goodbye, if it does.
        self.goodbye: int | None = None
        self._stream = stream

    async def begin(self, operation: str, members: Mapping[str, Any] | None = None) -> int:
        """Send a request for an operation; its number."""
        return await self.send(json.dumps(members or {}).encode(), {"x-amz-target": f"{TARGET_PREFIX}{operation}"})

    async def send(self, body: bytes, headers: Mapping[str, str], *, method: str = "POST", path: str = "/") -> int:
        """Send any request, as fast as the server lets it and until it is answered; its number."""
        number = self.h2.get_next_available_stream_id()
        self.answers[number] = Answer()
        pseudo = {":method": method, ":scheme": "http", ":authority": "local", ":path": path}
        self.h2.send_headers(number, [*pseudo.items(), *headers.items()])
        rest = memoryview(body)
        while rest and not self.answers[number].headers:
            size = min(self.h2.local_flow_control_window(number), self.h2.max_outbound_frame_size)
            if not size:
                await self.receive()
                continue
            self.h2.send_data(number, rest[:size])
            await self.flush()
            rest = rest[size:]
        if not rest:
            self.h2.end_stream(number)
        await self.flush()
        return number

    async def answer(self, number: int) -> Answer:
        """Wait for all of an answer."""
        while not self.answers[number].has_ended:
            await self.receive()
        return self.answers[number]

    async def call(self, operation: str, members: Mapping[str, Any] | None = None) -> Any:
        """What an operation answers."""
        answer = await self.answer(await self.begin(operation, members))
        assert answer.status == 200, answer.body
        return answer.content

    async def receive(self) -> None:
        """Wait for something to come, and take note of it.

        Raises:
            anyio.EndOfStream, anyio.BrokenResourceError: the server has closed the connection.
        """
        for event in self.h2.receive_data(await self._stream.receive()):
            match event:
                case events.ResponseReceived():
                    self.answers[event.stream_id].headers = dict(cast(list[tuple[str, str]], event.headers))
                case events.DataReceived():
                    self.answers[event.stream_id].body += event.data
                case events.StreamEnded():
                    self.answers[event.stream_id].has_ended = True
                case events.ConnectionTerminated():
                    self.goodbye = int(event.error_code or 0)
        await self.flush()

    async def listen(self) -> None:
        """Receive until the server closes the connection; never returns."""
        while True:
            await self.receive()

    async def take(self, number: int, size: int) -> None:
        """Let the server send so many bytes more of an answer."""
        self.h2.increment_flow_control_window(size, number)
        await self.flush()

    async def reset(self, number: int) -> None:
        """Take a request back."""
        self.h2.reset_stream(number, ErrorCodes.CANCEL)
        await self.flush()

    async def leave(self) -> None:
        """Say that no other request will be begun. h2 would take it for the end of everything."""
        await self._stream.send(GoAwayFrame().serialize())

    async def babble(self, data: bytes) -> None:
        """Send these bytes, whatever they mean."""
        await self._stream.send(data)

    async def flush(self) -> None:
        if data := self.h2.data_to_send():
            await self._stream.send(data)


@asynccontextmanager
async def connected(endpoint: Endpoint, *, window: int = WINDOW) -> AsyncIterator[Client]:
    """A client that takes ``window`` bytes of each answer until it says otherwise."""
    async with await anyio.connect_tcp(endpoint.host, endpoint.port) as stream:
        client = Client(stream)
        client.h2.initiate_connection()
        client.h2.increment_flow_control_window(WINDOW)
        client.h2.update_settings({SettingCodes.INITIAL_WINDOW_SIZE: window})
        await client.flush()
        yield client
