"""``forwarder.doctor.capacity``."""

from __future__ import annotations

from dataclasses import replace

import pytest

from forwarder.config.sink_url import KinesisTarget
from forwarder.doctor.capacity import judge_capacity
from forwarder.doctor.finding import Verdict
from forwarder.doctor.load import Load
from tests.checking import STREAM

OK, NOTE, WARNING, FAILURE = Verdict
TARGET = KinesisTarget(stream="changes")


@pytest.mark.parametrize(
    ("changes", "size", "told", "verdict"),
    [
        (100.0, 1e5, {}, OK),
        # 1,600 records a second, and two shards that take 2,000.
        (1600.0, 1e5, {}, WARNING),
        (1600.0, 1e5, {"aggregation": "kpl"}, OK),
        # 3 MB a second.
        (100.0, 3e6, {"aggregation": "kpl"}, WARNING),
    ],
)
def test_shards_are_compared_with_the_load(changes: float, size: float, told: dict[str, str], verdict: Verdict) -> None:
    load = Load(changes_per_second=changes, bytes_per_second=size)
    target = replace(TARGET, **told)  # type: ignore[arg-type]
    assert judge_capacity(load, STREAM, target).verdict is verdict
    on_demand = judge_capacity(load, replace(STREAM, mode="ON_DEMAND"), target)
    assert on_demand.verdict is (NOTE if verdict is WARNING else OK)
    assert judge_capacity(None, STREAM, target).verdict is NOTE
