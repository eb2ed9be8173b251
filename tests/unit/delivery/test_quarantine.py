from __future__ import annotations

import pytest
from msgspec.structs import replace

from forwarder.delivery.quarantine import MAX_IN_A_ROW, Quarantine
from forwarder.delivery.sink import Rejection
from forwarder.events import Event
from forwarder.metrics import Metrics
from forwarder.records.record import Record, SetAside
from tests.support.loads import ORDERS, beginning, row

METRICS = Metrics()


def refusal(seq: int, *, was_set_aside: bool = False) -> Rejection:
    record = Record(seq, "public.orders.é", b"12345", {seq}, was_set_aside=was_set_aside)
    return Rejection(record=record, code="ValidationException", reason="too odd", is_final=True)


def test_what_is_set_aside_is_taken_once_with_the_word_of_the_sink() -> None:
    quarantine = Quarantine(METRICS.sink("default"))

    assert not quarantine.admit([refusal(7)], accepted=3, began=1.0, now=2.0)
    (change,) = quarantine.take()

    assert (change.seq, change.partition_key, change.code, change.reason) == (
        7,
        "public.orders.é",
        "ValidationException",
        "too odd",
    )
    assert change.size == 5 + len("public.orders.é".encode())
    assert not quarantine.take()


def test_a_sink_that_refuses_everything_is_not_believed() -> None:
    quarantine = Quarantine(METRICS.sink("default"))
    for seq in range(MAX_IN_A_ROW):
        assert not quarantine.admit([refusal(seq)], accepted=0, began=1.0, now=2.0)

    waiting = quarantine.admit([refusal(100)], accepted=0, began=1.0, now=2.0)

    assert [record.seq for record in waiting] == [100]
    assert len(quarantine.take()) == MAX_IN_A_ROW


def test_a_record_that_was_accepted_restores_the_trust() -> None:
    quarantine = Quarantine(METRICS.sink("default"))
    for seq in range(MAX_IN_A_ROW):
        quarantine.admit([refusal(seq)], accepted=0, began=1.0, now=2.0)
    quarantine.take()

    quarantine.admit([], accepted=1, began=2.0, now=3.0)
    assert not quarantine.admit([refusal(100)], accepted=0, began=3.0, now=4.0)
    assert [change.seq for change in quarantine.take()] == [100]


def test_a_refusal_of_before_the_sink_came_round_is_no_proof_against_a_record() -> None:
    quarantine = Quarantine(METRICS.sink("default"))
    for seq in range(MAX_IN_A_ROW):
        quarantine.admit([refusal(seq)], accepted=0, began=1.0, now=2.0)
    quarantine.take()
    quarantine.admit([], accepted=1, began=4.0, now=5.0)

    # On its way when the sink still refused everything.
    waiting = quarantine.admit([refusal(100)], accepted=0, began=3.0, now=6.0)
    assert [record.seq for record in waiting] == [100]
    assert not quarantine.take()

    assert not quarantine.admit([refusal(100)], accepted=0, began=6.0, now=7.0)
    assert [change.seq for change in quarantine.take()] == [100]


def test_a_lane_is_halted_if_that_is_the_policy_and_nothing_is_set_aside(caplog: pytest.LogCaptureFixture) -> None:
    quarantine = Quarantine(METRICS.sink("default"), halts_lanes=True)

    waiting = quarantine.admit([refusal(7)], accepted=3, began=1.0, now=2.0)

    assert [record.seq for record in waiting] == [7]
    assert not quarantine.take()
    assert [record.getMessage() for record in caplog.records] == ["record refused for good, its lane waits"]


def test_a_dead_letter_that_is_refused_again_halts_no_lane() -> None:
    quarantine = Quarantine(METRICS.sink("default"), halts_lanes=True)

    assert not quarantine.admit([refusal(7, was_set_aside=True)], accepted=0, began=1.0, now=2.0)
    assert [change.seq for change in quarantine.take()] == [7]


def test_however_many_dead_letters_are_refused_again_the_sink_is_still_believed() -> None:
    quarantine = Quarantine(METRICS.sink("default"))
    letters = [refusal(seq, was_set_aside=True) for seq in range(MAX_IN_A_ROW + 1)]

    assert not quarantine.admit([*letters, refusal(100)], accepted=0, began=1.0, now=2.0)
    assert len(quarantine.take()) == MAX_IN_A_ROW + 2


def test_dead_letters_wait_too_while_the_sink_refuses_every_change() -> None:
    quarantine = Quarantine(METRICS.sink("default"))
    quarantine.admit([refusal(seq) for seq in range(MAX_IN_A_ROW)], accepted=0, began=1.0, now=2.0)

    waiting = quarantine.admit([refusal(100, was_set_aside=True)], accepted=0, began=1.0, now=2.0)
    assert [record.seq for record in waiting] == [100]


def test_no_log_quotes_the_record(caplog: pytest.LogCaptureFixture) -> None:
    Quarantine(METRICS.sink("default")).admit([refusal(7)], accepted=3, began=1.0, now=2.0)

    (record,) = caplog.records
    assert "orders" not in str(vars(record))
    assert "too odd" not in str(vars(record))


def read(event: Event) -> SetAside:
    return SetAside(seq=-1, partition_key="public.orders.42", size=100, code="any", reason="", read=event)


def test_rows_of_a_load_whose_stream_is_missing_are_dropped_and_counted_by_table() -> None:
    quarantine = Quarantine(METRICS.sink("default"))
    other = replace(ORDERS, id=ORDERS.id + 1)
    quarantine.strand([read(row(1)), read(row(2)), read(row(3, of=other))])
    assert not quarantine.holds_any
    assert [quarantine.dropped(table.id).rows_stranded for table in (ORDERS, other)] == [2, 1]


def test_the_beginning_of_a_load_is_dropped_if_the_sink_refuses_it_and_a_row_is_kept() -> None:
    quarantine = Quarantine(METRICS.sink("default"))
    quarantine.isolate([read(beginning()), read(row())])
    assert quarantine.dropped(ORDERS.id).marks_refused == 1
    [kept] = quarantine.take()
    assert kept.read is not None
    assert kept.read.op == b"R"
