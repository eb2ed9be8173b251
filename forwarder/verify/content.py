"""What a row holds, as a digest of each of its columns, and in which columns two rows differ. Pure."""

from __future__ import annotations

import json
from array import array
from collections.abc import Collection, Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any, NamedTuple

# Columns of `_doc`, where an object mapping of DMS has put them there, are columns of the row.
_DOCUMENT = "_doc"
# The member that marks a decimal number.
_NUMBER = "number"
# Made once: `json.dumps` would make one for each value.
_ENCODE = json.JSONEncoder(sort_keys=True, separators=(",", ":")).encode
# Of these types, two values that are equal are the same.
_SIMPLE = (int, bool, type(None))


class Content(NamedTuple):
    """The columns of a row, and of each a digest of eight bytes.

    The digest is Python's keyed hash (SipHash): the same value has the same one in this process, and another one in the next.
    """

    names: tuple[str, ...]
    digests: bytes


class Told(NamedTuple):
    """What one side says of a row: its key as a text that both sides write alike, what the row holds, and the row itself."""

    key: str
    content: Content
    row: Mapping[str, Any]


class Digester:
    """Makes contents of rows."""

    def __init__(self, *, ignored: Collection[str] = (), filled: Sequence[str] = ()) -> None:
        """``ignored``: columns that are not compared. ``filled``: columns that are null where a row does not have them."""
        self._ignored = frozenset(ignored)
        self._filled = {name: None for name in filled if name not in self._ignored}

    def content(self, row: Mapping[str, Any]) -> Content:
        """What the row holds of the columns that are compared."""
        if self._filled:
            row = {**self._filled, **row}
        names = (
            tuple(row) if self._ignored.isdisjoint(row) else tuple(name for name in row if name not in self._ignored)
        )
        return Content(names, array("q", [digest(row[name]) for name in names]).tobytes())


class Differences(NamedTuple):
    """In which columns two rows differ, and which columns only one of them has."""

    columns: tuple[str, ...]
    only_ours: frozenset[str] = frozenset()
    only_theirs: frozenset[str] = frozenset()


_NONE = Differences(())


def differences(ours: Content, theirs: Content) -> Differences:
    """How ours differs from theirs. A column that only one side has is none that differs: it was added or dropped since the row was written."""
    if ours == theirs:
        return _NONE
    our_values, their_values = _by_name(ours), _by_name(theirs)
    both = [name for name in our_values if name in their_values]
    return Differences(
        tuple(name for name in both if our_values[name] != their_values[name]),
        frozenset(our_values.keys() - their_values.keys()),
        frozenset(their_values.keys() - our_values.keys()),
    )


def merged(older: Content, newer: Content) -> Content:
    """The older content, with the columns of the newer one in place of its own."""
    values = _by_name(older) | _by_name(newer)
    return Content(tuple(values), array("q", values.values()).tobytes())


def digest(value: object) -> int:
    """Of a value as ``forwarder.consumer`` decodes it. Numbers count as they are written: 1.0 is another value than 1.00."""
    kind = type(value)
    if kind is str:
        return hash(value)
    if kind in _SIMPLE:
        return hash((kind, value))
    if kind is Decimal:
        return hash((kind, str(value)))
    try:
        return hash((kind, canonical(value)))
    except RecursionError:
        # Documents of several hundred levels count as equal to one another.
        return hash(kind)


def canonical(value: object) -> str:
    """A value as JSON text in ASCII, whatever the order of the members of objects. Bytes are as PostgreSQL writes them."""
    return _ENCODE(_plain(value))


def key_text(values: Iterable[Any]) -> str:
    """The values of a key as one text, ``[42,"eu"]``. Numbers are written in one way here: 1.0 and 1.00 are one key."""
    return canonical([_canonical_number(value) for value in values])


def parsed(text: str) -> Any:
    """What ``canonical`` has written, with its decimal numbers."""
    return json.loads(text, object_hook=_unmarked)


def flat(row: Mapping[str, Any]) -> Mapping[str, Any]:
    """The row with its columns as members, where an object mapping of DMS has put them into ``_doc``."""
    columns = row.get(_DOCUMENT)
    if not isinstance(columns, dict):
        return row
    return {**columns, **{name: value for name, value in row.items() if name != _DOCUMENT}}


def _by_name(content: Content) -> dict[str, int]:
    digests = array("q")
    digests.frombytes(content.digests)
    return dict(zip(content.names, digests, strict=True))


def _plain(value: object) -> Any:
    """The value without what JSON has no type for. A decimal number is marked, so that it is never equal to a string."""
    match value:
        case Decimal():
            return {_NUMBER: str(value)}
        case bytes():
            return f"\\x{value.hex()}"
        case dict():
            return {name: _plain(item) for name, item in value.items()}
        case list():
            return [_plain(item) for item in value]
    return value


def _unmarked(members: dict[str, Any]) -> Any:
    return Decimal(members[_NUMBER]) if members.keys() == {_NUMBER} else members


def _canonical_number(value: Any) -> Any:
    if not isinstance(value, Decimal) or not value.is_finite():
        return value
    # Never int() of a number with a large exponent: it would have as many digits.
    if value.adjusted() < 100 and value == value.to_integral_value():
        return int(value)
    return value.normalize()
