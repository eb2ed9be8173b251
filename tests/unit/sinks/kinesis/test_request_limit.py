"""The size of requests, and the verdict on records, against gateways of all kinds in virtual time."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

import pytest

from forwarder.sinks.kinesis.request_limit import (
    LEAST_BYTES,
    PROBE_SECONDS,
    PROOF_SECONDS,
    RETRY_SECONDS,
    TRIAL_GAP_SECONDS,
    TRIAL_SECONDS,
    RequestLimit,
    Verdict,
)

MAX = 10 << 20
RTT = 0.01
OUTAGE, ON_TRIAL, TOO_LARGE = Verdict.OUTAGE, Verdict.ON_TRIAL, Verdict.TOO_LARGE


def overhead(size: int) -> int:
    """The body for so many bytes of data and keys."""
    return size * 4 // 3 + 100


class Traffic:
    """One request after the other, each as large as may be, through a gateway that lets a body pass or does not."""

    def __init__(self, passes: Callable[[int, float], bool]) -> None:
        self.limit = RequestLimit(max_bytes=MAX)
        self.now = 0.0
        self.sizes: list[int] = []
        self.refusals = 0
        self._passes = passes

    def request(self, size: int) -> bool:
        self.now += RTT
        body = overhead(size)
        if self._passes(body, self.now):
            self.limit.passed(size, body_bytes=body, now=self.now)
            self.sizes.append(size)
            return True
        self.refusals += 1
        self.limit.refused(size, body_bytes=body, now=self.now)
        return False

    def alone(self, size: int, *, seq: int = 1) -> Verdict | None:
        self.now += RTT
        body = overhead(size)
        if self._passes(body, self.now):
            self.limit.passed(size, body_bytes=body, now=self.now)
            return None
        return self.limit.judge(seq, body_bytes=body, now=self.now)

    def run(self, *, until: float, size: int = MAX) -> None:
        while self.now < until:
            self.request(min(size, self.limit.bytes))


def gateway(limit: int) -> Callable[[int, float], bool]:
    return lambda body, now: body <= limit


@pytest.mark.parametrize("limit", [8 << 10, 10_000, 1 << 20, 5_000_000])
def test_behind_a_fixed_limit_hardly_a_request_is_refused_and_most_are_of_its_order(limit: int) -> None:
    traffic = Traffic(gateway(limit))
    traffic.run(until=60.0)
    assert traffic.refusals < len(traffic.sizes) / 50
    assert sum(traffic.sizes) / len(traffic.sizes) > limit / 4


def test_the_limit_grows_back_within_seconds_after_the_gateway_is_mended() -> None:
    traffic = Traffic(lambda body, now: now > 60.0 or body <= 8192)
    traffic.run(until=60.0)
    traffic.run(until=60.0 + PROBE_SECONDS + 1.0)
    assert traffic.limit.bytes == MAX
    assert traffic.limit.is_untried


def test_single_refusals_now_and_then_do_not_keep_the_limit_from_growing() -> None:
    traffic = Traffic(lambda body, now: now > 20.0 or body <= 8192)
    traffic.run(until=20.0)
    while traffic.now < 40.0:
        traffic.run(until=traffic.now + 1.0)
        traffic.limit.judge(1, body_bytes=MAX * 2, now=traffic.now)
    assert traffic.limit.bytes == MAX


def test_after_two_seconds_in_which_nothing_passes_nothing_is_too_large_and_requests_are_large_at_once() -> None:
    traffic = Traffic(lambda body, now: not 1.0 < now < 3.0)
    traffic.run(until=1.0, size=10_000)
    verdicts = []
    while traffic.now < 3.0 - 2 * RTT:
        traffic.request(min(10_000, traffic.limit.bytes))
        verdicts.append(traffic.alone(400))
    assert TOO_LARGE not in verdicts
    assert set(verdicts[len(verdicts) * 3 // 4 :]) == {OUTAGE}
    traffic.run(until=3.2)
    assert traffic.limit.bytes == MAX


def test_requests_are_not_divided_below_what_a_gateway_could_mean() -> None:
    limit = RequestLimit(max_bytes=MAX)
    size, divided = MAX, 0
    while limit.refused(size, body_bytes=overhead(size), now=0.0):
        size, divided = limit.bytes, divided + 1
    assert size == limit.bytes == LEAST_BYTES
    assert divided == 14


def test_a_record_that_stays_refused_while_smaller_ones_pass_is_too_large_after_its_trial() -> None:
    traffic = Traffic(gateway(8192))
    assert traffic.alone(20_000) is OUTAGE
    began = traffic.now
    verdict: Verdict | None = ON_TRIAL
    while verdict is ON_TRIAL:
        traffic.run(until=traffic.now + RETRY_SECONDS)
        verdict = traffic.alone(20_000)
    assert verdict is TOO_LARGE
    assert TRIAL_SECONDS <= traffic.now - began < TRIAL_SECONDS + 2 * RETRY_SECONDS + 1.0


def tried(traffic: Traffic, size: int, *, seq: int = 1, small: int = 100) -> None:
    """Put a record on trial until it is too large."""
    traffic.request(MAX)
    traffic.request(small)
    while traffic.alone(size, seq=seq) is not TOO_LARGE:
        traffic.now += RETRY_SECONDS
        traffic.request(small)


def test_what_is_as_large_as_what_was_proved_too_large_needs_no_trial_for_a_while() -> None:
    traffic = Traffic(gateway(8192))
    tried(traffic, 20_000)
    assert traffic.alone(20_000, seq=2) is TOO_LARGE
    assert traffic.alone(30_000, seq=3) is TOO_LARGE
    assert traffic.alone(19_000, seq=4) is ON_TRIAL
    traffic.now += PROOF_SECONDS + 1.0
    traffic.request(100)
    assert traffic.alone(20_000, seq=5) is ON_TRIAL


def test_the_proof_does_not_outlive_the_limit() -> None:
    limits = {"now": 8192}
    traffic = Traffic(lambda body, _: body <= limits["now"])
    tried(traffic, 20_000)
    limits["now"] = MAX
    assert traffic.request(25_000)
    limits["now"] = 8192
    assert traffic.alone(20_000, seq=2) is ON_TRIAL


def test_a_record_of_exactly_the_limit_passes_and_one_that_is_larger_by_a_byte_is_too_large() -> None:
    limit = RequestLimit(max_bytes=MAX)
    limit.refused(8000, body_bytes=9000, now=0.0)
    now, verdict = 0.0, ON_TRIAL
    while verdict is ON_TRIAL:
        now += 1.0
        limit.passed(6000, body_bytes=8192, now=now)
        verdict = limit.judge(1, body_bytes=8193, now=now)
    assert verdict is TOO_LARGE
    assert now <= TRIAL_SECONDS + 2.0


def test_a_trial_begins_anew_when_something_passes_that_is_as_large() -> None:
    traffic = Traffic(lambda body, now: body <= 8192 or 25.0 < now < 25.05)
    traffic.request(MAX)
    while traffic.now < 25.0:
        traffic.now += 1.0
        traffic.request(100)
        assert traffic.alone(20_000) in (ON_TRIAL, None)
    traffic.now = 25.01
    assert traffic.request(30_000)
    while traffic.now < 25.0 + TRIAL_SECONDS:
        traffic.now += 1.0
        traffic.request(100)
        assert traffic.alone(20_000) is ON_TRIAL


def test_a_record_that_was_not_tried_for_long_has_its_trial_from_the_beginning() -> None:
    traffic = Traffic(gateway(8192))
    traffic.request(MAX)
    traffic.request(100)
    assert traffic.alone(20_000) is ON_TRIAL
    traffic.now += TRIAL_GAP_SECONDS + 1.0
    traffic.request(100)
    assert traffic.alone(20_000) is ON_TRIAL


def test_what_fails_otherwise_between_two_refusals_is_no_part_of_a_trial() -> None:
    traffic = Traffic(gateway(8192))
    traffic.request(MAX)
    traffic.request(100)
    assert traffic.alone(20_000) is ON_TRIAL
    # Nothing of this is answered by 413: no server is there, or the stream says that it is busy.
    while traffic.now < 1.5 * TRIAL_SECONDS:
        traffic.now += RETRY_SECONDS
        traffic.request(100)
        traffic.limit.failed([1])
    assert traffic.alone(20_000) is ON_TRIAL
    assert traffic.alone(20_000, seq=2) is ON_TRIAL


@pytest.mark.parametrize("every", [2, 3, 10])
def test_a_record_that_fails_otherwise_now_and_then_is_too_large_after_its_trial_all_the_same(every: int) -> None:
    traffic = Traffic(gateway(8192))
    traffic.request(MAX)
    verdict: Verdict | None = ON_TRIAL
    tries = 0
    while verdict is ON_TRIAL or tries == 0:
        tries += 1
        traffic.now += RETRY_SECONDS
        traffic.request(100)
        if tries % (every + 1):
            verdict = traffic.alone(20_000)
        else:
            traffic.limit.failed([1])
    assert verdict is TOO_LARGE
    assert TRIAL_SECONDS <= traffic.now < 4 * TRIAL_SECONDS


def test_two_refusals_between_which_it_was_not_tried_are_no_proof() -> None:
    traffic = Traffic(gateway(8192))
    traffic.request(MAX)
    traffic.request(100)
    assert traffic.alone(20_000) is ON_TRIAL
    traffic.now += TRIAL_GAP_SECONDS - 1.0
    traffic.request(100)
    assert traffic.alone(20_000) is ON_TRIAL


def test_while_nothing_else_is_sent_nothing_is_too_large() -> None:
    traffic = Traffic(gateway(8192))
    traffic.request(MAX)
    traffic.request(100)
    assert traffic.alone(20_000) is ON_TRIAL
    for _ in range(100):
        traffic.now += RETRY_SECONDS
        assert traffic.alone(20_000) is OUTAGE


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("refused", [0.2, 0.5, 0.8])
def test_a_gateway_that_refuses_at_random_condemns_no_record(seed: int, refused: float) -> None:
    chance = Random(seed)
    traffic = Traffic(lambda body, now: chance.random() >= refused)
    sizes = [chance.randrange(200, 5000) for _ in range(50)]
    waiting = dict(enumerate(sizes))
    due = dict.fromkeys(waiting, 0.0)
    while traffic.now < 120.0:
        traffic.request(min(traffic.limit.bytes, chance.choice([300, 3000, 50_000])))
        for seq, size in waiting.items():
            if due[seq] <= traffic.now:
                verdict = traffic.alone(size, seq=seq)
                assert verdict is not TOO_LARGE
                due[seq] = traffic.now + traffic.limit.retry_seconds(seq)


def test_more_than_a_thousand_records_that_are_too_large_cost_few_requests_and_one_trial() -> None:
    traffic = Traffic(gateway(8192))
    traffic.request(MAX)
    waiting = dict.fromkeys(range(1500), 0.0)
    tries = 0
    while waiting and traffic.now < 200.0:
        traffic.now += 0.1
        traffic.request(100)
        for seq in [seq for seq, due in waiting.items() if due <= traffic.now]:
            now, tries = traffic.now, tries + 1
            if traffic.alone(20_000 + seq, seq=seq) is TOO_LARGE:
                del waiting[seq]
            else:
                waiting[seq] = now + traffic.limit.retry_seconds(seq)
            traffic.now = now
    assert not waiting
    assert traffic.now < 3 * TRIAL_SECONDS
    assert tries < 10 * 1500
