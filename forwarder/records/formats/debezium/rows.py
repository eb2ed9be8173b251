"""The images of a table's rows, with each value as Debezium writes it. Pure.

It is the hot path: an image is taken apart by a decoder that is made for its columns, and only values that Debezium writes in another way are
looked at. Of an update, those that are the same before and after are looked at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import msgspec
from msgspec import UNSET, Raw, Struct

from forwarder.config.formats import Debezium
from forwarder.events import CapturedTable
from forwarder.json_members import members
from forwarder.records.formats.debezium.column_types import conversion, is_left_out
from forwarder.records.formats.debezium.conversion import MISFIT, Convert

# Of one table. Nearly all have one; where images have changed columns alone, there is one for each set of these.
_MOST_PLANS = 256
_ENCODE = msgspec.json.Encoder().encode


class _Images(Struct, gc=False):
    before: Struct | None
    after: Struct | None


class Rows:
    """The rows of one table."""

    def __init__(self, table: CapturedTable, options: Debezium) -> None:
        types = {column.name: column.type for column in table.columns if column.type}
        self._conversions = {name: conversion(type, options) for name, type in types.items()}
        self._left_out = {name for name, type in types.items() if is_left_out(type, options)}
        self._plan_for = lru_cache(_MOST_PLANS)(self._make_plan)
        # For the columns that the last image had.
        self._plan = self._plan_for(())

    def encode(self, before: str | None, after: str | None) -> bytes:
        """The images as ``{"before":{…},"after":{…}}``.

        It never raises, whatever they hold: values that are not of their column's type are as they are.
        """
        old = None if before is None else self._decode(before)
        plan = self._plan
        new = None if after is None else self._decode(after)
        if old is not None and new is not None and plan is self._plan:
            plan.convert_both(old, new)
        else:
            if old is not None:
                plan.convert(old)
            if new is not None:
                self._plan.convert(new)
        return _ENCODE(_Images(old, new))

    def encode_one(self, image: str) -> str:
        """One image, or as much of it as is there."""
        row = self._decode(image)
        self._plan.convert(row)
        return _ENCODE(row).decode()

    def _decode(self, image: str) -> Struct:
        """The image taken apart as ``self._plan`` has it, which may be another one afterwards."""
        try:
            return self._plan.decode(image)
        except (msgspec.DecodeError, RecursionError):
            # It has other columns than the image before, or holds what the decoder refuses.
            found = members(image)
            self._plan = self._plan_for(tuple(found))
            return self._plan.make(found.values())

    def _make_plan(self, names: tuple[str, ...]) -> _Plan:
        return _Plan(names, [self._conversions.get(name) for name in names], [name in self._left_out for name in names])


class _Plan:
    """How images with certain columns are encoded."""

    def __init__(
        self, names: Sequence[str], conversions: Sequence[Convert | None], are_left_out: Sequence[bool]
    ) -> None:
        fields = [f"column_{number}" for number in range(len(names))]
        # A class with a field for each of the columns, whose names need not be names of Python's.
        self._type = msgspec.defstruct(
            "Image",
            [(field, Raw) for field in fields],
            rename=dict(zip(fields, names, strict=True)),
            forbid_unknown_fields=True,
            gc=False,
        )
        self.decode = msgspec.json.Decoder(self._type).decode
        self._left_out = [field for field, is_left_out in zip(fields, are_left_out, strict=True) if is_left_out]
        self._conversions = [
            (field, convert)
            for field, convert in zip(fields, conversions, strict=True)
            if convert and field not in self._left_out
        ]

    def make(self, values: Any) -> Struct:
        """An image from the texts of its values."""
        return self._type(*map(Raw, values))

    def convert(self, row: Struct) -> None:
        """Put Debezium's values in place of PostgreSQL's."""
        for field, convert in self._conversions:
            setattr(row, field, _converted(convert, getattr(row, field)))
        for field in self._left_out:
            setattr(row, field, UNSET)

    def convert_both(self, old: Struct, new: Struct) -> None:
        """The same for the two images of an update."""
        for field, convert in self._conversions:
            was, is_now = getattr(old, field), getattr(new, field)
            converted = _converted(convert, was)
            setattr(old, field, converted)
            setattr(new, field, converted if is_now == was else _converted(convert, is_now))
        for field in self._left_out:
            setattr(old, field, UNSET)
            setattr(new, field, UNSET)


def _converted(convert: Convert, value: Raw) -> object:
    raw = bytes(value)
    try:
        return convert(raw) if raw != b"null" else None
    except MISFIT:
        return value
