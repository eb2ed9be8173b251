"""What came of a comparison, and what there is to say beside the differences. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from forwarder.verify.coverage import Coverage
from forwarder.verify.fold import Counts
from forwarder.verify.subject import Subject
from forwarder.verify.verification import Tally


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What came of it, and what there is to say beside."""

    table: str
    tally: Tally
    # Of records: how much was read, and since when there are any.
    counts: Counts | None = None
    coverage: Coverage = field(default_factory=Coverage)
    is_complete: bool = True
    # Of a copy: how many rows it has.
    copied: int | None = None
    remarks: Sequence[str] = ()


def of_rules(subject: Subject) -> list[str]:
    """What there is to say of how the table is captured."""
    return [f"not every change of it is captured: {subject.left_out}"] if subject.left_out else []


def remarks(outcome: Outcome) -> Iterator[str]:
    """What was not compared and why, a sentence each."""
    yield from _not_judged(outcome)
    yield from _about_records(outcome)
    tally = outcome.tally
    if tally.only_ours:
        yield f"not compared, since only the table has them: {', '.join(sorted(tally.only_ours))}"
    if tally.only_theirs:
        yield f"not compared, since the table does not have them: {', '.join(sorted(tally.only_theirs))}"
    yield from outcome.remarks


def _not_judged(outcome: Outcome) -> Iterator[str]:
    tally, oldest_at = outcome.tally, outcome.coverage.oldest_at
    if tally.untold:
        since = f"the records go back to {oldest_at:%Y-%m-%d %H:%M:%S} UTC" if oldest_at else "there are no records"
        yield (
            f"{counted(tally.untold, 'row')} without a record not judged: {since}, and nothing says that they tell of every row; with --complete"
            " such rows are missing"
        )
    if tally.unknown:
        yield f"{counted(tally.unknown, 'row')} not judged: the record says that the row is there, and does not hold it"
    if tally.unreadable_keys:
        yield (
            f"{counted(tally.unreadable_keys, 'record')} not judged: no such row was met, and the table cannot be asked for it again, since the"
            " record has the key otherwise than PostgreSQL writes it"
        )


def _about_records(outcome: Outcome) -> Iterator[str]:
    counts = outcome.counts or Counts()
    if gaps := outcome.coverage.gaps:
        yield f"the records say that changes of the table were not captured: {', '.join(sorted(gaps))}"
    if counts.without_row:
        yield f"{counted(counts.without_row, 'change')} of the table without a row in it (fault)"
    if counts.foreign:
        yield f"{counted(counts.foreign, 'change')} passed over that another database has sent"
    if counts.other_format:
        yield f"{counted(counts.other_format, 'change')} passed over in another format than the sink's"
    if counts.unreadable:
        yield f"{counted(counts.unreadable, 'record')} that cannot be read"


def counted(number: int, noun: str) -> str:
    """``1 row``, ``1,000 rows``."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"
