"""Finds what no text in PostgreSQL and in UTF-8 can have, among values that were read from JSON, TOML or the environment. Pure.

1. Half of a surrogate pair: JSON may have it as an escape (``"\\ud800"``), and Python makes one of each byte of the environment that is no UTF-8.
2. The character NUL.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any


def unsound(value: Any) -> str | None:
    """What is wrong with a text in these members and lists, such as ``value has the character NUL in it, …``; None: nothing.

    The text itself is not told: it may be a password.
    """
    for where, text in _texts(value):
        place = ".".join(map(printable, where))
        if "\0" in text:
            return f"{place} has the character NUL in it, which PostgreSQL has in no name and no text"
        if printable(text) != text:
            return f"{place} has a character in it that is none of Unicode; write it in UTF-8"
    return None


def printable(text: str) -> str:
    """The text with halves of surrogate pairs as escapes."""
    return text.encode("utf-8", "backslashreplace").decode()


def _texts(value: Any) -> Iterator[tuple[tuple[str, ...], str]]:
    """Each text with its place; the name of a member too. However deep they are nested."""
    waiting: list[tuple[tuple[str, ...], Any]] = [((), value)]
    while waiting:
        where, found = waiting.pop()
        if isinstance(found, str):
            yield where, found
        elif isinstance(found, Mapping):
            yield from (((*where, name), name) for name in found)
            waiting.extend(((*where, name), member) for name, member in found.items())
        elif isinstance(found, list | tuple):
            waiting.extend(((*where, f"{place}"), member) for place, member in enumerate(found))
