"""From records to the last state of each row, in whatever order they are read."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import permutations
from typing import Any

import pytest

from forwarder.consumer.reading.stored_record import StoredRecord
from forwarder.verify.content import Digester, differences
from forwarder.verify.fold import Expected, Fold
from forwarder.verify.reading import Reading
from forwarder.verify.states import RowStates, State
from forwarder.verify.watch import Watch

NOON = datetime(2026, 1, 2, 12, tzinfo=UTC)
DIGESTER = Digester()


@pytest.fixture
def states() -> Iterator[RowStates]:
    states = RowStates()
    yield states
    states.close()


def fold_of(states: RowStates, *, format: str = "native", **expected: Any) -> Fold:
    wanted = Expected(format=format, schema="public", table="orders", **expected)
    return Fold(states, Watch(), Reading([("id",)], DIGESTER), wanted)


def record(seq: int, op: str = "insert", *, id: int | None = 1, arrived: int = 0, **members: Any) -> StoredRecord:
    """A native record; without ``after`` one is made up."""
    key = None if id is None else {"id": id}
    after = None if op in ("delete", "truncate", "gap") else {"id": id, "n": seq}
    change = {"id": f"7/1/{seq:016x}", "seq": seq, "op": op, "schema": "public", "table": "orders", "key": key}
    return stored({**change, "after": after, **members}, arrived=arrived)


def stored(document: object, *, arrived: int = 0) -> StoredRecord:
    return StoredRecord(data=json.dumps(document).encode(), arrived_at=NOON + timedelta(milliseconds=arrived))


def dms(operation: str, *, arrived: int = 0, seq: int | None = None, **data: Any) -> StoredRecord:
    about = {"record-type": "data", "operation": operation, "schema-name": "public", "table-name": "orders"}
    position = {} if seq is None else {"stream-position": f"00000000/{seq:08X}.1.00000000/{seq:08X}"}
    return stored({"data": data, "metadata": {**about, **position}}, arrived=arrived)


def row(states: RowStates, id: int = 1) -> State | None:
    return states.get([f"[{id}]"]).get(f"[{id}]")


def has(states: RowStates, id: int, **expected: Any) -> bool:
    found = row(states, id)
    assert found is not None
    wanted = DIGESTER.content({"id": id, **expected})
    return found.content is not None and differences(found.content, wanted) == differences(wanted, wanted)


@pytest.mark.parametrize("order", list(permutations(range(3))))
def test_the_change_with_the_highest_seq_counts(states: RowStates, order: tuple[int, ...]) -> None:
    records = [record(1), record(2, "update"), record(3, "update")]
    fold_of(states).take([records[place] for place in order])
    assert has(states, 1, n=3)


def test_a_late_repeat_does_not_bring_a_deleted_row_back(states: RowStates) -> None:
    fold = fold_of(states)
    fold.take([record(1), record(2, "delete")])
    fold.take([record(1)])
    found = row(states)
    assert found is not None
    assert found.kind == "deleted"


@pytest.mark.parametrize("order", list(permutations(range(4))))
def test_a_truncate_takes_the_rows_of_before_it_in_whatever_order_shards_are_read(
    states: RowStates, order: tuple[int, ...]
) -> None:
    records = [record(1), record(2, id=2), record(3, "truncate", id=None), record(4, id=2)]
    fold = fold_of(states)
    for place in order:
        fold.take([records[place]])
    found = row(states)
    assert found is None or found.kind == "deleted"
    assert has(states, 2, n=4)
    assert fold.coverage.was_truncated


def test_a_truncate_of_a_partition_takes_its_rows_alone(states: RowStates) -> None:
    fold = fold_of(states)
    fold.take([record(1, partition="a"), record(2, id=2, partition="b"), record(3, "truncate", id=None, partition="a")])
    fold.take([record(1, id=3, partition="a")])
    assert [(found := row(states, id)) and found.kind for id in (1, 2, 3)] == ["deleted", "row", None]
    assert not fold.coverage.was_truncated


def test_without_a_seq_the_record_that_comes_last_counts(states: RowStates) -> None:
    fold = fold_of(states, format="dms", has_seq=False)
    fold.take(
        [dms("insert", id=1, n=1, arrived=5), dms("update", id=1, n=2, arrived=5), dms("insert", id=2, arrived=5)]
    )
    fold.take([dms("update", id=1, n=3, arrived=5), dms("delete", id=2, arrived=6)])
    assert has(states, 1, n=3)
    found = row(states, 2)
    assert found is not None
    assert found.kind == "deleted"


def test_a_row_that_was_loaded_without_a_seq_is_later_than_what_was_told_before(states: RowStates) -> None:
    fold = fold_of(states, format="dms")
    fold.take([dms("update", seq=5, id=1, n=1), dms("load", id=1, n=2), dms("update", seq=4, id=1, n=0)])
    assert has(states, 1, n=2)
    fold.take([dms("update", seq=6, id=1, n=3), dms("load", id=2, n=1), dms("update", seq=1, id=2, n=2)])
    assert has(states, 1, n=3)
    assert has(states, 2, n=2)


def test_a_repeat_of_the_change_before_a_loaded_row_is_older_than_the_row(states: RowStates) -> None:
    fold_of(states).take([record(5), record(5, "read", after={"id": 1, "n": 0}), record(5)])
    assert has(states, 1, n=0)
    fold_of(states, format="dms").take(
        [dms("insert", seq=5, id=2, n=1), dms("load", id=2, n=2), dms("insert", seq=5, id=2, n=1)]
    )
    assert has(states, 2, n=2)


def test_a_loaded_row_is_older_than_a_change_with_a_higher_seq(states: RowStates) -> None:
    fold_of(states).take([record(6), record(5, "read", after={"id": 1, "n": 0})])
    assert has(states, 1, n=6)


def test_a_loaded_row_with_the_seq_of_a_truncate_stays(states: RowStates) -> None:
    fold_of(states).take([record(4), record(5, "truncate", id=None), record(5, "read"), record(5, "truncate", id=None)])
    assert has(states, 1, n=5)


@pytest.mark.parametrize("place", range(5))
def test_a_row_that_is_loaded_after_a_truncate_stays_whenever_the_truncate_is_read(
    states: RowStates, place: int
) -> None:
    about = {"record-type": "control", "operation": "truncate-table", "schema-name": "public", "table-name": "orders"}
    truncate = {"metadata": {**about, "stream-position": "00000000/00000009.1.00000000/00000009"}}
    records = [
        dms("insert", seq=3, id=1, n=0, arrived=3),
        stored(truncate, arrived=5),
        dms("load", id=1, n=1, arrived=6),
        dms("load", id=2, n=1, arrived=6),
        dms("load", id=3, n=1, arrived=4),
    ]
    fold = fold_of(states, format="dms")
    fold.watch.begin(["[2]"], {})
    # The changes of a row are in one shard, in order; the TRUNCATE is in any shard.
    records.insert(place, records.pop(1))
    for each in records:
        fold.take([each])
    assert has(states, 1, n=1)
    assert has(states, 2, n=1)
    found = row(states, 3)
    assert found is None or found.kind == "deleted"
    last = fold.watch.passed("[2]")[-1]
    assert last is not None
    assert last.kind == "row"


def test_an_update_of_some_columns_leaves_the_others(states: RowStates) -> None:
    fold = fold_of(states, tells_changed_columns=True)
    fold.take([record(1, after={"id": 1, "a": 1, "b": 1}), record(2, "update", after={"id": 1, "b": 2})])
    assert has(states, 1, a=1, b=2)


def test_what_says_nothing_of_a_row_is_counted(states: RowStates) -> None:
    fold = fold_of(states, origins=["7/1"], first_at=NOON)
    fold.take(
        [
            StoredRecord(data=b"{"),
            record(1, table="items"),
            record(2, schema="other"),
            record(3, after=None, key=None, fault="54000"),
            stored({"type": "INSERT", "schema": "public", "table": "orders", "data": {"id": 1}}),
            record(4, op="gap", id=None, fault="capture paused"),
            record(6, at="2026-01-02T11:59:59Z"),
        ]
    )
    counts = fold.counts
    assert (counts.records, counts.unreadable, counts.without_row, counts.other_format) == (7, 1, 1, 1)
    assert fold.coverage.gaps == {"capture paused"}
    assert len(states) == 0


def test_changes_of_another_database_are_passed_over(states: RowStates) -> None:
    fold = fold_of(states, origins=["8/1"])
    fold.take([record(1)])
    assert (row(states), fold.counts.foreign) == (None, 1)


def test_a_record_whose_row_is_elsewhere_says_that_the_row_is_there(states: RowStates) -> None:
    fold_of(states).take([record(1, after=None, omitted=["before", "after"], stored_at="s3://b/k")])
    found = row(states)
    assert found is not None
    assert found.kind == "unknown"


def test_each_state_of_a_watched_row_is_noted(states: RowStates) -> None:
    fold = fold_of(states)
    fold.take([record(1)])
    fold.watch.begin(["[1]", "[2]"], states.get(["[1]", "[2]"]))
    fold.take([record(3, "update"), record(2, "update"), record(4, "delete"), record(5, id=2), record(6, id=3)])
    fold.take([record(7, "truncate", id=None)])
    assert [state and state.version for state in fold.watch.passed("[1]")] == [2, 6, 8, 14]
    assert [state and state.kind for state in fold.watch.passed("[2]")] == [None, "row", "deleted"]


def test_shards_may_tell_of_a_truncate_and_of_rows_in_any_order(states: RowStates) -> None:
    fold = fold_of(states)
    fold.take([record(1), record(1, id=2)])
    fold.watch.begin(["[1]", "[2]"], states.get(["[1]", "[2]"]))
    # One shard is ahead of the truncate, another one behind it.
    fold.take([record(5), record(3, "truncate", id=None), record(2, "update", id=2)])
    assert [state and (state.version, state.kind) for state in fold.watch.passed("[1]")] == [
        (2, "row"),
        (6, "deleted"),
        (10, "row"),
    ]
    assert [state and (state.version, state.kind) for state in fold.watch.passed("[2]")] == [
        (2, "row"),
        (4, "row"),
        (6, "deleted"),
    ]
