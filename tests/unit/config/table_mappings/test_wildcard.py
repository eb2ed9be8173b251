from __future__ import annotations

import pytest

from forwarder.config.table_mappings.wildcard import Wildcard


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
    ("text", "literal", "length"),
    [
        ("orders", "orders", 6),
        ("order_items", "order_items", 11),
        ("order[_]items", "order_items", 11),
        ("[ab]", None, 1),
        ("a%", None, None),
        ("", "", 0),
    ],
)
def test_an_underscore_is_most_likely_meant_as_one(text: str, literal: str | None, length: int | None) -> None:
    wildcard = Wildcard(text)
    assert (wildcard.literal, wildcard.length) == (literal, length)


@pytest.mark.parametrize("text", ["a[b", "[", "a[]", "[d-a]"])
def test_a_bracket_that_means_nothing_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"\["):
        Wildcard(text)
