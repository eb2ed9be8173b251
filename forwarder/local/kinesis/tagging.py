"""The operations on tags: those of streams, and those of any resource."""

from collections.abc import Iterable

from forwarder.local.kinesis.account import Context
from forwarder.local.kinesis.constraints import between, demand
from forwarder.local.kinesis.resource_shapes import (
    AddTagsToStreamRequest,
    ListTagsForResourceResponse,
    ListTagsForStreamRequest,
    ListTagsForStreamResponse,
    OfResource,
    RemoveTagsFromStreamRequest,
    Tag,
    TagResourceRequest,
    UntagResourceRequest,
)
from forwarder.local.kinesis.resources import Resource, find_resource
from forwarder.local.kinesis.tags import MAX_TAGS, add_tags, check_tags, checked_keys


def add_tags_to_stream(request: AddTagsToStreamRequest, context: Context) -> None:
    check_tags(request.tags)
    add_tags(context.account.find(request).tags, request.tags)


def remove_tags_from_stream(request: RemoveTagsFromStreamRequest, context: Context) -> None:
    keys = checked_keys(request.tag_keys)
    _remove(context.account.find(request), keys)


def list_tags_for_stream(request: ListTagsForStreamRequest, context: Context) -> ListTagsForStreamResponse:
    demand(between(request.limit, "limit", lowest=1, highest=MAX_TAGS))
    tags = _tags(context.account.find(request))
    following = [tag for tag in tags if tag.key > (request.exclusive_start_tag_key or "")]
    limit = request.limit or MAX_TAGS
    return ListTagsForStreamResponse(tags=following[:limit], has_more_tags=len(following) > limit)


def tag_resource(request: TagResourceRequest, context: Context) -> None:
    check_tags(request.tags)
    add_tags(find_resource(request, context).tags, request.tags)


def untag_resource(request: UntagResourceRequest, context: Context) -> None:
    keys = checked_keys(request.tag_keys)
    _remove(find_resource(request, context), keys)


def list_tags_for_resource(request: OfResource, context: Context) -> ListTagsForResourceResponse:
    return ListTagsForResourceResponse(tags=_tags(find_resource(request, context)))


def _remove(resource: Resource, keys: Iterable[str]) -> None:
    """Keys that it does not have do no harm."""
    for key in keys:
        resource.tags.pop(key, None)


def _tags(resource: Resource) -> list[Tag]:
    return [Tag(key=key, value=value) for key, value in sorted(resource.tags.items())]
