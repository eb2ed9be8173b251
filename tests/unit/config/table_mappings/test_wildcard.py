from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from forwarder.config.table_mappings.wildcard import Wildcard
from tests.mapped import mappings_of, selection


@pytest.mark.parametrize(
    ("text", "matching", "others"),
    [
        ("orders", ["orders"], ["Orders", "orders2", "order"]),
        ("%", ["", "a", "two\nlines"], []),
        ("a_c", ["abc", "a_c", "a\nc"], ["ac", "abbc"]),
        ("a[_]c", ["a_c"], ["abc"]),
        ("a[%]%", ["a%", "a%b"], ["ab"]),
        ("[ab]x", ["ax", "bx"], ["cx", "abx"]),
        ("[a-d]x", ["ax", "dx"], ["ex", "-x"]),
        ("[a-cx]", ["a", "c", "x"], ["d"]),
        ("[[]a]", ["[a]"], ["a"]),
        ("a.b*(c)^$\\", ["a.b*(c)^$\\"], ["axb*(c)^$\\"]),
        ("größe", ["größe"], ["grösse"]),
    ],
)
def test_a_wildcard_matches_as_in_dms(text: str, matching: list[str], others: list[str]) -> None:
    wildcard = Wildcard(text)
    assert all(map(wildcard.matches, matching))
    assert not any(map(wildcard.matches, others))


@pytest.mark.parametrize(
    ("text", "literal", "blanks"),
    [
        ("orders", "orders", ()),
        ("order_items", "order_items", (5,)),
        ("_a[_]_", "_a__", (0, 3)),
        ("order[_]items", "order_items", ()),
        ("[ab]_", None, None),
        ("a%", None, None),
        ("", "", ()),
    ],
)
def test_an_underscore_is_most_likely_meant_as_one(
    text: str, literal: str | None, blanks: tuple[int, ...] | None
) -> None:
    wildcard = Wildcard(text)
    assert (wildcard.literal, wildcard.blanks) == (literal, blanks)


NAMES = st.text("a_b[]% -", max_size=6)


@given(text=NAMES, name=NAMES)
def test_a_rule_is_found_by_a_name_just_if_it_matches_that(text: str, name: str) -> None:
    try:
        wildcard = Wildcard(text)
    except ValueError:
        return
    mappings = mappings_of(selection() | {"object-locator": {"schema-name": "public", "table-name": text}})
    assert mappings.selects("public", name) is wildcard.matches(name)


@pytest.mark.parametrize("text", ["a[b", "[", "a[]", "[d-a]"])
def test_a_bracket_that_means_nothing_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"\["):
        Wildcard(text)
