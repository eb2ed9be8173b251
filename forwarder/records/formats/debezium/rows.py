"""The images of a table's rows, with each value as Debezium writes it. Pure.

It is the hot path: an image is taken apart into the texts of its values, and only those that Debezium writes in another way are looked at. Of an
update, a value that is the same before and after is looked at once.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
from msgspec import Raw

from forwarder.config.formats import Debezium
from forwarder.events import CapturedTable
from forwarder.json_members import members
from forwarder.records.formats.debezium.column_types import conversion, is_left_out
from forwarder.records.formats.debezium.conversion import MISFIT, Convert

# An image by the names of its columns: the texts of values, and in place of some what msgspec writes as Debezium's.
Row = dict[str, Any]

_decode: Callable[[str], Row] = msgspec.json.Decoder(dict[str, Raw]).decode


class Rows:
    """The rows of one table."""

    def __init__(self, table: CapturedTable, options: Debezium) -> None:
        types = {column.name: column.type for column in table.columns if column.type}
        self._left_out = [name for name, type in types.items() if is_left_out(type, options)]
        conversions = [(name, conversion(type, options)) for name, type in types.items() if name not in self._left_out]
        self._conversions = [(name, convert) for name, convert in conversions if convert]

    def convert(self, before: str | None, after: str | None = None) -> tuple[Row | None, Row | None]:
        """The images with Debezium's values in place of PostgreSQL's.

        It never raises, whatever they hold: values that are not of their column's type are as they are.
        """
        old, new = _row(before) if before else {}, _row(after) if after else {}
        for name, convert in self._conversions:
            was, is_now = old.get(name), new.get(name)
            if was is not None:
                old[name] = _converted(convert, was)
            if is_now is not None:
                new[name] = old[name] if is_now == was else _converted(convert, is_now)
        for name in self._left_out:
            old.pop(name, None)
            new.pop(name, None)
        return old if before else None, new if after else None


def _row(image: str) -> Row:
    try:
        return _decode(image)
    except (msgspec.DecodeError, RecursionError):
        return {name: Raw(value) for name, value in members(image).items()}


def _converted(convert: Convert, value: Raw) -> object:
    raw = bytes(value)
    try:
        return convert(raw) if raw != b"null" else None
    except MISFIT:
        return value
