"""Reads the text of ``partition_key=template:TEXT``, such as ``{schema}.{table}:{after.region}``. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal, get_args

from forwarder.config.suggestions import nearest
from forwarder.errors import Misconfigured

# Of the change itself, and of JSON objects that come with it, of which one member is named.
FieldSource = Literal["schema", "table", "key", "op", "txid"]
MemberSource = Literal["key", "before", "after", "context"]

_FIELDS: tuple[str, ...] = get_args(FieldSource)
_MEMBERS: tuple[str, ...] = tuple(f"{source}.NAME" for source in get_args(MemberSource))

# A brace that stands for itself, a name in braces, or a brace alone.
_BRACES = re.compile(r"(?P<literal>\{\{|\}\})|\{(?P<name>[^{}]*)\}|(?P<alone>[{}])")


@dataclass(frozen=True, slots=True)
class Placeholder:
    """What a change is to put into the key: ``{table}``, or with a member's name ``{after.region}``."""

    source: FieldSource | MemberSource
    # None: all of it.
    member: str | None = None


# Text as it stands, or a placeholder.
Piece = str | Placeholder


def parse(text: str) -> tuple[Piece, ...]:
    """The pieces of a template, in order; ``{{`` and ``}}`` are braces in the key.

    Raises:
        Misconfigured: a placeholder is unknown, a brace stands alone, or there is no placeholder.
    """
    pieces: list[Piece] = []
    literal, end = "", 0
    for found in _BRACES.finditer(text):
        literal += text[end : found.start()]
        end = found.end()
        if found["alone"]:
            raise Misconfigured(
                f"partition_key='template:{text}' has a brace alone; write {{{{ or }}}} for a brace in the key"
            )
        if found["literal"]:
            literal += found["literal"][0]
            continue
        if literal:
            pieces.append(literal)
        pieces.append(_placeholder(text, found["name"]))
        literal = ""
    if not pieces:
        raise Misconfigured(
            f"partition_key='template:{text}' is the same for every change; write partition_key=constant:VALUE"
        )
    if tail := literal + text[end:]:
        pieces.append(tail)
    return tuple(pieces)


def renamed(piece: Piece, column: Callable[[str], str]) -> Piece:
    """The same for a table whose columns are called otherwise."""
    if isinstance(piece, str) or piece.member is None or piece.source == "context":
        return piece
    return replace(piece, member=column(piece.member))


def _placeholder(text: str, name: str) -> Placeholder:
    source, dot, member = name.partition(".")
    for field in get_args(FieldSource):
        if name == field:
            return Placeholder(field)
    for known in get_args(MemberSource):
        if source == known and member:
            return Placeholder(known, member)
    known_names = _MEMBERS if dot else (*_FIELDS, *_MEMBERS)
    raise Misconfigured(f"partition_key='template:{text}': {{{name}}} is unknown; {nearest(name, known_names)}")
