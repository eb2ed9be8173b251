"""Reads the records of a file that were added since it was last asked."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Sequence
from typing import BinaryIO

from anyio import to_thread

from forwarder.consumer.reading.record_splitter import RecordSplitter
from forwarder.consumer.reading.stored_record import StoredRecord
from forwarder.errors import Refused

_PIECE_BYTES = 1 << 18


class FileTip:
    """A file as the sink ``file:PATH`` writes it. Whoever opens one closes it."""

    def __init__(self, path: str, deliver: Callable[[Sequence[StoredRecord]], None]) -> None:
        """Raises:
        Refused: there is no such file, or it may not be read.
        """
        self._path = path
        self._deliver = deliver
        self._splitter = RecordSplitter()
        self._file = _open(path)

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    async def read(self) -> None:
        """Hand over what there is, up to the last whole line.

        Raises:
            Refused: it was cut short, or another file has its name now, so that what was read no longer is all.
        """
        while piece := await to_thread.run_sync(self._file.read, _PIECE_BYTES):
            self._deliver([StoredRecord(data=record) for record in self._splitter.feed(piece)])
        if not self._is_same():
            raise Refused(f"{self._path} was truncated or replaced while it was read; run it again")

    def _is_same(self) -> bool:
        opened = os.fstat(self._file.fileno())
        try:
            return os.path.samestat(os.stat(self._path), opened) and opened.st_size >= self._file.tell()
        except OSError:
            return False


def _open(path: str) -> BinaryIO:
    try:
        if not stat.S_ISREG(os.stat(path).st_mode):
            raise Refused(f"{path} is no regular file; verify what was read from it instead")
        return open(path, "rb", buffering=0)
    except OSError as error:
        raise Refused(f"cannot read {path}: {error.strerror}; correct the path, or its permissions") from error
