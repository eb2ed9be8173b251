"""Reads a row's primary key out of its JSON image without parsing the rest. Pure."""

import itertools
import re
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

import msgspec

from forwarder.events import CapturedTable
from forwarder.outbox.canonical_keys import canonical, lane

# From a row's image to its key as a JSON object text, whose numbers are written in one way, and the bare values joined by commas, which
# are the same for whatever PostgreSQL may take for the same key. None if the table has no key, or the image holds none of the names
# known for a key column.
ReadKey = Callable[[str], tuple[str, str] | None]


def key_reader(table: CapturedTable) -> ReadKey:
    """What reads the key columns of one table.

    An image captured before a column was renamed carries the old name, so every name a column was seen under is tried, the
    current ones first.
    """
    shapes = [shape.read for shape in _shapes(table.key_columns)]
    if len(shapes) == 1:
        return shapes[0]

    def read(image: str) -> tuple[str, str] | None:
        return next((key for shape in shapes if (key := shape(image)) is not None), None)

    return read


def first_key(table: CapturedTable, head: str) -> tuple[str, str] | None:
    """The key, if an image of which this is the beginning starts with its columns, and their values end within it."""
    return next((key for shape in _shapes(table.key_columns) if (key := shape.read_first(head)) is not None), None)


class _Shape:
    """The key columns under one set of names."""

    __slots__ = ("_decoder", "_fields", "_is_single", "_labels", "_match_first", "_opening")

    def __init__(self, names: Sequence[str]) -> None:
        self._fields = [f"column_{number}" for number in range(len(names))]
        self._labels = [msgspec.json.encode(name).decode() for name in names]
        self._is_single = len(names) == 1
        self._opening = f"{{{self._labels[0]}:"
        self._match_first = _first_members(self._labels).match
        self._decoder = None if any("\\" in label for label in self._labels) else self._decoder_of(names)

    def read(self, image: str) -> tuple[str, str] | None:
        """The key as a JSON object text and as bare values, or None if one of the columns is not there."""
        # In most tables the key comes first; then the rest of the row, however long, need not be looked at.
        if found := self._match_first(image):
            # What _format makes of plain values, for less.
            if self._is_single:
                value = found[1]
                return f"{self._opening}{value}}}", value.strip('" ')
            plain = found.groups()
            return self._members(plain), ",".join([value.strip('" ') for value in plain])
        values = self._find(image)
        return None if values is None else self._format(values)

    def read_first(self, image: str) -> tuple[str, str] | None:
        """The same, but None as well if the image does not begin with the key."""
        found = self._match_first(image)
        return self._format(found.groups()) if found else None

    def _format(self, values: Sequence[str]) -> tuple[str, str]:
        values = [value if value.isdigit() else canonical(value) for value in values]
        bare = ",".join([value if value.isdigit() else lane(value) for value in values])
        return (f"{self._opening}{values[0]}}}" if self._is_single else self._members(values)), bare

    def _members(self, values: Sequence[str]) -> str:
        return f"{{{','.join([f'{label}:{value}' for label, value in zip(self._labels, values, strict=True)])}}}"

    def _find(self, image: str) -> Sequence[str] | None:
        """The key's values, as JSON texts, wherever they are."""
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
        """Skips everything but these columns. msgspec takes no names that JSON has to escape."""
        renamed = dict(zip(self._fields, names, strict=True))
        struct = msgspec.defstruct("Key", [(field, msgspec.Raw) for field in self._fields], rename=renamed, gc=False)
        return msgspec.json.Decoder(struct)

    def _find_leniently(self, image: str) -> Sequence[str] | None:
        found = _top_level_members(image)
        return [found[label] for label in self._labels] if found.keys() >= set(self._labels) else None


@lru_cache(maxsize=1024)
def _shapes(key_columns: tuple[tuple[str, ...], ...]) -> Sequence[_Shape]:
    """One for each set of names. Kept by the names, not by the table: that is another object each time the registry is read."""
    return [_Shape(names) for names in itertools.product(*key_columns)] if key_columns else []


# What is plain: canonical as it is, and nothing to be done for its lane but to strip it. A whole number, a string without escapes that is
# no range, or a word, as PostgreSQL writes them.
_PLAIN = r'([0-9]+|"[^"\\\[({][^"\\]*"|-[1-9][0-9]*|true|false|null)'


def _first_members(labels: Sequence[str]) -> re.Pattern[str]:
    """Matches an image that begins with these members, in this order, if their values are plain: the groups."""
    members = ",".join(f"{re.escape(label)}:{_PLAIN}" for label in labels)
    return re.compile(rf"\{{{members}[,}}]")


# What ends a value: a comma or the closing brace, unless inside a string or a bracket.
_TOKEN = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"|[{}\[\],:]')


def _top_level_members(image: str) -> dict[str, str]:
    """The members of a JSON object, names and values as they are written.

    A column of type json may hold what PostgreSQL takes and other parsers do not: half of a surrogate pair, or a thousand
    levels of nesting. Neither may keep the row's key from being read.
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
