"""Judges, for a listener that stands by, whoever has the leader's lock. Pure; time is an argument.

Any role that may connect can take an advisory lock, and a session can have any name. But a role needs a right to move a sink's position,
and whoever moves it delivers. So the verdict is the first of these that applies:

1. The holder cannot be a listener: it is a prepared transaction, shares the lock, or has a role that may not move the position. Usurped.
2. It could be one, but has not a listener's name, and has not moved the position within ``PATIENCE_SECONDS``. Usurped.
3. Changes have been waiting for ``STILL_SECONDS`` in which no position was saved: the leader is stuck. A warning.
4. Fine.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from forwarder.database.lock_holders import Holder, usurpation

# How long a session under a name that is no listener's has to show that it moves the position.
PATIENCE_SECONDS = 5.0
# Long beside what a leader takes that gets on: it saves several times a second.
STILL_SECONDS = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class LastSave:
    """When a position was saved last, and in which epoch: every leader begins one, and every replay.

    Both numbers are good for comparisons only.
    """

    epoch: int
    saved_at: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What is wrong with whoever leads; None: nothing."""

    # The leader's lock is held by something that is no listener, so nothing is delivered.
    usurpation: str | None = None
    # The leader is stuck.
    warning: str | None = None


FINE = Verdict()


class LeaderWatch:
    """What was seen of one sink's leader so far."""

    def __init__(self, sink: str) -> None:
        self._sink = sink
        self._holder: Holder | None = None
        self._last_save: LastSave | None = None
        self._has_saved = self._has_backlog = False
        self._held_since = self._still_since = 0.0

    def look(self, holders: Sequence[Holder], last_save: LastSave | None, *, has_backlog: bool, now: float) -> Verdict:
        """Judge the first of those who have the lock, of whom those come first that cannot lead.

        ``last_save``: None if it could not be seen, or nothing was saved yet. ``has_backlog``: a change of this sink is waiting now.
        """
        if not holders:
            self._holder = None
            return FINE
        holder = holders[0]
        self._follow(holder, last_save, now)
        # How long we have seen changes wait. How old they are says little: their transaction may have taken as long.
        if not (has_backlog and self._has_backlog):
            self._still_since = now
        self._has_backlog = has_backlog
        if holder.flaw or self._is_suspect(holder, now):
            return Verdict(usurpation=usurpation(self._sink, holders))
        still_seconds = now - self._still_since
        return Verdict(warning=self._warning(holder, still_seconds)) if still_seconds >= STILL_SECONDS else FINE

    def _follow(self, holder: Holder, last_save: LastSave | None, now: float) -> None:
        # Compared by what it is, since a session may change its name at any time.
        if self._holder is None or (holder.pid, holder.prepared) != (self._holder.pid, self._holder.prepared):
            self._holder, self._has_saved, self._last_save = holder, False, last_save
            self._held_since = self._still_since = now
        elif last_save and last_save != self._last_save:
            self._still_since = now
            # Within one epoch only the leader saves. A replay, which is ordered by somebody else, moves the position into another.
            self._has_saved |= bool(self._last_save and self._last_save.epoch == last_save.epoch)
            self._last_save = last_save

    def _is_suspect(self, holder: Holder, now: float) -> bool:
        """Whether case 2 applies."""
        return not (holder.leads or self._has_saved or now - self._held_since < PATIENCE_SECONDS)

    def _warning(self, holder: Holder, seconds: float) -> str:
        return (
            f"the leader of sink {self._sink!r} has saved nothing for {seconds:.0f} seconds although changes wait: {holder}; see what its"
            f" /readyz and log say, and if it is no listener, end it: {holder.remedy}"
        )
