"""Sinks that somebody reads as they are written: pipes, terminals and sockets, one JSON record a line.

The reader may stall: then a write waits, and may be given up in the middle of a line. It may leave, and another may come. In either case the
next write begins with the rest of that line.
"""

from __future__ import annotations

import errno
import os
import stat
import sys
from collections import deque
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import anyio

from forwarder.errors import Gone, Refused, Unavailable
from forwarder.sinks.line_sink import LineSink, PlainSink

# What a pipe that can be written to takes without blocking (POSIX, PIPE_BUF on Linux).
PIPE_BYTES = 4096
_NEWLINE = 0x0A


class PipeSink(LineSink):
    """An open pipe, terminal or socket. If a write is given up within a line, the next write begins with the rest of that line."""

    def __init__(self, descriptor: int, *, name: str) -> None:
        super().__init__(name=name)
        self._descriptor = descriptor
        self._rest_of_line: Sequence[bytes] = ()

    async def _write(self, texts: Sequence[bytes]) -> None:
        """Write whole lines.

        Raises:
            Gone: nobody reads the pipe any more, and nobody can open it again.
        """
        try:
            await self._write_lines(self._descriptor, texts)
        except BrokenPipeError:
            raise Gone(f"{self._name} was closed by its reader; start the reader again, then forwarder") from None

    async def _write_lines(self, descriptor: int, texts: Sequence[bytes]) -> None:
        remaining = deque(memoryview(text) for text in (*self._rest_of_line, *texts) if text)
        within_line = bool(self._rest_of_line)
        try:
            while remaining:
                text = remaining[0]
                await anyio.wait_writable(descriptor)
                written = os.write(descriptor, text[:PIPE_BYTES])
                within_line = text[written - 1] != _NEWLINE
                remaining[0] = text[written:]
                if not remaining[0]:
                    remaining.popleft()
        finally:
            self._rest_of_line = _first_line(remaining) if within_line else ()


class NamedPipeSink(PipeSink):
    """A pipe with a path (a FIFO), which is written to while somebody reads it.

    We keep it open when its reader leaves: what was written and not read stays in the pipe as long as anybody has it open, and the next
    reader gets it.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(-1, name=str(path))
        self._path = path

    def close(self) -> None:
        """Close the pipe, so that its reader sees the end."""
        if self._descriptor >= 0:
            os.close(self._descriptor)

    async def _write(self, texts: Sequence[bytes]) -> None:
        """Write whole lines.

        Raises:
            Unavailable: nobody reads the pipe.
        """
        if not any(texts):
            return
        try:
            if self._descriptor < 0:
                # For writing alone, so that it fails without a reader. Open for reading too, the pipe would fill for nobody.
                self._descriptor = os.open(self._path, os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC)
            await self._write_lines(self._descriptor, texts)
        except OSError as error:
            if error.errno not in (errno.ENXIO, errno.EPIPE):
                raise
            raise Unavailable(f"nobody reads the pipe {self._name}; start its reader") from None


def stream_sink(descriptor: int, *, name: str) -> LineSink:
    """The sink for a descriptor that is open already."""
    mode = os.fstat(descriptor).st_mode
    if stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode) or os.isatty(descriptor):
        return PipeSink(descriptor, name=name)
    return PlainSink(descriptor, name=name)


@asynccontextmanager
async def stdout_sink() -> AsyncIterator[LineSink]:
    """The sink for standard output. Where a shell has redirected it to a file, that is neither locked nor mended: it cannot be read.

    Raises:
        Refused: it is closed.
    """
    # Python's word for a stream that was closed when it started.
    if sys.stdout is None:
        raise Refused("standard output is closed; open it, or name another sink by --sink")
    yield stream_sink(sys.stdout.fileno(), name="standard output")


@asynccontextmanager
async def named_pipe_sink(path: Path) -> AsyncIterator[NamedPipeSink]:
    """A pipe with a path; closed at the end."""
    sink = NamedPipeSink(path)
    try:
        yield sink
    finally:
        sink.close()


def _first_line(texts: Iterable[memoryview]) -> Sequence[bytes]:
    """The bytes up to the first line break, which is included."""
    line: list[bytes] = []
    for text in texts:
        part = text.tobytes()
        end = part.find(b"\n") + 1
        line.append(part[: end or None])
        if end:
            break
    return line
