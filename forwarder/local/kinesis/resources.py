"""What tags and policies are attached to, by its ARN."""

from typing import Protocol

from forwarder.local.kinesis.account import Context, stream_in
from forwarder.local.kinesis.constraints import demand, matches, present, sized
from forwarder.local.kinesis.consumer_shapes import OfConsumer
from forwarder.local.kinesis.consumers import find_consumer
from forwarder.local.kinesis.resource_shapes import OfResource

RESOURCE_ARN = "arn:aws.*:kinesis:.*:\\d{12}:.*stream/\\S+"
MAX_ARN_CHARACTERS = 2048


class Resource(Protocol):
    """A stream or a consumer."""

    tags: dict[str, str]
    policy: str | None


def find_resource(request: OfResource, context: Context) -> Resource:
    """What a request is about."""
    demand(
        present(request.resource_arn, "resourceARN"),
        sized(request.resource_arn, "resourceARN", shortest=1, longest=MAX_ARN_CHARACTERS),
        matches(request.resource_arn, "resourceARN", pattern=RESOURCE_ARN),
    )
    arn = request.resource_arn or ""
    if "/consumer/" in arn:
        return find_consumer(OfConsumer(consumer_arn=arn), context)[1]
    return context.account.named(stream_in(arn))
