"""Many payloads of one partition key in one Kinesis record: the aggregated format of the Kinesis Producer Library. Pure.

::

    F3 89 9A C2 | AggregatedRecord (protobuf) | MD5 of the protobuf message

    message AggregatedRecord {                  message Record {
      repeated string partition_key_table = 1;    required uint64 partition_key_index = 1;
      repeated string explicit_hash_key_table = 2;  optional uint64 explicit_hash_key_index = 2;
      repeated Record records = 3;                required bytes data = 3;
    }                                           }

The table holds the one key, and every record's index into it is 0. So it is with the explicit hash key, if there is one: then consumers go by
that. Two keys in one Kinesis record would not do: consumers silently drop a record whose key hashes outside the shard that they read, and after
a split two keys may belong to two shards. One Kinesis record is stored whole or not at all, so what is inside stays in order.

Source: https://github.com/awslabs/amazon-kinesis-producer/blob/master/aggregation-format.md
"""

import hashlib
from collections.abc import Sequence
from functools import lru_cache
from itertools import chain, repeat

DIGEST_BYTES = 16

_MAGIC = b"\xf3\x89\x9a\xc2"
# Headers and sizes are kept for so many lengths of payloads. Rows of a table are much alike, so few lengths come often.
_LENGTHS = 8192

# Protobuf writes a field as its number and wire type, and for strings, bytes and messages (type 2) the length.
_KEY_TABLE = b"\x0a"
_HASH_KEY_TABLE = b"\x12"
_RECORD = b"\x1a"
_KEY_INDEX_0 = b"\x08\x00"
_HASH_KEY_INDEX_0 = b"\x10\x00"
_DATA = b"\x1a"


def encode(
    partition_key: str, payloads: Sequence[bytes], *, hash_key: int | None = None, digest: bytes | None = None
) -> bytes:
    """The data of a Kinesis record that consumers take apart into ``payloads``, in their order.

    It is ``overhead_bytes`` and ``entry_bytes`` of each payload long. Its MD5, the last ``DIGEST_BYTES``, takes more than half of the time:
    who makes the same data again can hand it in as ``digest``.
    """
    # Without a loop in Python: this is done for every record.
    headers = map(_entry_header, map(len, payloads), repeat(hash_key is not None))
    entries = chain.from_iterable(zip(headers, payloads, strict=True))
    message = b"".join((_tables(partition_key, hash_key), *entries))
    # Not for security: FIPS builds of OpenSSL refuse MD5 otherwise.
    return b"".join((_MAGIC, message, digest or hashlib.md5(message, usedforsecurity=False).digest()))


def overhead_bytes(partition_key: str, hash_key: int | None = None) -> int:
    """How many bytes ``encode`` writes for no payload at all. The key that travels beside the data is not in it."""
    return len(_MAGIC) + len(_tables(partition_key, hash_key)) + DIGEST_BYTES


@lru_cache(maxsize=_LENGTHS)
def entry_bytes(payload_length: int, hash_key: int | None = None) -> int:
    """How many bytes ``encode`` adds for a payload of this length."""
    return len(_entry_header(payload_length, hash_key is not None)) + payload_length


def _tables(partition_key: str, hash_key: int | None) -> bytes:
    key = partition_key.encode()
    keys = _KEY_TABLE + _varint(len(key)) + key
    if hash_key is None:
        return keys
    digits = b"%d" % hash_key
    return keys + _HASH_KEY_TABLE + _varint(len(digits)) + digits


@lru_cache(maxsize=_LENGTHS)
def _entry_header(payload_length: int, has_hash_key: bool) -> bytes:  # noqa: FBT001 - for `map`
    """What stands before a payload of this length."""
    indexes = _KEY_INDEX_0 + _HASH_KEY_INDEX_0 if has_hash_key else _KEY_INDEX_0
    inner = indexes + _DATA + _varint(payload_length)
    return _RECORD + _varint(len(inner) + payload_length) + inner


def _varint(number: int) -> bytes:
    """Seven bits a byte, the lowest first; the high bit says that more follow."""
    groups = bytearray()
    while number > 0x7F:
        groups.append(number & 0x7F | 0x80)
        number >>= 7
    groups.append(number)
    return bytes(groups)
