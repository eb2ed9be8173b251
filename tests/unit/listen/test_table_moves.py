from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest

from forwarder.delivery.schedules.lanes import Lanes
from forwarder.delivery.schedules.routed import Routed
from forwarder.events import CapturedTable
from forwarder.listen.table_moves import TableMoves
from forwarder.outbox.position import Position, Snapshot
from forwarder.records.record import Record
from forwarder.sinks.kinesis.pacing import Pacing


class Streams:
    """Streams that are there, each with the name of its table."""

    def stream_of(self, table: CapturedTable) -> str:
        return table.name

    def objection(self, stream: str) -> str | None:
        return None

    def new_schedule(self, stream: str) -> Lanes:
        return Lanes(Pacing())

    def max_bytes_of(self, stream: str) -> int:
        return 1 << 20


@dataclass
class Relay:
    """Has delivered everything up to here."""

    position: Position


@dataclass
class Routes:
    streams: Streams
    schedule: Routed


def position(number: int) -> Position:
    return Position(delivered=Snapshot(number, number), floor_seq=0)


def table(name: str, *, id: int = 1) -> CapturedTable:
    return CapturedTable(id=id, relation=id, schema="public", name=name, key_columns=(), before_image="")


class Tenure:
    def __init__(self) -> None:
        self.schedule = Routed(Streams())
        self.relay = Relay(position(1))
        routes: Any = Routes(Streams(), self.schedule)
        relay: Any = self.relay
        self.moves = TableMoves(routes, relay)


@pytest.fixture
def tenure() -> Tenure:
    return Tenure()


def test_a_table_that_is_met_holds_nothing(tenure: Tenure) -> None:
    tenure.moves.take([table("a")], position(2))
    tenure.moves.take([table("a")], position(3))
    assert not tenure.schedule.is_held("a")
    assert tenure.moves.may_revive("a")


def test_the_stream_of_a_new_name_is_held_until_what_was_taken_before_is_delivered(tenure: Tenure) -> None:
    tenure.moves.take([table("a")], position(2))
    tenure.moves.take([table("b")], position(3))
    assert tenure.schedule.is_held("b")
    assert (tenure.moves.tables_of("a"), tenure.moves.tables_of("b")) == (set(), {1})
    assert not tenure.moves.may_revive("b")

    tenure.relay.position = position(2)
    assert tenure.moves.may_revive("b")


def test_what_is_held_becomes_letters_when_the_table_is_renamed_again(tenure: Tenure) -> None:
    for number, name in enumerate("abc"):
        tenure.moves.take([table(name)], position(number + 2))
    assert not tenure.schedule.is_held("b")
    assert tenure.schedule.is_held("c")
    assert tenure.schedule.revivable == ["b", "c"]


def test_a_table_that_comes_to_a_held_stream_has_it_parked_so_that_nobody_opens_it_for_the_first_one(
    tenure: Tenure,
) -> None:
    tenure.moves.note([table("a"), table("b", id=2)])
    tenure.moves.note([table("c")])
    assert tenure.schedule.is_held("c")
    tenure.moves.note([table("c", id=2)])
    assert not tenure.schedule.is_held("c")
    assert tenure.schedule.revivable == ["c"]


def test_the_stream_of_a_table_that_is_met_late_is_held_if_the_table_has_letters(tenure: Tenure) -> None:
    tenure.moves.expect_letters_of([1])
    tenure.moves.take([table("a")], position(2))
    assert tenure.schedule.is_held("a")


def test_nothing_is_revived_before_the_relay_has_what_was_a_letter_at_the_beginning_and_has_given_up_what_it_is_to(
    tenure: Tenure,
) -> None:
    tenure.moves.note([table("a")])
    tenure.schedule.park("a")
    tenure.moves.await_taken(Snapshot(3, 3))
    tenure.moves.take([table("a")], position(2))
    tenure.moves.handed_over(position(2))
    assert not tenure.moves.may_revive("a")

    tenure.moves.take([table("a")], position(3))
    assert not tenure.moves.may_revive("a")
    tenure.schedule.extend([Record(1, "key", b"", {1}, stream="a")])
    tenure.moves.handed_over(position(3))
    assert not tenure.moves.may_revive("a")

    tenure.schedule.take_stranded(is_full=False, now=0.0)
    assert tenure.moves.may_revive("a")
