from forwarder.delivery.outage import Outage


def outage() -> Outage:
    return Outage(first_seconds=0.1, max_seconds=1.0)


def longest(outage: Outage, *, began: float, now: float) -> float:
    return outage.failed(began=began, now=now, chance=lambda: 1.0)


def test_requests_that_were_under_way_together_fail_once() -> None:
    broken = outage()
    assert [longest(broken, began=began, now=5.0) for began in (1.0, 2.0, 5.0)] == [0.1, 0.1, 0.1]


def test_requests_that_fail_within_one_pause_fail_once() -> None:
    broken = outage()
    assert [longest(broken, began=now, now=now) for now in (1.0, 1.05, 1.09)] == [0.1, 0.1, 0.1]


def test_the_pauses_double_up_to_their_maximum() -> None:
    broken = outage()
    assert [longest(broken, began=now, now=now) for now in (1.0, 2.0, 4.0, 8.0, 16.0, 32.0)] == [
        0.1,
        0.2,
        0.4,
        0.8,
        1.0,
        1.0,
    ]


def test_an_outage_that_has_ended_is_forgotten() -> None:
    broken = outage()
    longest(broken, began=0.0, now=1.0)
    longest(broken, began=2.0, now=3.0)
    broken.ended()
    assert longest(broken, began=0.5, now=4.0) == 0.1
