"""Values in the way of Debezium: what its engine has not shown, what is of no column's type, and that each can be read back."""

from __future__ import annotations

import json
from base64 import b64decode
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from forwarder.config.formats import Debezium
from forwarder.events import CapturedTable, Column, ColumnType
from forwarder.records.formats.debezium.rows import Rows

GOLDEN = Path(__file__).parents[3] / "golden" / "debezium"
EPOCH = datetime(1970, 1, 1)
# PostgreSQL's own types; what is in no list is of some extension.
TYPES = (
    *(
        "bit",
        "bool",
        "bpchar",
        "bytea",
        "char",
        "circle",
        "date",
        "daterange",
        "float4",
        "float8",
        "inet",
        "int2",
        "int4",
        "int8",
    ),
    *(
        "interval",
        "json",
        "jsonb",
        "money",
        "name",
        "numeric",
        "oid",
        "pg_lsn",
        "point",
        "text",
        "time",
        "timestamp",
        "timestamptz",
    ),
    *("timetz", "tsvector", "uuid", "varbit", "varchar", "xml"),
)
EXTENSION_TYPES = ("hstore", "citext", "ltree", "lquery")


def numeric(precision: int, scale: int) -> int:
    """The modifier of a numeric with these."""
    return (precision << 16 | scale & 0x7FF) + 4


def type_of(name: str, modifier: int = -1, *, is_array: bool = False, schema: str = "pg_catalog") -> ColumnType:
    return ColumnType(schema, name, "b", modifier, is_array=is_array)


def rows(*columns: Column, **options: Any) -> Rows:
    table = CapturedTable(
        id=1, relation=2, schema="public", name="t", key_columns=(), before_image="full", columns=columns
    )
    return Rows(table, Debezium(**options))


def converted(raw: str, type: ColumnType, **options: Any) -> Any:
    """What the record has for a value that the image has as this text."""
    row, _ = rows(Column("value", type), **options).convert(f'{{"value":{raw}}}')
    return json.loads(msgspec.json.encode(row)).get("value", "absent")


@pytest.mark.parametrize(
    ("run", "options"),
    [
        ("default", {"exact": True}),
        ("double", {"hstore_handling_mode": "map", "exact": True}),
        ("url-safe", {"binary_handling_mode": "base64-url-safe", "include_unknown_datatypes": True}),
    ],
)
def test_types_of_extensions_are_those_of_debeziums_own_engine(run: str, options: dict[str, Any]) -> None:
    scalars = [Column(f"c_{type}", type_of(type, schema="public")) for type in EXTENSION_TYPES]
    arrays = [Column(f"a_{type}", type_of(type, schema="public", is_array=True)) for type in EXTENSION_TYPES]
    known = rows(*scalars, *arrays, Column("c_xml", type_of("xml")), **options)
    images = (GOLDEN / "extensions.jsonl").read_text("utf-8").split("\n")[:-1]
    records = [json.loads(line) for line in (GOLDEN / f"{run}.jsonl").read_bytes().splitlines()]
    told = [r["value"]["after"] for r in records if r["destination"].endswith(".extension_types") and r["value"]]
    ours = [json.loads(msgspec.json.encode(known.convert(image)[0])) for image in images]
    assert ours == [row for row in told if row]


@pytest.mark.parametrize(
    ("raw", "type", "options", "expected"),
    [
        ('"NaN"', type_of("numeric", numeric(10, 2)), {}, None),
        ('"Infinity"', type_of("numeric"), {}, None),
        ('"-Infinity"', type_of("numeric"), {"decimal_handling_mode": "string"}, "NEGATIVE_INFINITY"),
        ('"Infinity"', type_of("numeric"), {"decimal_handling_mode": "double"}, "Infinity"),
        ("1" + "0" * 400, type_of("numeric"), {"decimal_handling_mode": "double"}, "Infinity"),
        ("12300", type_of("numeric", numeric(3, -2)), {}, "ew=="),
        ("0", type_of("numeric", numeric(3, -2)), {}, "AA=="),
        ("5", type_of("float8"), {}, 5.0),
        ('"infinity"', type_of("date"), {}, 2147483647),
        ('"-infinity"', type_of("date"), {"time_precision_mode": "isostring"}, "-5877641-06-23Z"),
        ('"13:14:15.5+02:30:15"', type_of("timetz"), {}, "13:14:15.5+02:30:15"),
        ('"13:14:15-00:30"', type_of("timetz"), {"exact": True}, "13:44:15Z"),
        ('"24:00:00"', type_of("time"), {"time_precision_mode": "isostring"}, "00:00:00Z"),
        ('"294276-12-31T23:59:59"', type_of("timestamp"), {}, None),
        ('"294276-12-31T23:59:59"', type_of("timestamp", 3), {}, 9224318015999000),
        ('"1066-07-28T07:59:48.1 BC"', type_of("timestamp"), {}, -95_757_350_411_900_000),
        ('"1066-07-28T07:59:48.123 BC"', type_of("timestamp", 3), {}, -95_757_350_411_877),
        ('"0001-01-01T00:00:00+00:00 BC"', type_of("timestamptz", 0), {}, "0000-01-01T00:00:00Z"),
        ('"-00:00:00.25"', type_of("interval"), {"interval_handling_mode": "string"}, "P0Y0M0DT0H0M-0.25S"),
        ('"-1 days +02:03:00"', type_of("interval"), {}, -79_020_000_000),
        ('"infinity"', type_of("interval"), {}, (1 << 63) - 1),
        ('"1"', type_of("varbit", 1), {}, True),
        ('["1.00"]', type_of("numeric", numeric(10, 2), is_array=True), {}, ["1.00"]),
        (
            "[[1.00,null],[2.50,0.00]]",
            type_of("numeric", numeric(10, 2), is_array=True),
            {},
            [["ZA==", None], ["APo=", "AA=="]],
        ),
        ('[[1,2],{"a": 1}]', type_of("jsonb", is_array=True), {}, ["[1,2]", '{"a": 1}']),
        ('"(1,2)"', type_of("path"), {}, "(1,2)"),
        ('"(1,2)"', type_of("path"), {"exact": True}, "absent"),
        ('{"street":"Main","zip":null}', type_of("address", schema="public"), {}, '{"street":"Main","zip":null}'),
    ],
)
def test_a_value(raw: str, type: ColumnType, options: dict[str, Any], expected: object) -> None:
    assert converted(raw, type, **options) == expected


@pytest.mark.parametrize(
    ("raw", "type"),
    [
        ('"9c1185a5c5e9fc54612808977ee8f548"', type_of("date")),
        ('"12345678"', type_of("timestamptz")),
        ("17", type_of("timestamp")),
        ("17", type_of("oid")),
        (f'"{10**30}"', type_of("oid")),
        (f'{{"a":{10**30}}}', type_of("hstore", schema="public")),
        ("1001", type_of("bit", 4)),
        ('"x1,2y"', type_of("point")),
        ('"***"', type_of("bytea")),
        ('"***"', type_of("money")),
        ("1.2345", type_of("numeric", numeric(10, 2))),
        ("1e5", type_of("numeric", numeric(10, 2))),
        ('["***"]', type_of("date", is_array=True)),
        ("7", type_of("int4", is_array=True)),
        ("true", type_of("interval")),
    ],
)
def test_a_value_that_is_not_of_its_columns_type_is_as_it_is(raw: str, type: ColumnType) -> None:
    """A rule has masked it, or the type was altered since."""
    assert converted(raw, type) == json.loads(raw)


def test_a_column_of_no_known_type_is_as_it_is() -> None:
    row, _ = rows(Column("was")).convert('{"was":{"a":[1.50]},"never_seen":"x"}')
    assert msgspec.json.encode(row) == b'{"was":{"a":[1.50]},"never_seen":"x"}'


def test_half_of_a_surrogate_pair_and_deep_nesting_do_no_harm() -> None:
    deep = "[" * 2000 + "]" * 2000
    known = rows(Column("a", type_of("json")), Column("b", type_of("json")), Column("day", type_of("date")))
    _, row = known.convert(None, f'{{"a":"\\ud800","b":{deep},"day":"1970-01-02"}}')
    assert json.loads(msgspec.json.encode(row)) == {"a": '"\\ud800"', "b": deep, "day": 1}


def decimal_of(encoded: str, scale: int) -> Decimal:
    unscaled = int.from_bytes(b64decode(encoded), "big", signed=True)
    return Decimal(f"{unscaled}E-{scale}")


@given(st.integers(-(10**40), 10**40), st.integers(0, 30))
def test_a_numeric_can_be_read_back(unscaled: int, scale: int) -> None:
    sign, digits = "-" if unscaled < 0 else "", str(abs(unscaled)).zfill(scale + 1)
    text = f"{sign}{digits[:-scale]}.{digits[-scale:]}" if scale else f"{sign}{digits}"
    assert decimal_of(converted(text, type_of("numeric", numeric(80, scale))), scale) == Decimal(text)
    variable = converted(text, type_of("numeric"))
    assert decimal_of(variable["value"], variable["scale"]) == Decimal(text)
    assert converted(text, type_of("numeric"), decimal_handling_mode="string") == text


def test_the_longest_numeric_can_be_read_back() -> None:
    text = "9" * 131_072 + "." + "9" * 16_383
    variable = converted(text, type_of("numeric"))
    assert int.from_bytes(b64decode(variable["value"]), "big") == 10 ** (131_072 + 16_383) - 1


@given(st.dates())
def test_a_date_can_be_read_back(day: date) -> None:
    assert date(1970, 1, 1) + timedelta(days=converted(f'"{day.isoformat()}"', type_of("date"))) == day


@given(st.datetimes())
def test_a_timestamp_can_be_read_back(moment: datetime) -> None:
    fraction = f"{moment:%f}".rstrip("0")
    text = moment.isoformat(timespec="seconds") + (f".{fraction}" if fraction else "")
    assert EPOCH + timedelta(microseconds=converted(f'"{text}"', type_of("timestamp"))) == moment
    with_zone = converted(f'"{text}+00:00"', type_of("timestamptz"))
    assert datetime.fromisoformat(with_zone) == moment.replace(tzinfo=UTC)


@given(st.times())
def test_a_time_can_be_read_back(clock: time) -> None:
    microseconds = converted(f'"{clock.isoformat()}"', type_of("time"))
    assert (datetime.min + timedelta(microseconds=microseconds)).time() == clock


@given(st.binary())
def test_bytes_can_be_read_back(data: bytes) -> None:
    assert b64decode(converted(rf'"\\x{data.hex()}"', type_of("bytea"))) == data


@given(st.integers(1, 200).flatmap(lambda length: st.text("01", min_size=length, max_size=length)))
def test_bits_can_be_read_back(bits: str) -> None:
    number = int.from_bytes(b64decode(converted(f'"{bits}"', type_of("bit", 200))), "little")
    assert f"{number:b}".zfill(len(bits)) == bits


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.sampled_from([1e300, -0.5]) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=2), inner, max_size=2),
    max_leaves=4,
)
COLUMN_TYPES = st.builds(
    ColumnType,
    st.just("pg_catalog"),
    st.sampled_from([*TYPES, *EXTENSION_TYPES, "mood"]),
    st.just("b"),
    st.sampled_from([-1, 1, 3, 6, numeric(10, 2), numeric(3, -2)]),
    is_array=st.booleans(),
)
MODES: list[dict[str, Any]] = [
    {},
    {"exact": True},
    {"decimal_handling_mode": "string", "time_precision_mode": "isostring", "binary_handling_mode": "hex"},
    {"decimal_handling_mode": "double", "time_precision_mode": "nanoseconds", "interval_handling_mode": "string"},
    {"hstore_handling_mode": "map", "include_unknown_datatypes": True, "binary_handling_mode": "base64-url-safe"},
]


@given(st.dictionaries(st.text(max_size=3), st.tuples(COLUMN_TYPES, JSON_VALUES, JSON_VALUES), max_size=4))
def test_any_value_in_a_column_of_any_type_makes_a_record(columns: dict[str, tuple[ColumnType, Any, Any]]) -> None:
    before = json.dumps({name: value for name, (_, value, _) in columns.items()}, ensure_ascii=False)
    after = json.dumps({name: value for name, (_, _, value) in columns.items()})
    for modes in MODES:
        known = rows(*[Column(name, type) for name, (type, _, _) in columns.items()], **modes)
        for old, new in (known.convert(before, after), known.convert(before), known.convert(None, after)):
            record = json.loads(msgspec.json.encode([old, new]))
            assert "exact" in modes or all(image is None or image.keys() == columns.keys() for image in record)
