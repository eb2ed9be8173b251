"""Reads a row's primary key out of its JSON image. Pure.

Three ways are tried, from the cheapest to the one that reads anything that PostgreSQL writes:

1. The image begins with the key, and the values are plain, such as ``{"id":42,…``: a regular expression finds them. That is so for most rows,
   and the rest of the image, however long, is not looked at.
2. Else msgspec parses the image, and skips all other members.
3. Else, if msgspec refuses the image or the names, a scan for the members of the outermost object.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from itertools import chain
from typing import Any

import msgspec

from forwarder.events import CapturedTable
from forwarder.json_members import scan
from forwarder.outbox.canonical_keys import canonical, lane

# From a row's image to two texts: the key as a JSON object, such as `{"id":42,"region":"eu"}`, and its bare values joined by commas, `42,eu`.
# canonical_keys.py says in which way values are written in each. None if the table has no key, or if the image lacks a key column under
# every name that is known for it.
ReadKey = Callable[[str], tuple[str, str] | None]


def key_reader(table: CapturedTable) -> ReadKey:
    """A function that reads the key columns of one table.

    An image that was captured before a column was renamed has the old name. So of the names that a column has had, the newest one counts that
    is in the image; each column has its own, so that any of them may have been renamed at any time.
    """
    return _key_of(table.key_columns).read if table.key_columns else _no_key


def first_key(table: CapturedTable, head: str) -> tuple[str, str] | None:
    """The key, if an image that begins with ``head`` has its key columns first, under their newest names, and their values end within ``head``.

    An older name says nothing as long as the rest of the image is not known: the newest one may be there, and the older one be a new column's.
    """
    return _key_of(table.key_columns).read_first(head) if table.key_columns else None


def member_reader(name: str) -> Callable[[str], str | None]:
    """A function that reads one member out of a JSON object: its bare value, as a key of this column would have it; None if it is not there."""
    return _key_of(((name,),)).read_value


def _no_key(_: str) -> None:
    """Of a table without a key."""


class _Key:
    """The key columns of a table, each under all names that it has had, the newest ones first."""

    __slots__ = ("_columns", "_decoder", "_is_single", "_labels", "_match_first", "_opening")

    def __init__(self, key_columns: Sequence[Sequence[str]]) -> None:
        # By the names, since two columns may have had the same one.
        fields = {name: f"name_{number}" for number, name in enumerate(dict.fromkeys(chain.from_iterable(key_columns)))}
        # Of each column and each of its names: the field of what the decoder makes, and the name as JSON writes it.
        self._columns = [[(fields[name], _label(name)) for name in names] for names in key_columns]
        self._labels = [names[0][1] for names in self._columns]
        self._is_single = len(key_columns) == 1
        self._opening = f"{{{self._labels[0]}:"
        self._match_first = _first_members(self._labels).match
        self._decoder = None if any("\\" in _label(name) for name in fields) else _decoder_of(fields)

    def read(self, image: str) -> tuple[str, str] | None:
        """The key as ``ReadKey`` says; None if one of the columns is not there under any of its names."""
        if found := self._match_first(image):
            # What _format would make of them, without the calls: plain values are canonical, and for the lane lose their quotes alone.
            if self._is_single:
                value = found[1]
                return f"{self._opening}{value}}}", value.strip('" ')
            plain = found.groups()
            return _object(self._labels, plain), ",".join([value.strip('" ') for value in plain])
        members = self._find(image)
        return None if members is None else _format(*members)

    def read_first(self, image: str) -> tuple[str, str] | None:
        """As ``read``; but None also if the image does not begin with the key under its newest names, or its values are not plain."""
        found = self._match_first(image)
        return _format(self._labels, found.groups()) if found else None

    def read_value(self, text: str) -> str | None:
        """The bare value of the one column; None if it is not there. Wherever it stands, for it is most likely not the first."""
        members = self._find(text)
        if members is None:
            return None
        [value] = members[1]
        return value.strip('" ') if _is_plain(value) else lane(canonical(value))

    def _find(self, image: str) -> tuple[Sequence[str], Sequence[str]] | None:
        """The key's names and values, as JSON texts, wherever they are in the image; None if one of the columns is not there."""
        if self._decoder is None:
            return self._find_leniently(image)
        try:
            row = self._decoder.decode(image)
        except (msgspec.DecodeError, RecursionError):
            return self._find_leniently(image)
        labels, values = [], []
        for names in self._columns:
            for field, label in names:
                if value := bytes(getattr(row, field)):
                    labels.append(label)
                    values.append(value.decode())
                    break
            else:
                return None
        return labels, values

    def _find_leniently(self, image: str) -> tuple[Sequence[str], Sequence[str]] | None:
        found = scan(image)
        labels = [next((label for _, label in names if label in found), None) for names in self._columns]
        there = [label for label in labels if label is not None]
        return (there, [found[label] for label in there]) if len(there) == len(labels) else None


@lru_cache(maxsize=1024)
def _key_of(key_columns: tuple[tuple[str, ...], ...]) -> _Key:
    """Cached by the names: the table may be a new object with the same ones."""
    return _Key(key_columns)


def _label(name: str) -> str:
    return msgspec.json.encode(name).decode()


def _decoder_of(fields: Mapping[str, str]) -> msgspec.json.Decoder[Any]:
    """Decodes the members with these names, each into its field, which is empty if it is not there, and skips all others.

    msgspec takes no names that JSON has to escape.
    """
    names = {field: name for name, field in fields.items()}
    absent = msgspec.Raw()
    struct = msgspec.defstruct("Key", [(field, msgspec.Raw, absent) for field in names], rename=names, gc=False)
    return msgspec.json.Decoder(struct)


def _format(labels: Sequence[str], values: Sequence[str]) -> tuple[str, str]:
    values = [value if value.isdigit() else canonical(value) for value in values]
    return _object(labels, values), ",".join([value if value.isdigit() else lane(value) for value in values])


def _object(labels: Sequence[str], values: Sequence[str]) -> str:
    if len(labels) == 1:
        return f"{{{labels[0]}:{values[0]}}}"
    return f"{{{','.join([f'{label}:{value}' for label, value in zip(labels, values, strict=True)])}}}"


# A plain value: canonical as it stands, and its lane is the value without quotes and the blanks beside them. That is a whole number, a string
# without escapes that can be no range, or a word.
_PLAIN = r'([0-9]+|"[^"\\\[({][^"\\]*"|-[1-9][0-9]*|true|false|null)'

_is_plain = re.compile(_PLAIN).fullmatch


def _first_members(labels: Sequence[str]) -> re.Pattern[str]:
    """Matches an image that begins with these members, in this order, if their values are plain. The groups are the values."""
    members = ",".join(f"{re.escape(label)}:{_PLAIN}" for label in labels)
    return re.compile(rf"\{{{members}[,}}]")
