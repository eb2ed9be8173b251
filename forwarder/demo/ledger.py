"""The ledger: what the writers have committed, and what the consumer has read from the stream. Pure."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

# How many latencies the live view takes for recent.
_RECENT_LATENCIES = 1000


@dataclass(frozen=True, slots=True)
class Change:
    """One change of one row. Its ``version`` is 1 for the insert of the row, and one more for each later change, a delete too."""

    table: str
    key: tuple[int, ...]
    operation: str
    version: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Commit:
    """The changes of a transaction whose COMMIT succeeded; it was sent ``at``, in seconds since the epoch."""

    at: float
    changes: Sequence[Change]
    held: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrival:
    """A record as a consumer read it: ``at`` is its ApproximateArrivalTimestamp, in seconds since the epoch."""

    id: str
    seq: int
    change: Change
    at: float
    shard: str
    data: bytes = b""


class Ledger:
    """Commits on one side, arrivals on the other. Writers enter what their own statements returned, never what the outbox has."""

    def __init__(self) -> None:
        self.commits: list[Commit] = []
        self.arrivals: list[Arrival] = []
        self.rolled_back = 0
        self.events = 0
        self.repeats = 0
        self.recent_latencies: deque[float] = deque(maxlen=_RECENT_LATENCIES)
        self._unread: dict[Change, float] = {}
        # Read before the writer has heard that its COMMIT succeeded; when each arrived.
        self._early: dict[Change, float] = {}
        self._ids: set[str] = set()

    @property
    def unread(self) -> int:
        """Committed changes that have not come out of the stream yet."""
        return len(self._unread)

    def commit(self, commit: Commit) -> None:
        self.commits.append(commit)
        self.events += len(commit.changes)
        for change in commit.changes:
            arrived_at = self._early.pop(change, None)
            if arrived_at is None:
                self._unread[change] = commit.at
            else:
                self.recent_latencies.append(arrived_at - commit.at)

    def roll_back(self, changes: Sequence[Change]) -> None:
        """A transaction was rolled back; nothing that it changed may ever be read."""
        self.rolled_back += bool(changes)

    def read(self, arrival: Arrival) -> None:
        self.arrivals.append(arrival)
        if arrival.id in self._ids:
            self.repeats += 1
            return
        self._ids.add(arrival.id)
        committed_at = self._unread.pop(arrival.change, None)
        if committed_at is None:
            self._early[arrival.change] = arrival.at
        else:
            self.recent_latencies.append(arrival.at - committed_at)
