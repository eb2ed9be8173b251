"""The demo's audit must find what it is there to find."""

from forwarder.demo.audit import Absence, Findings, audit, percentile
from forwarder.demo.ledger import Arrival, Change, Commit, Ledger

COMMITTED_AT = 100.0


def change(version: int, *, key: int = 1, operation: str = "update") -> Change:
    return Change("orders", (key,), operation, version)


def commit(*changes: Change, at: float = COMMITTED_AT) -> Commit:
    return Commit(at=at, changes=changes)


def arrival(seq: int, what: Change, *, at: float = COMMITTED_AT + 0.005) -> Arrival:
    return Arrival(id=f"7/{seq:016x}", seq=seq, change=what, at=at, shard="shardId-000000000000")


def audit_of(commits: list[Commit], *arrivals: Arrival) -> Findings:
    return audit(commits, arrivals)


def test_every_change_once_and_in_order_holds() -> None:
    findings = audit_of([commit(change(1), change(2))], arrival(1, change(1)), arrival(2, change(2)))

    assert findings.held
    assert (findings.committed, findings.read, findings.repeats) == (2, 2, 0)


def test_a_committed_change_that_was_not_read_is_lost() -> None:
    findings = audit_of([commit(change(1), change(2))], arrival(1, change(1)))

    assert findings.lost == [change(2)]
    assert not findings.held


def test_a_deletion_that_was_not_read_is_lost() -> None:
    deletion = change(2, operation="delete")

    findings = audit_of([commit(change(1)), commit(deletion)], arrival(1, change(1)))

    assert findings.lost == [deletion]


def test_an_older_change_after_a_newer_one_of_the_same_row_is_out_of_order() -> None:
    changes = [change(1), change(2), change(3)]

    findings = audit_of([commit(*changes)], arrival(1, changes[0]), arrival(3, changes[2]), arrival(2, changes[1]))

    assert findings.out_of_order == [change(2)]
    assert not findings.held


def test_versions_in_order_with_falling_seq_are_out_of_order() -> None:
    findings = audit_of([commit(change(1), change(2))], arrival(2, change(1)), arrival(1, change(2)))

    assert findings.out_of_order == [change(2)]


def test_a_change_after_the_deletion_of_its_row_is_out_of_order() -> None:
    deletion = change(3, operation="delete")

    findings = audit_of([commit(change(2)), commit(deletion)], arrival(1, deletion), arrival(2, change(2)))

    assert findings.out_of_order == [change(2)]


def test_rows_are_in_no_order_among_each_other() -> None:
    one, other = change(1, key=1), change(1, key=2)

    assert audit_of([commit(one), commit(other)], arrival(2, other), arrival(1, one)).held


def test_a_change_that_was_rolled_back_is_a_phantom() -> None:
    findings = audit_of([commit(change(1))], arrival(1, change(1)), arrival(2, change(2)))

    assert findings.phantoms == [change(2)]
    assert not findings.held


def test_a_rolled_back_change_is_a_phantom_even_if_its_version_was_committed_later() -> None:
    findings = audit_of([commit(change(1))], arrival(1, change(1)), arrival(2, change(1)))

    assert findings.phantoms == [change(1)]
    assert not findings.held


def test_a_repeat_is_counted_and_does_no_harm() -> None:
    first, second = arrival(1, change(1)), arrival(2, change(2))

    findings = audit_of([commit(change(1), change(2))], first, second, first, second)

    assert findings.held
    assert findings.repeats == 2


def test_latency_runs_from_the_commit_to_the_first_arrival() -> None:
    first, again = arrival(1, change(1), at=COMMITTED_AT + 0.5), arrival(1, change(1), at=COMMITTED_AT + 3.0)

    findings = audit_of([commit(change(1))], first, again)

    assert findings.latencies == [0.5]


def test_what_an_outage_delayed_stands_apart() -> None:
    before, during, behind, after = (change(1, key=key) for key in range(4))
    commits = [commit(before, at=9.0), commit(during, at=10.5), commit(behind, at=12.1), commit(after, at=13.0)]
    arrivals = [
        arrival(1, before, at=9.5),
        arrival(2, during, at=12.5),
        arrival(3, behind, at=12.5),
        arrival(4, after, at=13.25),
    ]

    findings = audit(commits, arrivals, outages=[Absence(began_at=10.0, ended_at=12.0)])

    assert findings.latencies == [0.25, 0.5]
    assert findings.outage_latencies == [12.5 - 12.1, 2.0]


def test_a_percentile_is_a_latency_that_occurred() -> None:
    latencies = [float(number) for number in range(1, 101)]

    assert percentile(latencies, 50) == 50.0
    assert percentile(latencies, 99) == 99.0
    assert percentile([7.0], 99) == 7.0
    assert percentile([], 99) is None


def test_the_ledger_counts_a_record_that_was_read_before_its_writer_heard_of_the_commit() -> None:
    ledger = Ledger()

    ledger.read(arrival(1, change(1)))
    ledger.commit(commit(change(1), change(2)))

    assert (ledger.events, ledger.unread) == (2, 1)


def test_the_ledger_takes_no_repeat_for_a_record_that_is_still_to_come() -> None:
    ledger = Ledger()
    ledger.commit(commit(change(1), change(2)))

    for _ in range(2):
        ledger.read(arrival(1, change(1)))

    assert (ledger.unread, ledger.repeats) == (1, 1)
