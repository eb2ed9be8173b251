"""One open event stream, and what it was sent."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

import anyio

# Who takes nothing for so long is cut off. What comes meanwhile is left out, and not kept for it.
PATIENCE_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Frame:
    """Some events, made ready once for every viewer."""

    text: bytes
    # The same as a chunk of HTTP/1.1.
    chunk: bytes


def frame(event: str, data: bytes, number: int | None = None) -> Frame:
    """One event. The data is JSON, which has no line breaks."""
    identity = b"" if number is None else b"id: %d\n" % number
    return framed(b"event: %b\n%bdata: %b\n\n" % (event.encode(), identity, data))


def framed(text: bytes) -> Frame:
    """What an event stream says, in both forms."""
    return Frame(text, b"%x\r\n%b\r\n" % (len(text), text))


class Viewer:
    """A client that is sent frames as far as it takes them. They are shared: what one that is slow has not taken yet is no copy of its own."""

    def __init__(self, transport: asyncio.Transport, *, is_chunked: bool) -> None:
        self._transport = transport
        self._is_chunked = is_chunked
        # Since when it has not taken what it was sent; None: it has taken everything.
        self._behind_since: float | None = None
        # Which list of tables it was sent.
        self.tables_number = 0
        self.ended = anyio.Event()

    def is_ready(self, now: float) -> bool:
        """Whether to send it something: it is there, and has taken what it was sent before. One that has not for too long is cut off."""
        if self._transport.is_closing():
            self.ended.set()
            return False
        if not self._transport.get_write_buffer_size():
            self._behind_since = None
            return True
        self._behind_since = self._behind_since or now
        if now - self._behind_since > PATIENCE_SECONDS:
            self._transport.abort()
            self.ended.set()
        return False

    def send(self, frame: Frame) -> None:
        if not self._transport.is_closing():
            self._transport.write(frame.chunk if self._is_chunked else frame.text)
