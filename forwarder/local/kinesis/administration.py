"""CreateStream, DeleteStream, and the settings of a stream."""

from forwarder.local.kinesis import errors
from forwarder.local.kinesis.account import CREATING_LIMIT, SHARD_LIMIT, Context
from forwarder.local.kinesis.constraints import NAME, between, demand, matches, one_of, present, sized
from forwarder.local.kinesis.protocol import (
    CreateStreamRequest,
    DeleteStreamRequest,
    RetentionRequest,
    UpdateMaxRecordSizeRequest,
    UpdateStreamModeRequest,
    UpdateStreamRecordDistributionStrategyRequest,
)
from forwarder.local.kinesis.stream import Stream, StreamSettings
from forwarder.local.kinesis.tags import add_tags, check_tags

MODES = ("PROVISIONED", "ON_DEMAND")
DISTRIBUTIONS = ("AUTO", "USER_PARTITION_KEY")
SMALLEST_MAX_RECORD_KIB = 1024
LARGEST_MAX_RECORD_KIB = 10_240
ON_DEMAND_SHARDS = 4
SHORTEST_RETENTION_HOURS = 24
LONGEST_RETENTION_HOURS = 8760


def create_stream(request: CreateStreamRequest, context: Context) -> None:
    mode = request.stream_mode_details.stream_mode if request.stream_mode_details else "PROVISIONED"
    settings = StreamSettings(
        mode=mode,
        max_record_kib=request.max_record_size_in_kib or SMALLEST_MAX_RECORD_KIB,
        distribution=request.record_distribution_strategy or "USER_PARTITION_KEY",
    )
    demand(
        present(request.stream_name, "streamName"),
        matches(request.stream_name, "streamName", pattern=NAME),
        sized(request.stream_name, "streamName", shortest=1, longest=128),
        between(request.shard_count, "shardCount", lowest=1, highest=SHARD_LIMIT),
        one_of(mode, "streamModeDetails.streamMode", choices=MODES),
        *_settings_violations(request.max_record_size_in_kib, request.record_distribution_strategy),
    )
    assert request.stream_name is not None
    if request.tags:
        check_tags(request.tags)
    _check_distribution(settings.distribution, mode=mode)
    _check_room(request.stream_name, context)
    shard_count = ON_DEMAND_SHARDS if mode == "ON_DEMAND" else request.shard_count
    if shard_count is None:
        raise errors.invalid_argument("ShardCount must be provided for a stream in PROVISIONED mode.")
    context.account.create(request.stream_name, shard_count=shard_count, settings=settings, now=context.now)
    add_tags(context.account.named(request.stream_name).tags, request.tags)


def delete_stream(request: DeleteStreamRequest, context: Context) -> None:
    stream = context.account.find(request)
    if stream.status == "DELETING":
        raise errors.in_use(f"{stream.identity} is being deleted.")
    if stream.consumers and not request.enforce_consumer_deletion:
        raise errors.in_use(
            f"{stream.identity} has {len(stream.consumers)} consumers registered. "
            "Deregister them, or delete it with EnforceConsumerDeletion."
        )
    for consumer in stream.consumers.values():
        consumer.end(errors.not_found(f"{stream.identity} not found."))
    stream.consumers.clear()

    def forget(_: float) -> None:
        del context.account.streams[stream.name]

    context.account.change(stream, "DELETING", forget, now=context.now)


def update_max_record_size(request: UpdateMaxRecordSizeRequest, context: Context) -> None:
    demand(
        present(request.stream_arn, "streamARN"),
        present(request.max_record_size_in_kib, "maxRecordSizeInKiB"),
        *_settings_violations(request.max_record_size_in_kib, None),
    )
    stream = context.account.find_active(request)

    def apply(_: float) -> None:
        stream.settings.max_record_kib = request.max_record_size_in_kib or SMALLEST_MAX_RECORD_KIB

    context.account.change(stream, "UPDATING", apply, now=context.now)


def increase_stream_retention_period(request: RetentionRequest, context: Context) -> None:
    stream, hours = _retained(request, context)
    if hours < stream.settings.retention_hours:
        raise _other_direction(stream, hours, "shorter", "Decrease")
    _retain(stream, hours, context)


def decrease_stream_retention_period(request: RetentionRequest, context: Context) -> None:
    stream, hours = _retained(request, context)
    if hours > stream.settings.retention_hours:
        raise _other_direction(stream, hours, "longer", "Increase")
    _retain(stream, hours, context)


def update_stream_mode(request: UpdateStreamModeRequest, context: Context) -> None:
    demand(present(request.stream_arn, "streamARN"), present(request.stream_mode_details, "streamModeDetails"))
    assert request.stream_mode_details is not None
    mode = request.stream_mode_details.stream_mode
    demand(one_of(mode, "streamModeDetails.streamMode", choices=MODES))
    stream = context.account.find_active(request)
    _check_distribution(stream.settings.distribution, mode=mode)

    def apply(_: float) -> None:
        stream.settings.mode = mode

    context.account.change(stream, "UPDATING", apply, now=context.now)


def update_stream_record_distribution_strategy(
    request: UpdateStreamRecordDistributionStrategyRequest, context: Context
) -> None:
    """Takes effect at once, as on AWS, whatever the transition time."""
    demand(
        present(request.stream_arn, "streamARN"),
        present(request.record_distribution_strategy, "recordDistributionStrategy"),
        *_settings_violations(None, request.record_distribution_strategy),
    )
    assert request.record_distribution_strategy is not None
    stream = context.account.find_active(request)
    _check_distribution(request.record_distribution_strategy, mode=stream.settings.mode)
    stream.settings.distribution = request.record_distribution_strategy


def check_provisioned(stream: Stream) -> None:
    """Refuse to change the shards of an on-demand stream by hand."""
    if stream.settings.mode == "ON_DEMAND":
        raise errors.KinesisError("ValidationException", f"Request is invalid. {stream.identity} is in On-Demand mode.")


def _retained(request: RetentionRequest, context: Context) -> tuple[Stream, int]:
    """The stream, and the hours for which it is to keep records."""
    demand(present(request.retention_period_hours, "retentionPeriodHours"))
    hours = request.retention_period_hours or 0
    if hours < SHORTEST_RETENTION_HOURS:
        raise errors.invalid_argument(
            f"Minimum allowed retention period is {SHORTEST_RETENTION_HOURS} hours. "
            f"Requested retention period ({hours} hours) is too short."
        )
    if hours > LONGEST_RETENTION_HOURS:
        raise errors.invalid_argument(
            f"Maximum allowed retention period is {LONGEST_RETENTION_HOURS} hours. "
            f"Requested retention period ({hours} hours) is too long."
        )
    return context.account.find_active(request), hours


def _other_direction(stream: Stream, hours: int, than_it_is: str, other: str) -> errors.KinesisError:
    return errors.invalid_argument(
        f"Requested retention period ({hours} hours) for stream {stream.name} can not be {than_it_is} than existing retention "
        f"period ({stream.settings.retention_hours} hours). Use {other}RetentionPeriod API."
    )


def _retain(stream: Stream, hours: int, context: Context) -> None:
    """Nothing is ever trimmed here; but which shards ListShards tells of depends on it."""

    def apply(_: float) -> None:
        stream.settings.retention_hours = hours

    context.account.change(stream, "UPDATING", apply, now=context.now)


def _settings_violations(max_record_kib: int | None, distribution: str | None) -> tuple[str | None, ...]:
    return (
        between(max_record_kib, "maxRecordSizeInKiB", lowest=SMALLEST_MAX_RECORD_KIB, highest=LARGEST_MAX_RECORD_KIB),
        one_of(distribution, "recordDistributionStrategy", choices=DISTRIBUTIONS),
    )


def _check_distribution(distribution: str, *, mode: str) -> None:
    if distribution == "AUTO" and mode == "PROVISIONED":
        raise errors.invalid_argument("Record distribution strategy AUTO is only supported in ON_DEMAND mode.")


def _check_room(name: str, context: Context) -> None:
    account = context.account
    if name in account.streams:
        raise errors.in_use(f"Stream {name} under account {account.account_id} already exists.")
    creating = sum(stream.status == "CREATING" for stream in account.streams.values())
    if creating >= CREATING_LIMIT:
        raise errors.limit_exceeded(
            f"No more than {CREATING_LIMIT} streams of account {account.account_id} may be in CREATING state at once."
        )
