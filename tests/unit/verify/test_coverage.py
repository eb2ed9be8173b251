"""When a row without a record is missing, and when it may only be older than the records."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from forwarder.verify.coverage import Coverage

NOON = datetime(2026, 1, 2, 12, tzinfo=UTC)
BEFORE, AFTER = NOON - timedelta(hours=1), NOON + timedelta(hours=1)


def is_complete(coverage: Coverage, *, attached_at: datetime | None = None, sink: datetime | None = BEFORE) -> bool:
    return coverage.is_complete(attached_at=attached_at, sink_created_at=sink)


def test_nothing_is_known_of_records_alone() -> None:
    coverage = Coverage()
    assert not is_complete(coverage)
    coverage.see(NOON)
    assert not is_complete(coverage)


def test_all_of_a_table_that_was_emptied_is_there() -> None:
    assert is_complete(Coverage(was_truncated=True))


def test_a_load_counts_if_something_of_before_it_is_there() -> None:
    coverage = Coverage(tells_loads=False)
    coverage.see(NOON)
    coverage.see_read(NOON)
    # Where the records begin with it, its first rows may be gone.
    assert not is_complete(coverage)
    coverage.see(BEFORE)
    assert is_complete(coverage)


def test_a_load_counts_if_its_beginning_and_its_end_are_there() -> None:
    coverage = Coverage()
    coverage.see(BEFORE)
    coverage.see_read(NOON)
    coverage.see_load({"number": 7, "state": "finished"})
    # The records begin within this load, and end within the next one.
    coverage.see_load({"number": 8, "state": "began"})
    assert not is_complete(coverage)
    coverage.see_load({"number": 8, "state": "finished"})
    assert is_complete(coverage)


def test_a_load_of_some_rows_does_not_count() -> None:
    for tells_loads in (True, False):
        coverage = Coverage(tells_loads=tells_loads, partial_loads={7})
        coverage.see(BEFORE)
        coverage.see_read(NOON)
        coverage.see_load({"number": 7, "state": "began"})
        coverage.see_load({"number": 7, "state": "finished"})
        assert not is_complete(coverage)


def test_a_table_that_was_attached_is_told_of_from_then_on() -> None:
    coverage = Coverage()
    coverage.see(BEFORE)
    assert is_complete(coverage, attached_at=NOON)
    assert not is_complete(coverage, attached_at=NOON, sink=AFTER)
    assert not is_complete(coverage, attached_at=NOON, sink=None)
    coverage.gaps.add("capture began")
    assert not is_complete(coverage, attached_at=NOON)


def test_records_that_begin_later_say_nothing_of_before() -> None:
    coverage = Coverage()
    coverage.see(AFTER)
    assert not is_complete(coverage, attached_at=NOON)
