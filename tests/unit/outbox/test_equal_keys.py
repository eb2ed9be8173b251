"""Keys that PostgreSQL takes for one and writes in several ways are read as one."""

from __future__ import annotations

import json
from decimal import Decimal
from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from forwarder.events import CapturedTable
from forwarder.outbox.keys import key_reader
from tests.cases import each_value_once

# The whole range of float8, and more digits than it has.
NUMBERS = st.builds("{}e{}".format, st.integers(), st.integers(min_value=-330, max_value=330)).map(Decimal)
SMALL_NUMBERS = st.decimals(allow_nan=False, allow_infinity=False, min_value=-2, max_value=2, places=2)


def key_of(value: str, *, image: str = '{{"id":{},"note":"1.0"}}') -> tuple[str, str]:
    """The value of the key as a consumer gets it, and what decides its lane."""
    table = CapturedTable(id=1, relation=1, schema="public", name="t", key_columns=(("id",),), before_image="full")
    key = key_reader(table)(image.format(value))
    assert key is not None
    return key[0].removeprefix('{"id":').removesuffix("}"), key[1]


def written(number: Decimal, zeros: int) -> str:
    """As PostgreSQL writes a numeric of a scale that has so many digits more than it needs."""
    plain = f"{number:f}" if number else "0"
    return plain if not zeros else f"{plain}{'' if '.' in plain else '.'}{'0' * zeros}"


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("42", "42"),
        ("-42", "-42"),
        ("1.0", "1"),
        ("1.00", "1"),
        ("-1.50", "-1.5"),
        ("100", "100"),
        ("100.0", "100"),
        ("0.00", "0"),
        ("-0", "0"),
        ("0.001", "0.001"),
        ("1e+20", "100000000000000000000"),
        ("100000000000000000000.0", "100000000000000000000"),
        ("1.5e-05", "0.000015"),
        ("12345678901234567890.123456789012345678900", "12345678901234567890.1234567890123456789"),
    ],
)
@pytest.mark.parametrize("image", ['{{"id":{}}}', '{{"id":{},"note":1.0}}', '{{"note":1.0,"id":{}}}'])
def test_a_number_is_written_in_one_way(value: str, expected: str, image: str) -> None:
    assert key_of(value, image=image) == (expected, expected)


@pytest.mark.parametrize("exponent", ["1000", "-1000", "+999999999", "9" * 400])
def test_a_number_that_no_type_of_postgresql_holds_is_left_alone(exponent: str) -> None:
    assert key_of(f"1e{exponent}") == (f"1e{exponent}", f"1e{exponent}")


@given(number=NUMBERS, zeros=st.integers(min_value=0, max_value=5))
def test_equal_numbers_are_one_key_and_the_number_is_exact(number: Decimal, zeros: int) -> None:
    text, lane = key_of(written(number, zeros))

    assert (text, lane) == key_of(written(number, 0))
    assert Decimal(text) == number


@given(numbers=st.lists(SMALL_NUMBERS, min_size=2, max_size=6), zeros=st.integers(min_value=0, max_value=3))
def test_unequal_numbers_are_different_keys(numbers: list[Decimal], zeros: int) -> None:
    for one, other in combinations(numbers, 2):
        assert (key_of(written(one, zeros)) == key_of(written(other, 0))) == (one == other)


@given(number=st.floats(allow_nan=False, allow_infinity=False))
def test_a_float_is_the_number_that_it_would_be_as_numeric(number: float) -> None:
    scientific, plain = f"{number:e}", f"{Decimal(f'{number:e}'):f}"

    assert key_of(scientific) == key_of(plain)


@pytest.mark.parametrize(
    ("one", "other", "text"),
    [
        ("[1.0,2]", "[1.00,2.0]", "[1,2]"),
        ('{"n":1.0,"t":"1.0"}', '{"n":1.00,"t":"1.0"}', '{"n":1,"t":"1.0"}'),
        ('{"a": [-0, {"\\"1.0": 1.0}]}', '{"a": [0, {"\\"1.0": 1.00}]}', '{"a": [0, {"\\"1.0": 1}]}'),
    ],
)
def test_numbers_inside_arrays_rows_and_jsonb_are_written_in_one_way(one: str, other: str, text: str) -> None:
    assert key_of(one) == key_of(other)
    assert key_of(one)[0] == text


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ('"[1.0,2.00)"', '"[1.00,2.0)"'),
        ('"{[1.0,2.0),[3.0,)}"', '"{[1.00,2.0),[3.0,)}"'),
        ('"(,-0]"', '"(,0]"'),
        ('"ab"', '"ab   "'),
        ('["ab"]', '["ab "]'),
        ('{"f1":"[1.0,2)"}', '{"f1":"[1.00,2)"}'),
        ('{"f1":"a\\"b"}', '{"f1":"a\\"b  "}'),
    ],
)
def test_what_is_equal_inside_a_string_shares_a_lane_and_is_left_as_it_is_written(one: str, other: str) -> None:
    assert [key_of(one)[0], key_of(other)[0]] == [one, other]
    assert key_of(one)[1] == key_of(other)[1]


@given(value=st.text(st.characters(exclude_characters="\x00", exclude_categories=["Cs"])))
def test_a_text_is_left_as_it_is_written(value: str) -> None:
    text = json.dumps(value, ensure_ascii=False)

    assert key_of(text)[0] == text


@pytest.mark.parametrize("text", ["1.0", "v1.00", "1e5", "2026-01-02T03:04:05.10", "A0.50-0.00"])
def test_a_text_that_looks_like_a_number_keeps_its_lane(text: str) -> None:
    assert key_of(f'"{text}"') == (f'"{text}"', text)


@each_value_once(
    run=["0", "1", " ", "-", "1.", ". ", "-0", '" ', "{", "1e"], place=["{}", '"[{})"', '["{}x"]', '["\\"{}"]']
)
def test_a_key_of_many_kilobytes_is_read_in_one_go(run: str, place: str) -> None:
    """Anything that grows with the square of the length takes an hour here."""
    text = json.dumps(run * (200_000 // len(run)))[1:-1]
    value = place.format(text if place != "{}" else f'"{text}"')

    assert key_of(value)


@pytest.mark.parametrize(
    "digits", ["1" * 1_000_000, f"{'1' * 1_000_000}.5", f"0.{'0' * 1_000_000}", f"-{'9' * 131_072}e+9"]
)
def test_a_number_of_a_million_digits_is_read_in_one_go(digits: str) -> None:
    assert Decimal(key_of(digits)[0]) == Decimal(digits)


def test_each_column_of_a_key_is_written_in_one_way() -> None:
    table = CapturedTable(id=1, relation=1, schema="s", name="t", key_columns=(("b",), ("a",)), before_image="full")
    read = key_reader(table)

    assert read('{"b":1.0,"a":"x "}') == ('{"b":1,"a":"x "}', "1,x")
    assert read('{"a":"x","b":1.00}') == ('{"b":1,"a":"x"}', "1,x")
