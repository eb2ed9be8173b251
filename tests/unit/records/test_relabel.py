from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from forwarder.records.relabel import Relabel

NAMES = st.text('abc"\\é\U0001f600', max_size=3)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=4), lambda inner: st.lists(inner, max_size=2)
)
ROWS = st.lists(st.dictionaries(NAMES, VALUES, max_size=4), max_size=5)


@given(rows=ROWS, ensure_ascii=st.booleans())
def test_images_of_any_members_in_any_order_have_the_new_names_and_their_values(
    *, rows: list[dict[str, Any]], ensure_ascii: bool
) -> None:
    relabel = Relabel(lambda name: f"{name}_x")
    for row in rows:
        found = relabel.image(json.dumps(row, ensure_ascii=ensure_ascii))
        assert json.loads(found) == {f"{name}_x": value for name, value in row.items()}


def test_values_stay_as_they_are_written() -> None:
    relabel = Relabel(str.upper)
    for _ in range(2):
        assert relabel.image('{"a":1.50,"b":{"a": 1e400}}') == '{"A":1.50,"B":{"a": 1e400}}'


def test_a_name_that_was_asked_for_before_is_found_in_images_too() -> None:
    relabel = Relabel(str.upper)
    relabel.image('{"a":1}')
    assert relabel.name("b") == "B"
    assert [relabel.image('{"a":1,"b":2}') for _ in range(2)] == ['{"A":1,"B":2}'] * 2


def test_a_member_that_would_get_the_name_of_another_keeps_its_own() -> None:
    relabel = Relabel(str.lower)
    for _ in range(2):
        assert relabel.image('{"name":1,"Name":2}') == '{"name":1,"Name":2}'
