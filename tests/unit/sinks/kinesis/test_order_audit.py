from __future__ import annotations

from collections.abc import Sequence

import pytest

from forwarder.sinks.kinesis.answer import Result, answer_of
from forwarder.sinks.kinesis.order_audit import OrderAudit, Regression

# As long as those of AWS, and alike but for the digits that count.
BASE = 49_590_000_000_000_000_000_000_000_000_000_000_000_000_000_000_000_000_000


def number(index: int) -> str:
    return str(BASE + index)


def stored(sequence_number: str, *, shard: str = "shardId-0") -> Result:
    return Result(shard_id=shard, sequence_number=sequence_number)


def check(audit: OrderAudit, *results: Result) -> Sequence[Regression]:
    """One request after the other."""
    return audit.check(answer_of(results), audit.marks())


def test_a_shard_whose_numbers_rise_is_in_order() -> None:
    audit = OrderAudit()
    assert not any(check(audit, stored(number(index))) for index in (1, 2, 10, 11))


@pytest.mark.parametrize(("before", "after"), [(number(2), number(1)), (number(2), number(2)), ("10", "9")])
def test_a_number_that_does_not_rise_is_a_regression(before: str, after: str) -> None:
    audit = OrderAudit()
    check(audit, stored(before))
    assert check(audit, stored(after)) == [Regression(shard_id="shardId-0", before=before, after=after)]


def test_numbers_of_different_lengths_are_compared_as_numbers() -> None:
    audit = OrderAudit()
    check(audit, stored("9"))
    assert not check(audit, stored("10"))


def test_within_a_request_the_records_are_of_different_keys_and_may_be_stored_in_any_order() -> None:
    audit = OrderAudit()
    assert not check(audit, stored(number(2)), stored(number(1)))
    assert not check(audit, stored(number(4)), stored(number(3)))
    assert len(check(audit, stored(number(3)))) == 1


def test_requests_that_are_under_way_together_may_be_stored_in_any_order() -> None:
    audit = OrderAudit()
    check(audit, stored(number(1)))
    marks = audit.marks()
    assert not check(audit, stored(number(3)))
    assert not audit.check(answer_of([stored(number(2))]), marks)
    # But not before what was acknowledged when they were sent.
    assert len(audit.check(answer_of([stored(number(0))]), marks)) == 1


def test_what_is_answered_late_does_not_lower_the_mark() -> None:
    audit = OrderAudit()
    marks = audit.marks()
    check(audit, stored(number(3)))
    audit.check(answer_of([stored(number(1))]), marks)
    assert len(check(audit, stored(number(2)))) == 1


def test_shards_are_independent_of_each_other() -> None:
    audit = OrderAudit()
    check(audit, stored(number(2)))
    assert not check(audit, stored(number(1), shard="shardId-1"))
    assert len(check(audit, stored(number(0), shard="shardId-1"))) == 1


def test_a_rejected_record_says_nothing() -> None:
    audit = OrderAudit()
    check(audit, stored(number(2)))
    assert not check(audit, Result(error_code="InternalFailure"), stored(number(3)))
    assert len(check(audit, stored(number(3)))) == 1


def test_a_shard_that_has_begun_anew_is_told_of_once_and_what_it_says_then_counts() -> None:
    audit = OrderAudit()
    check(audit, stored(number(9)))
    assert len(check(audit, stored(number(5)), stored(number(4)), stored(number(3)))) == 1
    assert not check(audit, stored(number(6)))
    assert len(check(audit, stored(number(6)))) == 1


def test_within_an_answer_that_contradicts_the_highest_number_counts() -> None:
    audit = OrderAudit()
    check(audit, stored(number(9)))
    check(audit, stored(number(5)), stored(number(3)))
    assert len(check(audit, stored(number(4)))) == 1
