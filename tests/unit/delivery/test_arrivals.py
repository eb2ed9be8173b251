from __future__ import annotations

from collections import deque
from collections.abc import Sequence

import pytest

from forwarder.delivery.arrivals import MOST_WATCHED, Arrivals
from forwarder.events import Event
from forwarder.records.packing import Packed
from forwarder.records.record import Record
from tests.support.events import ORDERS, event

# The database's clock is so far ahead of ours.
AHEAD = 1000.0


class Clock:
    is_known = True

    def at(self, now: float) -> float | None:
        return now + AHEAD if self.is_known else None


class Watch:
    """What a relay does with arrivals, without a relay."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.told: list[tuple[float, int]] = []
        self.arrivals = Arrivals(self.clock, lambda seconds, changes: self.told.append((round(seconds, 6), changes)))

    def offer(self, *seqs: int, at: float, committed_at: float | None = None, later: bool = False) -> set[int]:
        """Offer a page, and return what is undelivered of it."""
        undelivered = set(seqs)
        records = [Record(seq, "", b"", undelivered) for seq in seqs]
        packed = (
            Packed(records=[], stretches=[], later=deque(records)) if later else Packed(records=records, stretches=[])
        )
        self.arrivals.expect(events(seqs, at=at, committed_at=committed_at), packed)
        return undelivered


def events(seqs: Sequence[int], *, at: float, committed_at: float | None) -> Sequence[Event]:
    committed = None if committed_at is None else round((committed_at + AHEAD) * 1e6)
    return [event(seq=seq, table=ORDERS, at=round((at + AHEAD) * 1e6), committed_at=committed) for seq in seqs]


@pytest.fixture
def watch() -> Watch:
    return Watch()


def test_the_change_in_the_middle_stands_for_its_page(watch: Watch) -> None:
    undelivered = watch.offer(1, 2, 3, at=50.0)
    undelivered -= {1, 3}
    watch.arrivals.look(now=50.1)
    assert watch.told == []

    undelivered.remove(2)
    watch.arrivals.look(now=50.25)
    watch.arrivals.look(now=60.0)

    assert watch.told == [(0.25, 3)]


def test_the_time_of_the_commit_counts_where_it_is_known(watch: Watch) -> None:
    watch.offer(1, at=10.0, committed_at=49.0).clear()

    watch.arrivals.look(now=50.0)

    assert watch.told == [(1.0, 1)]


def test_a_page_whose_data_is_still_in_the_database_is_watched_too(watch: Watch) -> None:
    watch.offer(1, 2, at=49.5, later=True).clear()

    watch.arrivals.look(now=50.0)

    assert watch.told == [(0.5, 2)]


def test_a_page_without_records_is_not_watched(watch: Watch) -> None:
    watch.offer(at=50.0)

    watch.arrivals.look(now=51.0)

    assert watch.told == []


def test_while_the_time_of_the_database_is_not_known_nothing_is_told(watch: Watch) -> None:
    watch.clock.is_known = False
    watch.offer(1, at=50.0).clear()
    watch.arrivals.look(now=51.0)
    watch.clock.is_known = True

    watch.arrivals.look(now=52.0)

    assert watch.told == []


def test_clocks_that_are_known_to_a_millisecond_make_no_time_below_nothing(watch: Watch) -> None:
    watch.offer(1, at=50.0).clear()

    watch.arrivals.look(now=49.999)

    assert watch.told == [(0.0, 1)]


def test_a_long_outage_is_watched_in_bounded_memory_and_every_change_is_stood_for(watch: Watch) -> None:
    pages = [watch.offer(10 * number, 10 * number + 1, at=float(number)) for number in range(1000)]
    assert len(watch.arrivals._watched) < MOST_WATCHED

    for page in pages:
        page.clear()
    watch.arrivals.look(now=1000.0)

    assert sum(changes for _, changes in watch.told) == 2000
    assert max(seconds for seconds, _ in watch.told) == 1000.0
