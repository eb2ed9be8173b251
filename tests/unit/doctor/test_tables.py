"""``forwarder.doctor.tables``."""

from __future__ import annotations

from forwarder.doctor.finding import Verdict
from forwarder.doctor.roles import TableRights
from forwarder.doctor.tables import judge_partitions
from tests.checking import as_found

OK, NOTE, WARNING, FAILURE = Verdict
TABLE = TableRights(quoted="public.orders", schema="public", may_trigger=True, may_select=True, hides_rows=False)


def test_partitions_that_are_none_any_more_are_named() -> None:
    assert [one.verdict for one in judge_partitions(half=(), detached=())] == [OK]
    half, gone = judge_partitions(half=[("public.p1", "public.p")], detached=["public.p0"])
    assert as_found(half) == (WARNING, "ALTER TABLE public.p DETACH PARTITION public.p1 FINALIZE")
    assert gone.verdict is NOTE
    assert "public.p0" in gone.text
