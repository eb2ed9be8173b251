from __future__ import annotations

from collections.abc import Sequence

import pytest

from forwarder import order_audit
from forwarder.events import Record
from forwarder.kinesis_wire import Result
from forwarder.order_audit import OrderAudit, Regression

# As long as those of AWS, and alike but for the digits that count.
BASE = 49_590_000_000_000_000_000_000_000_000_000_000_000_000_000_000_000_000_000


def number(index: int) -> str:
    return str(BASE + index)


def check(audit: OrderAudit, key: str, sequence_number: str, *, shard: str = "shardId-0") -> Sequence[Regression]:
    return audit.check([Record(1, key, b"", set())], [Result(shard_id=shard, sequence_number=sequence_number)])


def test_a_key_whose_numbers_rise_is_in_order() -> None:
    audit = OrderAudit()
    assert not any(check(audit, "a", number(index)) for index in (1, 2, 10, 11))


@pytest.mark.parametrize(("before", "after"), [(number(2), number(1)), (number(2), number(2)), ("10", "9")])
def test_a_number_that_does_not_rise_is_a_regression(before: str, after: str) -> None:
    audit = OrderAudit()
    check(audit, "a", before)
    assert check(audit, "a", after) == [Regression(shard_id="shardId-0", before=before, after=after)]


def test_numbers_of_different_lengths_are_compared_as_numbers() -> None:
    audit = OrderAudit()
    check(audit, "a", "9")
    assert not check(audit, "a", "10")


def test_keys_are_independent_of_each_other() -> None:
    audit = OrderAudit()
    check(audit, "a", number(2))
    assert not check(audit, "b", number(1))


def test_another_shard_begins_anew() -> None:
    audit = OrderAudit()
    check(audit, "a", number(2))
    assert not check(audit, "a", number(1), shard="shardId-1")
    assert check(audit, "a", number(0), shard="shardId-1")


def test_a_rejected_record_says_nothing() -> None:
    audit = OrderAudit()
    check(audit, "a", number(2))
    records = [Record(seq, key, b"", set()) for seq, key in enumerate("ab")]
    results = [Result(error_code="InternalFailure"), Result(shard_id="shardId-0", sequence_number=number(1))]
    assert not audit.check(records, results)
    assert check(audit, "a", number(1))


def test_keys_that_were_not_seen_for_long_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(order_audit, "KEYS", 3)
    audit = OrderAudit()
    for key in "abc":
        check(audit, key, number(2))
    for key in "axy":
        check(audit, key, number(3))
    assert check(audit, "a", number(1))
    assert not check(audit, "b", number(1))
