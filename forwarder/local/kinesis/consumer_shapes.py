"""The shapes of consumers with a throughput of their own, and of what they subscribe to."""

from forwarder.local.kinesis.protocol import ChildShard, Record, Shape


class OfConsumer(Shape):
    """A request about a consumer, named by its ARN, or by that of its stream and its name."""

    stream_arn: str | None = None
    consumer_name: str | None = None
    consumer_arn: str | None = None


class RegisterStreamConsumerRequest(Shape):
    stream_arn: str | None = None
    consumer_name: str | None = None
    tags: dict[str, str] | None = None


class ListStreamConsumersRequest(Shape):
    stream_arn: str | None = None
    next_token: str | None = None
    max_results: int | None = None


class ConsumerSummary(Shape):
    consumer_name: str
    consumer_arn: str
    consumer_status: str
    consumer_creation_timestamp: float


class ConsumerDescription(ConsumerSummary, kw_only=True):
    stream_arn: str


class RegisterStreamConsumerResponse(Shape):
    consumer: ConsumerSummary


class DescribeStreamConsumerResponse(Shape):
    consumer_description: ConsumerDescription


class ListStreamConsumersResponse(Shape):
    consumers: list[ConsumerSummary]
    next_token: str | None = None


class StartingPosition(Shape):
    type: str | None = None
    sequence_number: str | None = None
    timestamp: float | None = None


class SubscribeToShardRequest(Shape):
    consumer_arn: str | None = None
    shard_id: str | None = None
    starting_position: StartingPosition | None = None
    dry_run: bool = False


class SubscribeToShardEvent(Shape, kw_only=True):
    """``continuation_sequence_number`` is where to subscribe again; the last event of a closed shard has its children instead."""

    records: list[Record]
    continuation_sequence_number: str | None = None
    millis_behind_latest: int
    child_shards: list[ChildShard] | None = None
