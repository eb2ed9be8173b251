"""CBOR (RFC 8949), as far as Kinesis uses it: maps with names, arrays, text, bytes, numbers and times. Pure.

    {"Data": b"hi", "PartitionKey": "a"}  ->  a2 64"Data" 42"hi" 6c"PartitionKey" 61"a"

An item begins with a head: its major type in three bits, and an argument, such as a length or a count. Strings, arrays and maps are
written with their lengths. They are read with a length or up to a break, as the RFC has it. No memory is taken for a length that a head
promises: only what is there is read.

Times: in CBOR a time is an integer behind tag 1. AWS counts milliseconds there, where the RFC counts seconds (aws/aws-sdk-java-v2#4661).
Here a time is a float of seconds, as in Kinesis's JSON. Kinesis has no other floats, so ``encode`` writes every float as a time.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

Value: TypeAlias = "bool | int | float | str | bytes | Sequence[Value] | Mapping[str, Value] | None"

# Major types.
UNSIGNED, NEGATIVE, BYTES, TEXT, ARRAY, MAP, TAG, OTHER = range(8)

# Answers of Kinesis have five levels.
MAX_DEPTH = 32
# Pieces that a string may be in. Millions of empty ones would take seconds to put together.
MAX_CHUNKS = 10_000

_TIME_TAG = 1
_MILLIS = 1000
_FALSE, _TRUE, _NULL = b"\xf4", b"\xf5", b"\xf6"
_BREAK = b"\xff"
# The last five bits of a head: up to 23 they are the argument, 24 to 27 say in how many bytes it follows, 31 is "until the break".
_FOLLOWING_BYTES = {24: 1, 25: 2, 26: 4, 27: 8}
_INDEFINITE = 31
_SIMPLE: Mapping[int, bool | None] = {20: False, 21: True, 22: None, 23: None}
# The heads of texts of up to 23 bytes.
_SHORT_TEXTS = frozenset(bytes((head,)) for head in range(0x60, 0x78))
_FLOATS = {25: ">e", 26: ">f", 27: ">d"}
_HEADS = [
    [bytes((major << 5 | argument,)) for argument in range(24)]
    + [bytes((major << 5 | 24, argument)) for argument in range(24, 256)]
    for major in range(7)
]


class Malformed(ValueError):
    """Bytes that are no CBOR, or none that Kinesis would write."""


def head(major: int, argument: int) -> bytes:
    """The first bytes of an item, in the shortest form. ``argument``: a length, a count, a tag or a number."""
    if argument < 1 << 8:
        return _HEADS[major][argument]
    if argument < 1 << 16:
        return struct.pack(">BH", major << 5 | 25, argument)
    if argument < 1 << 32:
        return struct.pack(">BI", major << 5 | 26, argument)
    return struct.pack(">BQ", major << 5 | 27, argument)


def text(value: str) -> bytes:
    """A text with its head."""
    encoded = value.encode()
    return head(TEXT, len(encoded)) + encoded


def encode(value: Value) -> bytes:
    """A value in CBOR; a float is a time, in seconds.

    Raises:
        OverflowError: a number takes more than 64 bits.
    """
    parts: list[bytes] = []
    _write(value, parts.append)
    return b"".join(parts)


def _write(value: Value, add: Callable[[bytes], None]) -> None:
    match value:
        case None:
            add(_NULL)
        case bool():
            add(_TRUE if value else _FALSE)
        case int():
            add(_integer(value))
        case float():
            add(head(TAG, _TIME_TAG) + _integer(round(value * _MILLIS)))
        case str():
            add(text(value))
        case bytes():
            add(head(BYTES, len(value)))
            add(value)
        case Mapping():
            add(head(MAP, len(value)))
            for name, member in value.items():
                add(text(name))
                _write(member, add)
        case _:
            add(head(ARRAY, len(value)))
            for item in value:
                _write(item, add)


def _integer(value: int) -> bytes:
    if not -(1 << 64) <= value < 1 << 64:
        raise OverflowError("an integer of more than 64 bits")
    return head(UNSIGNED, value) if value >= 0 else head(NEGATIVE, -1 - value)


def decode(data: bytes) -> Any:
    """The one value that is all of ``data``.

    Raises:
        Malformed: it is not.
    """
    reader = Reader(data)
    value = reader.value()
    reader.end()
    return value


class Reader:
    """Reads items one after the other. ``at`` is where the next one begins.

    Every method raises ``Malformed`` for what is not well-formed: an item that ends too late, a length that is not there, a name that is no
    text or comes twice, more than ``MAX_DEPTH`` levels, a string in more than ``MAX_CHUNKS`` pieces.
    """

    __slots__ = ("_depth", "at", "data")

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.at = 0
        self._depth = 0

    def value(self) -> Any:
        """The next item, whatever it is. Tags are dropped, but for that of a time, which becomes seconds."""
        data, at = self.data, self.at
        # A short text, as most items are, without a call.
        if data[at : at + 1] in _SHORT_TEXTS and (end := at + data[at] - 0x5F) <= len(data):
            self.at = end
            return _text(data[at + 1 : end])
        major, argument = self._head()
        if major in (BYTES, TEXT):
            return self._string(major, argument)
        if major == OTHER:
            return self._other(argument or 0)
        if major > TEXT:
            return self._nested(major, argument)
        if argument is None:
            raise Malformed("a number without an end")
        return argument if major == UNSIGNED else -1 - argument

    def array(self) -> int | None:
        """Enter an array: how many items it has; None: they end with a break."""
        return self._enter(ARRAY)

    def map(self) -> int | None:
        """Enter a map: how many members it has, each a name and a value; None: they end with a break."""
        return self._enter(MAP)

    def is_over(self, count: int | None, read: int) -> bool:
        """Whether nothing is left of an array or map that has ``count`` items, of which so many are read. A break is passed over."""
        if count is not None:
            return read >= count
        if self.data[self.at : self.at + 1] != _BREAK:
            return False
        self.at += 1
        return True

    def end(self) -> None:
        """Make sure that nothing follows."""
        if self.at != len(self.data):
            raise Malformed("something behind the end")

    def _enter(self, wanted: int) -> int | None:
        major, count = self._head()
        if major != wanted:
            raise Malformed("a value of another kind")
        return count

    def _head(self) -> tuple[int, int | None]:
        """The major type and the argument of the next item; None: it goes on until a break. Of a float, its kind is the argument."""
        data, at = self.data, self.at
        if at >= len(data):
            raise Malformed("it ends too soon")
        major, argument = data[at] >> 5, data[at] & 31
        self.at = at + 1
        if argument < 24 or major == OTHER:
            return major, argument
        if argument in _FOLLOWING_BYTES:
            return major, int.from_bytes(self._take(_FOLLOWING_BYTES[argument]))
        if argument == _INDEFINITE:
            return major, None
        raise Malformed("a reserved head")

    def _take(self, count: int) -> bytes:
        begin, end = self.at, self.at + count
        if end > len(self.data):
            raise Malformed("it ends too soon")
        self.at = end
        return self.data[begin:end]

    def _nested(self, major: int, argument: int | None) -> Any:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise Malformed("nested too deep")
        value = (
            self._members(argument)
            if major == MAP
            else self._items(argument)
            if major == ARRAY
            else self._tagged(argument)
        )
        self._depth -= 1
        return value

    def _items(self, count: int | None) -> list[Any]:
        items: list[Any] = []
        while not self.is_over(count, len(items)):
            items.append(self.value())
        return items

    def _members(self, count: int | None) -> dict[str, Any]:
        members: dict[str, Any] = {}
        while not self.is_over(count, len(members)):
            name = self.value()
            if not isinstance(name, str) or name in members:
                raise Malformed("a name that is none, or comes twice")
            members[name] = self.value()
        return members

    def _string(self, major: int, length: int | None) -> str | bytes:
        if length is not None:
            taken = self._take(length)
            return taken if major == BYTES else _text(taken)
        chunks: list[Any] = []
        while not self.is_over(None, len(chunks)):
            if len(chunks) >= MAX_CHUNKS:
                raise Malformed("a string in too many pieces")
            kind, chunk_length = self._head()
            if kind != major or chunk_length is None:
                raise Malformed("a string of something else")
            chunk = self._take(chunk_length)
            chunks.append(chunk if major == BYTES else _text(chunk))
        return b"".join(chunks) if major == BYTES else "".join(chunks)

    def _tagged(self, tag: int | None) -> Any:
        if tag is None:
            raise Malformed("a tag without an end")
        value = self.value()
        if tag != _TIME_TAG:
            return value
        if not isinstance(value, int | float) or isinstance(value, bool):
            raise Malformed("a time that is none")
        return value / _MILLIS

    def _other(self, kind: int) -> bool | float | None:
        if kind in _SIMPLE:
            return _SIMPLE[kind]
        if kind in _FLOATS:
            number: float = struct.unpack(_FLOATS[kind], self._take(_FOLLOWING_BYTES[kind]))[0]
            return number
        raise Malformed("a value that nobody knows")


def _text(encoded: bytes) -> str:
    try:
        return encoded.decode()
    except UnicodeDecodeError as error:
        raise Malformed("a text that is no UTF-8") from error
