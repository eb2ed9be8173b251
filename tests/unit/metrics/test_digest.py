from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from forwarder.metrics.digest import Digest, quantile


def test_of_nothing_there_is_no_percentile() -> None:
    assert quantile(Digest().counts, 0.5) is None


@given(st.lists(st.floats(0.0002, 1000.0), min_size=1, max_size=200), st.sampled_from([0.5, 0.99]))
def test_a_percentile_is_right_to_a_fifth_of_itself(seconds: list[float], part: float) -> None:
    digest = Digest()
    for one in seconds:
        digest.add(one)
    found = quantile(digest.counts, part)
    # The smallest value that at least this part of all does not exceed.
    ordered = sorted(seconds)
    exact = next(value for place, value in enumerate(ordered, start=1) if place >= part * len(ordered))
    assert found is not None
    assert exact / 1.2 <= found <= exact * 1.2


def test_what_grew_between_two_looks_has_percentiles_of_its_own() -> None:
    digest = Digest()
    digest.add(10.0, 1000)
    before = digest.counts
    digest.add(0.002, 10)
    grown = [after - then for after, then in zip(digest.counts, before, strict=True)]
    found = quantile(grown, 0.99)
    assert found is not None
    assert 0.0016 < found < 0.0025


def test_what_is_shorter_or_longer_than_all_buckets_counts_in_the_outermost() -> None:
    digest = Digest()
    for seconds in (0.0, 1e-9, 1e9):
        digest.add(seconds)
    assert (digest.counts[0], digest.counts[-1]) == (2, 1)
