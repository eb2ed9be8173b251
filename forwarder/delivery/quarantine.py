"""Changes that the sink cannot take, from the moment that shows until they are stored with the position that passes them."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from forwarder.delivery.sink import Rejection
from forwarder.logs import Throttled
from forwarder.metrics import SinkMetrics
from forwarder.records.record import Record, SetAside

# Poison is rare. If so many are refused for good and none is accepted in between, it is not the records that are at fault.
MAX_IN_A_ROW = 20

logger = logging.getLogger(__name__)


class Quarantine:
    """Decides which refused records are set aside, and keeps what was since the last ``take``."""

    def __init__(self, metrics: SinkMetrics, *, halts_lanes: bool = False) -> None:
        """``halts_lanes``: nothing that the sink refuses is set aside; its lane waits until somebody mends it."""
        self._metrics = metrics
        self._halts_lanes = halts_lanes
        self._waiting: list[SetAside] = []
        self._in_a_row = 0
        # When the sink took a record for the first time after it had refused them all.
        self._came_round_at = 0.0
        self._complaints = Throttled(seconds=10.0)

    def isolate(self, changes: Sequence[SetAside]) -> None:
        """Set changes aside."""
        self._waiting += changes
        for change in changes:
            self._metrics.set_aside(change.code)
            logger.error("change set aside", extra={"seq": change.seq, "code": change.code, "bytes": change.size})

    def admit(self, refused: Sequence[Rejection], *, accepted: int, began: float, now: float) -> Sequence[Record]:
        """Set aside what was refused for good while ``accepted`` others were not; the records that have to wait instead.

        The request ``began`` then. While the sink refuses every record, others are under way; what they say when the sink has come round
        is about the time before.
        """
        if accepted:
            if self._in_a_row >= MAX_IN_A_ROW:
                self._came_round_at = now
            self._in_a_row = 0
        waiting = []
        for rejection in refused:
            if self._halts_lanes or self._in_a_row >= MAX_IN_A_ROW or began < self._came_round_at:
                waiting.append(rejection.record)
                self._complain(rejection)
            else:
                self._in_a_row += 1
                self.isolate([rejection.record.set_aside(code=rejection.code, reason=rejection.reason)])
        return waiting

    def take(self) -> Sequence[SetAside]:
        """What was set aside since the last call. Whoever saves a position has to store it in the same transaction."""
        waiting, self._waiting = self._waiting, []
        return waiting

    def _complain(self, rejection: Rejection) -> None:
        event = "record refused for good, its lane waits" if self._halts_lanes else "the sink refuses every record"
        if self._complaints.due(event):
            logger.error(event, extra={"seq": rejection.record.seq, "code": rejection.code})
