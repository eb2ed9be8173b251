"""Takes a JSON object apart at its outermost members, whose values stay as they are written. Pure."""

import re
from collections.abc import Mapping

import msgspec

# A string, or what opens, closes or separates. Other values (numbers and words) are what stands between two tokens.
_TOKEN = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"|[{}\[\],:]')

_MEMBERS = msgspec.json.Decoder(dict[str, msgspec.Raw])


def members(image: str) -> dict[str, str]:
    """The members of a row's image by their names, each value as it is written."""
    try:
        return {name: bytes(value).decode() for name, value in _MEMBERS.decode(image).items()}
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        return {msgspec.json.decode(label, type=str): value for label, value in top_level_members(image).items()}


def written(values: Mapping[str, str]) -> str:
    """The image that has these members."""
    return f"{{{','.join([f'{msgspec.json.encode(name).decode()}:{value}' for name, value in values.items()])}}}"


def top_level_members(image: str) -> dict[str, str]:
    """The members of the outermost object, names and values as they are written: ``"id"`` and ``1.50``.

    A column of type json may hold what PostgreSQL takes and msgspec refuses: half of a surrogate pair, or a thousand levels of nesting. The
    members around it have to be found all the same.
    """
    members: dict[str, str] = {}
    depth, name, last_string, value_start = 0, "", "", 0
    for token in _TOKEN.finditer(image):
        text = token.group()
        if text in "]}," and depth == 1 and name:
            members[name] = image[value_start : token.start()].strip()
            name = ""
        if text in "{[":
            depth += 1
        elif text in "]}":
            depth -= 1
        elif text == ":" and depth == 1 and not name:
            name, value_start = last_string, token.end()
        else:
            last_string = text
    return members
