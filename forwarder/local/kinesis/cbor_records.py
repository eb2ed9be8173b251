"""Reads the records of a PutRecords in CBOR, and writes their results, in 1.4 µs a record where the reader and ``cbor.encode`` take 6. Pure.

A stand-in that is slower than its clients would be what a benchmark measures. What does not look as usual is left to the reader.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from forwarder.aws import cbor
from forwarder.local.kinesis.protocol import PutRecordsEntry, PutResult

# A record as ``forwarder listen`` writes it, but for lengths and values: a map of two members, data first.
_DATA = cbor.head(cbor.MAP, 2) + cbor.text("Data")
_KEY = cbor.text("PartitionKey")
# The heads of strings whose lengths follow in one byte, or in two.
_DATA_8, _DATA_16 = 0x58, 0x59
_SHORT_KEY, _KEY_8 = 0x60, 0x78


def read_entries(reader: cbor.Reader) -> list[PutRecordsEntry]:
    """The records of the array that is next.

    Raises:
        Malformed, msgspec.ValidationError: it is no array of records.
    """
    entries: list[PutRecordsEntry] = []
    count = reader.array()
    while not reader.is_over(count, len(entries)):
        entries.append(_usual(reader) or msgspec.convert(reader.value(), PutRecordsEntry))
    return entries


def _usual(reader: cbor.Reader) -> PutRecordsEntry | None:
    """The next record; None if it does not look as usual. Then the reader stays before it."""
    data, at = reader.data, reader.at + len(_DATA)
    # The heads are read before it is known that they are there; behind the end there is nothing that looks like a record.
    if at + 3 > len(data) or not data.startswith(_DATA, reader.at):
        return None
    if data[at] == _DATA_16:
        begin, size = at + 3, data[at + 1] << 8 | data[at + 2]
    elif data[at] == _DATA_8:
        begin, size = at + 2, data[at + 1]
    else:
        return None
    end = begin + size
    at = end + len(_KEY)
    if at + 2 > len(data) or not data.startswith(_KEY, end):
        return None
    key_begin, length = (at + 2, data[at + 1]) if data[at] == _KEY_8 else (at + 1, data[at] - _SHORT_KEY)
    if not 0 <= length < 256 or (data[at] != _KEY_8 and length > 23) or key_begin + length > len(data):
        return None
    key = data[key_begin : key_begin + length]
    if not key.isascii():
        return None
    reader.at = key_begin + length
    return PutRecordsEntry(data=data[begin:end], partition_key=key.decode())


# A stored record's result: numbers have 56 digits, and names of shards 20 characters.
_NUMBER_LENGTH, _SHARD_LENGTH = 56, 20
_BEFORE_NUMBER = (cbor.head(cbor.MAP, 2) + cbor.text("SequenceNumber") + cbor.head(cbor.TEXT, _NUMBER_LENGTH)).decode(
    "latin-1"
)
_BEFORE_SHARD = (cbor.text("ShardId") + cbor.head(cbor.TEXT, _SHARD_LENGTH)).decode("latin-1")


def write_results(results: Sequence[PutResult]) -> bytes:
    """The array of the results."""
    parts = [cbor.head(cbor.ARRAY, len(results)).decode("latin-1")]
    for result in results:
        number, shard = result.sequence_number or "", result.shard_id or ""
        if len(number) == _NUMBER_LENGTH and len(shard) == _SHARD_LENGTH:
            parts.append(f"{_BEFORE_NUMBER}{number}{_BEFORE_SHARD}{shard}")
        else:
            parts.append(cbor.encode(msgspec.to_builtins(result)).decode("latin-1"))
    return "".join(parts).encode("latin-1")
