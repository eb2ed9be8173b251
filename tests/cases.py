"""The cases of a test: which of them `make test` runs, and which repeat them under the mark ``long``."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import product
from typing import Any

import pytest


def each_value_once(**axes: Mapping[str, Any] | Iterable[Any]) -> pytest.MarkDecorator:
    """Parametrize a test by all combinations of these values; those of a mapping go by their names.

    `make test` runs as many combinations as it takes for each value to occur: of ``a=[1, 2, 3], b=[4, 5]`` it runs (1, 4), (2, 5) and
    (3, 4). The others are ``long``.
    """
    named = [axis if isinstance(axis, Mapping) else {str(value): value for value in axis} for axis in axes.values()]
    names = [list(axis) for axis in named]
    usual = {tuple(axis[number % len(axis)] for axis in names) for number in range(max(map(len, names)))}
    return pytest.mark.parametrize(
        tuple(axes),
        [
            pytest.param(
                *(axis[name] for axis, name in zip(named, combination, strict=True)),
                id="-".join(combination),
                marks=() if combination in usual else pytest.mark.long,
            )
            for combination in product(*names)
        ],
    )


def some(*usual: Any, of: Iterable[Any]) -> list[Any]:
    """Values to parametrize a test by: `make test` runs the ``usual`` ones, and the others are ``long``."""
    values = list(of)
    assert all(value in values for value in usual)
    return [pytest.param(value, marks=() if value in usual else pytest.mark.long) for value in values]
