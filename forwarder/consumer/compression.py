"""Decompresses records that were written with ``compression=gzip`` or ``zstd``, which their first bytes tell. Pure.

The library for zstd is imported when the first such record comes.
"""

from __future__ import annotations

import sys
import zlib
from typing import Protocol

from forwarder.consumer.unreadable import Unreadable

# A record is 10 MiB at most, and JSON of rows is compressed to a tenth or so. One that becomes larger than this in all is not one of ours.
MAX_BYTES = 256 << 20

# As many as tell whether something is compressed.
MAGIC_BYTES = 4
_GZIP, _ZSTD = b"\x1f\x8b", b"\x28\xb5\x2f\xfd"
# The window of zlib, and 16 for the header of gzip.
_GZIP_WINDOW = 16 + zlib.MAX_WBITS


class _Decompressor(Protocol):
    @property
    def eof(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    def decompress(self, data: bytes, max_length: int, /) -> bytes: ...


def is_compressed(data: bytes) -> bool:
    """Whether this begins as what gzip or zstd writes."""
    return data.startswith((_GZIP, _ZSTD))


class Budget:
    """How many bytes one record may still become."""

    def __init__(self) -> None:
        self.left = MAX_BYTES

    def spend(self, size: int) -> None:
        """Count what something was decompressed to.

        Raises:
            Unreadable: that is more than was left.
        """
        self.left -= size
        # Where others go on behind an error, nothing more is decompressed.
        if self.left < 0:
            raise Unreadable(f"compressed data of more than {MAX_BYTES >> 20} MiB")


def first_frame(data: bytes, budget: Budget) -> tuple[bytes, bytes] | None:
    """The content of the compressed frame that ``data`` begins with, and what is behind that; None if it has not ended.

    Raises:
        Unreadable: it is damaged, or becomes too large; or it is of zstd, and there is no library for that.
    """
    decompressor = _decompressor(data)
    budget.spend(0)
    try:
        content = decompressor.decompress(data, budget.left + 1)
    except Exception as error:
        # Each library has an error class of its own.
        raise Unreadable("compressed data that is damaged") from error
    budget.spend(len(content))
    return (content, decompressor.unused_data) if decompressor.eof else None


def decompressed(data: bytes, budget: Budget) -> bytes:
    """The content of all frames.

    Raises:
        Unreadable: as ``first_frame``, and if the last one has not ended.
    """
    contents: list[bytes] = []
    while data:
        frame = first_frame(data, budget)
        if frame is None:
            raise Unreadable("compressed data that is cut off")
        content, data = frame
        contents.append(content)
        if not is_compressed(data):
            # A line break behind the record.
            if data.strip():
                raise Unreadable("compressed data with something else behind it")
            break
    return b"".join(contents)


def _decompressor(data: bytes) -> _Decompressor:
    return zlib.decompressobj(_GZIP_WINDOW) if data.startswith(_GZIP) else _zstd()


def _zstd() -> _Decompressor:
    try:
        if sys.version_info >= (3, 14):
            from compression.zstd import ZstdDecompressor
        else:
            from backports.zstd import ZstdDecompressor
    except ImportError:
        raise Unreadable("compressed by zstd, for which there is no library here: pip install backports.zstd") from None
    return ZstdDecompressor()
