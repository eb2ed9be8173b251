"""Takes a JSON object apart into its outermost members, whose values stay the text that PostgreSQL wrote. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping

import msgspec

_DECODER = msgspec.json.Decoder(dict[str, msgspec.Raw])
# A string, or what opens, closes or separates. Other values (numbers and words) are what stands between two tokens.
_TOKEN = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"|[{}\[\],:]')


def members(image: str) -> dict[str, str]:
    """The members of the object, in their order: ``{"a":1.50,"b":[1, 2]}`` has ``a`` with ``1.50`` and ``b`` with ``[1, 2]``."""
    try:
        return {name: bytes(value).decode() for name, value in _DECODER.decode(image).items()}
    except (msgspec.DecodeError, RecursionError):
        return {msgspec.json.decode(label): value for label, value in scan(image).items()}


def written(values: Mapping[str, str]) -> str:
    """The object that has these members: the other way round."""
    return f"{{{','.join([f'{msgspec.json.encode(name).decode()}:{value}' for name, value in values.items()])}}}"


def scan(image: str) -> dict[str, str]:
    """As ``members``, of anything that PostgreSQL takes for JSON; but slower, and the names are as they are written, ``"a"``.

    A column of type json may hold what msgspec refuses: half of a surrogate pair, or a thousand levels of nesting.
    """
    found: dict[str, str] = {}
    depth, name, last_string, value_start = 0, "", "", 0
    for token in _TOKEN.finditer(image):
        text = token.group()
        if text in "]}," and depth == 1 and name:
            found[name] = image[value_start : token.start()].strip()
            name = ""
        if text in "{[":
            depth += 1
        elif text in "]}":
            depth -= 1
        elif text == ":" and depth == 1 and not name:
            name, value_start = last_string, token.end()
        else:
            last_string = text
    return found
