"""``forwarder.doctor.schema``."""

from __future__ import annotations

from dataclasses import replace

import pytest

from forwarder.doctor.finding import Verdict
from forwarder.doctor.own_role import OwnRole
from forwarder.doctor.schema import judge_presence
from tests.checking import LISTENER, OWNER, as_found

OK, NOTE, WARNING, FAILURE = Verdict


@pytest.mark.parametrize(
    ("role", "verdict", "remedy"),
    [
        (OWNER, OK, ""),
        (replace(OWNER, has_schema=False, may_use_schema=False), FAILURE, "forwarder migrate"),
        (
            replace(LISTENER, may_use_schema=False),
            FAILURE,
            "forwarder migrate --runtime-role listener, as app_owner",
        ),
    ],
)
def test_a_schema_that_cannot_be_looked_into_is_a_failure(role: OwnRole, verdict: Verdict, remedy: str) -> None:
    assert as_found(judge_presence(role)) == (verdict, remedy)
