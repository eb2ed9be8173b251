"""Rows as images of DynamoDB: ``{"id":42,"status":"paid"}`` becomes ``{"id":{"N":"42"},"status":{"S":"paid"}}``. Pure.

An update has two images, and a call for each of their values would take most of the time that a record may. But the rows of a table look alike:

1. msgspec cuts a row into its values, by a class that is made once for the columns of the table.
2. Rows that have numbers, strings and nulls in the same places share a ``_Layout``: the image with gaps, which one operation fills.
3. Other values (booleans, documents) are made one by one, and short ones are remembered.

A row with what a layout cannot have, such as a number with an exponent, is made value by value.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from forwarder.events import Column
from forwarder.json_members import members
from forwarder.records.formats.dynamodb_values import (
    MAX_DIGITS,
    NULL,
    STRINGS,
    Attribute,
    FromString,
    attribute,
    number_size,
    string_size,
    text,
    trimmed,
)

_MAX_LAYOUTS = 256
_MAX_REMEMBERED = 4096
_SHORT_BYTES = 64
# Of these types values are neither numbers nor strings.
_NO_GAPS = frozenset(("bool", "json", "jsonb", "hstore"))


class _Fraction(str):
    """A number that is no whole one, trimmed."""

    __slots__ = ()


class _Odd(str):
    """A number that no layout can have: it has an exponent, or too many digits."""

    __slots__ = ()


class _Remembered(dict[bytes, Attribute]):
    """Attribute values by their JSON. It makes those that are asked for, and remembers the short ones."""

    def __init__(self, from_string: FromString) -> None:
        self._from_string = from_string

    def __missing__(self, value: bytes) -> Attribute:
        made = attribute(value.decode(), self._from_string)
        if len(value) <= _SHORT_BYTES:
            if len(self) == _MAX_REMEMBERED:
                self.clear()
            self[value] = made
        return made


# The same for all tables, so that many tables take no more memory.
_REMEMBERED: Mapping[FromString, _Remembered] = {make: _Remembered(make) for make in (text, *STRINGS.values())}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Layout:
    """What the images of rows have in common whose values are of the same kinds. Its template is empty if such rows can have no layout."""

    # ``{"id":{"N":"%s"},"status":{"S":"%s"}}``
    template: str = ""
    # What has to be added to the bytes of an image for what DynamoDB counts, if its values are strings and nulls: {"id":{"S":"ab"}} has 17 bytes
    # and counts 4, so it is -13.
    size: int = 0
    # The places of numbers; and of values that are made one by one, with what makes them.
    numbers: Sequence[int] = ()
    apart: Sequence[tuple[int, _Remembered]] = ()


class Images:
    """Makes the images of rows that have these columns; of other rows too, but slowly."""

    def __init__(self, columns: Sequence[Column]) -> None:
        self._from_strings: Mapping[str, FromString] = {column.name: _from_string(column) for column in columns}
        # msgspec takes no names that JSON has to escape.
        self._columns = [column for column in columns if len(_label(column.name)) == len(column.name) + 2]
        self._decoder = _decoder_of(self._columns)
        self._layouts: dict[tuple[type, ...], _Layout] = {}
        # Of the row before. In one tuple, since large records are made in threads.
        self._latest: tuple[tuple[type, ...], _Layout] = (), _Layout()
        label = _label(columns[0].name) if columns else ""
        self._first_member, self._first_name_size = f"{{{label}:", string_size(label)

    def key(self, key: str, values: str) -> Attribute:
        """As ``image``, of a key whose values alone are ``values``: most keys are one whole number, which is written at once."""
        if len(values) <= MAX_DIGITS and values.isdigit() and key == f"{self._first_member}{values}}}":
            return f'{self._first_member}{{"N":"{values}"}}}}', self._first_name_size + number_size(values)
        return self.image(key)

    def image(self, row: str) -> Attribute:
        """The image of a row that PostgreSQL has written as a JSON object, and its size in bytes."""
        try:
            values = msgspec.structs.astuple(self._decoder.decode(row))
        except (msgspec.DecodeError, RecursionError):
            return self._by_members(row)
        kinds = tuple(map(type, values))
        known, layout = self._latest
        if kinds != known:
            layout = self._layouts.get(kinds) or self._learn(kinds)
            self._latest = kinds, layout
        more = 0
        if "\\" in row:
            values, more = _escaped(values)
        return (layout.template and self._filled(layout, values, more)) or self._by_members(row)

    def _filled(self, layout: _Layout, values: tuple[Any, ...], more: int) -> Attribute | None:
        """The image with these values; None if one of the numbers is too long.

        ``more``: DynamoDB counts so many bytes more for the strings than they have as JSON; below 0, it counts fewer.
        """
        size = layout.size + more
        if layout.apart:
            made = list(values)
            for place, remembered in layout.apart:
                made[place], value_size = remembered[bytes(values[place])]
                size += value_size - len(made[place].encode())
            values = tuple(made)
        for place in layout.numbers:
            number = str(values[place])
            if len(number) > MAX_DIGITS:
                return None
            size += number_size(number) - len(number)
        image = layout.template % values
        return image, size + (len(image) if image.isascii() else len(image.encode()))

    def _learn(self, kinds: tuple[type, ...]) -> _Layout:
        if len(self._layouts) == _MAX_LAYOUTS:
            self._layouts.clear()
        layout = self._layouts[kinds] = _layout(self._columns, kinds)
        return layout

    def _by_members(self, row: str) -> Attribute:
        image: list[str] = []
        total = 0
        for name, value in members(row).items():
            label = _label(name)
            made, size = attribute(value, self._from_strings.get(name, text))
            image.append(f"{label}:{made}")
            total += string_size(label) + size
        return f"{{{','.join(image)}}}", total


def _from_string(column: Column) -> FromString:
    return STRINGS.get(column.type.name, text) if column.type and column.type.schema == "pg_catalog" else text


def _decoder_of(columns: Sequence[Column]) -> msgspec.json.Decoder[msgspec.Struct]:
    """Decodes a row that has no others than these columns. What is not there is UNSET, and what is to be made by itself Raw."""
    fields: list[tuple[str, Any, Any]] = [
        (f"column_{place}", Any if _fits_a_gap(column) else msgspec.Raw, msgspec.UNSET)
        for place, column in enumerate(columns)
    ]
    rename = {field: column.name for (field, *_), column in zip(fields, columns, strict=True)}
    struct = msgspec.defstruct("Row", fields, rename=rename, forbid_unknown_fields=True, gc=False)
    return msgspec.json.Decoder(struct, float_hook=_fraction)


def _escaped(values: Sequence[Any]) -> tuple[tuple[Any, ...], int]:
    """The values with strings as JSON has them; and how many bytes more they had without escapes, which is below 0."""
    escaped = [_label(value)[1:-1] if type(value) is str else value for value in values]
    pairs = zip(values, escaped, strict=True)
    return tuple(escaped), sum([len(was.encode()) - len(now.encode()) for was, now in pairs if was is not now])


def _fits_a_gap(column: Column) -> bool:
    """Whether values of this column are numbers, or strings that become S, most likely."""
    type = column.type
    if type is None or type.is_array or type.kind == "c":
        return False
    return type.name not in _NO_GAPS and _from_string(column) is text


def _fraction(value: str) -> str | int:
    if len(value) > MAX_DIGITS or "e" in value or "E" in value:
        return _Odd(value)
    value = trimmed(value)
    return _Fraction(value) if "." in value else int(value)


def _layout(columns: Sequence[Column], kinds: Sequence[type]) -> _Layout:
    """The layout of rows whose values are of these kinds."""
    gaps = {
        int: '{"N":"%s"}',
        _Fraction: '{"N":"%s"}',
        str: '{"S":"%s"}',
        type(None): NULL[0] + "%.0s",
        msgspec.Raw: "%s",
    }
    template, comma, size = "", "", 0
    for column, kind in zip(columns, kinds, strict=True):
        if kind is msgspec.UnsetType:
            template += "%.0s"
            continue
        if kind not in gaps:
            return _Layout()
        label = _label(column.name)
        template += f"{comma}{label.replace('%', '%%')}:{gaps[kind]}"
        comma = ","
        size += string_size(label) + (NULL[1] if kind is type(None) else 0)
    template = f"{{{template}}}"
    return _Layout(
        template=template,
        size=size - len((template % (("",) * len(kinds))).encode()),
        numbers=[place for place, kind in enumerate(kinds) if kind in (int, _Fraction)],
        apart=[
            (place, _REMEMBERED[_from_string(columns[place])])
            for place, kind in enumerate(kinds)
            if kind is msgspec.Raw
        ],
    )


def _label(name: str) -> str:
    return msgspec.json.encode(name).decode()
