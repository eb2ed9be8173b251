"""What the relay may rely on, whichever schedule a sink has: ``forwarder.delivery.buffer.Schedule``."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from forwarder.delivery.buffer import Schedule
from forwarder.delivery.schedules.fifo import Fifo
from forwarder.delivery.schedules.lanes import Lanes
from forwarder.delivery.schedules.routed import Routed
from forwarder.delivery.schedules.unordered import Unordered
from forwarder.records.record import Record
from forwarder.sinks.kinesis.pacing import Pacing


class OneStream:
    """Of a sink that has a stream for each table, while there is one table."""

    def objection(self, stream: str) -> None:
        return None

    def new_schedule(self, stream: str) -> Lanes:
        return Lanes(Pacing())

    def max_bytes_of(self, stream: str) -> int:
        return 1 << 30


every_schedule = pytest.mark.parametrize(
    "new",
    [lambda: Lanes(Pacing()), lambda: Unordered(Pacing()), Fifo, lambda: Routed(OneStream())],
    ids=["lanes", "unordered", "fifo", "routed"],
)

New = Callable[[], Schedule]


def filled(new: New, *sizes: int) -> tuple[Schedule, set[int]]:
    """A schedule with records of so many bytes, each of a key of its own, and the seqs of those that are not delivered."""
    schedule, undelivered = new(), set(range(len(sizes)))
    schedule.extend([Record(seq, f"key {seq}", bytes(size), undelivered) for seq, size in enumerate(sizes)])
    return schedule, undelivered


def take(schedule: Schedule, *, max_records: int = 500, max_bytes: int = 1 << 20) -> Sequence[Record]:
    return schedule.take(max_records=max_records, max_bytes=max_bytes, now=0.0)


@every_schedule
def test_a_record_larger_than_a_request_is_offered_alone(new: New) -> None:
    schedule, _ = filled(new, 100, 100)
    assert len(take(schedule, max_bytes=10)) == 1


@every_schedule
def test_records_and_bytes_count_what_is_offered_too(new: New) -> None:
    schedule, undelivered = filled(new, 10, 20)
    taken = take(schedule, max_records=1)
    assert (schedule.records, schedule.bytes, undelivered) == (2, 30, {0, 1})
    schedule.settle(taken)
    assert (schedule.records, schedule.bytes, undelivered) == (1, 20, {1})


@every_schedule
def test_what_is_put_back_is_offered_again(new: New) -> None:
    schedule, _ = filled(new, 1, 1)
    taken = take(schedule)
    assert not take(schedule)
    schedule.put_back(taken)
    assert list(take(schedule)) == list(taken)


@every_schedule
@given(sizes=st.lists(st.integers(0, 9)), failures=st.lists(st.booleans(), max_size=20))
def test_every_record_is_delivered_once_whatever_fails(new: New, sizes: list[int], failures: list[bool]) -> None:
    schedule, undelivered = filled(new, *sizes)
    delivered: list[int] = []
    while schedule.records:
        taken = take(schedule, max_records=3, max_bytes=40)
        assert 1 <= len(taken) <= 3
        if failures and failures.pop():
            schedule.put_back(taken)
        else:
            schedule.settle(taken)
            delivered += [record.seq for record in taken]
    assert sorted(delivered) == list(range(len(sizes)))
    assert (schedule.bytes, undelivered) == (0, set())
