"""State machines as tests: as long as `make test` has time for, and at length under the mark ``long``."""

from __future__ import annotations

from unittest import TestCase

import pytest
from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine

AT_LENGTH = 1000


def machine_tests(
    machine: type[RuleBasedStateMachine], *, runs: int, steps: int
) -> tuple[type[TestCase], type[TestCase]]:
    """Two tests that let anything happen to a machine: in so many runs of so many steps, and in many more."""
    usual = type(f"{machine.__name__}Test", (machine.TestCase,), {"settings": _settings(runs, steps)})
    at_length = type(f"{machine.__name__}AtLength", (machine.TestCase,), {"settings": _settings(AT_LENGTH, 150)})
    return usual, pytest.mark.long(pytest.mark.timeout(1800)(at_length))


def _settings(runs: int, steps: int) -> settings:
    return settings(max_examples=runs, stateful_step_count=steps, deadline=None)
