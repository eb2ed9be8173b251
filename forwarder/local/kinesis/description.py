"""DescribeStream, DescribeStreamSummary, DescribeLimits, DescribeAccountSettings and ListStreams."""

from forwarder.local.kinesis.account import SHARD_LIMIT, Context, open_shard_count
from forwarder.local.kinesis.constraints import between, demand
from forwarder.local.kinesis.protocol import (
    BillingCommitment,
    DescribeAccountSettingsResponse,
    DescribeLimitsResponse,
    DescribeStreamRequest,
    DescribeStreamResponse,
    DescribeStreamSummaryResponse,
    EnhancedMetrics,
    ListStreamsRequest,
    ListStreamsResponse,
    OfStream,
    Shape,
    StreamDescription,
    StreamDescriptionSummary,
    StreamModeDetails,
    StreamSummary,
)
from forwarder.local.kinesis.shard_listing import after, describe_shard
from forwarder.local.kinesis.stream import Stream

ON_DEMAND_STREAM_LIMIT = 50
LARGEST_PAGE = 10_000
DEFAULT_PAGE = 100


def describe_stream(request: DescribeStreamRequest, context: Context) -> DescribeStreamResponse:
    demand(between(request.limit, "limit", lowest=1, highest=LARGEST_PAGE))
    stream = context.account.find(request)
    limit = request.limit or DEFAULT_PAGE
    following = after(stream.shards, request.exclusive_start_shard_id)
    return DescribeStreamResponse(
        stream_description=StreamDescription(
            stream_name=stream.name,
            stream_arn=stream.identity.arn_in(context.region),
            stream_status=stream.status,
            stream_mode_details=StreamModeDetails(stream_mode=stream.settings.mode),
            retention_period_hours=stream.settings.retention_hours,
            stream_creation_timestamp=stream.created_at,
            enhanced_monitoring=[EnhancedMetrics(shard_level_metrics=[])],
            encryption_type="NONE",
            shards=[describe_shard(stream, shard) for shard in following[:limit]],
            has_more_shards=len(following) > limit,
        )
    )


def describe_stream_summary(request: OfStream, context: Context) -> DescribeStreamSummaryResponse:
    stream = context.account.find(request)
    return DescribeStreamSummaryResponse(
        stream_description_summary=StreamDescriptionSummary(
            stream_name=stream.name,
            stream_arn=stream.identity.arn_in(context.region),
            stream_status=stream.status,
            stream_mode_details=StreamModeDetails(stream_mode=stream.settings.mode),
            retention_period_hours=stream.settings.retention_hours,
            stream_creation_timestamp=stream.created_at,
            enhanced_monitoring=[EnhancedMetrics(shard_level_metrics=[])],
            encryption_type="NONE",
            open_shard_count=open_shard_count(stream),
            consumer_count=len(stream.consumers),
            max_record_size_in_kib=stream.settings.max_record_kib,
            record_distribution_strategy=stream.settings.distribution if stream.settings.mode == "ON_DEMAND" else None,
        )
    )


def describe_limits(_: Shape, context: Context) -> DescribeLimitsResponse:
    streams = context.account.streams.values()
    return DescribeLimitsResponse(
        shard_limit=SHARD_LIMIT,
        open_shard_count=sum(open_shard_count(stream) for stream in streams),
        on_demand_stream_count=sum(stream.settings.mode == "ON_DEMAND" for stream in streams),
        on_demand_stream_count_limit=ON_DEMAND_STREAM_LIMIT,
    )


def describe_account_settings(_: Shape, context: Context) -> DescribeAccountSettingsResponse:
    return DescribeAccountSettingsResponse(minimum_throughput_billing_commitment=BillingCommitment(status="DISABLED"))


def list_streams(request: ListStreamsRequest, context: Context) -> ListStreamsResponse:
    """One page of streams by name; the token of the next page is the last name of this one."""
    demand(between(request.limit, "limit", lowest=1, highest=LARGEST_PAGE))
    limit = request.limit or DEFAULT_PAGE
    start = request.next_token or request.exclusive_start_stream_name or ""
    names = sorted(name for name in context.account.streams if name > start)
    page = names[:limit]
    return ListStreamsResponse(
        stream_names=page,
        has_more_streams=len(names) > limit,
        stream_summaries=[_summary(context.account.streams[name], context) for name in page],
        next_token=page[-1] if len(names) > limit else None,
    )


def _summary(stream: Stream, context: Context) -> StreamSummary:
    return StreamSummary(
        stream_name=stream.name,
        stream_arn=stream.identity.arn_in(context.region),
        stream_status=stream.status,
        stream_mode_details=StreamModeDetails(stream_mode=stream.settings.mode),
        stream_creation_timestamp=stream.created_at,
    )
