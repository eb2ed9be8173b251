from __future__ import annotations

import json
from collections.abc import Mapping

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from forwarder.events import CapturedTable
from forwarder.outbox.keys import ReadKey, first_key, key_reader, member_reader

NAMES = st.text(st.characters(exclude_characters="\x00", exclude_categories=["Cs"]), min_size=1, max_size=63)
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.text(st.characters(exclude_characters="\x00", exclude_categories=["Cs"])),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=5,
)

# PostgreSQL takes these as json, other parsers do not.
HALF_A_PAIR = '"\\ud800"'
DEEP = "[" * 5000 + "]" * 5000


def reader(*key_columns: tuple[str, ...]) -> ReadKey:
    return key_reader(
        CapturedTable(id=1, relation=1, schema="public", name="t", key_columns=key_columns, before_image="full")
    )


def image(row: Mapping[str, object]) -> str:
    """As PostgreSQL writes a row: without spaces, only what must be escaped is escaped."""
    return json.dumps(row, ensure_ascii=False, separators=(",", ":"))


def test_a_table_without_a_key_has_none() -> None:
    assert reader()('{"id":1}') is None


def test_reading_the_registry_again_adds_no_readers() -> None:
    assert reader(("id",)) == reader(("id",))


@pytest.mark.parametrize(
    ("value", "bare"),
    [
        ("42", "42"),
        ('"42"', "42"),
        ("12345678901234567890.12345678901234567891", "12345678901234567890.12345678901234567891"),
        ("-1.1", "-1.1"),
        ('"NaN"', "NaN"),
        ('"ünïcödé 🐘"', "ünïcödé 🐘"),
        ('"2026-01-02T03:04:05.12+00:00"', "2026-01-02T03:04:05.12+00:00"),
        ("[1,2]", "[1,2]"),
        ('{"f1":1,"f2":"x"}', '{"f1":1,"f2":"x"}'),
        ("true", "true"),
        ("null", "null"),
        ('""', ""),
    ],
)
def test_a_key_is_kept_as_the_server_wrote_it(value: str, bare: str) -> None:
    assert reader(("id",))(f'{{"note":"x","id":{value},"more":[1.0]}}') == (f'{{"id":{value}}}', bare)


def test_a_composite_key_comes_in_key_order_not_in_column_order() -> None:
    key = reader(("region",), ("number",))('{"number":7,"note":null,"region":"eu"}')

    assert key == ('{"region":"eu","number":7}', "eu,7")


def test_an_image_from_before_a_rename_is_read_under_the_old_name() -> None:
    renamed = reader(("order_id", "id"), ("region",))

    assert renamed('{"id":1,"region":"eu"}') == ('{"id":1,"region":"eu"}', "1,eu")
    assert renamed('{"order_id":1,"region":"eu"}') == ('{"order_id":1,"region":"eu"}', "1,eu")


def test_the_present_name_wins_over_a_new_column_that_took_the_old_one() -> None:
    assert reader(("order_id", "id"))('{"id":"other","order_id":1}') == ('{"order_id":1}', "1")


def test_columns_that_were_renamed_many_times_are_read_whichever_name_each_has() -> None:
    renamed = reader(*[(f"new_{number}", f"old_{number}", f"oldest_{number}") for number in range(16)])

    names = [f"{('new', 'old', 'oldest')[number % 3]}_{number}" for number in range(16)]
    row = {name: number for number, name in enumerate(names)}
    assert renamed(image(row)) == (image(row), ",".join(map(str, range(16))))
    assert renamed(image({"other": 1, **dict(reversed(row.items()))})) == (image(row), ",".join(map(str, range(16))))
    row.pop(names[7])
    assert renamed(image(row)) is None


def test_a_name_that_went_from_one_key_column_to_another_is_read_as_each_has_it_now() -> None:
    swapped = reader(("b", "a"), ("a", "b"))

    assert swapped('{"note":null,"a":1,"b":2}') == ('{"b":2,"a":1}', "2,1")


def test_the_beginning_of_an_image_tells_its_key_only_under_the_newest_names() -> None:
    table = CapturedTable(
        id=1, relation=1, schema="public", name="t", key_columns=(("order_id", "id"),), before_image="full"
    )

    assert first_key(table, '{"order_id":7,"no') == ('{"order_id":7}', "7")
    # `id` may be a new column, and `order_id` be behind it.
    assert first_key(table, '{"id":7,"no') is None


def test_an_image_without_the_key_columns_has_no_key() -> None:
    assert reader(("id",), ("region",))('{"id":1}') is None


def test_the_partition_key_does_not_depend_on_the_names_of_columns() -> None:
    renamed = reader(("order_id", "id"))

    assert renamed('{"id":1}') != renamed('{"order_id":1}')
    assert [key and key[1] for key in (renamed('{"id":1}'), renamed('{"order_id":1}'))] == ["1", "1"]


@given(row=st.dictionaries(NAMES, VALUES, min_size=1, max_size=6), data=st.data())
@example(row={'a"b': 1, "a.b": 2, "a\\b": 3, "column_0": 4, "Größe ": 5, "\t": 6}, data=None)
def test_any_column_name_and_value_is_read_exactly(row: dict[str, object], data: st.DataObject | None) -> None:
    names = list(row) if data is None else data.draw(st.lists(st.sampled_from(list(row)), min_size=1, unique=True))
    key = reader(*[(name,) for name in names])(image(row))

    assert key is not None
    assert key[0] == image({name: row[name] for name in names})
    assert list(json.loads(key[0])) == names


@given(row=st.dictionaries(NAMES, VALUES, min_size=1, max_size=6), data=st.data())
@example(row={"a": 1.50, "b": ""}, data=None)
def test_any_column_is_read_as_a_key_of_this_column_would_be(
    row: dict[str, object], data: st.DataObject | None
) -> None:
    name = data.draw(st.sampled_from(list(row))) if data else "a"
    key = reader((name,))(image(row))

    assert key is not None
    assert member_reader(name)(image(row)) == key[1]


def test_a_member_that_is_not_there_is_none() -> None:
    assert [member_reader("region")(text) for text in ('{"id":1}', '"text"', "[1]", "")] == [None] * 4


@pytest.mark.parametrize("odd", [HALF_A_PAIR, DEEP, f'{{"a,}}":{HALF_A_PAIR},"b":[{HALF_A_PAIR}]}}'])
@pytest.mark.parametrize("place", ['{{"id":"x\\"y","j":{}}}', '{{"j":{},"id":"x\\"y"}}', '{{"j":{} ,"id": "x\\"y" }}'])
def test_a_json_column_that_other_parsers_refuse_does_not_hide_the_key(odd: str, place: str) -> None:
    key = reader(("id",))(place.format(odd))

    assert key is not None
    assert key[0] == '{"id":"x\\"y"}'


@given(row=st.dictionaries(NAMES, VALUES, min_size=1, max_size=6), data=st.data())
def test_the_lenient_reading_agrees_with_the_strict_one(row: dict[str, object], data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(list(row)))
    text = image(row)
    odd = f'{text[:-1]},"{"j" * 70}":{HALF_A_PAIR}}}'

    assert reader((name,))(odd) == reader((name,))(text)
