"""Counts the changes of a page by table. Pure.

    a page: I of a, U of a, I of b, I of a ──► a: 3 changes (2 I, 1 U) and the bytes of their images; b: 1 change …

A page is counted as a whole, or in pieces by seq: a position may stand in the middle of it.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import NamedTuple

from forwarder.events import CapturedTable, Event
from forwarder.records.operations import OPERATIONS


@dataclass(slots=True)
class TableTally:
    """What was counted of one table."""

    # By `Event.op`.
    changes: Counter[bytes] = field(default_factory=Counter)
    # Of their images, as the outbox has them.
    bytes: int = 0
    # When the last of them was committed or captured, as `Event.at`; 0: nobody has said.
    last_at: int = 0

    def add(self, other: TableTally) -> None:
        """Count what the other one has counted as well."""
        self.changes.update(other.changes)
        self.bytes += other.bytes
        self.last_at = max(self.last_at, other.last_at)


class Tally:
    """What was counted of each table."""

    def __init__(self) -> None:
        self.tables: defaultdict[CapturedTable, TableTally] = defaultdict(TableTally)

    def __bool__(self) -> bool:
        return bool(self.tables)

    def add(self, other: Tally) -> None:
        """Count what the other one has counted as well."""
        for table, counted in other.tables.items():
            self.tables[table].add(counted)

    def by_operation(self) -> Mapping[tuple[str, str], int]:
        """How many changes there were of each table and operation, by the names that records have: ``{("public.orders", "insert"): 3}``."""
        return {
            (table.qualified_name, OPERATIONS[op]): changes
            for table, counted in self.tables.items()
            for op, changes in counted.changes.items()
        }


class _Last(NamedTuple):
    """The last change of a table on a page."""

    seq: int
    at: int


class PageCount:
    """The changes of a page, in order of seq, and how many of them are counted already. It keeps no event."""

    __slots__ = ("_counted", "_keys", "_kinds", "_last", "_seqs", "_sizes")

    def __init__(self, events: Sequence[Event]) -> None:
        # This runs for every event, so each line is one pass that takes some hundredths of a microsecond an event.
        tables = [event.table for event in events]
        ops = [event.op for event in events]
        self._seqs = [event.seq for event in events]
        self._sizes = [event.image_bytes for event in events]
        self._counted = 0
        self._kinds: Sequence[int]
        if len(set(tables)) <= 1:
            # Then an op is a kind by itself, and the kinds are a string of bytes.
            self._kinds = b"".join(ops)
            self._keys = {op[0]: (tables[0], op) for op in set(ops)}
            self._last = {events[-1].table: _last(events[-1])} if events else {}
        else:
            kinds: defaultdict[tuple[CapturedTable, bytes], int] = defaultdict(count().__next__)
            self._kinds = [kinds[key] for key in zip(tables, ops, strict=True)]
            self._keys = {kind: key for key, kind in kinds.items()}
            self._last = {table: _last(event) for table, event in dict(zip(tables, events, strict=True)).items()}

    @property
    def first_seq(self) -> int | None:
        """That of the first change; None if there is none."""
        return self._seqs[0] if self._seqs else None

    @property
    def is_counted(self) -> bool:
        """Whether all of it is counted."""
        return self._counted == len(self._seqs)

    def count(self, tally: Tally, *, before_seq: int | None = None) -> None:
        """Count what is not counted yet, up to ``before_seq``, or all of it."""
        first = self._counted
        end = len(self._seqs) if before_seq is None else bisect_left(self._seqs, before_seq, lo=first)
        if first == end:
            return
        self._counted = end
        kinds, sizes = self._kinds[first:end], self._sizes[first:end]
        for kind, changes in Counter(kinds).items():
            table, op = self._keys[kind]
            tally.tables[table].changes[op] += changes
        self._add_bytes(tally, kinds, sizes)
        for table, last in self._last.items():
            if self._seqs[first] <= last.seq and (before_seq is None or last.seq < before_seq):
                counted = tally.tables[table]
                counted.last_at = max(counted.last_at, last.at)

    def _add_bytes(self, tally: Tally, kinds: Sequence[int], sizes: Iterable[int]) -> None:
        if len(self._last) == 1:
            (table,) = self._last
            tally.tables[table].bytes += sum(sizes)
            return
        of_kind = [0] * len(self._keys)
        for kind, size in zip(kinds, sizes, strict=True):
            of_kind[kind] += size
        for kind, size in enumerate(of_kind):
            if size:
                tally.tables[self._keys[kind][0]].bytes += size


def _last(event: Event) -> _Last:
    return _Last(event.seq, event.at if event.committed_at is None else event.committed_at)
