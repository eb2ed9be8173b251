"""``forwarder.doctor.delivery``."""

from __future__ import annotations

from forwarder.database.lock_holders import Holder
from forwarder.database.sessions import application_name
from forwarder.doctor.delivery import judge_letters, judge_sinks, judge_standbys
from forwarder.doctor.finding import Verdict
from tests.checking import as_found

OK, NOTE, WARNING, FAILURE = Verdict


def test_sinks_that_nobody_names_and_those_that_nobody_served_are_told_apart() -> None:
    served = Holder(
        pid=7,
        prepared=None,
        role="app",
        application=application_name("leader"),
        address=None,
        is_exclusive=True,
        may_lead=True,
    )
    assert [one.verdict for one in judge_sinks({"a": [served], "b": [served]}, ["a"], {})] == [OK, OK]
    # Without settings nobody knows.
    [unserved] = judge_sinks({"old": []}, [], {})
    assert as_found(unserved) == (WARNING, "start `forwarder listen`")
    left, never = judge_sinks({"old": []}, ["new"], {})
    assert as_found(left) == (WARNING, "forwarder sinks remove old, if it is not needed any more")
    assert never.verdict is NOTE
    # A listener that waits for its stream does not lead yet, and is there.
    for holders in ([served], []):
        [stuck] = judge_sinks({"a": holders}, ["a"], {"a": "no such stream; create it"})
        assert (stuck.text, *as_found(stuck)) == ("sink 'a' is stuck: no such stream", FAILURE, "create it")
    assert judge_standbys(0, leads_anybody=True).verdict is NOTE
    assert judge_standbys(0, leads_anybody=False).verdict is OK
    assert judge_standbys(1, leads_anybody=True).verdict is OK
    [letters] = judge_letters({"a": (12, 2)})
    assert letters.text == "sink 'a' has 12, 2 of them since their stream cannot be written to"
