from __future__ import annotations

import pytest

from forwarder.local.kinesis.log import ShardLog
from forwarder.local.kinesis.sequence import Numbering
from forwarder.local.kinesis.subscription import LIFETIME_SECONDS, Subscription

MEBIBYTE = 1 << 20


def log_of(*sizes: int) -> ShardLog:
    log = ShardLog(Numbering(shard_number=0, created_second=0), discard=False)
    for size in sizes:
        log.append(bytes(size), "", now=0.0)
    return log


def subscribe(log: ShardLog, *, limits: bool = True) -> Subscription:
    return Subscription(log, shard_number=0, position=0, limits=limits, now=0.0)


def test_two_mebibytes_a_second_are_sent_on_average() -> None:
    log = log_of(8 * MEBIBYTE)
    subscription = subscribe(log)
    assert subscription.wait_seconds(now=0.0) == 0.0
    assert subscription.read(now=0.0).size == 8 * MEBIBYTE
    assert subscription.wait_seconds(now=0.0) == pytest.approx(3.0, abs=0.001)
    assert subscription.wait_seconds(now=3.1) == 0.0


def test_without_limits_nothing_waits() -> None:
    subscription = subscribe(log_of(8 * MEBIBYTE), limits=False)
    subscription.read(now=0.0)
    assert subscription.wait_seconds(now=0.0) == 0.0


def test_what_is_read_is_not_read_again() -> None:
    log = log_of(1, 2)
    subscription = subscribe(log)
    assert len(subscription.read(now=0.0).records) == 2
    assert subscription.read(now=0.0).records == []
    log.append(b"three", "", now=0.0)
    assert [record.data for record in subscription.read(now=0.0).records] == [b"three"]


def test_a_subscription_is_over_after_five_minutes() -> None:
    subscription = subscribe(log_of())
    assert [subscription.is_over(now=now) for now in (LIFETIME_SECONDS - 1, LIFETIME_SECONDS)] == [False, True]
