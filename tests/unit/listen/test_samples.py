from __future__ import annotations

from collections.abc import Iterable

from forwarder.listen.samples import POINTS, Rates, Sample, Samples
from forwarder.metrics.digest import Digest
from forwarder.store.listeners import Second


def sampled(samples: Iterable[Sample]) -> Samples:
    kept = Samples()
    for sample in samples:
        kept.add(sample)
    return kept


def sample(at: float, **members: object) -> Sample:
    return Sample(at=at, **{"stored": {}, "throttled": {}, **members})  # type: ignore[arg-type]


def test_rates_are_of_the_last_minute_alone() -> None:
    # A thousand a second for a minute, then ten a second for another one.
    counts = [1000 * min(second, 60) + 10 * max(0, second - 60) for second in range(121)]
    samples = sampled(
        sample(float(at), captured=count, delivered=count, bytes=count) for at, count in enumerate(counts)
    )
    rates = samples.rates()
    assert (rates.captured_per_second, rates.delivered_per_second, rates.bytes_per_second) == (10.0, 10.0, 10.0)
    assert samples.now == Second(captured=10.0, delivered=10.0)


def test_nothing_is_told_of_one_sample() -> None:
    assert sampled([sample(0.0, captured=5)]).rates() == Rates()
    assert sampled([sample(0.0, captured=5)]).points == ()


def test_rates_divide_by_the_time_that_has_passed() -> None:
    samples = sampled([sample(0.0), sample(4.0, captured=8, delivered=4)])
    assert samples.rates().captured_per_second == 2.0
    assert samples.now.delivered == 1.0


def test_points_are_kept_for_a_quarter_of_an_hour() -> None:
    samples = sampled(sample(float(at), captured=at * at) for at in range(POINTS + 100))
    assert len(samples.points) == POINTS
    # The oldest is of the second that ended at 100.
    assert samples.points[0].captured == 100 * 100 - 99 * 99


def test_shards_have_their_share_and_throttles_of_the_last_minute() -> None:
    samples = sampled(
        [
            sample(0.0, stored={"a": 100, "b": 5}, throttled={"b": 7}),
            sample(1.0, stored={"a": 103, "b": 6}, throttled={"b": 9, "c": 1}),
        ]
    )
    shards = {shard.name: (shard.share, shard.throttles) for shard in samples.rates().shards}
    assert shards == {"a": (0.75, 0), "b": (0.25, 2), "c": (0.0, 1)}


def test_how_fast_a_backlog_falls_is_told_by_the_samples_that_know_it() -> None:
    samples = sampled(sample(float(at), backlog=backlog) for at, backlog in enumerate([None, 900, 850, 700, None]))
    assert samples.rates().backlog_fall_per_second == 100.0
    assert sampled([sample(0.0), sample(1.0, backlog=3)]).rates().backlog_fall_per_second is None


def test_percentiles_are_of_the_requests_in_between() -> None:
    before, after = Digest(), Digest()
    before.add(5.0, 100)
    after.add(5.0, 100)
    after.add(0.1, 10)
    samples = sampled([sample(0.0, requests=before.counts), sample(1.0, requests=after.counts)])
    assert samples.now.p99_ms is not None
    assert 80 < samples.now.p99_ms < 125
    assert samples.rates().requests_per_second == 10.0
    assert samples.rates().latency_p50_ms is None
