"""``forwarder.doctor.credentials``."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from forwarder.aws.credentials_source import CredentialsSource
from forwarder.doctor.credentials import judge_credentials
from forwarder.doctor.finding import Verdict

OK, NOTE, WARNING, FAILURE = Verdict
NOW = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("method", "is_temporary", "minutes", "verdict"),
    [
        ("env", False, None, NOTE),
        ("env", True, None, WARNING),
        ("container-role", True, 200, OK),
        ("container-role", True, 2, WARNING),
        ("assume-role", True, -5, WARNING),
    ],
)
def test_credentials_are_good_as_long_as_somebody_renews_them(
    method: str, minutes: int | None, verdict: Verdict, *, is_temporary: bool
) -> None:
    source = CredentialsSource(
        method=method,
        is_temporary=is_temporary,
        ends_at=None if minutes is None else NOW + timedelta(minutes=minutes),
        is_renewed=minutes is not None,
    )
    assert judge_credentials(source, now=NOW).verdict is verdict


def test_without_credentials_nothing_can_be_sent() -> None:
    assert judge_credentials(None, now=NOW).verdict is FAILURE
