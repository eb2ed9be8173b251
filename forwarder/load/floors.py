"""The seq of rows that were read: one that every later change of theirs exceeds. Pure.

A row that was read with a snapshot, S2, comes after the changes that S2 sees and before all others. A consumer that tells old from new by ``seq``
needs one for it that is below those of all others. Those belong to transactions that were running when S2 was taken, or have begun since: none has an
id below S2's xmin. A position of the sink has a floor that no transaction has changes below whose id is at least the position's own xmax. So the
floor of a position will do whose xmax is not above the xmin of S2.
"""

from __future__ import annotations

from collections import deque

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
        """A seq for rows that are read with this snapshot; 0 if none is known."""
        while len(self._known) > 1 and self._known[1][0] <= snapshot.xmin:
            self._known.popleft()
        xmax, floor_seq = self._known[0] if self._known else (0, 0)
        return floor_seq if xmax <= snapshot.xmin else 0
