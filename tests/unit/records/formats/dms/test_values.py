"""Values by the types of their columns. Each image is as PostgreSQL's ``row_to_json`` writes it."""

from __future__ import annotations

import json
import math
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from forwarder.config.formats import Dms
from forwarder.events import Column
from forwarder.json_members import members, written
from forwarder.records.formats.dms.rows import RowEncoder
from tests.unit.records.formats.dms.changes import change, column, line, table


def value(of: Column, raw: str, **options: Any) -> str:
    """What stands in the record for this JSON text; the number or string as it is written."""
    image = f'{{"id":1,"v":{raw}}}'
    encoded = RowEncoder(table(column("id", "int4"), of), Dms(**options)).encode(image)
    return members(encoded)["v"]


@pytest.mark.parametrize(
    ("type", "raw", "written"),
    [
        ("bool", "true", '"t"'),
        ("bool", "false", '"f"'),
        ("int8", "-9223372036854775808", "-9223372036854775808"),
        ("oid", '"4294967295"', "4294967295"),
        ("numeric", "123.4500", "123.4500"),
        ("numeric", "123456789012345678901234567890.0123456789000", "123456789012345678901234567890.0123456789000"),
        ("numeric", '"NaN"', '"NaN"'),
        ("float4", "2.2", "2.2"),
        ("float8", "1e+300", "1e+300"),
        ("float8", '"-Infinity"', '"-Infinity"'),
        ("money", '"-$1,234.56"', "-1234.56"),
        ("money", '"$0.00"', "0.00"),
        ("text", '"a\\"\\nb"', '"a\\"\\nb"'),
        ("bpchar", '"B    "', '"B"'),
        ("bpchar", '"  B "', '"  B"'),
        ("bytea", '"\\\\x80057d942e"', '"0x80057D942E"'),
        ("bytea", '"\\\\x"', '"0x"'),
        ("date", '"2024-02-29"', '"2024-02-29"'),
        ("time", '"13:14:15.123456"', '"13:14:15.123456"'),
        ("timetz", '"13:14:15.123456+02"', '"13:14:15.123456+02"'),
        ("timestamp", '"2024-02-29T13:14:15.123456"', '"2024-02-29T13:14:15.123456Z"'),
        ("timestamp", '"2010-11-01T00:02:00.1"', '"2010-11-01T00:02:00.100000Z"'),
        ("timestamp", '"2010-11-01T00:00:00"', '"2010-11-01T00:00:00Z"'),
        ("timestamp", '"4713-11-24T00:00:00 BC"', '"4713-11-24T00:00:00Z BC"'),
        ("timestamp", '"infinity"', '"infinity"'),
        ("timestamptz", '"2024-02-29T11:14:15.123456+00:00"', '"2024-02-29T11:14:15.123456Z"'),
        ("timestamptz", '"2024-02-29T11:14:15.12+00:00"', '"2024-02-29T11:14:15.120000Z"'),
        ("timestamptz", '"2022-12-18T19:20:00+00:00"', '"2022-12-18T19:20:00Z"'),
        ("timestamptz", '"294276-12-31T23:59:59.999999+00:00"', '"294276-12-31T23:59:59.999999Z"'),
        ("timestamptz", '"4713-11-24T00:00:00+00:00 BC"', '"4713-11-24T00:00:00Z BC"'),
        ("interval", '"-1 days -01:42:30"', '"-1 days -01:42:30"'),
        ("json", '{"b": 1,  "b":1.50}', '"{\\"b\\": 1,  \\"b\\":1.50}"'),
        ("json", '"a"', '"\\"a\\""'),
        ("json", '{"a":"\\ud800"}', '"{\\"a\\":\\"\\\\ud800\\"}"'),
        ("jsonb", "1.50", '"1.50"'),
        ("hstore", '{"k1": "v1", "k 2": null, "q": "\\""}', r'"\"k1\"=>\"v1\", \"k 2\"=>NULL, \"q\"=>\"\\\"\""'),
        ("hstore", "{}", '""'),
        ("address", '{"street":"Main \\"St\\"","zip":1,"note":null}', r'"(\"Main \"\"St\"\"\",1,)"'),
        ("address", '{"street":"","tags":["a", 1]}', r'"(\"\",\"[\"\"a\"\", 1]\")"'),
        ("mood", '"very happy"', '"very happy"'),
        ("xid8", '"18446744073709551615"', '"18446744073709551615"'),
    ],
)
def test_a_value_is_written_as_dms_does_and_to_the_last_digit(type: str, raw: str, written: str) -> None:
    assert value(column("v", type), raw) == written


@pytest.mark.parametrize(
    ("type", "raw", "written"),
    [
        ("int4", "[1,null,3]", "{1,NULL,3}"),
        ("int4", "[]", "{}"),
        ("int4", "[[1,2],[3,4]]", "{{1,2},{3,4}}"),
        ("numeric", "[1.50,2.25]", "{1.50,2.25}"),
        ("bool", "[true,false]", "{t,f}"),
        (
            "text",
            '["a","b c",null,"NULL","","q\\"uote","back\\\\slash"]',
            r'{a,"b c",NULL,"NULL","","q\"uote","back\\slash"}',
        ),
        ("bytea", '["\\\\x00ff"]', r'{"\\x00ff"}'),
        ("timestamp", '["2024-02-29T13:14:15.5"]', '{"2024-02-29 13:14:15.5"}'),
        ("timestamptz", '["2024-02-29T11:14:15+00:00"]', '{"2024-02-29 11:14:15+00"}'),
        ("jsonb", '[{"a": 1},[1, 2],null]', r'{"{\"a\": 1}","[1, 2]",NULL}'),
        ("hstore", '[{"a": "1"}]', r'{"\"a\"=>\"1\""}'),
        ("address", '[{"street":"Main St","zip":123}]', r'{"(\"Main St\",123)"}'),
        ("box", '["(1,1),(0,0)","(3,3),(2,2)"]', "{(1,1),(0,0);(3,3),(2,2)}"),
        ("mood", '["sad","very happy"]', '{sad,"very happy"}'),
    ],
)
def test_an_array_is_the_text_that_postgresql_writes(type: str, raw: str, written: str) -> None:
    assert json.loads(value(column("v", type, is_array=True), raw)) == written


@pytest.mark.parametrize(
    ("options", "type", "raw", "written"),
    [
        ({"MapBooleanAsBoolean": True}, "bool", "true", "true"),
        ({"NoHexPrefix": True}, "bytea", '"\\\\x00ff"', '"00FF"'),
        ({"exact": True, "UseLargeIntegerValue": True}, "int8", "1234567890123456789", "1234567890123456789"),
    ],
)
def test_an_option_changes_what_dms_says_it_does(options: dict[str, Any], type: str, raw: str, written: str) -> None:
    assert value(column("v", type), raw, **options) == written


def numeric(precision: int, scale: int) -> Column:
    return column("v", "numeric", modifier=(precision << 16 | scale) + 4)


@pytest.mark.parametrize(
    ("of", "raw", "written"),
    [
        (column("v", "int8"), "1234567890123456", "1234567890123456"),
        (column("v", "int8"), "1234567890123456789", "1.2345678901234568e+18"),
        (column("v", "float4"), "2.2", "2.20000005"),
        (column("v", "float8"), "20.2", "20.2"),
        (column("v", "float8"), "0.30000000000000004", "0.30000000000000004"),
        (column("v", "float8"), '"NaN"', '"NaN"'),
        (column("v", "numeric"), "1.23456789", "1.234568"),
        (column("v", "numeric"), '"Infinity"', '"Infinity"'),
        (numeric(10, 2), "99.90", "99.9"),
        (numeric(39, 2), "99.90", '"99.90"'),
        (column("v", "timestamp"), '"infinity"', '"9999-12-31T23:59:59Z"'),
        (column("v", "timestamptz"), '"-infinity"', '"4713-01-01T00:00:00Z BC"'),
        (column("v", "timetz"), '"13:14:15.123456+02"', '"13:14:15.123456"'),
    ],
)
def test_exactly_what_dms_loses_is_lost(of: Column, raw: str, written: str) -> None:
    assert value(of, raw, exact=True) == written


@pytest.mark.parametrize("type", ["text", "jsonb", "bytea"])
def test_exactly_a_table_without_a_key_has_no_large_objects(type: str) -> None:
    keyless = table(column("n", "int4"), column("v", type), key=None)
    image = '{"n":1,"v":"x"}'
    assert RowEncoder(keyless, Dms(exact=True)).encode(image) == '{"n":1}'
    assert "v" in members(RowEncoder(keyless, Dms()).encode(image))


@pytest.mark.parametrize(
    ("type", "raw", "written"),
    [
        ("int4", '"***"', '"***"'),
        ("timestamp", '"***"', '"***"'),
        ("money", '"$012"', '"$012"'),
        ("oid", f'"{"9" * 5000}x"', f'"{"9" * 5000}x"'),
        ("bool", '"9f86d081"', '"9f86d081"'),
        ("text", "true", '"t"'),
        ("text", "5", "5"),
        ("text", '{"a": 1}', '"{\\"a\\": 1}"'),
        ("bytea", '"***"', '"***"'),
        ("hstore", '"***"', '"***"'),
    ],
)
def test_a_value_that_is_not_of_its_type_goes_by_what_it_is(type: str, raw: str, written: str) -> None:
    assert value(column("v", type), raw) == written


def test_a_column_that_nothing_is_known_of_goes_by_what_it_is() -> None:
    encoder = RowEncoder(table(column("id", "int4"), Column("known")), Dms())
    image = '{"id":1,"known":true,"unknown":[1, 2],"text":"x","none":null}'
    assert json.loads(encoder.encode(image)) == {"id": 1, "known": "t", "unknown": "[1, 2]", "text": "x"}


def test_a_name_that_json_has_to_escape_is_no_hindrance() -> None:
    odd = table(column('a"\n%s', "bool"))
    assert RowEncoder(odd, Dms()).encode('{"a\\"\\n%s":true}') == '{"a\\"\\n%s":"t"}'


TYPES = [
    "bool", "int2", "int4", "int8", "oid", "numeric", "float4", "float8", "money", "text", "varchar", "bpchar", "bytea", "date", "time", "timetz",
    "timestamp", "timestamptz", "interval", "uuid", "json", "jsonb", "hstore", "address", "mood", "xml", "inet", "bit", "box",
]  # fmt: skip
ODD_TEXTS = st.sampled_from(
    ['"\\ud800"', '{"a":"\\udfff"}', "1e999999", "-0", "[" * 1500 + "]" * 1500, '{ "a" :\n[1 , 2] }', '"\\u0000"', '""']
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
).map(json.dumps)
COLUMNS = st.lists(
    st.tuples(st.sampled_from(TYPES), st.booleans(), st.sampled_from([-1, 4, (10 << 16 | 2) + 4, (60 << 16) + 4])),
    max_size=5,
)
OPTIONS = st.fixed_dictionaries(
    {
        name: st.booleans()
        for name in ("exact", "IncludeNullAndEmpty", "MapBooleanAsBoolean", "UseLargeIntegerValue", "NoHexPrefix", "EnableBeforeImage")
    }
)  # fmt: skip


# A class is made for each table, which takes longer than an example should.
@settings(deadline=None)
@given(
    columns=COLUMNS,
    values=st.lists(JSON | ODD_TEXTS, min_size=5, max_size=5),
    options=OPTIONS,
    op=st.sampled_from([b"I", b"U", b"D", b"R"]),
)
def test_any_row_becomes_one_line_of_json(
    columns: list[tuple[str, bool, int]], values: list[str], options: dict[str, Any], op: bytes
) -> None:
    known = [
        column(f"c{n}", type, modifier=modifier, is_array=is_array)
        for n, (type, is_array, modifier) in enumerate(columns)
    ]
    image = written({f"c{n}": raw for n, raw in enumerate(values)})
    event = change(table=table(*known), op=op, before=image, after=image, key='{"c0":1}')
    record = line(event, **options)
    assert "\n" not in record
    assert "\r" not in record
    assert isinstance(json.loads(record)["data"], dict)


# Of each type, values as PostgreSQL writes them.
TYPICAL: dict[str, st.SearchStrategy[str]] = {
    "bool": st.booleans().map(json.dumps),
    "int8": st.integers(-(2**63), 2**63 - 1).map(str),
    "numeric": st.decimals(allow_nan=False, allow_infinity=False).map("{:f}".format),
    "float8": st.floats(allow_nan=False, allow_infinity=False).map(repr),
    "text": st.text().map(json.dumps),
    "bytea": st.binary().map(lambda data: f'"\\\\x{data.hex()}"'),
    "timestamp": st.datetimes().map(lambda moment: f'"{moment.isoformat()}"'),
    "jsonb": JSON,
    "hstore": st.dictionaries(st.text(), st.none() | st.text()).map(json.dumps),
}


@settings(deadline=None)
@given(data=st.data(), options=OPTIONS)
def test_a_row_in_one_go_is_the_same_as_member_by_member(data: st.DataObject, options: dict[str, Any]) -> None:
    names = data.draw(st.lists(st.sampled_from(sorted(TYPICAL)), max_size=6))
    raws = [data.draw(TYPICAL[name] | st.just("null")) for name in names]
    encoder = RowEncoder(table(*[column(f"c{n}", name) for n, name in enumerate(names)]), Dms(**options))
    image = written({f"c{n}": raw for n, raw in enumerate(raws)})
    assert json.loads(encoder.encode(image)) == json.loads(written(encoder.values(members(image))))


@given(number=TYPICAL["numeric"])
@example(number="1E+131071")
def test_a_number_keeps_its_value_and_its_digits(number: str) -> None:
    written = value(column("v", "numeric"), number)
    assert Decimal(written) == Decimal(number)
    assert written == number


@given(number=st.floats(allow_nan=False, allow_infinity=False))
def test_exactly_a_double_keeps_its_value(number: float) -> None:
    assert math.isclose(float(value(column("v", "float8"), repr(number), exact=True)), number, rel_tol=0)


@given(data=st.binary())
def test_bytes_come_back(data: bytes) -> None:
    written = value(column("v", "bytea"), f'"\\\\x{data.hex()}"')
    assert bytes.fromhex(json.loads(written).removeprefix("0x")) == data
