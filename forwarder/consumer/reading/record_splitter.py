"""Splits what a file holds into records: a line each, or a compressed frame each, with or without a line break behind it. Pure.

A frame is decompressed to find its end, and kept as it is: a file of 90 KB may have fourteen frames of 200 MiB each.
"""

from __future__ import annotations

from forwarder.consumer.compression import MAGIC_BYTES, Budget, first_frame, is_compressed
from forwarder.consumer.unreadable import Unreadable

_LINE_BREAKS = b"\r\n"


class RecordSplitter:
    """Is fed with the file piece by piece, and keeps what is no whole record yet."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, piece: bytes) -> list[bytes]:
        """The records that are whole by now."""
        data, start = self._rest + piece, 0
        records: list[bytes] = []
        while start < len(data) and (found := _record_at(data, start)):
            record, start = found
            if record.strip():
                records.append(record)
        self._rest = data[start:]
        return records

    def rest(self) -> list[bytes]:
        """What is left where the file ends: a line without a line break, say. It is not kept."""
        rest, self._rest = self._rest, b""
        return [rest] if rest.strip() else []


def _record_at(data: bytes, start: int) -> tuple[bytes, int] | None:
    """The record that begins there, and where the next one does; None if it has not ended."""
    if is_compressed(data[start : start + MAGIC_BYTES]):
        return _frame_at(data, start)
    end = data.find(b"\n", start)
    return None if end < 0 else (data[start:end], end + 1)


def _frame_at(data: bytes, start: int) -> tuple[bytes, int] | None:
    try:
        frame = first_frame(data[start:], Budget())
    except Unreadable:
        # Where the next one begins cannot be told.
        return data[start:], len(data)
    if frame is None:
        return None
    _, behind = frame
    return data[start : len(data) - len(behind)], len(data) - len(behind.lstrip(_LINE_BREAKS))
