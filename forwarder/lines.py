"""Sinks that write one JSON record a line: a file, and standard output."""

from __future__ import annotations

import errno
import os
import stat
import sys
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
from anyio import to_thread

from forwarder.errors import Gone, Refused, Unavailable
from forwarder.events import Record
from forwarder.quarantine import Rejection
from forwarder.state import ServiceState

# What a pipe that can be written to takes without blocking (POSIX, PIPE_BUF on Linux).
PIPE_BYTES = 4096


class LineSink(ABC):
    """Stores the records of a request in their order. One request at a time."""

    max_records = 1000
    max_bytes = 4 << 20
    max_in_flight = 1
    max_record_bytes = sys.maxsize

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
        text = b"".join([record.data + b"\n" for record in records])
        try:
            await self._write(text)
        except BrokenPipeError:
            raise Gone(f"{self._name} was closed by its reader; start the reader again, then forwarder") from None
        except OSError as error:
            raise Unavailable(f"cannot write to {self._name}: {error.strerror}") from error
        return ()

    @abstractmethod
    async def _write(self, text: bytes) -> None:
        """Write all of it, or raise OSError."""


class FileSink(LineSink):
    """A file, or a device. What is published to a file is on disk, and a write that failed leaves no half line behind."""

    def __init__(self, descriptor: int, *, name: str, durable: bool) -> None:
        super().__init__(descriptor, name=name)
        self._durable = durable
        if durable:
            _cut_off_half_line(descriptor)

    async def _write(self, text: bytes) -> None:
        await to_thread.run_sync(self._write_now, text)

    def _write_now(self, text: bytes) -> None:
        remaining = memoryview(text)
        try:
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
        self._rest_of_line = b""

    async def _write(self, text: bytes) -> None:
        text = self._rest_of_line + text
        written = 0
        try:
            while written < len(text):
                await anyio.wait_writable(self._descriptor)
                written += os.write(self._descriptor, text[written : written + PIPE_BYTES])
        finally:
            if written:
                within_line = text[written - 1 : written] != b"\n"
                self._rest_of_line = text[written : text.index(b"\n", written) + 1] if within_line else b""


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
