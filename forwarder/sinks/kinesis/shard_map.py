"""Which shard a partition key will go to. Pure.

A shard has a range of hashes, and a key goes to the shard whose range has its MD5, or the explicit hash key in its place. This is a prediction,
good enough for pacing and used for nothing else: shards split and merge at any time. Where a record has gone is what the stream answers.
"""

import hashlib
from bisect import bisect_right
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache, partial
from typing import Any

CACHED_KEYS = 1 << 16


class ShardMap:
    """The open shards of a stream at one moment. It never changes: after a reshard there is a new map."""

    __slots__ = ("shard_of",)

    # The shard that a partition key, or an explicit hash key, goes to. The answers for those that were asked for last are kept.
    shard_of: Callable[[str | int], str]

    def __init__(self, shards: Iterable[Mapping[str, Any]]) -> None:
        """``shards`` are as botocore's ListShards gives them; closed ones among them are passed over.

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


def _shard_of(first_hashes: Sequence[int], shard_ids: Sequence[str], key: str | int) -> str:
    if isinstance(key, str):
        key = int.from_bytes(hashlib.md5(key.encode(), usedforsecurity=False).digest(), "big")
    return shard_ids[bisect_right(first_hashes, key) - 1]
