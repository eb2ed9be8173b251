from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from forwarder.delivery.schedules.fifo import Fifo
from forwarder.records.record import Record


def fifo_of(*sizes: int) -> tuple[Fifo, set[int]]:
    fifo, undelivered = Fifo(), set(range(1, len(sizes) + 1))
    fifo.extend([Record(seq, "key", b"x" * size, undelivered) for seq, size in enumerate(sizes, start=1)])
    return fifo, undelivered


def seqs(fifo: Fifo, *, max_records: int = 1000, max_bytes: int = 1000) -> list[int]:
    return [record.seq for record in fifo.take(max_records=max_records, max_bytes=max_bytes, now=0.0)]


@given(
    sizes=st.lists(st.integers(0, 9)),
    max_records=st.integers(1, 4),
    max_bytes=st.integers(1, 20),
    failures=st.lists(st.booleans(), max_size=20),
)
def test_records_leave_in_order_whatever_fails(
    sizes: list[int], max_records: int, max_bytes: int, failures: list[bool]
) -> None:
    fifo, undelivered = fifo_of(*sizes)
    delivered: list[int] = []
    while fifo.records:
        taken = fifo.take(max_records=max_records, max_bytes=max_bytes, now=0.0)
        assert len(taken) <= max_records
        assert sum(len(record.data) for record in taken) <= max_bytes or len(taken) == 1
        if failures and failures.pop():
            fifo.put_back(taken)
        else:
            fifo.settle(taken)
            delivered += [record.seq for record in taken]

    assert delivered == list(range(1, len(sizes) + 1))
    assert (fifo.bytes, undelivered) == (0, set())


def test_nothing_is_ready_while_a_request_is_under_way() -> None:
    fifo, _ = fifo_of(1, 1, 1)

    taken = fifo.take(max_records=2, max_bytes=100, now=0.0)
    assert seqs(fifo) == []

    fifo.put_back(taken)
    assert seqs(fifo, max_records=2) == [1, 2]


def test_what_arrives_during_a_request_waits_behind_what_is_put_back() -> None:
    fifo, _ = fifo_of(1, 1)
    taken = fifo.take(max_records=2, max_bytes=100, now=0.0)

    fifo.extend([Record(3, "key", b"x", {3})])
    fifo.put_back(taken)

    assert seqs(fifo) == [1, 2, 3]


def test_nothing_is_ready_while_a_request_is_offered() -> None:
    fifo, _ = fifo_of(1, 1, 1)
    assert fifo.ready == 3
    taken = fifo.take(max_records=1, max_bytes=1000, now=0.0)
    assert fifo.ready == 0
    fifo.settle(taken)
    assert fifo.ready == 2
