"""The sink ``file:PATH``: appends records to a file, one JSON record a line.

* **Crash**: a line that was half written is cut off when the file is opened again; its record is sent again.
* **Two listeners**: only the leader has the file open, and has it locked. A standby does not touch it.
* **Rotation**: before each write it is looked whether the path still names the open file. If somebody has renamed or deleted that one, a
  new one is made, and written to.
* **What is no file**: a named pipe is written to as ``pipe`` says, a device plainly.
"""

from __future__ import annotations

import errno
import fcntl
import os
import stat
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

from anyio import to_thread

from forwarder.errors import Refused, Unavailable
from forwarder.sinks.line_sink import LineSink, write_all
from forwarder.sinks.pipe import named_pipe_sink, stream_sink

# How every record begins, in whatever format.
_RECORD_BEGINS = b'{"'


class FileSink(LineSink):
    """What is published is flushed to disk, and a write that failed leaves no half line behind."""

    def __init__(self, path: Path) -> None:
        super().__init__(name=str(path))
        self._path = path
        self._descriptor = -1

    async def prepare(self) -> None:
        """Check that the file can be written to, without a change to it: another process may lead.

        Raises:
            Refused: it cannot.
        """
        with _refused(self._path):
            await to_thread.run_sync(_check, self._path)

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[None]:
        """Open and lock the file, and cut off a line that a crash has left half written: its record is sent again.

        Raises:
            Refused: it cannot be opened for writing.
            Unavailable: another program has locked it.
        """
        with _refused(self._path):
            await to_thread.run_sync(self._open)
        try:
            yield
        finally:
            os.close(self._descriptor)

    async def _write(self, texts: Sequence[bytes]) -> None:
        if any(texts):
            await to_thread.run_sync(self._write_now, texts)

    def _write_now(self, texts: Sequence[bytes]) -> None:
        self._follow()
        self._append(texts)
        # It was deleted between the look and the write, so nobody can read what was written.
        while not os.fstat(self._descriptor).st_nlink:
            self._follow()
            self._append(texts)

    def _append(self, texts: Sequence[bytes]) -> None:
        try:
            write_all(self._descriptor, texts)
            os.fsync(self._descriptor)
        except OSError:
            _cut_off_half_line(self._descriptor)
            raise

    def _follow(self) -> None:
        """Open the file that the path names now, if somebody has renamed or deleted the one that is open (rotation)."""
        try:
            is_ours = os.path.samestat(self._path.stat(), os.fstat(self._descriptor))
        except FileNotFoundError:
            is_ours = False
        if not is_ours:
            before = self._descriptor
            self._open()
            os.close(before)

    def _open(self) -> None:
        descriptor = _open(self._path)
        try:
            _lock(descriptor, self._path)
            _check_half_line(descriptor, self._path)
            _cut_off_half_line(descriptor)
        except BaseException:
            os.close(descriptor)
            raise
        self._descriptor = descriptor


@asynccontextmanager
async def file_sink(path: Path) -> AsyncIterator[LineSink]:
    """The sink for what the path names: a file, which need not be there yet, a pipe or a device.

    Raises:
        Refused: it is a device that cannot be opened for writing.
    """
    mode = _mode(path)
    if stat.S_ISFIFO(mode):
        async with named_pipe_sink(path) as pipe:
            yield pipe
    elif stat.S_ISCHR(mode):
        with _refused(path):
            descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_NOCTTY | os.O_CLOEXEC)
        try:
            yield stream_sink(descriptor, name=str(path))
        finally:
            os.close(descriptor)
    else:
        yield FileSink(path)


def _mode(path: Path) -> int:
    try:
        return path.stat().st_mode
    except OSError:
        return stat.S_IFREG


@contextmanager
def _refused(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        reason = os.strerror(error.errno or errno.EIO)
        raise Refused(f"cannot open {path} for writing: {reason}; check the path and its permissions") from None


def _check(path: Path) -> None:
    try:
        os.close(os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC))
    except FileNotFoundError:
        if not path.parent.is_dir():
            raise
        if not os.access(path.parent, os.W_OK | os.X_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES)) from None


def _open(path: Path) -> int:
    flags = os.O_RDWR | os.O_APPEND | os.O_CLOEXEC
    try:
        return os.open(path, flags)
    except FileNotFoundError:
        descriptor = os.open(path, flags | os.O_CREAT, 0o644)
        # Flush the new name too. Else the file might be missing after a crash of the machine, with all that was flushed into it.
        directory = os.open(path.resolve().parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)
        return descriptor


def _lock(descriptor: int, path: Path) -> None:
    """Lock the file against others that lock what they append to: an earlier leader, frozen in the middle of a line, or another sink.

    Raises:
        Unavailable: somebody has the lock.
    """
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise Unavailable(
            f"{path} is locked by another program that writes to it; stop that, or name another file"
        ) from None
    except OSError as error:
        # Not every file system knows locks.
        if error.errno not in (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP):
            raise


def _check_half_line(descriptor: int, path: Path) -> None:
    """Make sure that what would be cut off is ours, and not part of a file that was named by mistake.

    Raises:
        Refused: the file ends neither with a line break nor in a line that begins as a record does.
    """
    beginning = os.pread(descriptor, len(_RECORD_BEGINS), _half_line(descriptor))
    if not _RECORD_BEGINS.startswith(beginning):
        raise Refused(f"{path} ends in the middle of a line that is no record; name another file, or end the line")


def _cut_off_half_line(descriptor: int) -> None:
    start = _half_line(descriptor)
    if start < os.fstat(descriptor).st_size:
        os.ftruncate(descriptor, start)


def _half_line(descriptor: int) -> int:
    """Where the last line begins, if it has no line break; else the end of the file."""
    start = os.fstat(descriptor).st_size
    while start > 0:
        block = min(1 << 16, start)
        newline = os.pread(descriptor, block, start - block).rfind(b"\n")
        if newline >= 0:
            return start - block + newline + 1
        start -= block
    return start
