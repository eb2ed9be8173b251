"""Which error of a group is raised in its place."""

from __future__ import annotations

import pytest

from forwarder.errors import ForwarderError, Misconfigured, Refused, Unavailable, plain_errors

PASSING, REFUSAL, MISTAKE = Unavailable("no answer"), Refused("no such stream"), Misconfigured("no such region")


@pytest.mark.parametrize("lasting", [REFUSAL, MISTAKE])
def test_an_error_that_waiting_cannot_mend_is_raised_in_place_of_one_that_may_pass(lasting: ForwarderError) -> None:
    for errors in ([PASSING, lasting], [lasting, PASSING], [ExceptionGroup("of a task", [PASSING, lasting])]):
        with pytest.raises(ForwarderError) as raised, plain_errors():
            raise ExceptionGroup("of tasks", errors)
        assert raised.value is lasting


def test_of_errors_that_may_pass_the_first_is_raised() -> None:
    second = Unavailable("no answer either")
    with pytest.raises(Unavailable) as raised, plain_errors():
        raise ExceptionGroup("of tasks", [PASSING, second])
    assert raised.value is PASSING


def test_a_bug_is_raised_with_all_that_came_with_it() -> None:
    with pytest.raises(ExceptionGroup) as raised, plain_errors():
        raise ExceptionGroup("of tasks", [REFUSAL, ValueError("a bug")])
    assert raised.group_contains(ValueError)
