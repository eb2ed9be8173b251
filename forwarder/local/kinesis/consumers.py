"""RegisterStreamConsumer, DeregisterStreamConsumer, DescribeStreamConsumer and ListStreamConsumers."""

from forwarder.local.kinesis import errors
from forwarder.local.kinesis.account import Context, stream_in
from forwarder.local.kinesis.constraints import ARN, NAME, between, demand, matches, present, sized
from forwarder.local.kinesis.consumer_shapes import (
    ConsumerDescription,
    ConsumerSummary,
    DescribeStreamConsumerResponse,
    ListStreamConsumersRequest,
    ListStreamConsumersResponse,
    OfConsumer,
    RegisterStreamConsumerRequest,
    RegisterStreamConsumerResponse,
)
from forwarder.local.kinesis.protocol import OfStream
from forwarder.local.kinesis.stream import Stream
from forwarder.local.kinesis.subscription import Consumer
from forwarder.local.kinesis.tags import add_tags, check_tags

CONSUMER_ARN = "^(arn):aws.*:kinesis:.*:\\d{12}:.*stream\\/[a-zA-Z0-9_.-]+\\/consumer\\/[a-zA-Z0-9_.-]+:[0-9]+"
CONSUMER_LIMIT = 20
CREATING_LIMIT = 5
LARGEST_PAGE = 10_000
DEFAULT_PAGE = 100


def register_stream_consumer(
    request: RegisterStreamConsumerRequest, context: Context
) -> RegisterStreamConsumerResponse:
    demand(
        present(request.stream_arn, "streamARN"),
        present(request.consumer_name, "consumerName"),
        sized(request.consumer_name, "consumerName", shortest=1, longest=128),
        matches(request.consumer_name, "consumerName", pattern=NAME),
    )
    if request.tags:
        check_tags(request.tags)
    stream = context.account.find_active(OfStream(stream_arn=request.stream_arn))
    name = request.consumer_name or ""
    _check_room(stream, name, context)
    consumer = Consumer(
        name=name,
        arn=f"{stream.identity.arn_in(context.region)}/consumer/{name}:{int(context.now)}",
        created_at=context.now,
        active_at=context.account.due_at(context.now),
    )
    add_tags(consumer.tags, request.tags)
    stream.consumers[name] = consumer
    return RegisterStreamConsumerResponse(consumer=_summary(consumer, context))


def deregister_stream_consumer(request: OfConsumer, context: Context) -> None:
    stream, consumer = find_consumer(request, context)
    consumer.end(_not_found(consumer.name, context))
    del stream.consumers[consumer.name]


def describe_stream_consumer(request: OfConsumer, context: Context) -> DescribeStreamConsumerResponse:
    stream, consumer = find_consumer(request, context)
    return DescribeStreamConsumerResponse(
        consumer_description=ConsumerDescription(
            consumer_name=consumer.name,
            consumer_arn=consumer.arn,
            consumer_status=consumer.status(now=context.now),
            consumer_creation_timestamp=consumer.created_at,
            stream_arn=stream.identity.arn_in(context.region),
        )
    )


def list_stream_consumers(request: ListStreamConsumersRequest, context: Context) -> ListStreamConsumersResponse:
    """One page of consumers by name; the token of the next page is the last name of this one."""
    demand(
        present(request.stream_arn, "streamARN"),
        between(request.max_results, "maxResults", lowest=1, highest=LARGEST_PAGE),
    )
    stream = context.account.find(OfStream(stream_arn=request.stream_arn))
    limit = request.max_results or DEFAULT_PAGE
    names = sorted(name for name in stream.consumers if name > (request.next_token or ""))
    return ListStreamConsumersResponse(
        consumers=[_summary(stream.consumers[name], context) for name in names[:limit]],
        next_token=names[limit - 1] if len(names) > limit else None,
    )


def find_consumer(request: OfConsumer, context: Context) -> tuple[Stream, Consumer]:
    """The consumer that a request names, and its stream."""
    demand(
        matches(request.stream_arn, "streamARN", pattern=ARN),
        matches(request.consumer_arn, "consumerARN", pattern=CONSUMER_ARN),
    )
    arn = request.consumer_arn or request.stream_arn
    name, _, created_second = (request.consumer_arn or "").rpartition("/consumer/")[2].partition(":")
    name = name or request.consumer_name or ""
    if arn is None or request.consumer_name not in (None, name):
        raise errors.invalid_argument("Either ConsumerARN, or both StreamARN and ConsumerName must be provided.")
    stream = context.account.named(stream_in(arn))
    consumer = stream.consumers.get(name)
    if consumer is None or created_second not in ("", str(int(consumer.created_at))):
        raise _not_found(name, context)
    return stream, consumer


def _check_room(stream: Stream, name: str, context: Context) -> None:
    if name in stream.consumers:
        raise errors.in_use(f"Consumer {name}, {stream.identity.inline} already exists.")
    if len(stream.consumers) >= CONSUMER_LIMIT:
        raise errors.limit_exceeded(f"{stream.identity} cannot have more than {CONSUMER_LIMIT} consumers.")
    creating = sum(consumer.status(now=context.now) == "CREATING" for consumer in stream.consumers.values())
    if creating >= CREATING_LIMIT:
        raise errors.limit_exceeded(f"No more than {CREATING_LIMIT} consumers may be in CREATING state at once.")


def _not_found(name: str, context: Context) -> errors.KinesisError:
    return errors.not_found(f"Consumer {name}, account {context.account.account_id} not found.")


def _summary(consumer: Consumer, context: Context) -> ConsumerSummary:
    return ConsumerSummary(
        consumer_name=consumer.name,
        consumer_arn=consumer.arn,
        consumer_status=consumer.status(now=context.now),
        consumer_creation_timestamp=consumer.created_at,
    )
