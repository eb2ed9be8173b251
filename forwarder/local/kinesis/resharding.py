"""SplitShard, MergeShards and UpdateShardCount. A request is checked at once; it takes effect after the transition time."""

from collections.abc import Callable, Sequence
from functools import partial

from forwarder.local.kinesis import errors, shards
from forwarder.local.kinesis.account import SHARD_LIMIT, Context, open_shard_count
from forwarder.local.kinesis.administration import check_provisioned
from forwarder.local.kinesis.constraints import HASH_KEY, between, demand, matches, one_of, present
from forwarder.local.kinesis.protocol import (
    MergeShardsRequest,
    SplitShardRequest,
    UpdateShardCountRequest,
    UpdateShardCountResponse,
)
from forwarder.local.kinesis.shards import Shard
from forwarder.local.kinesis.stream import Stream


def split_shard(request: SplitShardRequest, context: Context) -> None:
    demand(
        present(request.shard_to_split, "shardToSplit"),
        present(request.new_starting_hash_key, "newStartingHashKey"),
        matches(request.new_starting_hash_key, "newStartingHashKey", pattern=HASH_KEY),
    )
    stream = context.account.find_active(request)
    check_provisioned(stream)
    parent = _open_shard(stream, request.shard_to_split)
    boundary = int(request.new_starting_hash_key or 0)
    if not parent.first_hash + 1 < boundary < parent.last_hash:
        raise errors.invalid_argument(
            f"NewStartingHashKey {boundary} used in SplitShard() on shard {parent.shard_id} in {stream.identity.inline} is not "
            f"both greater than one plus the shard's StartingHashKey {parent.first_hash} and less than the shard's "
            f"EndingHashKey {parent.last_hash}."
        )
    _begin(stream, partial(shards.split, number=parent.number, at=boundary), context)


def merge_shards(request: MergeShardsRequest, context: Context) -> None:
    demand(
        present(request.shard_to_merge, "shardToMerge"),
        present(request.adjacent_shard_to_merge, "adjacentShardToMerge"),
    )
    stream = context.account.find_active(request)
    check_provisioned(stream)
    first = _open_shard(stream, request.shard_to_merge)
    second = _open_shard(stream, request.adjacent_shard_to_merge)
    lower, upper = sorted((first, second), key=lambda shard: shard.first_hash)
    if lower.last_hash + 1 != upper.first_hash:
        raise errors.invalid_argument(
            f"Shards {first.shard_id} and {second.shard_id} in {stream.identity.inline} are not an adjacent pair of shards "
            "eligible for merging"
        )
    _begin(stream, partial(shards.merge, lower=lower.number, upper=upper.number), context)


def update_shard_count(request: UpdateShardCountRequest, context: Context) -> UpdateShardCountResponse:
    demand(
        present(request.target_shard_count, "targetShardCount"),
        between(request.target_shard_count, "targetShardCount", lowest=1, highest=SHARD_LIMIT),
        present(request.scaling_type, "scalingType"),
        one_of(request.scaling_type, "scalingType", choices=("UNIFORM_SCALING",)),
    )
    stream = context.account.find_active(request)
    check_provisioned(stream)
    target = request.target_shard_count or 1
    current = open_shard_count(stream)
    _check_scaling(current, target)
    _begin(stream, partial(shards.rescale, count=target), context)
    return UpdateShardCountResponse(
        stream_name=stream.name,
        current_shard_count=current,
        target_shard_count=target,
        stream_arn=stream.identity.arn_in(context.region),
    )


def find_shard(stream: Stream, shard_id: str | None) -> Shard:
    """The shard of this ID, open or closed."""
    for shard in stream.shards:
        if shard.shard_id == shard_id:
            return shard
    raise errors.not_found(f"Could not find shard {shard_id} in {stream.identity.inline}.")


def _open_shard(stream: Stream, shard_id: str | None) -> Shard:
    shard = find_shard(stream, shard_id)
    if not shard.is_open:
        raise errors.invalid_argument(
            f"Shard {shard.shard_id} in {stream.identity.inline} has already been merged or split, and thus is not eligible for "
            "merging or splitting."
        )
    return shard


def _check_scaling(current: int, target: int) -> None:
    """Source: the default limits of UpdateShardCount, "more than double", "below half"."""
    counts = f"Current open shard count: {current}, Target shard count: {target}"
    if target > 2 * current:
        raise errors.limit_exceeded(
            f"UpdateShardCount cannot scale up over double your current open shard count. {counts}"
        )
    if target < current / 2:
        raise errors.limit_exceeded(
            f"UpdateShardCount cannot scale down below half your current open shard count. {counts}"
        )


def _begin(stream: Stream, reshard: Callable[..., Sequence[Shard]], context: Context) -> None:
    def apply(at: float) -> None:
        stream.reshape(reshard(stream.shards, now=at), now=at)

    context.account.change(stream, "UPDATING", apply, now=context.now)
