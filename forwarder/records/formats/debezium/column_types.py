"""For each type of PostgreSQL, how Debezium writes its values. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from forwarder.config.formats import Debezium
from forwarder.events import ColumnType
from forwarder.records.formats.debezium import binary, intervals, numbers, texts, times
from forwarder.records.formats.debezium.arrays import array
from forwarder.records.formats.debezium.conversion import Convert

_MILLISECOND, _MICROSECOND, _NANOSECOND = 1_000_000, 1_000, 1

# Types of PostgreSQL's own whose values Debezium writes as `row_to_json` does: numbers, words, and strings.
_NUMBERS_AND_WORDS = frozenset(("bool", "int2", "int4", "int8"))
_TEXTS = frozenset(("text", "varchar", "bpchar", "char", "name", "uuid", "xml", "tsvector"))
_ADDRESSES = frozenset(("inet", "cidr", "macaddr", "macaddr8"))
_RANGES = frozenset(("int4range", "int8range", "numrange", "tsrange", "tstzrange", "daterange"))
_AS_THEY_ARE = _NUMBERS_AND_WORDS | _TEXTS | _ADDRESSES | _RANGES
# Types of extensions likewise. They are in any schema.
_OF_EXTENSIONS = frozenset(("citext", "ltree"))
# Types that Debezium knows, but not their arrays.
_NOT_IN_ARRAYS = frozenset(("money", "interval", "point", "bit", "varbit", "xml", "tsvector", "name"))
# Of a numeric, what the modifier is more than precision and scale: PostgreSQL's VARHDRSZ.
_NUMERIC_EXCESS = 4
_SCALE_BITS = 11


def converter(type: ColumnType, options: Debezium) -> Convert | None:
    """What turns the values of a type into Debezium's. None: they are as they are."""
    convert = _of_unknown(options) if _is_unknown(type, options) else _of_known(type, options)
    if not type.is_array or convert is None:
        return convert
    return array(convert, of_json=type.name in ("json", "jsonb"))


def is_left_out(type: ColumnType, options: Debezium) -> bool:
    """Whether the records have no column of this type: with ``exact``, where Debezium does not know it."""
    return options.exact and not options.include_unknown_datatypes and _is_unknown(type, options)


def _is_unknown(type: ColumnType, options: Debezium) -> bool:
    """Whether Debezium does not know the type."""
    if type.is_array and type.schema == "pg_catalog" and type.name in _NOT_IN_ARRAYS:
        return True
    if type.kind == "e" or type.name in _OF_EXTENSIONS or type.name == "hstore":
        return False
    return type.schema != "pg_catalog" or (type.name not in _AS_THEY_ARE and type.name not in _converted(type, options))


def _of_unknown(options: Debezium) -> Convert:
    return texts.encoded(options.binary_handling_mode) if options.include_unknown_datatypes else texts.text


def _of_known(type: ColumnType, options: Debezium) -> Convert | None:
    if type.name == "hstore":
        return texts.hstore_map if options.hstore_handling_mode == "map" else texts.hstore_json
    return _converted(type, options).get(type.name) if type.schema == "pg_catalog" else None


def _converted(type: ColumnType, options: Debezium) -> Mapping[str, Convert]:
    """By the names of PostgreSQL's own types, what converts their values; where that depends on it, as this type's modifier demands."""
    is_text = options.time_precision_mode == "isostring"
    return {
        "oid": numbers.oid,
        "float4": numbers.floating,
        "float8": numbers.floating,
        "numeric": _numeric(type, options),
        "money": numbers.money(_inexact_numeric(options)),
        "bytea": binary.bytea(options.binary_handling_mode),
        "bit": binary.bit if type.modifier == 1 else binary.bits,
        "varbit": binary.bit if type.modifier == 1 else binary.bits,
        "date": times.iso_date if is_text else times.days,
        "time": times.iso_time if is_text else times.time(_unit_of_time(type, options)),
        "timetz": times.timetz_utc if options.exact else times.timetz,
        "timestamp": times.iso_timestamp if is_text else times.timestamp(_unit_of_timestamp(type, options)),
        "timestamptz": times.timestamptz(6 if type.modifier < 0 else type.modifier),
        "interval": intervals.iso if options.interval_handling_mode == "string" else intervals.microseconds,
        "json": texts.quoted,
        "jsonb": texts.quoted,
        "point": binary.point,
    }


def _numeric(type: ColumnType, options: Debezium) -> Convert:
    if convert := _inexact_numeric(options):
        return convert
    if type.modifier < 0:
        return numbers.variable_point
    # The scale is a number of 11 bits with a sign.
    scale = (type.modifier - _NUMERIC_EXCESS) & ((1 << _SCALE_BITS) - 1)
    return numbers.fixed_point(scale - ((scale >> (_SCALE_BITS - 1)) << _SCALE_BITS))


def _inexact_numeric(options: Debezium) -> Convert | None:
    """How numbers are written in any mode but ``precise``, whatever their scale."""
    return {"string": numbers.numeric_text, "double": numbers.numeric_double}.get(options.decimal_handling_mode)


def _unit_of_time(type: ColumnType, options: Debezium) -> int:
    """In nanoseconds."""
    if options.time_precision_mode == "adaptive_time_microseconds":
        return _MICROSECOND
    return _unit_of_timestamp(type, options)


def _unit_of_timestamp(type: ColumnType, options: Debezium) -> int:
    """In nanoseconds."""
    match options.time_precision_mode:
        case "connect":
            return _MILLISECOND
        case "microseconds":
            return _MICROSECOND
        case "nanoseconds":
            return _NANOSECOND
        case _:
            return _MILLISECOND if 0 <= type.modifier <= 3 else _MICROSECOND
