"""Splits what a file holds into records: a line each, or a compressed frame each, with or without a line break behind it. Pure."""

from __future__ import annotations

from forwarder.consumer.compression import first_frame, is_compressed
from forwarder.consumer.unreadable import Unreadable

_LINE_BREAKS = b"\r\n"


class RecordSplitter:
    """Is fed with the file piece by piece, and keeps what is no whole record yet."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, piece: bytes) -> list[bytes]:
        """The records that are whole by now."""
        self._rest += piece
        records: list[bytes] = []
        while self._rest and (record := self._next()) is not None:
            records.append(record)
        return [record for record in records if record.strip()]

    def rest(self) -> list[bytes]:
        """What is left where the file ends: a line without a line break, say. It is not kept."""
        rest, self._rest = self._rest, b""
        return [rest] if rest.strip() else []

    def _next(self) -> bytes | None:
        if is_compressed(self._rest):
            return self._next_frame()
        line, separator, rest = self._rest.partition(b"\n")
        if not separator:
            return None
        self._rest = rest
        return line

    def _next_frame(self) -> bytes | None:
        try:
            frame = first_frame(self._rest)
        except Unreadable:
            # Where the next one begins cannot be told.
            frame = self._rest, b""
        if frame is None:
            return None
        content, rest = frame
        self._rest = rest.lstrip(_LINE_BREAKS)
        return content
