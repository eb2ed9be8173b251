"""The constraints of the API on members of requests, checked and reported in AWS's words. Pure.

Each check returns None, or a violation. ``demand`` raises all violations at once, as AWS does::

    demand(
        matches(request.stream_name, "streamName", pattern=NAME),
        between(request.limit, "limit", lowest=1, highest=10_000),
    )

A member that is absent violates nothing but ``present``, which is for the required ones.
"""

import re
from collections.abc import Sized

from forwarder.local.kinesis.errors import KinesisError

NAME = "[a-zA-Z0-9_.-]+"
ARN = "arn:aws.*:kinesis:.*:\\d{12}:stream/\\S+"
HASH_KEY = "0|([1-9]\\d{0,38})"
SEQUENCE_NUMBER = "0|([1-9]\\d{0,128})"


def demand(*violations: str | None) -> None:
    """Raise ``ValidationException`` unless every check passed."""
    found = [violation for violation in violations if violation]
    if found:
        noun = "error" if len(found) == 1 else "errors"
        raise KinesisError("ValidationException", f"{len(found)} validation {noun} detected: {'; '.join(found)}")


def present(value: object, at: str) -> str | None:
    if value is not None:
        return None
    return f"Value null at '{at}' failed to satisfy constraint: Member must not be null"


def matches(text: str | None, at: str, *, pattern: str) -> str | None:
    if text is None or re.fullmatch(pattern, text):
        return None
    return _violation(text, at, f"Member must satisfy regular expression pattern: {pattern}")


def one_of(text: str | None, at: str, *, choices: tuple[str, ...]) -> str | None:
    if text is None or text in choices:
        return None
    return _violation(text, at, f"Member must satisfy enum value set: [{', '.join(choices)}]")


def between(number: int | None, at: str, *, lowest: int, highest: int) -> str | None:
    if number is None or lowest <= number <= highest:
        return None
    if number < lowest:
        return _violation(number, at, f"Member must have value greater than or equal to {lowest}")
    return _violation(number, at, f"Member must have value less than or equal to {highest}")


def sized(value: Sized | None, at: str, *, shortest: int, longest: int) -> str | None:
    """The length of a text (in characters), list or blob (in bytes). The value itself is not repeated: it may be long."""
    if value is None or shortest <= len(value) <= longest:
        return None
    bound = f"greater than or equal to {shortest}" if len(value) < shortest else f"less than or equal to {longest}"
    return f"Value at '{at}' failed to satisfy constraint: Member must have length {bound}"


def _violation(value: object, at: str, rule: str) -> str:
    return f"Value '{value}' at '{at}' failed to satisfy constraint: {rule}"
