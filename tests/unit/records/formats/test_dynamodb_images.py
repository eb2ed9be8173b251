from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from forwarder.events import Column, ColumnType
from forwarder.records.formats.dynamodb_images import Images

# Of other types a string is no S.
TYPES = ("int8", "numeric", "text", "bool", "jsonb", "hstore", "timestamptz")
TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))
NUMBERS = st.integers(-(10**45), 10**45) | st.decimals(allow_nan=False, allow_infinity=False).map(str).map(Decimal)
VALUES = st.none() | st.booleans() | NUMBERS | TEXT | st.lists(NUMBERS | TEXT, max_size=3)


def column(name: str, type: str) -> Column:
    return Column(name, ColumnType("pg_catalog", type, "b", -1, is_array=False))


def row(values: dict[str, Any]) -> str:
    """As PostgreSQL writes it."""
    return f"{{{','.join(f'{json.dumps(name, ensure_ascii=False)}:{_json(value)}' for name, value in values.items())}}}"


def _json(value: Any) -> str:
    if isinstance(value, list):
        return f"[{','.join(map(_json, value))}]"
    return str(value) if isinstance(value, Decimal) else json.dumps(value, ensure_ascii=False)


@given(st.dictionaries(TEXT, st.tuples(st.sampled_from(TYPES), st.lists(VALUES, min_size=1, max_size=3)), max_size=5))
def test_an_image_is_the_same_whether_the_columns_are_known_or_not(table: dict[str, tuple[str, list[Any]]]) -> None:
    known, unknown = Images([column(name, type) for name, (type, _) in table.items()]), Images([])

    for number in range(3):
        written = row({name: values[number % len(values)] for name, (_, values) in table.items()})
        (image, size), (slow_image, slow_size) = known.image(written), unknown.image(written)
        assert (json.loads(image), size) == (json.loads(slow_image), slow_size)


@given(st.dictionaries(TEXT, VALUES, min_size=1, max_size=2))
def test_a_key_is_the_image_of_its_columns(values: dict[str, Any]) -> None:
    images = Images([column(name, "text") for name in values])
    key = row(values)
    [first, *_] = values.values()

    assert images.key(key, _json(first).strip('"')) == images.image(key)


def test_a_column_that_a_row_lacks_is_not_in_its_image() -> None:
    images = Images([column("a", "int8"), column("b", "text"), column("c", "bool")])

    assert images.image('{"b":"x"}') == ('{"b":{"S":"x"}}', 2)
    assert images.image('{"c":true}') == ('{"c":{"BOOL":true}}', 2)
    assert images.image("{}") == ("{}", 0)
