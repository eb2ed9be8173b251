"""Sets changes aside that the sink cannot take, and keeps them until they are stored with the position that passes them.

A record that the sink refuses for good is set aside, except in three cases, in which it waits and is offered again:

1. ``halts_lanes``: the operator wants its lane to wait instead.
2. The sink has refused ``MAX_IN_A_ROW`` records for good, and accepted none in between: it is the sink that is at fault.
3. The record's request began before the sink accepted a record again after case 2: the answer is about the time before.

A dead letter that is sent again is set aside again in case 1: it has no place in its lane to lose, and others that are to be sent again wait
for it. Nor does it count in case 2: that it is refused says more about itself than about the sink.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from forwarder.delivery.sink import Rejection
from forwarder.logs import Throttled
from forwarder.metrics import SinkMetrics
from forwarder.records.record import Record, SetAside

# Records that can never be stored are rare, and so many in a row are not to be expected.
MAX_IN_A_ROW = 20

logger = logging.getLogger(__name__)


class Dropped(NamedTuple):
    """How much of what loads of one table have sent was dropped, for them to deal with."""

    # Rows, and beginnings and ends, whose stream cannot be written to.
    rows_stranded: int
    # Beginnings and ends of loads that the sink refuses.
    marks_refused: int


class Quarantine:
    """Decides which refused records are set aside, and keeps those since the last ``take``."""

    def __init__(self, metrics: SinkMetrics, *, halts_lanes: bool = False) -> None:
        """``halts_lanes``: set no change aside that the sink refuses; its lane waits until somebody has mended what is wrong."""
        self._metrics = metrics
        self.halts_lanes = halts_lanes
        self._waiting: list[SetAside] = []
        # What was dropped of loads, by the ids of the tables.
        self._rows_stranded: Counter[int] = Counter()
        self._marks_refused: Counter[int] = Counter()
        self._in_a_row = 0
        # When the sink first accepted a record again after the last time it had refused so many.
        self._accepts_since = 0.0
        self._complaints = Throttled(seconds=10.0)

    def isolate(self, changes: Sequence[SetAside]) -> None:
        """Set changes aside.

        The beginning or end of a load is dropped: sent again later, it would be in another place. The load fails.
        """
        for change in changes:
            if change.read and change.is_mark:
                self._marks_refused[change.read.table.id] += 1
            else:
                self._waiting.append(change)
            self._metrics.set_aside(change.code)
            logger.error("change set aside", extra={"seq": change.seq, "code": change.code, "bytes": change.size})

    def strand(self, changes: Sequence[SetAside]) -> None:
        """Set changes aside whose stream cannot be written to. They may be many, and the log has named the stream.

        Rows that a load has read are dropped: as dead letters they would come behind changes that are newer. The load reads them again.
        """
        kept = [change for change in changes if not change.read]
        self._rows_stranded.update(change.read.table.id for change in changes if change.read)
        self._waiting += kept
        for change in kept:
            self._metrics.set_aside(change.code)

    def admit(self, refused: Sequence[Rejection], *, accepted: int, began: float, now: float) -> Sequence[Record]:
        """Set aside records that the sink has refused for good, and return those that have to wait instead.

        ``accepted``: how many records of the same request it did not reject. ``began``: when that was sent.
        """
        if accepted:
            if self._in_a_row >= MAX_IN_A_ROW:
                self._accepts_since = now
            self._in_a_row = 0
        waiting = []
        for rejection in refused:
            record = rejection.record
            halts = self.halts_lanes and not record.was_set_aside
            if halts or self._in_a_row >= MAX_IN_A_ROW or began < self._accepts_since:
                waiting.append(record)
                self._complain(rejection)
            else:
                self._in_a_row += not record.was_set_aside
                self.isolate([record.set_aside(code=rejection.code, reason=rejection.reason)])
        return waiting

    def dropped(self, table_id: int) -> Dropped:
        """What was dropped of loads of this table so far."""
        return Dropped(self._rows_stranded[table_id], self._marks_refused[table_id])

    @property
    def holds_any(self) -> bool:
        """Whether something was set aside that is not stored."""
        return bool(self._waiting)

    def take(self) -> Sequence[SetAside]:
        """What was set aside since the last call. Whoever saves a position stores it first, or in the same transaction."""
        waiting, self._waiting = self._waiting, []
        return waiting

    def _complain(self, rejection: Rejection) -> None:
        event = "record refused for good, its lane waits" if self.halts_lanes else "the sink refuses every record"
        if self._complaints.due(event):
            logger.error(event, extra={"seq": rejection.record.seq, "code": rejection.code})
