"""The order of the tests: those that take seconds come first, so that no process is still at one when the others have ended."""

from __future__ import annotations

from collections.abc import Sequence

import pytest


def slow_first(items: Sequence[pytest.Item], *, processes: int) -> list[pytest.Item]:
    """The tests so that each process begins with its part of the slow ones.

    `--dist worksteal` first gives each process as many tests as the next, in their order.
    """
    slow = [item for item in items if item.get_closest_marker("slow")]
    others = iter([item for item in items if not item.get_closest_marker("slow")])
    ordered: list[pytest.Item] = []
    for number in range(processes):
        count = (len(items) - len(ordered)) // (processes - number)
        own = slow[number::processes][:count]
        ordered += own
        ordered += [next(others) for _ in range(count - len(own))]
    return ordered
