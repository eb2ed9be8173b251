"""``forwarder.doctor.stream``."""

from __future__ import annotations

from dataclasses import replace

from forwarder.config.sink_url import KinesisTarget
from forwarder.doctor.finding import Verdict
from forwarder.doctor.stream import judge_rehearsal, judge_stream
from tests.checking import STREAM

OK, NOTE, WARNING, FAILURE = Verdict
TARGET = KinesisTarget(stream="changes")


def test_a_stream_is_judged_by_its_state_and_whether_it_heeds_keys() -> None:
    def judged(objection: str | None = None, **told: str | None) -> dict[str, Verdict]:
        found = judge_stream(replace(STREAM, **told), TARGET, objection, max_record_bytes=1 << 20)  # type: ignore[arg-type]
        return {one.subject: one.verdict for one in found}

    assert judged() == {"stream": OK, "order": OK, "record limit": OK, "encryption": OK}
    assert judged(status="CREATING")["stream"] is WARNING
    assert judged(status="DELETING")["stream"] is FAILURE
    assert judged(mode="ON_DEMAND", distribution="USER_PARTITION_KEY")["order"] is OK
    assert judged("it ignores keys; set it back", mode="ON_DEMAND", distribution="AUTO")["order"] is FAILURE
    assert judged(mode="ON_DEMAND", distribution="AUTO")["order"] is OK
    assert judged(mode=None)["order"] is NOTE
    assert judge_rehearsal(would_succeed=True).verdict is OK
    assert "`forwarder ecs`" in (judge_rehearsal(would_succeed=False).remedy or "")
