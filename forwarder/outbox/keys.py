"""Reads a row's primary key out of its JSON image. Pure.

Three ways are tried, from the cheapest to the one that reads anything that PostgreSQL writes:

1. The image begins with the key, and the values are plain, such as ``{"id":42,…``: a regular expression finds them. That is so for most rows,
   and the rest of the image, however long, is not looked at.
2. Else msgspec parses the image, and skips all other members.
3. Else, if msgspec refuses the image or the names, a scan for the members of the outermost object.
"""

import itertools
import re
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

import msgspec

from forwarder.events import CapturedTable
from forwarder.outbox.canonical_keys import canonical, lane

# From a row's image to two texts: the key as a JSON object, such as `{"id":42,"region":"eu"}`, and its bare values joined by commas, `42,eu`.
# canonical_keys.py says in which way values are written in each. None if the table has no key, or if the image lacks a key column under
# every name that is known for it.
ReadKey = Callable[[str], tuple[str, str] | None]


def key_reader(table: CapturedTable) -> ReadKey:
    """A function that reads the key columns of one table.

    An image that was captured before a column was renamed has the old name. So every name that a column has had is tried, the newest ones
    first.
    """
    shapes = [shape.read for shape in _shapes(table.key_columns)]
    if len(shapes) == 1:
        return shapes[0]

    def read(image: str) -> tuple[str, str] | None:
        return next((key for shape in shapes if (key := shape(image)) is not None), None)

    return read


def first_key(table: CapturedTable, head: str) -> tuple[str, str] | None:
    """The key, if an image that begins with ``head`` has its key columns first, and their values end within ``head``."""
    return next((key for shape in _shapes(table.key_columns) if (key := shape.read_first(head)) is not None), None)


class _Shape:
    """The key columns under one set of names; a column that was renamed makes one shape for each of its names."""

    __slots__ = ("_decoder", "_fields", "_is_single", "_labels", "_match_first", "_opening")

    def __init__(self, names: Sequence[str]) -> None:
        self._fields = [f"column_{number}" for number in range(len(names))]
        self._labels = [msgspec.json.encode(name).decode() for name in names]
        self._is_single = len(names) == 1
        self._opening = f"{{{self._labels[0]}:"
        self._match_first = _first_members(self._labels).match
        self._decoder = None if any("\\" in label for label in self._labels) else self._decoder_of(names)

    def read(self, image: str) -> tuple[str, str] | None:
        """The key as ``ReadKey`` says; None if one of the columns is not there under these names."""
        if found := self._match_first(image):
            # What _format would make of them, without the calls: plain values are canonical, and for the lane lose their quotes alone.
            if self._is_single:
                value = found[1]
                return f"{self._opening}{value}}}", value.strip('" ')
            plain = found.groups()
            return self._members(plain), ",".join([value.strip('" ') for value in plain])
        values = self._find(image)
        return None if values is None else self._format(values)

    def read_first(self, image: str) -> tuple[str, str] | None:
        """As ``read``; but None also if the image does not begin with the key, or its values are not plain."""
        found = self._match_first(image)
        return self._format(found.groups()) if found else None

    def _format(self, values: Sequence[str]) -> tuple[str, str]:
        values = [value if value.isdigit() else canonical(value) for value in values]
        bare = ",".join([value if value.isdigit() else lane(value) for value in values])
        return (f"{self._opening}{values[0]}}}" if self._is_single else self._members(values)), bare

    def _members(self, values: Sequence[str]) -> str:
        return f"{{{','.join([f'{label}:{value}' for label, value in zip(self._labels, values, strict=True)])}}}"

    def _find(self, image: str) -> Sequence[str] | None:
        """The key's values, as JSON texts, wherever they are in the image; None if one of the columns is not there."""
        if self._decoder is None:
            return self._find_leniently(image)
        try:
            key = self._decoder.decode(image)
        except msgspec.ValidationError:
            return None
        except (msgspec.DecodeError, RecursionError):
            return self._find_leniently(image)
        return [bytes(getattr(key, field)).decode() for field in self._fields]

    def _decoder_of(self, names: Sequence[str]) -> msgspec.json.Decoder[Any]:
        """Decodes these columns and skips all others. msgspec takes no names that JSON has to escape."""
        renamed = dict(zip(self._fields, names, strict=True))
        struct = msgspec.defstruct("Key", [(field, msgspec.Raw) for field in self._fields], rename=renamed, gc=False)
        return msgspec.json.Decoder(struct)

    def _find_leniently(self, image: str) -> Sequence[str] | None:
        found = _top_level_members(image)
        return [found[label] for label in self._labels] if found.keys() >= set(self._labels) else None


@lru_cache(maxsize=1024)
def _shapes(key_columns: tuple[tuple[str, ...], ...]) -> Sequence[_Shape]:
    """A shape for each combination of the names that the columns have had. Cached by the names: the table may be a new object with the same ones."""
    return [_Shape(names) for names in itertools.product(*key_columns)] if key_columns else []


# A plain value: canonical as it stands, and its lane is the value without quotes and the blanks beside them. That is a whole number, a string
# without escapes that can be no range, or a word.
_PLAIN = r'([0-9]+|"[^"\\\[({][^"\\]*"|-[1-9][0-9]*|true|false|null)'


def _first_members(labels: Sequence[str]) -> re.Pattern[str]:
    """Matches an image that begins with these members, in this order, if their values are plain. The groups are the values."""
    members = ",".join(f"{re.escape(label)}:{_PLAIN}" for label in labels)
    return re.compile(rf"\{{{members}[,}}]")


# A string, or what opens, closes or separates. Other values (numbers and words) are what stands between two tokens.
_TOKEN = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"|[{}\[\],:]')


def _top_level_members(image: str) -> dict[str, str]:
    """The members of the outermost object, names and values as they are written.

    A column of type json may hold what PostgreSQL takes and msgspec refuses: half of a surrogate pair, or a thousand levels of nesting. The
    row's key has to be read all the same.
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
