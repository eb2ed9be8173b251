"""Sinks that write one JSON record a line: a file, and standard output."""

from __future__ import annotations

import errno
import os
import stat
import sys
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
from anyio import to_thread

from forwarder.errors import Gone, Refused, Unavailable, Vanished
from forwarder.events import Body, Record
from forwarder.quarantine import Rejection
from forwarder.state import ServiceState

# What a pipe that can be written to takes without blocking (POSIX, PIPE_BUF on Linux).
PIPE_BYTES = 4096
_NEWLINE = 0x0A


class LineSink(ABC):
    """Stores the records of a request in their order. One request at a time."""

    max_records = 1000
    max_bytes = 4 << 20
    max_in_flight = 1
    max_record_bytes = sys.maxsize
    takes_bodies = True

    def __init__(self, descriptor: int, *, name: str) -> None:
        self._descriptor = descriptor
        self._name = name

    async def prepare(self) -> None:
        """Return at once: there is nothing to wait for."""
        return

    async def watch(self, state: ServiceState) -> None:
        """Return at once: it does not change."""
        return

    async def publish(self, records: Sequence[Record]) -> Sequence[Rejection]:
        """Write the records.

        Raises:
            Unavailable: the disk is full, say; part of the records may have been written.
            Gone: nobody reads the pipe any more.
        """
        lines: list[bytes] = []
        try:
            for record in records:
                if record.body:
                    await self._write([b"".join(lines)])
                    lines = []
                    await self._write(await _parts(record.body))
                else:
                    lines.append(record.data + b"\n")
            await self._write([b"".join(lines)])
        except BrokenPipeError:
            raise Gone(f"{self._name} was closed by its reader; start the reader again, then forwarder") from None
        except OSError as error:
            raise Unavailable(f"cannot write to {self._name}: {error.strerror}") from error
        return ()

    @abstractmethod
    async def _write(self, texts: Sequence[bytes]) -> None:
        """Write all of it, whole lines, or raise OSError."""


class FileSink(LineSink):
    """A file, or a device. What is published to a file is on disk, and a write that failed leaves no half line behind."""

    def __init__(self, descriptor: int, *, name: str, durable: bool) -> None:
        super().__init__(descriptor, name=name)
        self._durable = durable
        if durable:
            _cut_off_half_line(descriptor)

    async def _write(self, texts: Sequence[bytes]) -> None:
        if any(texts):
            await to_thread.run_sync(self._write_now, texts)

    def _write_now(self, texts: Sequence[bytes]) -> None:
        try:
            for text in texts:
                remaining = memoryview(text)
                while remaining:
                    remaining = remaining[os.write(self._descriptor, remaining) :]
            if self._durable:
                os.fsync(self._descriptor)
        except OSError:
            if self._durable:
                _cut_off_half_line(self._descriptor)
            raise


class PipeSink(LineSink):
    """A pipe, a terminal or a socket, whose reader may stall. A write that is given up ends its line with the next."""

    def __init__(self, descriptor: int, *, name: str) -> None:
        super().__init__(descriptor, name=name)
        self._rest_of_line: Sequence[bytes] = ()

    async def _write(self, texts: Sequence[bytes]) -> None:
        remaining = deque(memoryview(text) for text in (*self._rest_of_line, *texts) if text)
        within_line = bool(self._rest_of_line)
        try:
            while remaining:
                text = remaining[0]
                await anyio.wait_writable(self._descriptor)
                written = os.write(self._descriptor, text[:PIPE_BYTES])
                within_line = text[written - 1] != _NEWLINE
                remaining[0] = text[written:]
                if not remaining[0]:
                    remaining.popleft()
        finally:
            self._rest_of_line = _first_line(remaining) if within_line else ()


@asynccontextmanager
async def stdout_sink() -> AsyncIterator[LineSink]:
    """Standard output. Into a file, too, it is only written: a shell's redirection cannot be read back."""
    yield _sink(sys.stdout.fileno(), name="standard output", is_ours=False)


@asynccontextmanager
async def file_sink(path: Path) -> AsyncIterator[LineSink]:
    """A file (or a device, or a pipe); a line that a crash left half written is cut off first, since it will be sent again.

    Raises:
        Refused: it cannot be opened for writing.
    """
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)
    except OSError as error:
        reason = os.strerror(error.errno or errno.EIO)
        raise Refused(f"cannot open {path} for writing: {reason}; check the path and its permissions") from None
    try:
        yield _sink(descriptor, name=str(path), is_ours=True)
    finally:
        os.close(descriptor)


async def _parts(body: Body) -> Sequence[bytes]:
    """A large record, as a line of its own; nothing if it is not to be sent any more.

    It is read before it is written, so that a pipe's reader is never left with a part of a line whose end cannot be had.
    """
    try:
        return [*[part async for part in body.parts()], b"\n"]
    except Vanished:
        return ()


def _first_line(texts: Iterable[memoryview]) -> Sequence[bytes]:
    """Up to the first line break and with it."""
    line: list[bytes] = []
    for text in texts:
        part = text.tobytes()
        end = part.find(b"\n") + 1
        line.append(part[: end or None])
        if end:
            break
    return line


def _sink(descriptor: int, *, name: str, is_ours: bool) -> LineSink:
    mode = os.fstat(descriptor).st_mode
    if stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode) or os.isatty(descriptor):
        return PipeSink(descriptor, name=name)
    return FileSink(descriptor, name=name, durable=is_ours and stat.S_ISREG(mode))


def _cut_off_half_line(descriptor: int) -> None:
    end = os.fstat(descriptor).st_size
    start = end
    while start > 0:
        block = min(1 << 16, start)
        newline = os.pread(descriptor, block, start - block).rfind(b"\n")
        if newline >= 0:
            start = start - block + newline + 1
            break
        start -= block
    if start < end:
        os.ftruncate(descriptor, start)
