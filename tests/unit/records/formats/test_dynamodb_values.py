from __future__ import annotations

import json
from base64 import b64decode
from decimal import Decimal
from typing import Any

import pytest
from boto3.dynamodb.types import TypeDeserializer
from hypothesis import given
from hypothesis import strategies as st

from forwarder.records.formats.dynamodb_values import MAX_LEVELS, STRINGS, attribute, string_size, text
from tests.support.peer_samples import lines_of, needs_samples

DECIMALS = st.decimals(allow_nan=False, allow_infinity=False, min_value=Decimal("-1e125"), max_value=Decimal("1e125"))


def made(value: str, type: str = "") -> Any:
    """The attribute value of a JSON value in a column of this type."""
    return json.loads(attribute(value, STRINGS.get(type, text))[0])


def size(value: str, type: str = "") -> int:
    return attribute(value, STRINGS.get(type, text))[1]


@pytest.mark.parametrize(
    ("value", "type", "expected"),
    [
        ("true", "", {"BOOL": True}),
        ("null", "", {"NULL": True}),
        ('"héllo \\"x\\""', "", {"S": 'héllo "x"'}),
        ('""', "", {"S": ""}),
        ("1234567890123", "", {"N": "1234567890123"}),
        ('"4711"', "oid", {"N": "4711"}),
        ('"$1,234.56"', "money", {"N": "1234.56"}),
        ('"-$92,233,720,368,547,758.08"', "money", {"N": "-92233720368547758.08"}),
        (r'"\\x00deadbeef"', "bytea", {"B": "AN6tvu8="}),
        (r'"\\x"', "bytea", {"B": ""}),
        (r'["\\x00ff",null,["\\x"]]', "bytea", {"L": [{"B": "AP8="}, {"NULL": True}, {"L": [{"B": ""}]}]}),
        ("[1,null,3.50]", "", {"L": [{"N": "1"}, {"NULL": True}, {"N": "3.5"}]}),
        ("[]", "", {"L": []}),
        ("{}", "", {"M": {}}),
        ('{"a": [1.50, "x"], "b": {"c": true}}', "", {"M": {"a": {"L": [{"N": "1.5"}, {"S": "x"}]}, "b": {"M": {"c": {"BOOL": True}}}}}),
    ],
)  # fmt: skip
def test_the_kind_of_json_and_the_type_of_the_column_decide(value: str, type: str, expected: Any) -> None:
    assert made(value, type) == expected


@pytest.mark.parametrize(
    ("value", "type"),
    [('"***"', "bytea"), (r'"\\xyz"', "bytea"), (r'"\\xabc"', "bytea"), ('"***"', "money"), ('"***"', "oid")],
)
def test_a_value_that_is_not_of_its_columns_type_is_what_its_json_says(value: str, type: str) -> None:
    assert made(value, type) == {"S": json.loads(value)}
    assert made("12", type) == {"N": "12"}


@pytest.mark.parametrize(
    ("value", "number"),
    [
        ("123.4500", "123.45"),
        ("99.00", "99"),
        ("100", "100"),
        ("0", "0"),
        ("0.000", "0"),
        ("-0", "0"),
        ("-0.0", "0"),
        ("0e-100", "0"),
        ("-12.50", "-12.5"),
        ("1e+20", "1E+20"),
        ("1.5e-05", "0.000015"),
        ("9" * 38, "9" * 38),
        ("-0." + "9" * 38, "-0." + "9" * 38),
        ("1.5" + "0" * 60, "1.5"),
        ("1" + "0" * 60, "1E+60"),
        ("9.99e125", "9.99E+125"),
        ("1e-128", "1E-128"),
    ],
)
def test_a_number_has_no_zeros_that_mean_nothing(value: str, number: str) -> None:
    assert made(value) == {"N": number}


@pytest.mark.parametrize(
    "value",
    ["9" * 39, "0." + "1" * 39, "1e126", "-1e300", "5e-324", "1e-129", "1e9999999999999999999999", "1e-9999999999999999999999"],
)  # fmt: skip
def test_a_number_that_dynamodb_has_no_room_for_is_a_string(value: str) -> None:
    assert made(value) == {"S": value}
    assert size(value) == len(value)


@pytest.mark.parametrize("value", ['"NaN"', '"Infinity"', '"-Infinity"'])
def test_what_is_no_number_is_a_string(value: str) -> None:
    assert made(value, "float8") == {"S": json.loads(value)}


def nested(levels: int) -> str:
    return "[" * levels + "]" * levels


def test_a_document_of_more_than_32_levels_is_a_string() -> None:
    assert made(nested(MAX_LEVELS)).keys() == {"L"}
    assert made(nested(MAX_LEVELS + 1)) == {"S": nested(MAX_LEVELS + 1)}
    assert size(nested(10_000)) == 20_000


def test_of_members_with_one_name_the_last_counts() -> None:
    assert made('{"a": 1, "b": "x", "a": 2}') == {"M": {"a": {"N": "2"}, "b": {"S": "x"}}}


def test_half_of_a_surrogate_pair_stays_as_it_was_written() -> None:
    written, _ = attribute(r'{"a\ud800": "\udfff"}', text)

    assert written == r'{"M":{"a\ud800":{"S":"\udfff"}}}'


@pytest.mark.parametrize(
    ("value", "type", "bytes"),
    [
        ('"abc"', "", 3),
        ('"下野"', "", 6),
        (r'"a\n\u00e9"', "", 4),
        ("101", "", 3),
        ("100", "", 2),
        ("54148", "", 4),
        ("-12.50", "", 4),
        ("1e100", "", 2),
        ("0", "", 1),
        ("null", "", 1),
        ("true", "", 1),
        (r'"\\x00deadbeef"', "bytea", 5),
        ("[]", "", 3),
        ('["ab",1]', "", 3 + 3 + 3),
        ('{"é": "ab"}', "", 3 + 1 + 2 + 2),
    ],
)
def test_a_value_is_counted_as_dynamodb_counts_it(value: str, type: str, bytes: int) -> None:
    assert size(value, type) == bytes


@needs_samples
def test_the_sizes_of_real_records_are_what_we_count() -> None:
    samples = [json.loads(line) for line in lines_of("dynamodb-samples")]
    records = [sample["record"]["dynamodb"] for sample in samples if sample["_note"].startswith("real")]
    untouched = [record for record in records if "string_set" not in str(record)]
    assert len(untouched) >= 7

    for record in untouched:
        images = (record.get(name, {}) for name in ("Keys", "NewImage", "OldImage"))
        members = [(name, value) for image in images for name, value in image.items()]
        assert sum(_counted(name, value) for name, value in members) == record["SizeBytes"]


def _counted(name: str, value: dict[str, str]) -> int:
    [(kind, content)] = value.items()
    return len(name.encode()) + size(content if kind == "N" else json.dumps(content))


@given(DECIMALS)
def test_what_boto3_reads_of_a_number_is_the_number(number: Decimal) -> None:
    written = f"{number}".lower()
    value = made(written)

    if "N" in value:
        assert TypeDeserializer().deserialize(value) == number
    else:
        assert value == {"S": written}
        digits = "".join(map(str, number.as_tuple().digits)).strip("0")
        assert len(digits) > 38 or number.adjusted() not in range(-128, 126)


DOCUMENTS = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**37), 10**37) | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), inner, max_size=4),
    max_leaves=20,
)  # fmt: skip


@given(DOCUMENTS, st.sampled_from([None, 2]))
def test_what_boto3_reads_of_a_document_is_the_document(document: Any, indent: int | None) -> None:
    assert TypeDeserializer().deserialize(made(json.dumps(document, indent=indent))) == document
    assert TypeDeserializer().deserialize(made(json.dumps(document, ensure_ascii=False))) == document


@given(st.binary())
def test_what_a_consumer_reads_of_bytes_are_the_bytes(content: bytes) -> None:
    value = json.dumps(f"\\x{content.hex()}")

    assert b64decode(made(value, "bytea")["B"]) == content
    assert size(value, "bytea") == len(content)


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_a_string_counts_as_many_bytes_as_it_has_in_utf_8(content: str) -> None:
    for value in (json.dumps(content), json.dumps(content, ensure_ascii=False)):
        assert string_size(value) == len(content.encode())
