"""What ``forwarder verify`` is asked for, whatever the table is compared with."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from forwarder.errors import Misconfigured
from forwarder.verify.chunks import KeyTexts
from forwarder.verify.subject import Subject
from forwarder.verify.verification import Difference


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A table, and what is wanted of it."""

    table: str
    # Only these rows, each as the values of its key: ``eu,42``. Empty: all.
    keys: Sequence[str] = ()
    # Whether rows are shown, and so have to be kept.
    keeps_rows: bool = False
    # Is told of each difference.
    tell: Callable[[Difference], None]
    # Whether nobody wants to see how far it is.
    quiet: bool = False


def keys_of(request: Request, subject: Subject) -> list[KeyTexts]:
    """The keys that are asked for. That of a key of one column may have commas.

    Raises:
        Misconfigured: one of them has another number of values than the key has columns.
    """
    count = len(subject.key)
    keys = [(text,) if count == 1 else tuple(text.split(",")) for text in request.keys]
    if wrong := next((key for key in keys if len(key) != count), None):
        raise Misconfigured(
            f"--key {','.join(wrong)!r} has {len(wrong)} of {count} values; the key of {subject.qualified_name} is ({names_of(subject)})"
        )
    return list(dict.fromkeys(keys))


def names_of(subject: Subject) -> str:
    """The columns of the key, for messages."""
    return ", ".join(column.name for column in subject.key)
