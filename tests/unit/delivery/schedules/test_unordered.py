from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import islice

from hypothesis import given
from hypothesis import strategies as st

from forwarder.delivery.schedules.unordered import Unordered
from forwarder.records.record import Record
from forwarder.sinks.kinesis.pacing import Pacing

MANY = 1 << 30


def records(*keys: str, size: int = 100) -> list[Record]:
    undelivered = set(range(len(keys)))
    return [Record(seq, key, bytes(size), undelivered) for seq, key in enumerate(keys)]


def first_letter(key: str | int) -> str:
    return str(key)[0]


def upper(key: str | int) -> str:
    return str(key).upper()


def unordered_by_letter(pacing: Pacing | None = None) -> Unordered:
    return Unordered(pacing or Pacing(), shard_of=first_letter)


def take(unordered: Unordered, now: float = 0.0, *, max_records: int = 500, max_bytes: int = MANY) -> Sequence[Record]:
    return unordered.take(max_records=max_records, max_bytes=max_bytes, now=now)


def keys_of(offered: Sequence[Record]) -> list[str]:
    return [record.partition_key for record in offered]


def exhausted(shard: str, now: float) -> Pacing:
    pacing = Pacing()
    pacing.throttled(shard, now, sent=now)
    while pacing.admits(shard, 10 << 10, now):
        pass
    return pacing


def test_many_records_of_a_key_leave_in_one_request() -> None:
    unordered = Unordered(Pacing())
    unordered.extend(records(*["a"] * 600))
    assert [len(take(unordered)) for _ in range(3)] == [500, 100, 0]


def test_a_request_holds_no_more_bytes_than_it_may_keys_included() -> None:
    unordered = Unordered(Pacing())
    unordered.extend(records(*["keys"] * 3, size=6))
    assert [len(take(unordered, max_bytes=29)) for _ in range(3)] == [2, 1, 0]


def test_a_large_record_is_not_passed_for_ever_by_small_ones() -> None:
    unordered = unordered_by_letter()
    unordered.extend([*records(*["s"] * 200, size=10), *records("l", size=990)])
    taken = [keys_of(take(unordered, max_bytes=1000)) for _ in range(3)]
    assert ["l"] in taken


def test_what_is_put_back_comes_first() -> None:
    unordered = Unordered(Pacing())
    unordered.extend(records("a", "b", "c"))
    refused = take(unordered, max_records=2)
    unordered.put_back(refused)
    assert keys_of(take(unordered)) == ["a", "b", "c"]


def test_a_hot_shard_slows_only_its_own_records() -> None:
    unordered = unordered_by_letter(exhausted("h", 0.0))
    unordered.extend(records("h", "c", "h", "c"))
    assert keys_of(take(unordered)) == ["c", "c"]
    due = unordered.next_due()
    assert due is not None
    assert not take(unordered, due - 0.001)
    assert keys_of(take(unordered, due)) == ["h", "h"]
    assert unordered.next_due() is None


def test_shards_share_a_request() -> None:
    unordered = unordered_by_letter()
    unordered.extend(records(*["a"] * 1000, *["b"] * 1000))
    assert Counter(keys_of(take(unordered))) == {"a": 250, "b": 250}


def test_a_new_prediction_moves_what_waits() -> None:
    unordered = Unordered(exhausted("h", 0.0))
    unordered.extend(records("h", "c"))
    assert sum(1 for _ in unordered.regroup(first_letter)) == 2
    assert keys_of(take(unordered)) == ["c"]


@given(
    keys=st.lists(st.sampled_from("abc"), max_size=80),
    max_records=st.integers(1, 20),
    max_bytes=st.integers(1, 1000),
    refuse=st.lists(st.booleans()),
    steps=st.lists(st.integers(0, 10)),
)
def test_every_record_is_offered_until_it_is_delivered(
    keys: list[str], max_records: int, max_bytes: int, refuse: list[bool], steps: list[int]
) -> None:
    unordered = unordered_by_letter()
    given_records = records(*keys, size=50)
    undelivered = {record.seq for record in given_records}
    for record in given_records:
        record.undelivered = undelivered
    unordered.extend(given_records)
    regrouping = unordered.regroup(upper)
    while unordered.records:
        for _ in islice(regrouping, steps.pop() if steps else 0):
            pass
        assert unordered.ready == unordered.records
        offered = take(unordered, max_records=max_records, max_bytes=max_bytes)
        assert unordered.ready == unordered.records - len(offered)
        assert 1 <= len(offered) <= max_records
        assert len(offered) == 1 or sum(51 for _ in offered) <= max_bytes
        if refuse and refuse.pop():
            unordered.put_back(offered)
        else:
            unordered.settle(offered)
    assert (undelivered, unordered.bytes) == (set(), 0)


def test_records_of_a_shard_that_was_passed_over_are_not_ready() -> None:
    unordered = unordered_by_letter(exhausted("h", 0.0))
    unordered.extend(records("h1", "h1", "c1", "c2"))
    assert keys_of(take(unordered, max_records=1)) == ["c1"]
    assert unordered.ready == 1


def test_shards_that_rest_are_not_asked_at_every_request() -> None:
    class Counting(Pacing):
        asked = 0

        def admits(self, shard: str, size: int, now: float) -> bool:
            self.asked += 1
            return super().admits(shard, size, now)

        def wait_seconds(self, shard: str, now: float) -> float:
            self.asked += 1
            return super().wait_seconds(shard, now)

    pacing = Counting()
    for number in range(1000):
        pacing.throttled(f"h{number}", 0.0, sent=0.0)
    unordered = Unordered(pacing, shard_of=str)
    unordered.extend(records(*(f"h{number}" for number in range(1000))))
    assert not take(unordered)
    pacing.asked = 0
    for number in range(10):
        unordered.extend(records(f"c{number}"))
        assert keys_of(take(unordered)) == [f"c{number}"]
    assert pacing.asked == 10
