"""The seq of rows that were read: one that no earlier TRUNCATE of theirs exceeds, and every later change does. Pure.

A row that was read with a snapshot, S2, comes after the changes that S2 sees and before all others. A consumer that tells old from new by ``seq``
(docs/formats.md) needs one for it that is

1. below those of the changes that S2 does not see. They are of transactions that were running when S2 was taken, or have begun since: none has an
   id below S2's xmin. A position of the sink has a floor that no transaction has changes below whose id is at least the position's own
   xmax. So the floor of a position will do whose xmax is not above the xmin of S2;
2. not below that of a TRUNCATE that S2 sees, or the row would count as truncated. The seq of the TRUNCATE is below those of the changes of point
   1 as well: it had the table locked, so whoever had changed the table before had ended.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

from forwarder.events import CapturedTable, Event
from forwarder.outbox.position import Position, Snapshot

# Rarely more than a few are of use: all but one of those that are below the xmin.
_MOST = 1000


class SeqFloors:
    """The floors of the positions that the sink has passed."""

    def __init__(self) -> None:
        # The xmax and floor of each, in order.
        self._known: deque[tuple[int, int]] = deque(maxlen=_MOST)

    def note(self, position: Position) -> None:
        """The sink has come to this position."""
        xmax, floor_seq = position.delivered.xmax, position.floor_seq
        if not self._known or (xmax, floor_seq) > self._known[-1]:
            self._known.append((xmax, floor_seq))

    def below(self, snapshot: Snapshot) -> int:
        """A seq that all changes exceed which the snapshot does not see; 0 if none is known."""
        while len(self._known) > 1 and self._known[1][0] <= snapshot.xmin:
            self._known.popleft()
        xmax, floor_seq = self._known[0] if self._known else (0, 0)
        return floor_seq if xmax <= snapshot.xmin else 0


class Truncations:
    """The last TRUNCATE that a sink has taken of a table, and of each of its partitions that was truncated by itself."""

    def __init__(self, table: CapturedTable) -> None:
        self._table_id = table.id
        # By the name of the partition; None: the whole table.
        self._seqs: dict[str | None, int] = {}

    def see(self, events: Iterable[Event]) -> None:
        """The sink takes these changes, of any tables."""
        for event in events:
            if event.op == b"T" and event.table.id == self._table_id:
                self.note(event.partition, event.seq)

    def note(self, partition: str | None, seq: int) -> None:
        """There was a TRUNCATE of this partition, or of the whole table (None)."""
        self._seqs[partition] = max(seq, self._seqs.get(partition, 0))

    def last_of(self, partition: str | None) -> int:
        """The seq of the last TRUNCATE that concerned this partition, or a table without any; 0 if there was none."""
        return max(self._seqs.get(None, 0), self._seqs.get(partition, 0))
