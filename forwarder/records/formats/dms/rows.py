"""Rows of a table as AWS DMS writes them: the value of ``data``. Pure.

Each event passes through here, and most of a row stays as it is. So the row is decoded into a class that is made for its table, the few values that
look otherwise with DMS are replaced, and it is encoded again. To go through its members takes three times as long. That is done for what does not fit
the class: unknown columns, values that are not of their types, JSON that msgspec does not read.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import msgspec
from msgspec import UNSET, Raw, UnsetType

from forwarder.config.formats import Dms
from forwarder.events import CapturedTable, ColumnType
from forwarder.json_members import members
from forwarder.records.formats.dms.values import Convert, Treatment, by_kind, is_large_object, treatment

_ENCODE = msgspec.json.Encoder().encode
_TEXT, _JSON = (ColumnType("pg_catalog", name, "b", -1, is_array=False) for name in ("text", "json"))
# What an event of the application's own has.
_EVENT = {"key": _TEXT, "type": _TEXT, "topic": _TEXT, "payload": _JSON}


class RowEncoder:
    """Encodes rows of one table, and its keys."""

    def __init__(self, table: CapturedTable, options: Dms, *, with_large_objects: bool = True) -> None:
        self._options = options
        is_event = (table.schema, table.name) == ("forwarder", "event")
        types = _EVENT if is_event else {column.name: column.type for column in table.columns}
        self._treatments = {name: treatment(type, options) for name, type in types.items()}
        self._unknown = treatment(None, options)
        # DMS leaves large objects out where it has no key to look them up by.
        leaves_out = not with_large_objects or (options.exact and not table.key_columns)
        self._left_out = frozenset(name for name, type in types.items() if leaves_out and is_large_object(type))
        # What has no member: nulls, and with ``exact`` empty strings, too.
        self._absent = () if options.IncludeNullAndEmpty else ("null", '""') if options.exact else ("null",)
        self._encode_typical = self._typical()

    def encode(self, image: str) -> str:
        """The row as the text of a JSON object."""
        if self._encode_typical and not ('""' in self._absent and '""' in image):
            try:
                return self._encode_typical(image)
            except (msgspec.DecodeError, RecursionError):
                pass
        return object_text(self.values(members(image)))

    def values(self, row: Mapping[str, str]) -> Mapping[str, str]:
        """The values of a row by the names of columns, as JSON texts, from those that ``members`` gives."""
        return {
            name: self._value(self._treatments.get(name, self._unknown), value)
            for name, value in row.items()
            if name not in self._left_out and value not in self._absent
        }

    def key_and_nulls(self, key: str, row: Mapping[str, str]) -> str:
        """The key, as the text of a JSON object, and null for all other columns of the row if nulls are shown."""
        names = [name for name in row if name not in self._left_out] if self._options.IncludeNullAndEmpty else ()
        return object_text({**dict.fromkeys(names, "null"), **self.values(members(key))})

    def _value(self, treatment: Treatment, value: str) -> str:
        if value == "null":
            return value
        try:
            decoded = value if treatment.kind is Raw else msgspec.json.decode(value, type=treatment.kind)
        except msgspec.DecodeError:
            return by_kind(value, self._options)
        if treatment.convert:
            return _ENCODE(treatment.convert(decoded)).decode()
        return value

    def _typical(self) -> Callable[[str], str] | None:
        """As ``encode``; but it raises ``msgspec.DecodeError`` or ``RecursionError`` for a row that does not fit the class. None: there is no class."""
        keeps_nulls = self._options.IncludeNullAndEmpty
        nothing = UNSET if keeps_nulls else None
        fields: list[tuple[str, Any, Any]] = []
        # What is done to a row: fields are emptied, converted from texts of JSON, converted, or looked at for null.
        of_json: list[tuple[str, Convert]] = []
        conversions: list[tuple[str, Convert]] = []
        left_out, numbers = [], []
        for number, (name, (kind, convert)) in enumerate(self._treatments.items()):
            field = f"c{number}"
            fields.append((field, Raw, UNSET) if kind is Raw else (field, kind | None | UnsetType, nothing))
            if name in self._left_out:
                left_out.append(field)
            elif convert:
                (of_json if kind is Raw else conversions).append((field, convert))
            elif kind is Raw and not keeps_nulls:
                numbers.append(field)
        try:
            decode = _decoder(fields, list(self._treatments))
        except ValueError:
            # msgspec takes no names that JSON has to escape.
            return None

        def encode(image: str) -> str:
            row = decode(image)
            for field, convert in conversions:
                if (value := getattr(row, field)) is not None and value is not UNSET:
                    setattr(row, field, convert(value))
            for field, convert in of_json:
                if (raw := getattr(row, field)) is not UNSET:
                    if (text := str(raw, "utf-8")) != "null":
                        setattr(row, field, convert(text))
                    elif not keeps_nulls:
                        setattr(row, field, UNSET)
            if numbers and "null" in image:
                for field in numbers:
                    if (raw := getattr(row, field)) is not UNSET and bytes(raw) == b"null":
                        setattr(row, field, UNSET)
            for field in left_out:
                setattr(row, field, UNSET)
            return _ENCODE(row).decode()

        return encode


def object_text(values: Mapping[str, str]) -> str:
    """A JSON object of these members, whose values are JSON texts."""
    return "{" + ",".join([f"{_ENCODE(name).decode()}:{value}" for name, value in values.items()]) + "}"


def _decoder(fields: list[tuple[str, Any, Any]], names: list[str]) -> Callable[[str], Any]:
    """Decodes objects whose members have these names, each into its field. A member that is not there is not encoded either."""
    rename = {field: name for (field, _, _), name in zip(fields, names, strict=True)}
    row = msgspec.defstruct("Row", fields, rename=rename, omit_defaults=True, forbid_unknown_fields=True, gc=False)
    return msgspec.json.Decoder(row).decode
