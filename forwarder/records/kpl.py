"""Many payloads of one partition key in one Kinesis record: the aggregated format of the Kinesis Producer Library. Pure.

::

    F3 89 9A C2 | AggregatedRecord (protobuf) | MD5 of the protobuf message

    message AggregatedRecord {                  message Record {
      repeated string partition_key_table = 1;    required uint64 partition_key_index = 1;
      repeated string explicit_hash_key_table = 2;  optional uint64 explicit_hash_key_index = 2;
      repeated Record records = 3;                required bytes data = 3;
    }                                           }

The table holds the one key, and every record's index into it is 0. Two keys in one Kinesis record would not do: consumers silently drop
a record whose key hashes outside the shard that they read, and after a split two keys may belong to two shards. One Kinesis record is
stored whole or not at all, so what is inside stays in order.

Source: https://github.com/awslabs/amazon-kinesis-producer/blob/master/aggregation-format.md
"""

import hashlib
from collections.abc import Sequence
from functools import lru_cache
from itertools import chain

DIGEST_BYTES = 16

_MAGIC = b"\xf3\x89\x9a\xc2"
# Headers and sizes are kept for so many lengths of payloads. Rows of a table are much alike, so few lengths come often.
_LENGTHS = 8192

# Protobuf writes a field as its number and wire type, and for strings, bytes and messages (type 2) the length.
_KEY_TABLE = b"\x0a"
_RECORD = b"\x1a"
_KEY_INDEX_0_AND_DATA = b"\x08\x00\x1a"


def encode(partition_key: str, payloads: Sequence[bytes], *, digest: bytes | None = None) -> bytes:
    """The data of a Kinesis record that consumers take apart into ``payloads``, in their order.

    It is ``overhead_bytes(partition_key)`` and ``entry_bytes(len(payload))`` for each payload long. Its MD5, the last ``DIGEST_BYTES``, takes
    more than half of the time: who makes the same data again can hand it in as ``digest``.
    """
    key = partition_key.encode()
    # Without a loop in Python: this is done for every record.
    entries = chain.from_iterable(zip(map(_entry_header, map(len, payloads)), payloads, strict=True))
    message = b"".join((_KEY_TABLE, _varint(len(key)), key, *entries))
    # Not for security: FIPS builds of OpenSSL refuse MD5 otherwise.
    return b"".join((_MAGIC, message, digest or hashlib.md5(message, usedforsecurity=False).digest()))


def overhead_bytes(partition_key: str) -> int:
    """How many bytes ``encode`` writes for no payload at all. The key that travels beside the data is not in it."""
    length = len(partition_key.encode())
    return len(_MAGIC) + len(_KEY_TABLE) + len(_varint(length)) + length + DIGEST_BYTES


@lru_cache(maxsize=_LENGTHS)
def entry_bytes(payload_length: int) -> int:
    """How many bytes ``encode`` adds for a payload of this length."""
    return len(_entry_header(payload_length)) + payload_length


@lru_cache(maxsize=_LENGTHS)
def _entry_header(payload_length: int) -> bytes:
    """What stands before a payload of this length."""
    inner = _KEY_INDEX_0_AND_DATA + _varint(payload_length)
    return _RECORD + _varint(len(inner) + payload_length) + inner


def _varint(number: int) -> bytes:
    """Seven bits a byte, the lowest first; the high bit says that more follow."""
    groups = bytearray()
    while number > 0x7F:
        groups.append(number & 0x7F | 0x80)
        number >>= 7
    groups.append(number)
    return bytes(groups)
