"""What counts as the same value, the same row and the same key."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from forwarder.verify.content import Digester, canonical, differences, digest, flat, key_text, merged, parsed

DEEP: Any = []
for _ in range(2000):
    DEEP = [DEEP]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (1, Decimal("1.0")),
        (Decimal("1.0"), Decimal("1.00")),
        (1, True),
        (0, False),
        (0, None),
        ("1", 1),
        ("1.0", Decimal("1.0")),
        ("", None),
        ([1, 2], [2, 1]),
        ({"a": Decimal("1.0")}, {"a": Decimal("1.00")}),
        ({"a": None}, {}),
        (b"a", "a"),
    ],
)
def test_values_that_are_written_otherwise_differ(one: object, other: object) -> None:
    assert digest(one) != digest(other)


@pytest.mark.parametrize("value", [1, 2**80, Decimal("1.10"), "x", True, None, b"a", {"b": 1, "a": [Decimal("0.5")]}])
def test_a_value_is_the_same_as_itself(value: object) -> None:
    assert digest(value) == digest(parsed(canonical(value)) if not isinstance(value, bytes) else value)


def test_the_order_of_members_says_nothing() -> None:
    assert digest({"a": 1, "b": 2}) == digest({"b": 2, "a": 1})
    ours, theirs = Digester().content({"a": 1, "b": 2}), Digester().content({"b": 2, "a": 1})
    assert differences(ours, theirs).columns == ()


def test_a_document_of_too_many_levels_is_no_error() -> None:
    assert digest(DEEP) == digest(DEEP)


def test_columns_that_only_one_side_has_do_not_differ() -> None:
    digester = Digester()
    found = differences(digester.content({"id": 1, "new": 2, "a": 3}), digester.content({"id": 1, "old": 2, "a": 4}))
    assert (found.columns, found.only_ours, found.only_theirs) == (("a",), frozenset({"new"}), frozenset({"old"}))


def test_columns_that_are_ignored_are_not_there() -> None:
    digester = Digester(ignored=["secret"])
    assert digester.content({"id": 1, "secret": "a"}) == digester.content({"id": 1, "secret": "b"})


def test_columns_that_are_absent_are_null_where_the_format_says_so() -> None:
    digester = Digester(filled=["id", "a", "secret"], ignored=["secret"])
    assert digester.content({"id": 1}) == digester.content({"id": 1, "a": None, "secret": "x"})
    assert differences(digester.content({"id": 1}), digester.content({"id": 1, "a": 2})).columns == ("a",)


def test_what_an_update_tells_counts_over_what_was_told_before() -> None:
    digester = Digester()
    content = merged(digester.content({"id": 1, "a": 1, "b": 1}), digester.content({"id": 1, "b": 2}))
    assert differences(content, digester.content({"id": 1, "a": 1, "b": 2})).columns == ()


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ([42], "[42]"),
        (["eu", 42], '["eu",42]'),
        ([Decimal("42.00")], "[42]"),
        ([Decimal("1.50")], '[{"number":"1.5"}]'),
        ([b"\x01"], '["\\\\x01"]'),
        ([True], "[true]"),
    ],
)
def test_a_key_is_written_in_one_way(values: list[Any], text: str) -> None:
    assert key_text(values) == text


def test_a_number_with_a_huge_exponent_is_not_written_out() -> None:
    assert key_text([Decimal("1e100000")]) == '[{"number":"1E+100000"}]'


def test_columns_in_a_document_are_columns() -> None:
    assert flat({"_doc": {"id": 1, "a": 2}, "name": "x"}) == {"id": 1, "a": 2, "name": "x"}
    assert flat({"_doc": "text"}) == {"_doc": "text"}
