"""A name with wildcards, as DMS writes it. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

_TOKEN = re.compile(r"\[(?P<set>[^\]]+)\]|(?P<any>%)|(?P<one>_)|(?P<text>[^%_\[]+)", re.DOTALL)
_RANGE = re.compile(r"(.)-(.)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Wildcard:
    """``%`` stands for any characters, ``_`` for one, ``[ab]`` and ``[a-d]`` for one of these, ``[_]`` for an underscore. Case counts.

    A name is also ``literal`` if it is written without wildcards other than ``_``: ``order_items`` matches ``orderXitems`` too, but what it
    is meant for is ``order_items``.

    Raises:
        ValueError: a bracket is not closed, or has nothing in it.
    """

    text: str
    # A regular expression that means the same to Python and to PostgreSQL.
    expression: str = field(init=False, repr=False, compare=False)
    # The name it is written for; None if it is for several.
    literal: str | None = field(init=False, repr=False, compare=False)
    # How many characters a matching name has; None: any number.
    length: int | None = field(init=False, repr=False, compare=False)
    _compiled: re.Pattern[str] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        parts: list[str] = []
        literal: str | None = ""
        length: int | None = 0
        place = 0
        while place < len(self.text):
            token = _TOKEN.match(self.text, place)
            if token is None:
                raise ValueError(f"{self.text!r} has a [ that is not closed; write [[] for a bracket that is meant")
            place = token.end()
            part, means, characters = _read(token)
            parts.append(part)
            literal = None if literal is None or means is None else literal + means
            length = None if length is None or characters is None else length + characters
        for name, value in (("expression", "".join(parts)), ("literal", literal), ("length", length)):
            object.__setattr__(self, name, value)
        object.__setattr__(self, "_compiled", re.compile(self.expression, re.DOTALL))

    def __str__(self) -> str:
        return self.text

    def matches(self, name: str) -> bool:
        """Whether it is for this name."""
        return self.literal == name or self._compiled.fullmatch(name) is not None


def _read(token: re.Match[str]) -> tuple[str, str | None, int | None]:
    """Of a part of the text: its regular expression, the characters that it means if it means certain ones, and how many it stands for."""
    if token["any"]:
        return ".*", None, None
    if token["one"]:
        return ".", "_", 1
    if token["set"]:
        characters = _RANGE.sub(lambda ends: _between(*ends.groups()), token["set"])
        alternatives = "|".join(_escaped(character) for character in dict.fromkeys(characters))
        return f"(?:{alternatives})", characters if len(characters) == 1 else None, 1
    return "".join(map(_escaped, token["text"])), token["text"], len(token["text"])


def _between(first: str, last: str) -> str:
    if first > last:
        raise ValueError(f"[{first}-{last}] has nothing in it: {first!r} comes after {last!r}")
    return "".join(map(chr, range(ord(first), ord(last) + 1)))


def _escaped(character: str) -> str:
    # Before a letter or a digit, a backslash means something else.
    return character if character.isalnum() else f"\\{character}"
