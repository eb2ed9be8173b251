"""When a sink is said not to get on."""

from __future__ import annotations

from forwarder.listen.stall import STILL_SECONDS, StallDetector


def test_a_sink_that_acknowledges_nothing_for_a_minute_does_not_get_on() -> None:
    stall = StallDetector()
    assert not stall.look(progress=5, waiting=3, now=100.0)
    assert not stall.look(progress=5, waiting=3, now=100.0 + STILL_SECONDS - 1)
    found = stall.look(progress=5, waiting=3, now=100.0 + STILL_SECONDS)
    assert found
    assert "60 seconds although 3 changes wait" in found


def test_a_sink_that_gets_on_slowly_gets_on() -> None:
    stall = StallDetector()
    assert not any(stall.look(progress=step, waiting=9, now=step * (STILL_SECONDS - 1)) for step in range(10))


def test_a_sink_that_had_nothing_to_do_is_given_a_minute_for_what_comes() -> None:
    stall = StallDetector()
    for step in range(10):
        assert not stall.look(progress=5, waiting=0, now=step * STILL_SECONDS)
    assert not stall.look(progress=5, waiting=1, now=10 * STILL_SECONDS)
    assert not stall.look(progress=5, waiting=1, now=11 * STILL_SECONDS - 1)
    assert stall.look(progress=5, waiting=1, now=11 * STILL_SECONDS)


def test_it_is_over_when_something_is_acknowledged() -> None:
    stall = StallDetector()
    stall.look(progress=5, waiting=1, now=0.0)
    assert stall.look(progress=5, waiting=1, now=STILL_SECONDS)
    assert not stall.look(progress=6, waiting=1, now=STILL_SECONDS + 1)
