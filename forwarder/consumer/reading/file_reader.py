"""Reads a file of records, as the sink ``file:PATH`` writes it, and follows it when it grows, is renamed or truncated."""

from __future__ import annotations

import os
import stat
from collections.abc import AsyncIterator, Sequence
from typing import BinaryIO

import anyio
from anyio import to_thread

from forwarder.consumer.compression import MAGIC_BYTES, is_compressed
from forwarder.consumer.reading.record_splitter import RecordSplitter
from forwarder.consumer.reading.stored_record import StoredRecord
from forwarder.errors import Refused

_PIECE_BYTES = 1 << 18
LOOK_AGAIN_SECONDS = 0.25


async def read_file(path: str, *, at_end: bool = False, follow: bool = False) -> AsyncIterator[Sequence[StoredRecord]]:
    """The records, some at a time, from the beginning on, or those that are added from now on.

    With ``follow`` it goes on with what is added, and when there is a new file of that name, with that. Else it ends where the file ends.

    Raises:
        Refused: there is no such file, or it may not be read.
    """
    file = _open(path)
    try:
        if at_end:
            file.seek(_end_of_records(file))
        splitter = RecordSplitter()
        while True:
            piece = await to_thread.run_sync(file.read, _PIECE_BYTES)
            if records := splitter.feed(piece):
                yield [StoredRecord(data=record) for record in records]
            if piece:
                continue
            if not follow:
                break
            if _is_another(path, file):
                # What was added to the old one while we looked is read before that is left.
                piece = await to_thread.run_sync(file.read)
                yield [StoredRecord(data=record) for record in splitter.feed(piece) + splitter.rest()]
                file.close()
                file = _open(path)
            elif os.fstat(file.fileno()).st_size < file.tell():
                file.seek(0)
                splitter = RecordSplitter()
            await anyio.sleep(LOOK_AGAIN_SECONDS)
        if rest := splitter.rest():
            yield [StoredRecord(data=record) for record in rest]
    finally:
        file.close()


def _open(path: str) -> BinaryIO:
    try:
        if not stat.S_ISREG(os.stat(path).st_mode):
            raise Refused(f"{path} is no regular file; read a pipe or a directory by other means")
        # Without a buffer: what is added is to be seen at once.
        return open(path, "rb", buffering=0)
    except OSError as error:
        raise Refused(f"cannot read {path}: {error.strerror}; correct the path, or its permissions") from error


def _end_of_records(file: BinaryIO) -> int:
    """Where the next record will begin: behind the last line break, since a line may be under way; the end of a compressed file."""
    end = file.seek(0, os.SEEK_END)
    file.seek(0)
    if is_compressed(file.read(MAGIC_BYTES)):
        return end
    while end:
        start = max(0, end - _PIECE_BYTES)
        file.seek(start)
        line_break = file.read(end - start).rfind(b"\n")
        if line_break >= 0:
            return start + line_break + 1
        end = start
    return 0


def _is_another(path: str, file: BinaryIO) -> bool:
    """Whether there is another file of that name by now. Between a renaming and the next one there may be none."""
    try:
        return not os.path.samestat(os.stat(path), os.fstat(file.fileno()))
    except OSError:
        return False
