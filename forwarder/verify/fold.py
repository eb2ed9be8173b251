"""Folds the changes of a table into the last state of each of its rows, in whatever order the shards of a stream are read. Pure but for its states.

Of two changes of a row the one with the higher version counts. A TRUNCATE has its place among the versions: rows with a lower one are gone.

1. Where the format has the ``seq``, twice that is the version; of a row that a load has read, one more. So such a row is later than a change
   with the same seq, and than a TRUNCATE with it.
2. Else it is the millisecond in which the record arrived, or in a file the number of the record. Of equal ones the one that is read later counts:
   the records of a row are in one shard, in order.
3. A row that a load has read has no ``seq`` with DMS, even where changes have it. It is later than what was told of the row before, and than a
   repeat of that; and earlier than changes with a higher ``seq``. Whether a TRUNCATE came before it is told by the times of their records.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from forwarder.consumer import Change, Unreadable, decode
from forwarder.consumer.reading.stored_record import StoredRecord
from forwarder.verify.content import Content, canonical, flat, merged
from forwarder.verify.coverage import Coverage
from forwarder.verify.reading import Reading
from forwarder.verify.states import UNNUMBERED, RowStates, State, Truncate
from forwarder.verify.watch import Watch

_NEVER = UNNUMBERED, None
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_UNIT = timedelta(milliseconds=1)
_OF_ROWS = frozenset(("insert", "update", "delete", "read"))


@dataclass(slots=True)
class Counts:
    """How much was read, and what of it says nothing of a row."""

    records: int = 0
    # Of the table.
    changes: int = 0
    unreadable: int = 0
    # Of the table, without a key or a row (fault).
    without_row: int = 0
    # Of another database that has a table of this name, or in another format than the sink has now.
    foreign: int = 0
    other_format: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """By what the changes of the table are known among others. What is None is not looked at."""

    format: str
    schema: str | None
    table: str | None
    # What the ids of changes of this database begin with.
    origins: Collection[str] = ()
    # Whether changes have a seq.
    has_seq: bool = True
    # Changes that were captured before are passed over.
    first_at: datetime | None = None
    # Whether an update may tell only the columns that it changes.
    tells_changed_columns: bool = False
    # Whether the rows themselves are kept, to be shown.
    keeps_rows: bool = False


@dataclass(slots=True)
class Fold:
    """Takes records as they are read, and keeps the states up to date."""

    states: RowStates
    watch: Watch
    reading: Reading
    expected: Expected
    coverage: Coverage = field(default_factory=Coverage)
    counts: Counts = field(default_factory=Counts)
    # Version and time of the last TRUNCATE of the table (None) and of each of its partitions.
    _truncated: dict[str | None, tuple[int, datetime | None]] = field(default_factory=dict)
    _waiting: list[State] = field(default_factory=list)

    def take(self, records: Sequence[StoredRecord]) -> None:
        """The next records."""
        for record in records:
            self.counts.records += 1
            changes: Sequence[Change]
            try:
                changes = decode(record.data)
            except Unreadable as error:
                self.counts.unreadable += error.count
                changes = error.changes
            for change in changes:
                self._see(change, record)
        self._flush()

    def _see(self, change: Change, record: StoredRecord) -> None:
        at = record.arrived_at or change.at
        self.coverage.see(at)
        if not self._is_expected(change) or not self._is_recent(change):
            return
        self.counts.changes += 1
        version = self._version(change, record)
        if change.op == "truncate":
            self._truncate(change, version, at)
        elif change.op == "gap":
            self.coverage.gaps.add(change.fault or "unknown")
        elif change.op == "load":
            self.coverage.see_load(change.load)
        elif change.op in _OF_ROWS:
            if change.op == "read":
                self.coverage.see_read(at)
            self._apply(change, version, at)

    def _is_expected(self, change: Change) -> bool:
        expected = self.expected
        if change.op == "event" or change.table != expected.table or change.schema != expected.schema:
            return False
        if change.format != expected.format:
            self.counts.other_format += 1
            return False
        if expected.origins and change.origin is not None and change.origin not in expected.origins:
            self.counts.foreign += 1
            return False
        return True

    def _is_recent(self, change: Change) -> bool:
        first_at = self.expected.first_at
        return first_at is None or change.at is None or change.at >= first_at

    def _version(self, change: Change, record: StoredRecord) -> int:
        if not self.expected.has_seq:
            return self._arrival(record)
        return UNNUMBERED if change.seq is None else 2 * change.seq + (change.op == "read")

    def _arrival(self, record: StoredRecord) -> int:
        at = _milliseconds(record.arrived_at)
        return self.counts.records if at is None else at

    def _truncate(self, change: Change, version: int, at: datetime | None) -> None:
        self._flush()
        partition = change.partition
        if version >= self._truncated.get(partition, _NEVER)[0]:
            self._truncated[partition] = version, at
        truncate = Truncate(version, _milliseconds(at), partition)
        self.states.truncate(truncate)
        self.watch.truncate(truncate)
        self.coverage.was_truncated |= partition is None

    def _is_truncated(self, change: Change, version: int, at: datetime | None) -> bool:
        """Whether the row was there before a TRUNCATE that was read already."""
        for truncated, truncated_at in {
            self._truncated.get(None, _NEVER),
            self._truncated.get(change.partition, _NEVER),
        }:
            if version < truncated and version != UNNUMBERED:
                return True
            if version == UNNUMBERED and at and truncated_at and at < truncated_at:
                return True
        return False

    def _apply(self, change: Change, version: int, at: datetime | None) -> None:
        key = self.reading.key(change)
        if key is None:
            self.counts.without_row += 1
            return
        state = self._state(change, key, version)
        if version == UNNUMBERED:
            state = state._replace(loaded_at=_milliseconds(at))
        if self._is_truncated(change, version, at):
            self.watch.note_truncated(state)
            return
        self._waiting.append(state)
        self.watch.note(state)

    def _state(self, change: Change, key: str, version: int) -> State:
        if change.op == "delete":
            return State(key, version, "deleted", partition=change.partition)
        if change.after is None:
            return State(key, version, "unknown", partition=change.partition)
        content = self._content(change, key)
        told = canonical(flat(change.after)) if self.expected.keeps_rows else None
        return State(key, version, "row", content, change.partition, told)

    def _content(self, change: Change, key: str) -> Content:
        content = self.reading.content(change.after)
        if not self.expected.tells_changed_columns or change.op != "update":
            return content
        self._flush()
        known = self.states.get([key]).get(key)
        return merged(known.content, content) if known and known.content else content

    def _flush(self) -> None:
        if self._waiting:
            self.states.put(self._waiting)
            self._waiting = []


def _milliseconds(at: datetime | None) -> int | None:
    """Since 1970."""
    return None if at is None else (at - _EPOCH) // _UNIT
