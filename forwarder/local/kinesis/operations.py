"""The table of the API: for each operation the shape of its request, and the function that carries it out."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import msgspec

from forwarder.aws.cbor import Malformed
from forwarder.local.kinesis import (
    administration,
    consumers,
    description,
    errors,
    fan_out,
    iterators,
    policies,
    reading,
    resharding,
    tagging,
    writing,
)
from forwarder.local.kinesis.account import Context, name_in, stream_in
from forwarder.local.kinesis.codecs import Codec
from forwarder.local.kinesis.consumer_shapes import (
    ListStreamConsumersRequest,
    OfConsumer,
    RegisterStreamConsumerRequest,
    SubscribeToShardRequest,
)
from forwarder.local.kinesis.fan_out import Feed
from forwarder.local.kinesis.operation_names import OperationName
from forwarder.local.kinesis.protocol import (
    CreateStreamRequest,
    DeleteStreamRequest,
    DescribeStreamRequest,
    GetRecordsRequest,
    GetShardIteratorRequest,
    ListShardsRequest,
    ListStreamsRequest,
    MergeShardsRequest,
    OfStream,
    PutRecordRequest,
    PutRecordsRequest,
    RetentionRequest,
    Shape,
    SplitShardRequest,
    UpdateMaxRecordSizeRequest,
    UpdateShardCountRequest,
    UpdateStreamModeRequest,
    UpdateStreamRecordDistributionStrategyRequest,
)
from forwarder.local.kinesis.resource_shapes import (
    AddTagsToStreamRequest,
    ListTagsForStreamRequest,
    OfResource,
    PutResourcePolicyRequest,
    RemoveTagsFromStreamRequest,
    TagResourceRequest,
    UntagResourceRequest,
)
from forwarder.local.kinesis.shard_listing import list_shards

TARGET_PREFIX = "Kinesis_20131202."
# Credential=AKID/20260102/eu-west-1/kinesis/aws4_request
_CREDENTIAL_SCOPE = re.compile(r"Credential=[^,\s]+/\d{8}/(?P<region>[a-z0-9-]+)/kinesis/aws4_request")

Act: TypeAlias = Callable[[Any, Context], Shape | Feed | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One operation: the shape of its request, and what carries it out."""

    name: str
    shape: type[Shape]
    act: Act


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One request that has been read, and not yet been carried out."""

    operation: Operation
    request: Any
    # For the answer.
    codec: Codec
    # The client's region.
    region: str | None = None

    @classmethod
    def read(cls, target: str, body: bytes, *, codec: Codec, authorization: str = "") -> "Call":
        """Read a request.

        Args:
            target: the ``X-Amz-Target`` header.
            authorization: the header of that name, if any; it tells the client's region.

        Raises:
            KinesisError: there is no such operation, or the body does not have its shape.
        """
        operation = OPERATIONS.get(target.removeprefix(TARGET_PREFIX)) if target.startswith(TARGET_PREFIX) else None
        if operation is None:
            raise errors.unknown_operation(target.removeprefix(TARGET_PREFIX))
        scope = _CREDENTIAL_SCOPE.search(authorization)
        try:
            request = codec.decode(body, operation.shape)
        except (msgspec.DecodeError, Malformed) as error:
            raise errors.serialization(str(error)) from error
        return cls(operation=operation, request=request, codec=codec, region=scope and scope["region"])

    @property
    def stream(self) -> str | None:
        """The name of the stream that the request is about, if it is about one."""
        match self.request:
            case OfStream():
                return name_in(self.request)
            case CreateStreamRequest():
                return self.request.stream_name
            case (
                OfResource(resource_arn=str(arn))
                | OfConsumer(consumer_arn=str(arn))
                | OfConsumer(stream_arn=str(arn))
                | RegisterStreamConsumerRequest(stream_arn=str(arn))
                | ListStreamConsumersRequest(stream_arn=str(arn))
                | SubscribeToShardRequest(consumer_arn=str(arn))
            ):
                return stream_in(arn)
            case GetRecordsRequest():
                return iterators.decode(self.request.shard_iterator).stream
            case _:
                return None

    @property
    def partition_keys(self) -> Sequence[str]:
        """The partition keys of its records, in their order."""
        match self.request:
            case PutRecordsRequest():
                return [entry.partition_key or "" for entry in self.request.records]
            case PutRecordRequest():
                return [self.request.partition_key or ""]
            case _:
                return ()

    def answer(self, context: Context) -> bytes | Feed:
        """Carry it out, and return the body of the response; empty for an operation without a result. That of a subscription goes on.

        Raises:
            KinesisError: the request is refused.
        """
        context.account.settle(now=context.now)
        response = self.operation.act(self.request, context)
        if isinstance(response, Feed):
            return response
        return b"" if response is None else self.codec.encode(response)


_TABLE: Mapping[OperationName, tuple[type[Shape], Act]] = {
    "AddTagsToStream": (AddTagsToStreamRequest, tagging.add_tags_to_stream),
    "CreateStream": (CreateStreamRequest, administration.create_stream),
    "DecreaseStreamRetentionPeriod": (RetentionRequest, administration.decrease_stream_retention_period),
    "DeleteResourcePolicy": (OfResource, policies.delete_resource_policy),
    "DeleteStream": (DeleteStreamRequest, administration.delete_stream),
    "DeregisterStreamConsumer": (OfConsumer, consumers.deregister_stream_consumer),
    "DescribeAccountSettings": (Shape, description.describe_account_settings),
    "DescribeLimits": (Shape, description.describe_limits),
    "DescribeStream": (DescribeStreamRequest, description.describe_stream),
    "DescribeStreamConsumer": (OfConsumer, consumers.describe_stream_consumer),
    "DescribeStreamSummary": (OfStream, description.describe_stream_summary),
    "GetRecords": (GetRecordsRequest, reading.get_records),
    "GetResourcePolicy": (OfResource, policies.get_resource_policy),
    "GetShardIterator": (GetShardIteratorRequest, reading.get_shard_iterator),
    "IncreaseStreamRetentionPeriod": (RetentionRequest, administration.increase_stream_retention_period),
    "ListShards": (ListShardsRequest, list_shards),
    "ListStreamConsumers": (ListStreamConsumersRequest, consumers.list_stream_consumers),
    "ListStreams": (ListStreamsRequest, description.list_streams),
    "ListTagsForResource": (OfResource, tagging.list_tags_for_resource),
    "ListTagsForStream": (ListTagsForStreamRequest, tagging.list_tags_for_stream),
    "MergeShards": (MergeShardsRequest, resharding.merge_shards),
    "PutRecord": (PutRecordRequest, writing.put_record),
    "PutRecords": (PutRecordsRequest, writing.put_records),
    "PutResourcePolicy": (PutResourcePolicyRequest, policies.put_resource_policy),
    "RegisterStreamConsumer": (RegisterStreamConsumerRequest, consumers.register_stream_consumer),
    "RemoveTagsFromStream": (RemoveTagsFromStreamRequest, tagging.remove_tags_from_stream),
    "SplitShard": (SplitShardRequest, resharding.split_shard),
    "SubscribeToShard": (SubscribeToShardRequest, fan_out.subscribe_to_shard),
    "TagResource": (TagResourceRequest, tagging.tag_resource),
    "UntagResource": (UntagResourceRequest, tagging.untag_resource),
    "UpdateMaxRecordSize": (UpdateMaxRecordSizeRequest, administration.update_max_record_size),
    "UpdateShardCount": (UpdateShardCountRequest, resharding.update_shard_count),
    "UpdateStreamMode": (UpdateStreamModeRequest, administration.update_stream_mode),
    "UpdateStreamRecordDistributionStrategy": (
        UpdateStreamRecordDistributionStrategyRequest,
        administration.update_stream_record_distribution_strategy,
    ),
}
OPERATIONS: Mapping[str, Operation] = {
    name: Operation(name=name, shape=shape, act=act) for name, (shape, act) in _TABLE.items()
}
