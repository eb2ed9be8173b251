"""Repeats are dropped, by what their format carries; nothing that is new ever is."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from forwarder.consumer import Change, Deduplicator, decode
from forwarder.consumer.recent import Recent


def change(seq: int | None = 1, *, key: Any = "id", **members: Any) -> Change:
    origin = members.setdefault("origin", "1/2")
    defaults: dict[str, Any] = {"format": "native", "op": "update", "schema": "public", "table": "orders"}
    identity = None if seq is None else f"{origin}/{seq:016x}"
    return Change(**{**defaults, "seq": seq, "key": key and {"id": key}, "id": identity, **members})


def kept(changes: list[Change], deduplicator: Deduplicator | None = None) -> list[int]:
    """The places of those that are no repeats."""
    deduplicator = deduplicator or Deduplicator()
    numbered = {id(one): place for place, one in reversed(list(enumerate(changes)))}
    return [numbered[id(one)] for one in deduplicator.new(changes)]


def test_what_comes_again_is_dropped() -> None:
    assert kept([change(1), change(2), change(1), change(2), change(3)]) == [0, 1, 4]


def test_each_row_has_its_own_last_change() -> None:
    assert kept([change(5, key=1), change(3, key=2), change(4, key=1), change(4, key=2)]) == [0, 1, 3]


@pytest.mark.parametrize("other", [{"table": "items"}, {"schema": "shop"}, {"origin": "1/3"}])
def test_rows_of_other_tables_and_databases_are_other_rows(other: dict[str, Any]) -> None:
    assert kept([change(5), change(4, **other)]) == [0, 1]


def test_a_table_without_a_key_goes_by_id() -> None:
    assert kept([change(5, key=None), change(4, key=None), change(5, key=None)]) == [0, 1]


@pytest.mark.parametrize(
    "unsure",
    [{"schema": None}, {"table": None}, {"origin": None}, {"key": 0.1}, {"key": [{"of": 0.1}]}, {"op": "event"}],
    ids=str,
)
def test_what_may_be_another_row_goes_by_id(unsure: dict[str, Any]) -> None:
    assert kept([change(5, **unsure), change(4, **unsure), change(5, **unsure)]) == [0, 1]


def test_a_consumer_that_wants_each_change_goes_by_id() -> None:
    assert kept([change(5), change(4), change(5)], Deduplicator(by_id=True)) == [0, 1]


def test_a_format_without_ids_goes_by_seq() -> None:
    def debezium(seq: int, op: str, row: int = 1) -> Change:
        return change(seq, key=None, id=None, op=op, format="debezium", after={"id": row, "note": "\ud800"})

    # A key that is changed, and the rows of a snapshot, have one position.
    one_position = [debezium(5, "delete"), debezium(5, "insert"), debezium(3, "read"), debezium(3, "read", 2)]
    changes = [*one_position, debezium(4, "update")]
    assert kept([*changes, *changes]) == [0, 1, 2, 3, 4]


def test_a_format_without_either_is_never_dropped() -> None:
    assert kept([change(None, key=None), change(None, key=None)]) == [0, 1]


def test_a_change_whose_handling_fails_is_new_when_it_comes_again() -> None:
    deduplicator = Deduplicator()

    def handle(changes: list[Change]) -> None:
        for one in deduplicator.new(changes):
            if one.seq == 2:
                raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        handle([change(1), change(2)])
    assert kept([change(1), change(2)], deduplicator) == [1]


def test_the_memory_may_be_any_mapping_that_outlives_the_consumer() -> None:
    memory: dict[str, int] = {}
    assert kept([change(1), change(2)], Deduplicator(memory)) == [0, 1]
    assert memory == {'["1/2","public","orders","{\'id\': \'id\'}"]': 2}
    assert kept([change(2), change(3)], Deduplicator(memory)) == [1]


def test_what_a_bounded_memory_forgets_comes_again() -> None:
    deduplicator = Deduplicator(Recent(2))
    assert kept([change(1, key=1), change(2, key=2), change(3, key=3), change(1, key=1)], deduplicator) == [0, 1, 2, 3]


@given(st.lists(st.tuples(st.sampled_from((1, 2, 3, None)), st.integers(0, 20)), max_size=40))
def test_each_change_is_kept_once_when_a_consumer_begins_again_some_records_before(
    steps: list[tuple[Any, int]],
) -> None:
    stream = [change(seq, key=key) for seq, (key, _) in enumerate(steps, 1)]
    read: list[Change] = []
    for place, (_, back) in enumerate(steps, 1):
        read += stream[max(0, place - back - 1) : place]
    assert [one.seq for one in Deduplicator().new(read)] == [one.seq for one in stream]


def test_rows_whose_keys_are_one_float_are_two_rows() -> None:
    records = [
        f'{{"id":"1/2/{seq:016x}","seq":{seq},"op":"insert","schema":"public","table":"t","key":{{"id":{key}}},"txid":"1","tx":{{}}}}'
        for seq, key in ((2, "12345678901234567.1"), (1, "12345678901234567.2"))
    ]
    for floats in (False, True):
        changes = [change for record in records for change in decode(record.encode(), floats=floats)]
        assert kept(changes) == [0, 1]
    assert isinstance(changes[0].key and changes[0].key["id"], float)


def test_events_of_one_key_that_two_transactions_make_at_a_time_are_both_new() -> None:
    assert kept([change(2, op="event"), change(1, op="event"), change(2, op="event")]) == [0, 1]
