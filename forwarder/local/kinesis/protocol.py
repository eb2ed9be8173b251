"""The shapes of the Kinesis API, as far as this server reads and writes them. ``codecs`` reads and writes them in JSON and in CBOR.

Those of tags and policies are in ``resource_shapes``, those of consumers in ``consumer_shapes``.

``Data`` is bytes here, and base64 in JSON. Times are seconds of the Unix epoch. A member that is absent is None here, and one that is
None is left out of an answer. Constraints are checked by ``constraints``, not here.
"""

import msgspec


def _member_name(field: str) -> str:
    """``stream_arn`` -> ``StreamARN``."""
    special = {"arn": "ARN", "kib": "KiB"}
    return "".join(special.get(word, word.capitalize()) for word in field.split("_"))


class Shape(msgspec.Struct, kw_only=True, omit_defaults=True, rename=_member_name):
    """A structure of the API."""


class OfStream(Shape):
    """A request about one stream, named by either member."""

    stream_name: str | None = None
    stream_arn: str | None = None


class StreamModeDetails(Shape):
    stream_mode: str


class CreateStreamRequest(Shape):
    stream_name: str | None = None
    shard_count: int | None = None
    stream_mode_details: StreamModeDetails | None = None
    max_record_size_in_kib: int | None = None
    record_distribution_strategy: str | None = None
    tags: dict[str, str] | None = None


class DeleteStreamRequest(OfStream):
    enforce_consumer_deletion: bool | None = None


class DescribeStreamRequest(OfStream):
    limit: int | None = None
    exclusive_start_shard_id: str | None = None


class ListStreamsRequest(Shape):
    limit: int | None = None
    exclusive_start_stream_name: str | None = None
    next_token: str | None = None


class ShardFilter(Shape):
    type: str
    shard_id: str | None = None
    timestamp: float | None = None


class ListShardsRequest(OfStream):
    next_token: str | None = None
    exclusive_start_shard_id: str | None = None
    max_results: int | None = None
    shard_filter: ShardFilter | None = None


class PutRecordRequest(OfStream, kw_only=True):
    data: bytes
    partition_key: str | None = None
    explicit_hash_key: str | None = None
    dry_run: bool = False


class PutRecordsEntry(Shape, kw_only=True, gc=False):
    data: bytes
    partition_key: str | None = None
    explicit_hash_key: str | None = None


class PutRecordsRequest(OfStream, kw_only=True):
    records: list[PutRecordsEntry]
    dry_run: bool = False


class GetShardIteratorRequest(OfStream):
    shard_id: str | None = None
    shard_iterator_type: str | None = None
    starting_sequence_number: str | None = None
    timestamp: float | None = None
    dry_run: bool = False


class GetRecordsRequest(Shape):
    shard_iterator: str
    limit: int | None = None
    dry_run: bool = False


class SplitShardRequest(OfStream):
    shard_to_split: str | None = None
    new_starting_hash_key: str | None = None


class MergeShardsRequest(OfStream):
    shard_to_merge: str | None = None
    adjacent_shard_to_merge: str | None = None


class UpdateShardCountRequest(OfStream):
    target_shard_count: int | None = None
    scaling_type: str | None = None


class UpdateMaxRecordSizeRequest(OfStream):
    max_record_size_in_kib: int | None = None


class UpdateStreamModeRequest(OfStream):
    stream_mode_details: StreamModeDetails | None = None


class UpdateStreamRecordDistributionStrategyRequest(OfStream):
    record_distribution_strategy: str | None = None


class RetentionRequest(OfStream):
    retention_period_hours: int | None = None


class HashKeyRange(Shape):
    starting_hash_key: str
    ending_hash_key: str


class SequenceNumberRange(Shape):
    starting_sequence_number: str
    ending_sequence_number: str | None = None


class ShardDescription(Shape, kw_only=True):
    shard_id: str
    parent_shard_id: str | None = None
    adjacent_parent_shard_id: str | None = None
    hash_key_range: HashKeyRange
    sequence_number_range: SequenceNumberRange


class ChildShard(Shape):
    shard_id: str
    parent_shards: list[str]
    hash_key_range: HashKeyRange


class EnhancedMetrics(Shape):
    shard_level_metrics: list[str]


class StreamFacts(Shape):
    """What DescribeStream and DescribeStreamSummary have in common."""

    stream_name: str
    stream_arn: str
    stream_status: str
    stream_mode_details: StreamModeDetails
    retention_period_hours: int
    stream_creation_timestamp: float
    enhanced_monitoring: list[EnhancedMetrics]
    encryption_type: str


class StreamDescription(StreamFacts):
    shards: list[ShardDescription]
    has_more_shards: bool


class StreamDescriptionSummary(StreamFacts):
    open_shard_count: int
    consumer_count: int
    max_record_size_in_kib: int
    # Only of a stream in on-demand mode.
    record_distribution_strategy: str | None = None


class DescribeStreamResponse(Shape):
    stream_description: StreamDescription


class DescribeStreamSummaryResponse(Shape):
    stream_description_summary: StreamDescriptionSummary


class DescribeLimitsResponse(Shape):
    shard_limit: int
    open_shard_count: int
    on_demand_stream_count: int
    on_demand_stream_count_limit: int


class BillingCommitment(Shape):
    status: str


class DescribeAccountSettingsResponse(Shape):
    minimum_throughput_billing_commitment: BillingCommitment


class StreamSummary(Shape):
    stream_name: str
    stream_arn: str
    stream_status: str
    stream_mode_details: StreamModeDetails
    stream_creation_timestamp: float


class ListStreamsResponse(Shape):
    stream_names: list[str]
    has_more_streams: bool
    stream_summaries: list[StreamSummary]
    next_token: str | None = None


class ListShardsResponse(Shape):
    shards: list[ShardDescription]
    next_token: str | None = None


class PutRecordResponse(Shape):
    shard_id: str
    sequence_number: str
    encryption_type: str


class PutResult(Shape, gc=False):
    """What became of one record: a shard and a sequence number, or an error code and its message."""

    sequence_number: str | None = None
    shard_id: str | None = None
    error_code: str | None = None
    error_message: str | None = None


class PutRecordsResponse(Shape):
    failed_record_count: int
    records: list[PutResult]
    encryption_type: str


class GetShardIteratorResponse(Shape):
    shard_iterator: str


class Record(Shape, gc=False):
    sequence_number: str
    approximate_arrival_timestamp: float
    data: bytes
    partition_key: str
    encryption_type: str


class GetRecordsResponse(Shape):
    records: list[Record]
    next_shard_iterator: str | None
    millis_behind_latest: int
    child_shards: list[ChildShard] | None = None


class UpdateShardCountResponse(Shape):
    stream_name: str
    current_shard_count: int
    target_shard_count: int
    stream_arn: str


class ErrorResponse(msgspec.Struct):
    kind: str = msgspec.field(name="__type")
    message: str
