"""Values of columns as AWS DMS writes them, by the type of the column. Pure.

A value comes as ``row_to_json`` writes it. One that is not as its type would have it (a rule hashes or masks the column, or the type was altered
since) is written by what it is in JSON alone: ``by_kind``.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Callable, Mapping
from decimal import ROUND_HALF_EVEN, Decimal
from functools import partial
from math import isinf
from typing import Any, NamedTuple

import msgspec
from msgspec import Raw

from forwarder.config.formats import Dms
from forwarder.events import ColumnType
from forwarder.records.formats.postgres_text import array_text, composite_text, hstore_text, plain_text

_BOOLEANS = {"true": '"t"', "false": '"f"'}
_TIMESTAMP = re.compile(r"(\d{4,}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,6}))?(?:\+00(?::00)?)?( BC)?")
_MONEY = re.compile(r"(-?)\$((?:0|[1-9]\d{0,2})(?:,\d{3})*(?:\.\d+)?)", re.ASCII)
_OID = re.compile(r"0|[1-9][0-9]*")
_ZONE = re.compile(r"[+-][\d:]+$")
# DMS has no infinite times, as its page on PostgreSQL says. How it writes the earlier one nobody has seen.
_ENDS_OF_TIME = {"infinity": "9999-12-31T23:59:59Z", "-infinity": "4713-01-01T00:00:00Z BC"}
# Types of the catalog that DMS counts among large objects.
_LARGE_OBJECTS = frozenset(("text", "json", "jsonb", "bytea", "xml", "tsvector", "tsquery", "hstore"))
_UNBOUNDED_SCALE = Decimal("0.000001")

# From a value that was decoded, or from the JSON text of one that was not, to what is encoded again.
Convert = Callable[[Any], object]


class Treatment(NamedTuple):
    """How the values of a column become those of a record."""

    # What they are decoded as: str, int, bool; or Raw, which is not decoded.
    kind: Any
    # None: they stay as they are.
    convert: Convert | None = None


_TEXT = Treatment(str)
# To the last digit as PostgreSQL writes it.
_NUMBER = Treatment(Raw)
# Integers may be masked or hashed.
_INTEGER = Treatment(int | str)
# JSON in a string.
_JSON = Treatment(Raw, str)


def is_large_object(type: ColumnType | None) -> bool:
    """Whether DMS takes the column for a large object."""
    return type is not None and (type.is_array or type.kind == "c" or type.name in _LARGE_OBJECTS)


def treatment(type: ColumnType | None, options: Dms) -> Treatment:
    """How the values of a column of this type are written."""
    # Types of PostgreSQL's own, and hstore: another type may have such a name, too.
    name = type.name if type and (type.schema == "pg_catalog" or type.name == "hstore") else ""
    if type is None or (type.kind == "b" and not name):
        return Treatment(Raw, partial(_by_kind, options))
    if type.is_array:
        return Treatment(Raw, partial(_written, "[", _array_writer(type, name)))
    if type.kind == "c":
        return Treatment(Raw, partial(_written, "{", composite_text))
    if options.exact and name in _EXACTLY:
        return _EXACTLY[name](type, options)
    if name == "bool":
        return Treatment(bool, None if options.MapBooleanAsBoolean else _letter)
    if name == "bytea":
        return Treatment(str, partial(_hexadecimal, "" if options.NoHexPrefix else "0x"))
    return _TREATMENTS.get(name, _TEXT)


def by_kind(raw: str, options: Dms) -> str:
    """The JSON text of a value of which no more is known than that it is JSON: objects and arrays are JSON in a string, and booleans as elsewhere."""
    if raw[0] in "{[":
        return msgspec.json.encode(raw).decode()
    return raw if options.MapBooleanAsBoolean else _BOOLEANS.get(raw, raw)


def _by_kind(options: Dms, raw: str) -> Raw:
    return Raw(by_kind(raw, options).encode())


def _letter(value: bool) -> str:  # noqa: FBT001
    return "t" if value else "f"


def _without_blanks(text: str) -> str:
    """PostgreSQL, too, says that the blanks at the end of a ``char(5)`` mean nothing."""
    return text.rstrip(" ")


def _timestamp(text: str) -> str:
    body = text.removesuffix("+00:00")
    if body[10:11] == "T" and len(body) in (19, 26):
        # Of a year of four digits, and with six digits behind the second or none.
        return f"{body}Z"
    found = _TIMESTAMP.fullmatch(text)
    if not found:
        return text
    moment, fraction, era = found.groups()
    return f"{moment}.{fraction:0<6}Z{era or ''}" if fraction else f"{moment}Z{era or ''}"


def _exact_timestamp(text: str) -> str:
    return _ENDS_OF_TIME.get(text) or _timestamp(text)


def _without_zone(text: str) -> str:
    return _ZONE.sub("", text)


def _hexadecimal(prefix: str, text: str) -> str:
    return f"{prefix}{text[2:].upper()}" if text.startswith("\\x") else text


def _money(text: str) -> object:
    found = _MONEY.fullmatch(text)
    return Raw(f"{found[1]}{found[2].replace(',', '')}".encode()) if found else text


def _oid(text: str) -> object:
    return Raw(text.encode()) if _OID.fullmatch(text) else text


def _exact_double(raw: str) -> Raw:
    """A number as C prints a double: with 15 digits or, if these are not all, with 17; from 18 digits on as ``1.2345678901234568e+17``."""
    number = _float(raw)
    if number is None:
        return Raw(raw.encode())
    short = f"{number:.15g}"
    return Raw((short if float(short) == number else f"{number:.17g}").encode())


def _exact_real(raw: str) -> Raw:
    """A number as C prints a float: with nine digits of what it is in binary, so ``2.20000005`` for 2.2."""
    number = _float(raw)
    try:
        [single] = struct.unpack("f", struct.pack("f", number or 0.0))
    except OverflowError:
        number = None
    return Raw(raw.encode() if number is None else f"{single:.9g}".encode())


def _exact_numeric(raw: str) -> Raw:
    """A number in a double's digits, of six decimals if it has more: the type does not say how many it may have."""
    if _float(raw) is None:
        return Raw(raw.encode())
    number = Decimal(raw)
    # So many digits a decimal number has room for; more are beyond a double's in any case.
    fits = number.adjusted() < 21
    return _exact_double(str(number.quantize(_UNBOUNDED_SCALE, ROUND_HALF_EVEN)) if fits else raw)


def _number_in_string(raw: str) -> object:
    """DMS has numbers of 38 digits; of a type that has more it makes a string."""
    return Raw(raw.encode()) if raw[0] == '"' else raw


def _float(raw: str) -> float | None:
    """The number, if it is one that a double can be."""
    if not raw[-1].isdecimal():
        return None
    number = float(raw)
    return None if isinf(number) else number


def _numeric(type: ColumnType, _: Dms) -> Treatment:
    header = 4
    if type.modifier < header:
        return Treatment(Raw, _exact_numeric)
    precision = (type.modifier - header) >> 16
    return Treatment(Raw, _number_in_string if precision > 38 else _exact_double)


def _written(opening: str, write: Callable[[str], str], raw: str) -> object:
    """What PostgreSQL writes for an array or an object. Of another value its text, and of JSON that cannot be taken apart that JSON."""
    try:
        return write(raw) if raw[0] == opening else plain_text(raw)
    except (msgspec.DecodeError, RecursionError):
        return raw


def _array_writer(type: ColumnType, name: str) -> Callable[[str], str]:
    elements: Mapping[str, Callable[[str], str]] = {
        "timestamp": _timestamp_text,
        "timestamptz": _timestamp_text,
        "json": str,
        "jsonb": str,
        "hstore": hstore_text,
    }
    return partial(
        array_text,
        text_of=composite_text if type.kind == "c" else elements.get(name, plain_text),
        nests=name not in ("json", "jsonb"),
        delimiter=";" if name == "box" else ",",
    )


def _timestamp_text(raw: str) -> str:
    """``2024-02-29 13:14:15.5+00`` from ``"2024-02-29T13:14:15.5+00:00"``."""
    return plain_text(raw).replace("T", " ", 1).replace("+00:00", "+00", 1)


_TREATMENTS: Mapping[str, Treatment] = {
    "int2": _INTEGER,
    "int4": _INTEGER,
    "int8": _INTEGER,
    "numeric": _NUMBER,
    "float4": _NUMBER,
    "float8": _NUMBER,
    "bpchar": Treatment(str, _without_blanks),
    "timestamp": Treatment(str, _timestamp),
    "timestamptz": Treatment(str, _timestamp),
    "money": Treatment(str, _money),
    "oid": Treatment(str, _oid),
    "json": _JSON,
    "jsonb": _JSON,
    "hstore": Treatment(Raw, partial(_written, "{", hstore_text)),
}
# What DMS loses.
_EXACTLY: Mapping[str, Callable[[ColumnType, Dms], Treatment]] = {
    "float4": lambda *_: Treatment(Raw, _exact_real),
    "float8": lambda *_: Treatment(Raw, _exact_double),
    "int8": lambda _, options: _INTEGER if options.UseLargeIntegerValue else Treatment(Raw, _exact_double),
    "numeric": _numeric,
    "timestamp": lambda *_: Treatment(str, _exact_timestamp),
    "timestamptz": lambda *_: Treatment(str, _exact_timestamp),
    "timetz": lambda *_: Treatment(str, _without_zone),
}
