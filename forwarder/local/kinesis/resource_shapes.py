"""The shapes of what can be attached to a stream: tags and policies."""

from forwarder.local.kinesis.protocol import OfStream, Shape


class OfResource(Shape):
    """A request about whatever has this ARN."""

    resource_arn: str | None = None


class AddTagsToStreamRequest(OfStream):
    tags: dict[str, str] | None = None


class RemoveTagsFromStreamRequest(OfStream):
    tag_keys: list[str] | None = None


class ListTagsForStreamRequest(OfStream):
    exclusive_start_tag_key: str | None = None
    limit: int | None = None


class TagResourceRequest(OfResource):
    tags: dict[str, str] | None = None


class UntagResourceRequest(OfResource):
    tag_keys: list[str] | None = None


class Tag(Shape):
    key: str
    value: str


class ListTagsForStreamResponse(Shape):
    tags: list[Tag]
    has_more_tags: bool


class ListTagsForResourceResponse(Shape):
    tags: list[Tag]


class PutResourcePolicyRequest(OfResource):
    policy: str | None = None


class GetResourcePolicyResponse(Shape):
    policy: str
