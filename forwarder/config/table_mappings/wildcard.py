"""A name with wildcards, as DMS writes it. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

_TOKEN = re.compile(r"\[(?P<set>[^\]]+)\]|(?P<any>%)|(?P<one>_)|(?P<text>[^%_\[]+)", re.DOTALL)
# What means something in a pattern of [[table]], unless the name is quoted.
_SPECIAL = re.compile(r'[*?."]')
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
    # The places of ``_`` in a name that is otherwise written out; None: it is for names of other kinds too.
    blanks: tuple[int, ...] | None = field(init=False, repr=False, compare=False)
    _compiled: re.Pattern[str] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        parts: list[str] = []
        literal: str | None = ""
        blanks: list[int] = []
        place = 0
        while place < len(self.text):
            token = _TOKEN.match(self.text, place)
            if token is None:
                raise ValueError(f"{self.text!r} has a [ that is not closed; write [[] for a bracket that is meant")
            place = token.end()
            part, means = _read(token)
            parts.append(part)
            if token["one"] and literal is not None:
                blanks.append(len(literal))
            literal = None if literal is None or means is None else literal + means
        object.__setattr__(self, "expression", "".join(parts))
        object.__setattr__(self, "literal", literal)
        object.__setattr__(self, "blanks", None if literal is None else tuple(blanks))
        object.__setattr__(self, "_compiled", re.compile(self.expression, re.DOTALL))

    def __str__(self) -> str:
        return self.text

    @property
    def glob(self) -> str | None:
        """The same as a part of a pattern of ``[[table]]``; None: it has none, since that knows no choice of characters.

        A name that is written for one table stands for that one alone: ``order_items``, and not ``orderXitems``.
        """
        if self.literal is not None:
            quoted = self.literal.replace('"', '""')
            return f'"{quoted}"' if _SPECIAL.search(self.literal) else self.literal
        tokens = list(_TOKEN.finditer(self.text))
        parts = ["*" if token["any"] else "?" if token["one"] else token["text"] or _read(token)[1] for token in tokens]
        literals = [token["text"] or token["set"] for token in tokens if not (token["any"] or token["one"])]
        if None in parts or any(map(_SPECIAL.search, literals)):
            return None
        return "".join(part for part in parts if part)

    def matches(self, name: str) -> bool:
        """Whether it is for this name."""
        return self.literal == name or self._compiled.fullmatch(name) is not None


def with_blanks(name: str, blanks: tuple[int, ...]) -> str:
    """The name with a blank at each of these places: equal for all names that an otherwise literal wildcard matches."""
    letters = list(name)
    for place in blanks:
        letters[place : place + 1] = " "
    return "".join(letters)


def _read(token: re.Match[str]) -> tuple[str, str | None]:
    """Of a part of the text: its regular expression, and the characters that it means if it means certain ones."""
    if token["any"]:
        return ".*", None
    if token["one"]:
        return ".", "_"
    if token["set"]:
        characters = _RANGE.sub(lambda ends: _between(*ends.groups()), token["set"])
        alternatives = "|".join(_escaped(character) for character in dict.fromkeys(characters))
        return f"(?:{alternatives})", characters if len(characters) == 1 else None
    return "".join(map(_escaped, token["text"])), token["text"]


def _between(first: str, last: str) -> str:
    if first > last:
        raise ValueError(f"[{first}-{last}] has nothing in it: {first!r} comes after {last!r}")
    return "".join(map(chr, range(ord(first), ord(last) + 1)))


def _escaped(character: str) -> str:
    # Before a letter or a digit, a backslash means something else.
    return character if character.isalnum() else f"\\{character}"
