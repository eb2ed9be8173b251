"""Which shard a partition key belongs to, as far as we know. Pure.

A prediction, good for pacing and for nothing else: shards split and merge, and the stream's answers name the shard that a
record really went to.
"""

import hashlib
from bisect import bisect_right
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache, partial
from typing import Any

CACHED_KEYS = 1 << 16


class ShardMap:
    """The open shards of a stream. Never changes: a new list makes a new map."""

    __slots__ = ("shard_of",)

    # The open shard of a partition key; the shards of the keys asked for last are remembered.
    shard_of: Callable[[str], str]

    def __init__(self, shards: Iterable[Mapping[str, Any]]) -> None:
        """Take ``Shards`` as botocore's ListShards gives them; closed ones among them are passed over.

        Raises:
            ValueError: none of them is open.
        """
        open_shards = sorted((_first_hash(shard), str(shard["ShardId"])) for shard in shards if _is_open(shard))
        if not open_shards:
            raise ValueError("no open shard in the list of shards")
        first_hashes = [first_hash for first_hash, _ in open_shards]
        shard_ids = [shard_id for _, shard_id in open_shards]
        self.shard_of = lru_cache(maxsize=CACHED_KEYS)(partial(_shard_of, first_hashes, shard_ids))


def _first_hash(shard: Mapping[str, Any]) -> int:
    return int(shard["HashKeyRange"]["StartingHashKey"])


def _is_open(shard: Mapping[str, Any]) -> bool:
    return "EndingSequenceNumber" not in shard["SequenceNumberRange"]


def _shard_of(first_hashes: Sequence[int], shard_ids: Sequence[str], partition_key: str) -> str:
    digest = hashlib.md5(partition_key.encode(), usedforsecurity=False).digest()
    return shard_ids[bisect_right(first_hashes, int.from_bytes(digest, "big")) - 1]
