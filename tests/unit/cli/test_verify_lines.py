"""What `forwarder verify` prints."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from forwarder.cli.verify_lines import Lines
from forwarder.cli.verify_outcome import Outcome
from forwarder.verify.coverage import Coverage
from forwarder.verify.fold import Counts
from forwarder.verify.verification import Difference, Kind, Tally


def difference(kind: Kind = "stale", **members: Any) -> Difference:
    return Difference(kind=kind, **{"key": {"id": 42, "region": "eu west"}, "columns": ("total",), **members})


def lines(*, limit: int = 20, values: bool = False, as_json: bool = False) -> Lines:
    return Lines(limit=limit, values=values, as_json=as_json)


def test_a_line_has_the_kind_the_key_and_the_columns(capsys: pytest.CaptureFixture[str]) -> None:
    lines().tell(difference(ours={"total": "secret"}, theirs={"total": "secret"}))
    assert capsys.readouterr().out == 'stale    id=42, region="eu west"  total\n'


@pytest.mark.parametrize(
    ("kind", "rows", "shown"),
    [
        ("stale", {"ours": {"total": Decimal("1.10")}, "theirs": {}}, "total: 1.10, in the record none"),
        ("missing", {"ours": {"total": None, "note": {"a": [1]}}}, 'total=null, note={"a":[1]}'),
        ("extra", {"theirs": {"total": "\ud800"}}, 'total="\\ud800"'),
        ("extra", {"theirs": {"total": "a\x1b[2J"}}, 'total="a\\u001b[2J"'),
    ],
)
def test_values_are_shown_as_they_are(
    capsys: pytest.CaptureFixture[str], kind: Kind, rows: dict[str, Any], shown: str
) -> None:
    lines(values=True).tell(difference(kind, **rows, columns=("total",)))
    assert capsys.readouterr().out.endswith(f"  {shown}\n")


def test_json_has_numbers_to_the_last_digit(capsys: pytest.CaptureFixture[str]) -> None:
    written = lines(as_json=True, values=True)
    written.tell(difference(ours={"total": Decimal("12345678901234567890.10")}, theirs={"total": "\udfff"}))
    written.tell(difference(ours={"total": Decimal("12345678901234567890.10")}))
    assert '"total":12345678901234567890.10' in capsys.readouterr().out.splitlines()[1]


def test_the_summary_says_what_was_not_judged(capsys: pytest.CaptureFixture[str]) -> None:
    tally = Tally(rows=1000, missing=1, untold=2, unknown=1, unreadable_keys=3, only_ours={"new"}, only_theirs={"old"})
    outcome = Outcome(
        table="public.orders",
        tally=tally,
        counts=Counts(records=5, changes=4, unreadable=1, without_row=1, foreign=1, other_format=1),
        coverage=Coverage(oldest_at=datetime(2026, 1, 2, 12, tzinfo=UTC), gaps={"capture paused"}),
        remarks=["so it is"],
    )
    lines(limit=0).end(outcome)
    told = capsys.readouterr().err.splitlines()
    assert told[0] == "forwarder: 1 more differences are not shown; see --limit"
    assert "1,000 rows compared with 4 changes in 5 records" in told[1]
    assert told[1].endswith("1 missing, 0 stale, 0 extra")
    assert len(told) == 13
    lines(as_json=True).end(outcome)
    summary = json.loads(capsys.readouterr().out)["summary"]
    assert (summary["rows"], summary["not_judged"], len(summary["remarks"])) == (1000, 6, 11)
