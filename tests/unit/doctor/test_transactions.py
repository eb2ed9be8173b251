"""``forwarder.doctor.transactions``."""

from __future__ import annotations

from dataclasses import replace

from forwarder.doctor.finding import Verdict
from forwarder.doctor.transactions import Slot, Transaction, judge_slots, judge_transactions, judge_vacuum
from tests.checking import OWNER, as_found

OK, NOTE, WARNING, FAILURE = Verdict


def transaction(*, seconds: float | None, held_ids: int = 0) -> Transaction:
    return Transaction(who="role app, pid 7", state="idle", seconds=seconds, held_ids=held_ids, remedy="SELECT end(7)")


def test_a_transaction_is_judged_by_its_age_or_by_what_it_holds_back() -> None:
    def judged(*found: Transaction) -> list[Verdict]:
        return [one.verdict for one in judge_transactions(found, OWNER)]

    assert judged() == [OK]
    assert judged(transaction(seconds=2.0), transaction(seconds=3.0)) == [OK]
    assert judged(transaction(seconds=400.0)) == [NOTE]
    assert judged(transaction(seconds=4000.0), transaction(seconds=1.0)) == [WARNING]
    # Since when is hidden.
    assert judged(transaction(seconds=None, held_ids=2_000_000)) == [WARNING]
    hidden = judge_transactions((), replace(OWNER, sees_all_sessions=False))
    assert as_found(hidden[-1]) == (NOTE, "GRANT pg_read_all_stats TO app_owner")
    [named] = judge_transactions([transaction(seconds=4000.0)], OWNER)
    assert named.remedy == "end it, if it is forgotten: SELECT end(7)"


def test_a_slot_that_nobody_reads_is_warned_of_when_it_keeps_much() -> None:
    def judged(*, is_active: bool, held_ids: int = 0, kept_bytes: int = 0) -> Verdict:
        [one] = judge_slots([Slot(name="'s'", is_active=is_active, held_ids=held_ids, kept_bytes=kept_bytes)])
        return one.verdict

    assert [one.verdict for one in judge_slots([])] == [OK]
    assert judged(is_active=True, kept_bytes=2 << 30) is OK
    assert judged(is_active=True, held_ids=2_000_000) is WARNING
    assert judged(is_active=False) is NOTE
    assert judged(is_active=False, kept_bytes=2 << 30) is WARNING


def test_a_database_that_nobody_vacuums_comes_to_an_end() -> None:
    assert [one.verdict for one in judge_vacuum(is_on=True, oldest_age=1000)] == [OK]
    assert [one.verdict for one in judge_vacuum(is_on=False, oldest_age=1_200_000_000)] == [WARNING, WARNING]
    assert [one.verdict for one in judge_vacuum(is_on=True, oldest_age=1_900_000_000)] == [OK, FAILURE]
