"""How commands read a seq and a time that somebody has typed."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from forwarder.cli.options import MAX_SEQ, seq_of, time_of

NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "time"),
    [
        ("2026-01-31T12:00:00Z", NOON),
        ("2026-01-31T12:00", NOON),
        ("2026-01-31 13:00:00+01:00", NOON),
        ("2026-01-31", datetime(2026, 1, 31, tzinfo=UTC)),
        ("yesterday", None),
        ("", None),
        # In UTC it would be before the year 1.
        ("0001-01-01T00:00:00+14:00", None),
    ],
)
def test_a_time_is_that_of_utc_if_it_names_no_zone(text: str, time: datetime | None) -> None:
    assert time_of(text) == time


@pytest.mark.parametrize(
    ("text", "seq"),
    [
        ("1", 1),
        (str(MAX_SEQ), MAX_SEQ),
        (str(MAX_SEQ + 1), None),
        ("0", None),
        ("-5", None),
        ("1.5", None),
        ("9" * 5000, None),
    ],
)
def test_a_seq_is_a_whole_number_that_a_change_can_have(text: str, seq: int | None) -> None:
    assert seq_of(text) == seq
