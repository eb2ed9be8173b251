from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from forwarder.outbox.contexts import context_json

LEAVES = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
DOCUMENTS = st.recursive(LEAVES, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=10).map(
    json.dumps
)


def is_legible(text: str) -> bool:
    """Whether no half of a surrogate pair stands alone in it, which Python's `json` writes and others refuse."""
    try:
        json.loads(text).__repr__().encode()
    except UnicodeEncodeError:
        return False
    return True


@given(DOCUMENTS.filter(is_legible), st.sampled_from(["", " ", "\n\t"]))
def test_json_stays_as_it_is(document: str, space: str) -> None:
    assert context_json(space + document + space) == space + document + space


@given(st.text())
def test_any_text_becomes_json_that_says_the_same(text: str) -> None:
    told = context_json(text)
    assert told == text or json.loads(told) == text
    json.loads(told)


@pytest.mark.parametrize("number", ["1.10", "-0", "1e999", "9" * 5000, "1E+2"])
def test_no_number_is_too_exact_or_too_large(number: str) -> None:
    assert context_json(f'{{"n":{number}}}') == f'{{"n":{number}}}'


@pytest.mark.parametrize(
    "text", ["NaN", '{"a":Infinity}', '"\\ud800"', '"\\x41"', "'a'", "[1,]", "01", "1 2", "", "[" * 10_000, '"a\nb"']
)
def test_what_some_parsers_take_and_others_refuse_is_no_json(text: str) -> None:
    assert json.loads(context_json(text)) == text
    assert context_json(text).startswith('"')
