"""Tags of streams, by the operations of streams and by those of any resource. They mean nothing here; they are kept, and told again.

Sources of the rules: the model in the AWS SDK, and kinesalite's black-box tests of the real service.
"""

import re
from collections.abc import Collection, Iterable, Mapping

from forwarder.local.kinesis import errors
from forwarder.local.kinesis.account import Context
from forwarder.local.kinesis.constraints import between, demand, present, sized
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

MAX_TAGS = 50
# How many a request may name; the model has other limits for requests than the service for resources.
MAX_TAGS_OF_REQUEST = 200
MAX_KEY_CHARACTERS = 128
MAX_VALUE_CHARACTERS = 256
_VALID = re.compile(r"[\w\s./=+%@:-]*")
_RESERVED = "aws:"


def add_tags_to_stream(request: AddTagsToStreamRequest, context: Context) -> None:
    check_tags(request.tags)
    add_tags(context.account.find(request), request.tags)


def remove_tags_from_stream(request: RemoveTagsFromStreamRequest, context: Context) -> None:
    keys = _checked_keys(request.tag_keys)
    _remove(context.account.find(request), keys)


def list_tags_for_stream(request: ListTagsForStreamRequest, context: Context) -> ListTagsForStreamResponse:
    demand(between(request.limit, "limit", lowest=1, highest=MAX_TAGS))
    tags = _tags(context.account.find(request))
    following = [tag for tag in tags if tag.key > (request.exclusive_start_tag_key or "")]
    limit = request.limit or MAX_TAGS
    return ListTagsForStreamResponse(tags=following[:limit], has_more_tags=len(following) > limit)


def tag_resource(request: TagResourceRequest, context: Context) -> None:
    check_tags(request.tags)
    add_tags(find_resource(request, context), request.tags)


def untag_resource(request: UntagResourceRequest, context: Context) -> None:
    keys = _checked_keys(request.tag_keys)
    _remove(find_resource(request, context), keys)


def list_tags_for_resource(request: OfResource, context: Context) -> ListTagsForResourceResponse:
    return ListTagsForResourceResponse(tags=_tags(find_resource(request, context)))


def check_tags(tags: Mapping[str, str] | None) -> None:
    """Check tags that are to be added, as far as that does not depend on what they are added to."""
    demand(
        present(tags, "tags"),
        sized(tags, "tags", shortest=1, longest=MAX_TAGS_OF_REQUEST),
        _lengths("keys", tags or (), shortest=1, longest=MAX_KEY_CHARACTERS),
        _lengths("value", (tags or {}).values(), shortest=0, longest=MAX_VALUE_CHARACTERS),
    )
    _check_characters([*(tags or {}), *(tags or {}).values()])
    if any(key.lower().startswith(_RESERVED) for key in tags or ()):
        raise errors.invalid_argument(f"Tag keys that begin with {_RESERVED} are reserved for AWS.")
    _check_count(tags or ())


def add_tags(resource: Resource, tags: Mapping[str, str] | None) -> None:
    """Add tags that ``check_tags`` has found to be well; those that it has of the same keys are overwritten."""
    together = resource.tags | dict(tags or {})
    _check_count(together)
    resource.tags.update(together)


def _checked_keys(keys: list[str] | None) -> list[str]:
    demand(
        present(keys, "tagKeys"),
        sized(keys, "tagKeys", shortest=1, longest=MAX_TAGS),
        *(
            sized(key, f"tagKeys.{n}.member", shortest=1, longest=MAX_KEY_CHARACTERS)
            for n, key in enumerate(keys or (), 1)
        ),
    )
    _check_characters(keys or ())
    return keys or []


def _remove(resource: Resource, keys: Iterable[str]) -> None:
    """Keys that it does not have do no harm."""
    for key in keys:
        resource.tags.pop(key, None)


def _tags(resource: Resource) -> list[Tag]:
    return [Tag(key=key, value=value) for key, value in sorted(resource.tags.items())]


def _lengths(what: str, texts: Iterable[str], *, shortest: int, longest: int) -> str | None:
    if all(shortest <= len(text) <= longest for text in texts):
        return None
    return (
        f"Value at 'tags' failed to satisfy constraint: Map {what} must satisfy constraint: [Member must have length "
        f"less than or equal to {longest}, Member must have length greater than or equal to {shortest}]"
    )


def _check_count(tags: Collection[str]) -> None:
    if len(tags) > MAX_TAGS:
        raise errors.invalid_argument(f"A given resource cannot have more than {MAX_TAGS} tags associated with it.")


def _check_characters(texts: Iterable[str]) -> None:
    if not all(_VALID.fullmatch(text) for text in texts):
        raise errors.invalid_argument(
            "Some tags contain invalid characters. Valid characters: Unicode letters, digits, white space, _ . / = + - % @ :."
        )
