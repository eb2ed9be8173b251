"""Tags: what may be one, and how many there may be. They mean nothing here; they are kept, and told again. Pure.

Sources of the rules: the model in the AWS SDK, and kinesalite's black-box tests of the real service.
"""

import re
from collections.abc import Collection, Iterable, Mapping

from forwarder.local.kinesis import errors
from forwarder.local.kinesis.constraints import demand, present, sized

MAX_TAGS = 50
# How many a request may name; the model has other limits for requests than the service for resources.
MAX_TAGS_OF_REQUEST = 200
MAX_KEY_CHARACTERS = 128
MAX_VALUE_CHARACTERS = 256
_VALID = re.compile(r"[\w\s./=+%@:-]*")
_RESERVED = "aws:"


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


def add_tags(present_tags: dict[str, str], tags: Mapping[str, str] | None) -> None:
    """Add tags that ``check_tags`` has found to be well to those that are there; of the same key, they are overwritten."""
    _check_count(present_tags | dict(tags or {}))
    present_tags.update(tags or {})


def checked_keys(keys: list[str] | None) -> list[str]:
    """The keys of tags that are to be removed."""
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
