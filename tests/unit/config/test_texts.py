from __future__ import annotations

from typing import Any

import pytest

from forwarder.config.texts import printable, unsound


@pytest.mark.parametrize("value", [None, 1, "ä€😀", {"a": ["b", {"c": ""}]}, []])
def test_what_utf_8_and_postgresql_can_have_is_sound(value: Any) -> None:
    assert unsound(value) is None


@pytest.mark.parametrize(
    ("value", "says"),
    [
        ({"a": ["b", {"c": "x\0"}]}, "a.1.c has the character NUL in it"),
        ({"a": {"b": "\ud800"}}, "a.b has a character in it that is none of Unicode"),
        ({"\udcff": 1}, r"\udcff has a character"),
        ({"\0": 1}, "has the character NUL"),
    ],
)
def test_the_place_of_what_they_cannot_have_is_told_in_what_can_be_printed(value: Any, says: str) -> None:
    found = unsound(value)
    assert found
    assert says in found
    found.encode()


def test_values_may_be_nested_as_deep_as_they_will() -> None:
    value: Any = "\0"
    for _ in range(3000):
        value = [value]
    assert unsound(value)


def test_the_rest_of_a_text_is_printed_as_it_is() -> None:
    assert printable("ä\ud83d\udca9") == r"ä\ud83d\udca9"
