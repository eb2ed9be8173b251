"""GetShardIterator and GetRecords."""

from forwarder.local.kinesis import errors, iterators
from forwarder.local.kinesis.account import Context
from forwarder.local.kinesis.constraints import SEQUENCE_NUMBER, between, demand, matches, one_of, present
from forwarder.local.kinesis.iterators import ShardIterator
from forwarder.local.kinesis.protocol import (
    ChildShard,
    GetRecordsRequest,
    GetRecordsResponse,
    GetShardIteratorRequest,
    GetShardIteratorResponse,
)
from forwarder.local.kinesis.resharding import find_shard
from forwarder.local.kinesis.sequence import SequenceNumber
from forwarder.local.kinesis.shard_listing import hash_key_range
from forwarder.local.kinesis.shards import Shard
from forwarder.local.kinesis.stream import Stream

MAX_READ_RECORDS = 10_000
ITERATOR_TYPES = ("AFTER_SEQUENCE_NUMBER", "AT_SEQUENCE_NUMBER", "AT_TIMESTAMP", "LATEST", "TRIM_HORIZON")


def get_shard_iterator(request: GetShardIteratorRequest, context: Context) -> GetShardIteratorResponse:
    demand(
        present(request.shard_id, "shardId"),
        present(request.shard_iterator_type, "shardIteratorType"),
        one_of(request.shard_iterator_type, "shardIteratorType", choices=ITERATOR_TYPES),
        matches(request.starting_sequence_number, "startingSequenceNumber", pattern=SEQUENCE_NUMBER),
    )
    stream = context.account.find(request)
    shard = find_shard(stream, request.shard_id)
    position = position_of(request, stream, shard)
    if request.dry_run:
        raise errors.dry_run()
    return GetShardIteratorResponse(shard_iterator=_iterator(stream, shard, position, now=context.now))


def get_records(request: GetRecordsRequest, context: Context) -> GetRecordsResponse:
    """Read on from an iterator. The answer has the next iterator; for a closed shard that is read to its end, its children instead."""
    demand(between(request.limit, "limit", lowest=1, highest=MAX_READ_RECORDS))
    iterator = iterators.decode(request.shard_iterator)
    iterators.check_age(iterator, now=context.now)
    stream = context.account.named(iterator.stream)
    if iterator.shard_number >= len(stream.shards):
        raise errors.invalid_argument("Invalid ShardIterator.")
    if request.dry_run:
        raise errors.dry_run()
    shard = stream.shards[iterator.shard_number]
    found = stream.read(shard.number, iterator.position, limit=request.limit or MAX_READ_RECORDS, now=context.now)
    exhausted = not shard.is_open and found.next_position >= stream.log(shard.number).end
    return GetRecordsResponse(
        records=found.records,
        next_shard_iterator=None if exhausted else _iterator(stream, shard, found.next_position, now=context.now),
        millis_behind_latest=found.millis_behind_latest,
        child_shards=children(stream, shard) if exhausted else None,
    )


def _iterator(stream: Stream, shard: Shard, position: int, *, now: float) -> str:
    return ShardIterator(stream=stream.name, shard_number=shard.number, position=position, issued_at=now).encode()


def position_of(request: GetShardIteratorRequest, stream: Stream, shard: Shard) -> int:
    """The position that the type of an iterator and its argument stand for."""
    log = stream.log(shard.number)
    match request.shard_iterator_type:
        case "TRIM_HORIZON":
            return 0
        case "LATEST":
            return log.end
        case "AT_TIMESTAMP":
            demand(present(request.timestamp, "timestamp"))
            return log.position_at(request.timestamp or 0.0)
        case "AT_SEQUENCE_NUMBER":
            return min(max(0, _index(request, stream, shard) - 1), log.end)
        case _:
            return min(_index(request, stream, shard), log.end)


def _index(request: GetShardIteratorRequest, stream: Stream, shard: Shard) -> int:
    """The index of a record, out of the starting sequence number. 0: the number that opens the shard; 1: its first record."""
    text = request.starting_sequence_number
    if text is None:
        raise errors.invalid_argument(
            "Must either specify (1) AT_SEQUENCE_NUMBER or AFTER_SEQUENCE_NUMBER and StartingSequenceNumber or "
            "(2) TRIM_HORIZON or LATEST and no StartingSequenceNumber. "
            f"Request specified {request.shard_iterator_type} and no StartingSequenceNumber."
        )
    used = (
        f"StartingSequenceNumber {text} used in GetShardIterator on shard {shard.shard_id} in {stream.identity.inline}"
    )
    try:
        number = SequenceNumber.parse(text)
    except ValueError as error:
        raise errors.invalid_argument(f"{used} is invalid.") from error
    if number.shard_number != shard.number:
        raise errors.invalid_argument(
            f"Invalid StartingSequenceNumber. It encodes shardId-{number.shard_number:012d}, while it was used in a "
            f"call to a shard with {shard.shard_id}"
        )
    if number.shard_created_second != shard.created_second:
        raise errors.invalid_argument(f"{used} is invalid because it did not come from this stream.")
    return number.index


def children(stream: Stream, parent: Shard) -> list[ChildShard]:
    return [
        ChildShard(
            shard_id=shard.shard_id,
            parent_shards=[stream.shards[number].shard_id for number in shard.parents],
            hash_key_range=hash_key_range(shard),
        )
        for shard in stream.shards
        if parent.number in shard.parents
    ]
