"""Checks that the changes of each row come in order. Pure."""

from __future__ import annotations

from typing import Literal

from forwarder.consumer.change import Change
from forwarder.consumer.lane import identity_of, lane_of
from forwarder.consumer.recent import Recent

REMEMBERED = 100_000

Verdict = Literal["new", "repeat", "late", "unknown"]


class OrderCheck:
    """Remembers of each row the seq of its last change, and the changes of late by their ids.

    It is for the records of a stream in the order in which a consumer reads them: each shard's in theirs, children after their parents.
    """

    def __init__(self, *, remembered: int = REMEMBERED) -> None:
        self._last = Recent(remembered)
        self._seen = Recent(remembered)

    def add(self, change: Change) -> Verdict:
        """What the next change is.

        * new: the first of its row, or later than the last one
        * repeat: this very change has come before
        * late: it is older than the last one of its row, and did not come before (or so long ago that it is forgotten). Under
          ``ordering=strict`` only a dead letter that is sent again is. A row that a load has read never is: its seq may be below that of the
          change before it, and only what comes after it has to exceed both.
        * unknown: it has no key or no seq, so nothing can be said
        """
        lane, identity = lane_of(change), identity_of(change)
        if identity is not None:
            if identity in self._seen:
                return "repeat"
            self._seen[identity] = 0
        if lane is None or change.seq is None:
            return "unknown"
        last = self._last.get(lane, 0)
        if change.seq < last and change.op != "read":
            return "late"
        self._last[lane] = max(change.seq, last)
        return "new"
