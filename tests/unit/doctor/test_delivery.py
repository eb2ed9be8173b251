"""``forwarder.doctor.delivery``."""

from __future__ import annotations

from forwarder.doctor.delivery import judge_letters, judge_names, judge_standbys
from forwarder.doctor.finding import Verdict
from tests.checking import as_found

OK, NOTE, WARNING, FAILURE = Verdict


def test_sinks_that_nobody_names_and_those_that_nobody_served_are_told_apart() -> None:
    assert list(judge_names(["a"], ["a"])) == []
    # Without settings nobody knows.
    assert list(judge_names(["a"], [])) == []
    never, left = judge_names(["old"], ["new"])
    assert never.verdict is NOTE
    assert as_found(left) == (WARNING, "forwarder sinks remove old, if nobody serves it any more")
    assert judge_standbys(0, leads_anybody=True).verdict is NOTE
    assert judge_standbys(0, leads_anybody=False).verdict is OK
    assert judge_standbys(1, leads_anybody=True).verdict is OK
    [letters] = judge_letters({"a": (12, 2)})
    assert letters.text == "sink 'a' has 12, 2 of them since their stream cannot be written to"
