"""Bytes, bits and points. Pure."""

from __future__ import annotations

import struct
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Callable
from typing import Literal

from msgspec import Raw

from forwarder.records.formats.debezium.conversion import Convert
from forwarder.records.formats.debezium.numbers import double

Mode = Literal["bytes", "base64", "base64-url-safe", "hex"]

# A point in the format WKB: little endian, of type 1, then x and y.
_WKB_POINT = struct.Struct("<bIdd")


def as_text(mode: Mode) -> Callable[[bytes], str]:
    """What makes text of bytes: base64, or hexadecimal."""
    match mode:
        case "hex":
            return bytes.hex
        case "base64-url-safe":
            return lambda data: urlsafe_b64encode(data).decode()
        case _:
            return lambda data: b64encode(data).decode()


def bytea(mode: Mode) -> Convert:
    r"""``"\\x00deadbeef"`` becomes ``"AN6tvu8="``, or ``"00deadbeef"``."""
    text = as_text(mode)

    def convert(raw: bytes) -> object:
        if raw[:4] != b'"\\\\x':
            return Raw(raw)
        return text(bytes.fromhex(raw[4:-1].decode()))

    return convert


def bit(raw: bytes) -> object:
    """Of bit(1) and varbit(1): ``"1"`` becomes ``true``."""
    return {b'"1"': True, b'"0"': False}.get(raw, Raw(raw))


def bits(raw: bytes) -> object:
    """``"1111000011"`` becomes the bytes C3 03: little endian, as few as hold the number."""
    digits = raw[1:-1]
    if raw[:1] != b'"' or digits.strip(b"01"):
        return Raw(raw)
    number = int(digits or b"0", 2)
    return number.to_bytes((number.bit_length() + 7) // 8, "little")


def point(raw: bytes) -> object:
    """``"(1.5,2)"`` becomes ``{"x":1.5,"y":2.0,"wkb":…,"srid":null}``."""
    if raw[:2] != b'"(':
        return Raw(raw)
    x, y = map(float, raw[2:-2].split(b","))
    return {"x": double(x), "y": double(y), "wkb": _WKB_POINT.pack(1, 1, x, y), "srid": None}
