"""SubscribeToShard: a consumer is sent the records of a shard as they come, for five minutes or until it subscribes again."""

from collections.abc import AsyncGenerator, Callable

import anyio

from forwarder.local.kinesis import errors, event_stream
from forwarder.local.kinesis.account import Context
from forwarder.local.kinesis.codecs import Codec
from forwarder.local.kinesis.constraints import SEQUENCE_NUMBER, demand, matches, one_of, present
from forwarder.local.kinesis.consumer_shapes import (
    OfConsumer,
    StartingPosition,
    SubscribeToShardEvent,
    SubscribeToShardRequest,
)
from forwarder.local.kinesis.consumers import find_consumer
from forwarder.local.kinesis.protocol import ErrorResponse, GetShardIteratorRequest
from forwarder.local.kinesis.reading import ITERATOR_TYPES, children, position_of
from forwarder.local.kinesis.resharding import find_shard
from forwarder.local.kinesis.stream import Stream
from forwarder.local.kinesis.subscription import PAUSE_SECONDS, Subscription

# After so long without a record, an event without one says how far the shard has been read.
HEARTBEAT_SECONDS = 5.0


class Feed:
    """The events of one subscription."""

    def __init__(self, stream: Stream, subscription: Subscription) -> None:
        self._stream = stream
        self._subscription = subscription

    async def messages(
        self, codec: Codec, *, clock: Callable[[], float], stored: Callable[[], anyio.Event]
    ) -> AsyncGenerator[bytes]:
        """The messages of the event stream: at once one that tells where the shard is read, then one whenever there is something to read.

        Args:
            clock: seconds of the Unix epoch.
            stored: an event that is set when something has happened since it was asked for.
        """
        yield event_stream.event("initial-response", b"{}", content_type=codec.content_type)
        is_due = True
        while not (self._subscription.is_over(now=clock()) or self._subscription.ending):
            happened = stored()
            pause = self._subscription.wait_seconds(now=clock())
            if pause:
                await anyio.sleep(pause)
                continue
            event = self._next(now=clock())
            if event.records or event.child_shards or is_due:
                yield event_stream.event("SubscribeToShardEvent", codec.encode(event), content_type=codec.content_type)
            if event.child_shards:
                return
            with anyio.move_on_after(HEARTBEAT_SECONDS) as wait:
                await happened.wait()
            is_due = wait.cancelled_caught
        if ending := self._subscription.ending:
            body = codec.encode(ErrorResponse(kind=ending.kind, message=ending.message))
            yield event_stream.exception(ending.kind, body, content_type=codec.content_type)

    def _next(self, *, now: float) -> SubscribeToShardEvent:
        subscription, stream = self._subscription, self._stream
        found = subscription.read(now=now)
        shard = stream.shards[subscription.shard_number]
        exhausted = not shard.is_open and subscription.position >= stream.log(shard.number).end
        return SubscribeToShardEvent(
            records=found.records,
            continuation_sequence_number=None if exhausted else stream.sequence_number(shard, subscription.position),
            millis_behind_latest=found.millis_behind_latest,
            child_shards=children(stream, shard) if exhausted else None,
        )


def subscribe_to_shard(request: SubscribeToShardRequest, context: Context) -> Feed:
    at = request.starting_position or StartingPosition()
    demand(
        present(request.consumer_arn, "consumerARN"),
        present(request.shard_id, "shardId"),
        present(request.starting_position, "startingPosition"),
        present(at.type, "startingPosition.type"),
        one_of(at.type, "startingPosition.type", choices=ITERATOR_TYPES),
        matches(at.sequence_number, "startingPosition.sequenceNumber", pattern=SEQUENCE_NUMBER),
    )
    stream, consumer = find_consumer(OfConsumer(consumer_arn=request.consumer_arn), context)
    if consumer.status(now=context.now) != "ACTIVE":
        raise errors.in_use(f"Consumer {consumer.name} is not ACTIVE.")
    shard = find_shard(stream, request.shard_id)
    iterator = GetShardIteratorRequest(
        shard_iterator_type=at.type, starting_sequence_number=at.sequence_number, timestamp=at.timestamp
    )
    position = position_of(iterator, stream, shard)
    in_use = errors.in_use(
        f"Another active subscription exists for this consumer: {consumer.arn} and shard: {shard.shard_id}."
    )
    last = consumer.subscriptions.get(shard.number)
    if last and stream.limits and context.now < last.began_at + PAUSE_SECONDS:
        raise in_use
    if request.dry_run:
        raise errors.dry_run()
    if last:
        last.ending = in_use
    subscription = consumer.subscriptions[shard.number] = Subscription(
        stream.log(shard.number), shard_number=shard.number, position=position, limits=stream.limits, now=context.now
    )
    return Feed(stream, subscription)
