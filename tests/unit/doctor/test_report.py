"""``forwarder.doctor.report`` and how it is shown."""

from forwarder.cli.check_lines import plain_lines, summary
from forwarder.doctor.finding import Verdict, failure, note, ok, warning
from forwarder.doctor.report import Report, Section

REPORT = Report(
    sections=[
        Section(area="tables", findings=[failure("triggers", "off", remedy="migrate"), ok("keys", "good")]),
        Section(area="outbox", findings=[ok("size", "small")]),
        Section(area="clock", findings=[warning("clock", "slow"), note("zone", "odd\x1b[2J")]),
    ]
)


def test_the_worst_is_shown_last_and_counted_first() -> None:
    assert list(plain_lines(REPORT)) == [
        "ok       outbox, size: small",
        "note     clock, zone: odd\\u001b[2J",
        "warning  clock, clock: slow",
        "ok       tables, keys: good",
        "failure  tables, triggers: off -> migrate",
    ]
    assert summary(REPORT) == "failure: 1, warning: 1, note: 1, ok: 2"


def test_a_report_is_as_bad_as_the_worst_in_it() -> None:
    assert REPORT.worst is Verdict.FAILURE
    assert Report(sections=REPORT.sections[1:]).worst is Verdict.WARNING
    assert Report(sections=[]).worst is Verdict.OK
