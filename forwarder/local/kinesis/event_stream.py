"""AWS's framing of event streams: messages of headers and a payload, each with its lengths and two checksums. Pure.

====================  ==========================================================
4                     length of the whole message
4                     length of the headers
4                     CRC-32 of these eight bytes
...                   headers: length and name, type 7 (text), length and value
...                   payload
4                     CRC-32 of all before it
====================  ==========================================================

Source: https://smithy.io/2.0/aws/amazon-eventstream.html
"""

import struct
from collections.abc import Mapping
from zlib import crc32

CONTENT_TYPE = "application/vnd.amazon.eventstream"
_TEXT = 7
# Two lengths and two checksums.
_FRAME_BYTES = 16


def event(kind: str, payload: bytes, *, content_type: str) -> bytes:
    """The message that something has happened."""
    return _message({":message-type": "event", ":event-type": kind, ":content-type": content_type}, payload)


def exception(kind: str, payload: bytes, *, content_type: str) -> bytes:
    """The message that there will be no other, since something has gone wrong."""
    return _message({":message-type": "exception", ":exception-type": kind, ":content-type": content_type}, payload)


def _message(headers: Mapping[str, str], payload: bytes) -> bytes:
    encoded = b"".join(_header(name.encode(), value.encode()) for name, value in headers.items())
    lengths = struct.pack(">II", _FRAME_BYTES + len(encoded) + len(payload), len(encoded))
    message = lengths + struct.pack(">I", crc32(lengths)) + encoded + payload
    return message + struct.pack(">I", crc32(message))


def _header(name: bytes, value: bytes) -> bytes:
    return struct.pack(">B", len(name)) + name + struct.pack(">BH", _TEXT, len(value)) + value
