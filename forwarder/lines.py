"""Sinks that write one JSON record a line: standard output, and a file."""

from __future__ import annotations

import errno
import os
import stat
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from anyio import to_thread

from forwarder.errors import Gone, Refused, Unavailable
from forwarder.events import Record
from forwarder.relay import Rejection


class LineSink:
    """Writes the records of a request in their order, all or none, to a file descriptor."""

    max_records = 1000
    max_bytes = 4 << 20
    max_in_flight = 1
    max_record_bytes = sys.maxsize

    def __init__(self, descriptor: int, *, name: str, durable: bool) -> None:
        self._descriptor = descriptor
        self._name = name
        self._durable = durable

    async def prepare(self) -> None:
        """Nothing to wait for."""

    async def publish(self, records: Sequence[Record]) -> Sequence[Rejection]:
        """Write the records; when this returns they are on disk, if the target is a file.

        Raises:
            Unavailable: the disk is full, say; part of the records may have been written.
            Gone: nobody reads the pipe any more.
        """
        text = b"".join([record.data + b"\n" for record in records])
        try:
            # A pipe may block for ever; a stop does not wait for it. A file does not block.
            await to_thread.run_sync(self._write, text, abandon_on_cancel=not self._durable)
        except BrokenPipeError:
            raise Gone(f"{self._name} was closed by its reader; start the reader again, then forwarder") from None
        except OSError as error:
            raise Unavailable(f"cannot write to {self._name}: {error.strerror}") from error
        return ()

    def _write(self, text: bytes) -> None:
        remaining = memoryview(text)
        try:
            while remaining:
                remaining = remaining[os.write(self._descriptor, remaining) :]
        except OSError:
            if self._durable:
                _cut_off_half_line(self._descriptor)
            raise
        if self._durable:
            os.fsync(self._descriptor)


@asynccontextmanager
async def stdout_sink() -> AsyncIterator[LineSink]:
    """Standard output."""
    yield LineSink(sys.stdout.fileno(), name="standard output", durable=False)


@asynccontextmanager
async def file_sink(path: Path) -> AsyncIterator[LineSink]:
    """A file (or a device, or a pipe) that grows; a line that an earlier crash left half written is cut off first, since it will be sent again.

    Raises:
        Refused: the file cannot be opened for writing.
    """
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)
    except OSError as error:
        reason = os.strerror(error.errno or errno.EIO)
        raise Refused(f"cannot open {path} for writing: {reason}; check the path and its permissions") from None
    try:
        durable = stat.S_ISREG(os.fstat(descriptor).st_mode)
        if durable:
            _cut_off_half_line(descriptor)
        yield LineSink(descriptor, name=str(path), durable=durable)
    finally:
        os.close(descriptor)


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
