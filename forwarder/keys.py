"""Reads a row's primary key out of its JSON image without parsing the rest. Pure."""

import itertools
from collections.abc import Sequence
from typing import Any

import msgspec

from forwarder.events import Table


class KeyReader:
    """Reads the key columns of one table.

    An image captured before a column was renamed carries the old name, so every name a column was seen under is tried, the
    current ones first.
    """

    __slots__ = ("_shapes",)

    def __init__(self, table: Table) -> None:
        self._shapes = [_Shape(names) for names in itertools.product(*table.key_columns)] if table.key_columns else []

    def read(self, image: str) -> tuple[str, str] | None:
        """The key as a JSON object text, its values exactly as in the image, and the bare values joined by commas.

        None if the table has no key, or the image holds none of the names known for a key column.
        """
        for shape in self._shapes:
            try:
                values = shape.decode(image)
            except msgspec.ValidationError:
                continue
            return shape.format(values)
        return None


class _Shape:
    """The key columns under one set of names."""

    __slots__ = ("_decoder", "_fields", "_labels")

    def __init__(self, names: Sequence[str]) -> None:
        self._fields = [f"column_{number}" for number in range(len(names))]
        struct = msgspec.defstruct(
            "Key",
            [(field, msgspec.Raw) for field in self._fields],
            rename=dict(zip(self._fields, names, strict=True)),
            gc=False,
        )
        self._decoder: msgspec.json.Decoder[Any] = msgspec.json.Decoder(struct)
        self._labels = [msgspec.json.encode(name).decode() for name in names]

    def decode(self, image: str) -> list[str]:
        key = self._decoder.decode(image)
        return [bytes(getattr(key, field)).decode() for field in self._fields]

    def format(self, values: Sequence[str]) -> tuple[str, str]:
        if len(values) == 1:
            return f"{{{self._labels[0]}:{values[0]}}}", values[0].strip('"')
        members = ",".join(f"{label}:{value}" for label, value in zip(self._labels, values, strict=True))
        return f"{{{members}}}", ",".join(value.strip('"') for value in values)
