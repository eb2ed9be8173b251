"""Takes apart the records in which the Kinesis Producer Library aggregates many; ``forwarder.records.kpl`` describes the format. Pure."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass

from forwarder.consumer.unreadable import Unreadable

_MAGIC = b"\xf3\x89\x9a\xc2"
_DIGEST_BYTES = 16
# Fields of AggregatedRecord and of its records, by number.
_KEYS, _RECORDS = 1, 3
_KEY_INDEX, _DATA = 1, 3
# How protobuf writes a field's value: as a varint, in 8 bytes, with its length before it, or in 4 bytes.
_VARINT, _EIGHT, _SIZED, _FOUR = 0, 1, 2, 5
_LONGEST_VARINT = 10


@dataclass(frozen=True, slots=True)
class UserRecord:
    """One of the records of an aggregate, with the partition key that it would have alone."""

    partition_key: str
    data: bytes


def user_records(data: bytes) -> list[UserRecord] | None:
    """The records of an aggregate; None if this is none: it does not begin as one, or its MD5 is another.

    Raises:
        Unreadable: the MD5 is right, and what it was made of is no aggregate.
    """
    message, digest = data[len(_MAGIC) : -_DIGEST_BYTES], data[-_DIGEST_BYTES:]
    if not data.startswith(_MAGIC) or hashlib.md5(message, usedforsecurity=False).digest() != digest:
        return None
    try:
        fields = list(_fields(message))
        keys = [value.decode() for number, value in fields if number == _KEYS and isinstance(value, bytes)]
        records = [value for number, value in fields if number == _RECORDS and isinstance(value, bytes)]
        return [_user_record(record, keys) for record in records]
    except (IndexError, KeyError, TypeError, ValueError) as error:
        raise Unreadable("an aggregate of the KPL that does not hold what it should") from error


def _user_record(record: bytes, keys: list[str]) -> UserRecord:
    found = dict(_fields(record))
    index, data = found[_KEY_INDEX], found[_DATA]
    if not isinstance(index, int) or not isinstance(data, bytes):
        raise TypeError
    return UserRecord(keys[index], data)


def _fields(message: bytes) -> Iterator[tuple[int, int | bytes]]:
    """Number and value of each field."""
    position = 0
    while position < len(message):
        tag, position = _varint(message, position)
        number, kind = tag >> 3, tag & 7
        if kind == _VARINT:
            value, position = _varint(message, position)
            yield number, value
            continue
        size = {_EIGHT: 8, _FOUR: 4}.get(kind)
        if kind == _SIZED:
            size, position = _varint(message, position)
        if size is None or position + size > len(message):
            raise ValueError
        yield number, message[position : position + size]
        position += size


def _varint(message: bytes, position: int) -> tuple[int, int]:
    """The number that is written there, seven bits a byte with the lowest first, and the position behind it."""
    number = 0
    for place in range(_LONGEST_VARINT):
        byte = message[position + place]
        number |= (byte & 0x7F) << 7 * place
        if byte < 0x80:
            return number, position + place + 1
    raise ValueError
