from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from forwarder.delivery.schedules.fifo import Line
from forwarder.records.record import Record


def line_of(*sizes: int) -> tuple[Line, set[int]]:
    line, undelivered = Line(), set(range(1, len(sizes) + 1))
    line.extend([Record(seq, "key", b"x" * size, undelivered) for seq, size in enumerate(sizes, start=1)])
    return line, undelivered


def seqs(line: Line, *, max_records: int = 1000, max_bytes: int = 1000) -> list[int]:
    return [record.seq for record in line.take(max_records=max_records, max_bytes=max_bytes, now=0.0)]


@given(
    sizes=st.lists(st.integers(0, 9)),
    max_records=st.integers(1, 4),
    max_bytes=st.integers(1, 20),
    failures=st.lists(st.booleans(), max_size=20),
)
def test_records_leave_in_order_whatever_fails(
    sizes: list[int], max_records: int, max_bytes: int, failures: list[bool]
) -> None:
    line, undelivered = line_of(*sizes)
    delivered: list[int] = []
    while line.records:
        taken = line.take(max_records=max_records, max_bytes=max_bytes, now=0.0)
        assert len(taken) <= max_records
        assert sum(len(record.data) for record in taken) <= max_bytes or len(taken) == 1
        if failures and failures.pop():
            line.put_back(taken)
        else:
            line.settle(taken)
            delivered += [record.seq for record in taken]

    assert delivered == list(range(1, len(sizes) + 1))
    assert (line.bytes, undelivered) == (0, set())


def test_nothing_is_ready_while_a_request_is_under_way() -> None:
    line, _ = line_of(1, 1, 1)

    taken = line.take(max_records=2, max_bytes=100, now=0.0)
    assert seqs(line) == []

    line.put_back(taken)
    assert seqs(line, max_records=2) == [1, 2]


def test_what_arrives_during_a_request_waits_behind_what_is_put_back() -> None:
    line, _ = line_of(1, 1)
    taken = line.take(max_records=2, max_bytes=100, now=0.0)

    line.extend([Record(3, "key", b"x", {3})])
    line.put_back(taken)

    assert seqs(line) == [1, 2, 3]


def test_nothing_is_ready_while_a_request_is_offered() -> None:
    line, _ = line_of(1, 1, 1)
    assert line.ready == 3
    taken = line.take(max_records=1, max_bytes=1000, now=0.0)
    assert line.ready == 0
    line.settle(taken)
    assert line.ready == 2
