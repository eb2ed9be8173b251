"""ListShards: which shards a filter selects, page by page, and how a shard is described."""

import binascii
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Sequence

import msgspec

from forwarder.local.kinesis import errors
from forwarder.local.kinesis.account import Context
from forwarder.local.kinesis.constraints import between, demand, one_of, present
from forwarder.local.kinesis.protocol import (
    HashKeyRange,
    ListShardsRequest,
    ListShardsResponse,
    SequenceNumberRange,
    ShardDescription,
    ShardFilter,
)
from forwarder.local.kinesis.shards import Shard
from forwarder.local.kinesis.stream import Stream

LARGEST_PAGE = 10_000
DEFAULT_PAGE = 1000

_FILTERS: dict[str, Callable[[Shard, ShardFilter, float], bool]] = {
    "AFTER_SHARD_ID": lambda shard, given, horizon: shard.shard_id > (given.shard_id or ""),
    "AT_LATEST": lambda shard, given, horizon: shard.is_open,
    "AT_TIMESTAMP": lambda shard, given, horizon: _lives_at(shard, given.timestamp or 0.0),
    "AT_TRIM_HORIZON": lambda shard, given, horizon: _lives_at(shard, horizon),
    "FROM_TIMESTAMP": lambda shard, given, horizon: _lives_after(shard, max(given.timestamp or 0.0, horizon)),
    "FROM_TRIM_HORIZON": lambda shard, given, horizon: _lives_after(shard, horizon),
}


def list_shards(request: ListShardsRequest, context: Context) -> ListShardsResponse:
    demand(between(request.max_results, "maxResults", lowest=1, highest=LARGEST_PAGE))
    if request.next_token is not None:
        request = _continued(request)
    stream = context.account.find(request)
    limit = request.max_results or DEFAULT_PAGE
    wanted = _filtered(stream, request.shard_filter or ShardFilter(type="FROM_TRIM_HORIZON"), now=context.now)
    following = after(wanted, request.exclusive_start_shard_id)
    page = following[:limit]
    return ListShardsResponse(
        shards=[describe_shard(stream, shard) for shard in page],
        next_token=_token(stream, request.shard_filter, last=page[-1]) if len(following) > limit else None,
    )


def after(shards: Sequence[Shard], shard_id: str | None) -> list[Shard]:
    """The shards whose IDs follow ``shard_id``; all of them without one."""
    return [shard for shard in shards if shard_id is None or shard.shard_id > shard_id]


def describe_shard(stream: Stream, shard: Shard) -> ShardDescription:
    first, last = stream.sequence_range(shard)
    return ShardDescription(
        shard_id=shard.shard_id,
        parent_shard_id=_shard_id(stream, shard.parent),
        adjacent_parent_shard_id=_shard_id(stream, shard.adjacent_parent),
        hash_key_range=hash_key_range(shard),
        sequence_number_range=SequenceNumberRange(starting_sequence_number=first, ending_sequence_number=last),
    )


def hash_key_range(shard: Shard) -> HashKeyRange:
    return HashKeyRange(starting_hash_key=str(shard.first_hash), ending_hash_key=str(shard.last_hash))


def _shard_id(stream: Stream, number: int | None) -> str | None:
    return None if number is None else stream.shards[number].shard_id


def _filtered(stream: Stream, given: ShardFilter, *, now: float) -> list[Shard]:
    demand(
        one_of(given.type, "shardFilter.type", choices=tuple(_FILTERS)),
        present(given.shard_id, "shardFilter.shardId") if given.type == "AFTER_SHARD_ID" else None,
        present(given.timestamp, "shardFilter.timestamp") if given.type.endswith("TIMESTAMP") else None,
    )
    horizon = max(stream.created_at, now - 3600.0 * stream.settings.retention_hours)
    return [shard for shard in stream.shards if _FILTERS[given.type](shard, given, horizon)]


def _lives_after(shard: Shard, time: float) -> bool:
    return shard.closed_at is None or shard.closed_at >= time


def _lives_at(shard: Shard, time: float) -> bool:
    return shard.created_at <= time and _lives_after(shard, time)


def _token(stream: Stream, given: ShardFilter | None, *, last: Shard) -> str:
    """The request for the page that follows ``last``, as an opaque text."""
    request = ListShardsRequest(stream_name=stream.name, exclusive_start_shard_id=last.shard_id, shard_filter=given)
    return urlsafe_b64encode(msgspec.json.encode(request)).decode()


def _continued(request: ListShardsRequest) -> ListShardsRequest:
    if request.stream_name or request.stream_arn or request.exclusive_start_shard_id or request.shard_filter:
        raise errors.invalid_argument(
            "NextToken cannot be provided together with StreamName, StreamARN, ExclusiveStartShardId or ShardFilter."
        )
    try:
        following = msgspec.json.decode(urlsafe_b64decode(request.next_token or ""), type=ListShardsRequest)
    except (binascii.Error, ValueError) as error:
        raise errors.invalid_argument("NextToken is invalid.") from error
    following.max_results = request.max_results
    return following
