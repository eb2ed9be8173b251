"""Rows of a table as AWS DMS writes them: the value of ``data``. Pure.

Each event passes through here, and most of a row stays as it is. So the row is decoded into a class that is made for its table, the few values that
look otherwise with DMS are replaced, and it is encoded again. To go through its members takes three times as long. That is done for what does not fit
the class: unknown columns, values that are not of their types, JSON that msgspec does not read.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import msgspec
from msgspec import UNSET, Raw, UnsetType

from forwarder.config.formats import Dms
from forwarder.config.table_mappings.object_mapping import ObjectMapping
from forwarder.events import CapturedTable, ColumnType
from forwarder.json_members import members, written
from forwarder.records.formats.dms.values import Convert, Treatment, by_kind, is_large_object, treatment
from forwarder.records.object_mapping import shaped

_ENCODE = msgspec.json.Encoder().encode
_TEXT, _JSON = (ColumnType("pg_catalog", name, "b", -1, is_array=False) for name in ("text", "json"))
# What an event of the application's own has.
_EVENT = {"key": _TEXT, "type": _TEXT, "topic": _TEXT, "payload": _JSON}


class RowEncoder:
    """Encodes rows of one table, and its keys."""

    def __init__(
        self,
        table: CapturedTable,
        options: Dms,
        *,
        with_large_objects: bool = True,
        mapping: ObjectMapping | None = None,
        exclude: Collection[str] = (),
    ) -> None:
        """Make it for one table.

        Args:
            mapping: what an object-mapping rule says of the rows; None: each column is a member.
            exclude: columns that have no member.
        """
        self._options = options
        is_event = (table.schema, table.name) == ("forwarder", "event")
        types = _EVENT if is_event else {column.name: column.type for column in table.columns}
        self._treatments = {name: treatment(type, options) for name, type in types.items()}
        self._unknown = treatment(None, options)
        # DMS leaves large objects out where it has no key to look them up by.
        leaves_out = not with_large_objects or (options.exact and not table.key_columns)
        large_objects = (name for name, type in types.items() if leaves_out and is_large_object(type))
        self._left_out = frozenset((*large_objects, *exclude))
        # What has no member: nulls, and with ``exact`` empty strings, too.
        self._absent = () if options.IncludeNullAndEmpty else ("null", '""') if options.exact else ("null",)
        self._mapping = None if mapping is None or mapping.is_plain else mapping
        self._typical = (
            None
            if self._mapping
            else _typical_rows(self._treatments, self._left_out, keeps_nulls=options.IncludeNullAndEmpty)
        )

    def encode(self, image: str) -> str:
        """The row as the text of a JSON object."""
        if self._typical and not ('""' in self._absent and '""' in image):
            try:
                return self._typical.encode(image)
            except (msgspec.DecodeError, RecursionError):
                pass
        return self._object(self.values(members(image)))

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
        return self._object({**dict.fromkeys(names, "null"), **self.values(members(key))})

    def _object(self, values: Mapping[str, str]) -> str:
        return shaped(self._mapping, values) if self._mapping else written(values)

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


class _TypicalRows:
    """A class of rows that have no other columns than these, each of the type that it should have."""

    __slots__ = ("_conversions", "_decode", "_left_out", "_null", "_numbers", "_undecoded")

    def __init__(self, treatments: Mapping[str, Treatment], left_out: Collection[str], *, keeps_nulls: bool) -> None:
        """Raises ``ValueError`` for a name that JSON has to escape, which msgspec does not take."""
        self._null = Raw(b"null") if keeps_nulls else UNSET
        # By field: how decoded values become others, and how texts of JSON do; what may be null and is not converted; what is left out.
        self._conversions: list[tuple[str, Convert]] = []
        self._undecoded: list[tuple[str, Convert]] = []
        self._numbers: list[str] = []
        self._left_out: list[str] = []
        fields: list[tuple[str, Any, Any]] = []
        for number, (name, (kind, convert)) in enumerate(treatments.items()):
            field = f"c{number}"
            absent = UNSET if keeps_nulls or kind is Raw else None
            fields.append((field, kind if kind is Raw else kind | None | UnsetType, absent))
            if name in left_out:
                self._left_out.append(field)
            elif convert:
                (self._undecoded if kind is Raw else self._conversions).append((field, convert))
            elif kind is Raw and not keeps_nulls:
                self._numbers.append(field)
        rename = {field: name for (field, _, _), name in zip(fields, treatments, strict=True)}
        # What is as it is when nothing was decoded is not encoded.
        row = msgspec.defstruct("Row", fields, rename=rename, omit_defaults=True, forbid_unknown_fields=True, gc=False)
        self._decode = msgspec.json.Decoder(row).decode

    def encode(self, image: str) -> str:
        """The row as the text of a JSON object.

        Raises:
            msgspec.DecodeError, RecursionError: it is none of these.
        """
        row = self._decode(image)
        for field, convert in self._conversions:
            if (value := getattr(row, field)) is not None and value is not UNSET:
                setattr(row, field, convert(value))
        for field, convert in self._undecoded:
            if (raw := getattr(row, field)) is not UNSET:
                text = str(raw, "utf-8")
                setattr(row, field, self._null if text == "null" else convert(text))
        if self._numbers and "null" in image:
            self._drop_nulls(row)
        for field in self._left_out:
            setattr(row, field, UNSET)
        return _ENCODE(row).decode()

    def _drop_nulls(self, row: Any) -> None:
        for field in self._numbers:
            if (raw := getattr(row, field)) is not UNSET and bytes(raw) == b"null":
                setattr(row, field, UNSET)


def _typical_rows(
    treatments: Mapping[str, Treatment], left_out: Collection[str], *, keeps_nulls: bool
) -> _TypicalRows | None:
    try:
        return _TypicalRows(treatments, left_out, keeps_nulls=keeps_nulls)
    except ValueError:
        return None
