from forwarder.outage import Outage


def test_requests_that_were_under_way_together_fail_once() -> None:
    outage = Outage()
    assert [outage.failed(began=began, now=5.0) for began in (1.0, 2.0, 3.0)] == [1, 1, 1]


def test_requests_that_fail_one_after_another_are_counted() -> None:
    outage = Outage()
    assert [outage.failed(began=now - 0.5, now=now) for now in (1.0, 2.0, 3.0)] == [1, 2, 3]


def test_an_outage_that_has_ended_is_forgotten() -> None:
    outage = Outage()
    outage.failed(began=0.0, now=1.0)
    outage.failed(began=2.0, now=3.0)
    outage.ended()
    assert outage.failed(began=0.5, now=4.0) == 1
