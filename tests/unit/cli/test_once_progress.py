"""The bar of a sink says how much of its backlog is delivered."""

from __future__ import annotations

from forwarder.cli.once_progress import Delivery
from forwarder.health import ServiceState
from forwarder.outbox.backlog_warnings import Backlog


def backlog(changes: int) -> Backlog:
    return Backlog(sink="default", waiting_seconds=1.0, changes=changes)


def test_without_a_measurement_it_counts_what_is_delivered() -> None:
    delivery = Delivery("default")
    delivery.look(7, None, ServiceState())
    assert (delivery.bar.done, delivery.bar.total) == (7, None)


def test_the_total_is_what_was_delivered_and_what_waited_when_that_was_measured() -> None:
    delivery, first = Delivery("default"), backlog(100)
    delivery.look(20, first, ServiceState())
    delivery.look(90, first, ServiceState())
    assert (delivery.bar.done, delivery.bar.total) == (90, 120)
    delivery.look(110, backlog(40), ServiceState())
    assert (delivery.bar.done, delivery.bar.total) == (110, 150)


def test_more_than_was_measured_is_no_more_than_all() -> None:
    delivery, first = Delivery("default"), backlog(100)
    delivery.look(0, first, ServiceState())
    delivery.look(130, first, ServiceState())
    assert delivery.bar.total == 130


def test_it_says_why_nothing_moves() -> None:
    delivery = Delivery("default")
    delivery.look(0, None, ServiceState(trouble="the stream does not answer"))
    assert delivery.bar.note == "the stream does not answer"
