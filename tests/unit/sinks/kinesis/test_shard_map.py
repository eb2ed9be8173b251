import hashlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from forwarder.local.kinesis.shards import HASH_SPACE, Shard, split, uniform
from forwarder.sinks.kinesis.shard_map import CACHED_KEYS, ShardMap


def listed(shards: list[Shard]) -> list[dict[str, Any]]:
    """What botocore makes of ListShards' answer."""
    return [
        {
            "ShardId": shard.shard_id,
            "HashKeyRange": {"StartingHashKey": str(shard.first_hash), "EndingHashKey": str(shard.last_hash)},
            "SequenceNumberRange": {"StartingSequenceNumber": "49"}
            | ({} if shard.is_open else {"EndingSequenceNumber": "50"}),
        }
        for shard in shards
    ]


@given(count=st.integers(1, 40), key=st.text(min_size=1, max_size=256))
def test_a_key_belongs_to_the_open_shard_whose_range_holds_its_md5(count: int, key: str) -> None:
    shards = uniform(count, now=0.0)
    for number in range(0, count, 3):
        shards = split(shards, number, at=(shards[number].first_hash + shards[number].last_hash) // 2, now=0.0)
    hashed = int(hashlib.md5(key.encode()).hexdigest(), 16)
    (holder,) = [shard for shard in shards if shard.is_open and shard.first_hash <= hashed <= shard.last_hash]

    shard_of = ShardMap(reversed(listed(shards))).shard_of
    assert shard_of(key) == holder.shard_id
    # An explicit hash key stands for itself.
    assert shard_of(hashed) == holder.shard_id


def test_both_ends_of_a_range_belong_to_its_shard() -> None:
    hashed = int(hashlib.md5(b"key").hexdigest(), 16)
    whole = uniform(1, now=0.0)
    assert ShardMap(listed(split(whole, 0, at=hashed, now=0.0))).shard_of("key") == "shardId-000000000002"
    assert ShardMap(listed(split(whole, 0, at=hashed + 1, now=0.0))).shard_of("key") == "shardId-000000000001"


def test_hashes_are_compared_as_numbers_of_128_bits() -> None:
    shards = split(uniform(1, now=0.0), 0, at=9, now=0.0)
    assert int(listed(shards)[2]["HashKeyRange"]["EndingHashKey"]) == HASH_SPACE - 1
    assert ShardMap(listed(shards)).shard_of("any") == "shardId-000000000002"


def test_a_list_without_an_open_shard_is_an_error() -> None:
    with pytest.raises(ValueError, match="no open shard"):
        ShardMap([])
    with pytest.raises(ValueError, match="no open shard"):
        ShardMap(listed(split(uniform(1, now=0.0), 0, at=1 << 127, now=0.0))[:1])


def test_more_keys_than_are_remembered_are_answered_too() -> None:
    shards = ShardMap(listed(uniform(8, now=0.0)))
    first = shards.shard_of("0")
    for number in range(CACHED_KEYS + 1):
        shards.shard_of(str(number))
    assert shards.shard_of("0") == first
