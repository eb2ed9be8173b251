"""When a sink is said not to get on."""

from __future__ import annotations

from forwarder.listen.stall import STILL_SECONDS, Stillness


def test_a_sink_that_acknowledges_nothing_for_a_minute_does_not_get_on() -> None:
    stillness = Stillness()
    assert not stillness.look(progress=5, waiting=3, now=100.0)
    assert not stillness.look(progress=5, waiting=3, now=100.0 + STILL_SECONDS - 1)
    found = stillness.look(progress=5, waiting=3, now=100.0 + STILL_SECONDS)
    assert found
    assert "60 seconds although 3 changes wait" in found


def test_a_sink_that_gets_on_slowly_gets_on() -> None:
    stillness = Stillness()
    assert not any(stillness.look(progress=step, waiting=9, now=step * (STILL_SECONDS - 1)) for step in range(10))


def test_a_sink_that_had_nothing_to_do_is_given_a_minute_for_what_comes() -> None:
    stillness = Stillness()
    for step in range(10):
        assert not stillness.look(progress=5, waiting=0, now=step * STILL_SECONDS)
    assert not stillness.look(progress=5, waiting=1, now=10 * STILL_SECONDS)
    assert not stillness.look(progress=5, waiting=1, now=11 * STILL_SECONDS - 1)
    assert stillness.look(progress=5, waiting=1, now=11 * STILL_SECONDS)


def test_it_is_over_when_something_is_acknowledged() -> None:
    stillness = Stillness()
    stillness.look(progress=5, waiting=1, now=0.0)
    assert stillness.look(progress=5, waiting=1, now=STILL_SECONDS)
    assert not stillness.look(progress=6, waiting=1, now=STILL_SECONDS + 1)
