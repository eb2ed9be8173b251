from math import inf

from forwarder.delivery.linger import LINGER_SECONDS, Linger


def test_a_request_that_can_be_filled_does_not_wait() -> None:
    linger = Linger()
    assert not linger.holds(ready=500, enough=500, now=0.0)
    assert linger.until == inf


def test_nothing_waits_for_company() -> None:
    assert not Linger().holds(ready=0, enough=500, now=0.0)


def test_a_small_request_waits_from_the_first_look_and_no_longer() -> None:
    linger = Linger()
    assert linger.holds(ready=10, enough=500, now=1.0)
    assert linger.holds(ready=20, enough=500, now=1.0 + LINGER_SECONDS / 2)
    assert not linger.holds(ready=30, enough=500, now=1.0 + LINGER_SECONDS)


def test_the_next_small_request_waits_anew() -> None:
    linger = Linger()
    linger.holds(ready=10, enough=500, now=1.0)
    linger.end()
    assert linger.holds(ready=10, enough=500, now=9.0)
