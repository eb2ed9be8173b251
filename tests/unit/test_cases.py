"""Which cases of a test `make test` runs, and which it leaves to `make test-long`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from tests.cases import each_value_once, some


def usual(cases: Sequence[Any]) -> list[tuple[object, ...]]:
    return [case.values for case in cases if not case.marks]


def test_the_usual_ones_of_combinations_have_every_value() -> None:
    names, cases = each_value_once(a=[1, 2, 3], b={"four": 4, "five": 5}).args
    assert names == ("a", "b")
    assert usual(cases) == [(1, 4), (2, 5), (3, 4)]


def test_all_other_combinations_are_long() -> None:
    _, cases = each_value_once(a=[1, 2, 3], b=[4, 5]).args
    assert [case.values for case in cases] == [(1, 4), (1, 5), (2, 4), (2, 5), (3, 4), (3, 5)]
    assert {mark.name for case in cases for mark in case.marks} == {"long"}


def test_of_a_list_all_but_the_usual_values_are_long() -> None:
    assert usual(some("a", "c", of=["a", "b", "c"])) == [("a",), ("c",)]


def test_a_usual_value_that_is_not_in_the_list_is_a_mistake() -> None:
    with pytest.raises(AssertionError):
        some("d", of=["a", "b", "c"])
