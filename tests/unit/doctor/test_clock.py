"""``forwarder.doctor.clock``."""

from __future__ import annotations

import pytest

from forwarder.doctor.clock import judge_aws_clock, judge_database_clock
from forwarder.doctor.finding import Verdict

OK, NOTE, WARNING, FAILURE = Verdict


@pytest.mark.parametrize(
    ("off_seconds", "by_database", "by_aws"),
    [(0.01, OK, OK), (-0.9, OK, OK), (5.0, WARNING, OK), (-90.0, WARNING, WARNING), (299.0, WARNING, FAILURE)],
)
def test_a_clock_is_judged_by_what_depends_on_it(off_seconds: float, by_database: Verdict, by_aws: Verdict) -> None:
    assert judge_database_clock(off_seconds).verdict is by_database
    assert judge_aws_clock(off_seconds).verdict is by_aws
