from __future__ import annotations

import pytest

from forwarder.database.clock import ANSWERS, DatabaseClock


@pytest.fixture
def clock() -> DatabaseClock:
    return DatabaseClock(tell_ahead=lambda _: None)


def test_before_an_answer_nothing_is_known(clock: DatabaseClock) -> None:
    assert clock.at(100.0) is None


def test_the_answer_was_given_in_the_middle(clock: DatabaseClock) -> None:
    clock.learn(5000.25, asked=100.0, seconds=0.5)

    assert clock.at(100.25) == pytest.approx(5000.25)
    assert clock.at(160.25) == pytest.approx(5060.25)


def test_an_answer_that_came_quickly_counts_more_than_a_later_one(clock: DatabaseClock) -> None:
    clock.learn(1000.001, asked=0.0, seconds=0.002)
    # We were busy, and saw this one late.
    clock.learn(1002.001, asked=2.0, seconds=0.8)

    assert clock.at(10.0) == pytest.approx(1010.0)


def test_an_old_answer_counts_no_more(clock: DatabaseClock) -> None:
    clock.learn(1000.0, asked=0.0, seconds=0.0)
    for number in range(ANSWERS):
        clock.learn(2000.0 + number, asked=float(number), seconds=0.01)

    assert clock.at(0.0) == pytest.approx(2000.0, abs=0.01)


def test_another_server_has_another_clock(clock: DatabaseClock) -> None:
    clock.learn(1000.0, asked=0.0, seconds=0.0)
    clock.forget()
    clock.learn(3000.0, asked=0.0, seconds=1.0)

    assert clock.at(0.5) == pytest.approx(3000.0)
