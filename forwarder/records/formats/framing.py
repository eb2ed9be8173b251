"""What is done to the bytes of every record, whatever its format: a line break behind it, compression. Pure."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence

import zstandard

from forwarder.config.sink_url import Compression, Framing
from forwarder.events import Event
from forwarder.records.formats.encoder import Encoder

# RFC 1952 with zlib's window: with the header and the trailer of gzip, whose time is 0, so that a record sent again has the same bytes.
_GZIP_WBITS = 16 + zlib.MAX_WBITS


def framed(encode: Encoder, framing: Framing) -> Encoder:
    """The encoder, with the framing around each record. An event that has no record has none here either."""
    end = b"\n" if framing.newline else b""
    compress = _compressor(framing.compression)
    if not end and not compress:
        return encode

    def encode_framed(events: Sequence[Event]) -> list[bytes]:
        lines = [data and data + end for data in encode(events)]
        return [data and compress(data) for data in lines] if compress else lines

    return encode_framed


def _compressor(compression: Compression) -> Callable[[bytes], bytes] | None:
    match compression:
        case "none":
            return None
        case "gzip":
            return _gzip
        case "zstd":
            return zstandard.ZstdCompressor().compress


def _gzip(data: bytes) -> bytes:
    return zlib.compress(data, wbits=_GZIP_WBITS)
